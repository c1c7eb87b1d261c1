"""A lock that is taken away from under a command: it stops before it removes or moves anything more.

At every request to the Engine that a verb makes, in turn: `make check` a sample, `make test-faults` each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.state import holder
from tests.fakes.site import Site, Tell, at_once

CHANGES = ("POST", "PUT", "DELETE")
THOROUGH = bool(os.environ.get("THOROUGH"))


def _second(it: Site) -> int:
    it.run("up", "--progress", "none")
    it.release("shop:2")
    return it.run("switch", "--progress", "none")


def _remove(it: Site) -> None:
    (it.state / "lock").unlink()


def _replace(it: Site) -> None:
    _remove(it)
    (it.state / "lock").write_text('{"pid": 1}')


def _watch(it: Site, at: int, act: Callable[[Site], None]) -> list[str]:
    """Does something before the request of this number; returns, when all is over, those after it that change."""
    answer, later = it.engine.answer, list[str]()
    count = [0]

    def watched(method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        count[0] += 1
        if count[0] == at:
            act(it)
        elif count[0] > at and method in CHANGES:
            later.append(f"{method} {path}")
        return answer(method, path, query, body)

    it.engine.answer = watched  # type: ignore[method-assign]  # a hook of this test
    return later


VERBS = (["switch"], ["prepare"], ["flip-back", "--wait", "0s"], ["up"], ["down", "--yes"], ["switch", "--to", "1"])
MOST = 60  # requests of the longest of these


@pytest.mark.parametrize("typed", VERBS, ids=" ".join)
@pytest.mark.parametrize("at", range(1, MOST) if THOROUGH else range(6, MOST, 31))
def test_a_command_without_its_lock_changes_nothing_more(shop: Site, tell: Tell, typed: list[str], at: int) -> None:
    at_once(shop, "two", lambda: _second(shop))
    if typed in (["switch"], ["prepare"]):
        shop.document["services"]["web"]["environment"] = {"NEW": "1"}
    if typed == ["up"]:
        shop.engine.named("shop-green-web-1").state = "exited"
        shop.engine.named("shop-blue-web-2").state = "exited"
    assert shop.nginx is not None
    before, asked = shop.nginx.live, len(shop.engine.asked)
    later = _watch(shop, at, _remove if at % 2 else _replace)
    code, found = tell(*typed)
    if len(shop.engine.asked) - asked < at:
        return  # it was over before
    assert code in (0, 1, 4, 5), found
    assert later == [], "nothing that changes anything is asked of the Engine any more"
    live = shop.nginx.live if shop.nginx else None
    if code == 1 and typed[0] != "down":
        assert live == before, found
    if code == 0 and found["outcome"] in ("switched", "flipped-back"):
        assert live != before
    shop.engine.answer = type(shop.engine).answer.__get__(shop.engine)  # type: ignore[method-assign]
    if typed[0] == "down":
        assert shop.run("down", "--yes", "--progress", "none") == 0
    else:
        assert tell("up")[0] == 0
        shop.release("shop:1")
        shop.document["services"]["web"]["environment"] = {"NEW": "2"}
        assert tell("switch")[1]["outcome"] == "switched", "and the next commands go on from there"


def test_who_takes_a_lock_has_the_one_that_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, calls = holder.taken, []

    def late(descriptor: int) -> bool:
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / "lock").unlink()
        return taken(descriptor)

    monkeypatch.setattr(holder, "taken", late)
    descriptor = holder.take(str(tmp_path))
    assert descriptor is not None
    assert holder.on_disk(str(tmp_path), descriptor)
    (tmp_path / "lock").unlink()
    assert not holder.on_disk(str(tmp_path), descriptor)
    os.close(descriptor)
