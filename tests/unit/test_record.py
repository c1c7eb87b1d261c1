"""What is kept of a release, what changed between two, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.domain.app import Route, Settings, Stack
from bluegreen.domain.record import Difference, difference, disposable, kept_releases, restore, written_down
from bluegreen.domain.release import Image
from bluegreen.errors import BluegreenError


def _keyed(text: str) -> str:
    return f"hash of {len(text)}"  # tells that a text has changed by its length alone: enough here


def _stack(environment: dict[str, str], **more: Any) -> Stack:
    services = {"web": {"image": "shop:1", "environment": environment, **more}}
    settings = Settings((Route("web", 8000, "/"),), keep=2)
    return Stack("shop", settings, services, {"default": {}}, {"data": {}}, {}, {}, (), "/srv")


def _record(stack: Stack, number: int = 1, **images: Image) -> dict[str, Any]:
    services = written_down(stack, ["web"], {"web": 1}, _keyed, {"DB_PASSWORD": "from-outside"})
    found = {name: {"ref": it.ref, "id": it.id, "ours": it.ours} for name, it in images.items()}
    return {"number": number, "outcome": "live", "definition": "d", "services": services, "images": found}


def test_no_value_of_a_variable_is_written_down() -> None:
    stack = _stack(
        {"API_TOKEN": "very-secret", "URL": "postgres://u:hidden-word@db/x", "MODE": "production", "EMPTY": ""},
        command=["serve", "--token=very-secret", "--db", "postgres://u:hidden-word@db/x", "from-outside", "production"],
    )
    text = str(_record(stack))
    assert not any(word in text for word in ("very-secret", "hidden-word", "from-outside"))
    assert "production" in text, "what is no secret stays as it is elsewhere in the service"


def test_a_release_comes_back_with_todays_values_and_names_what_differs() -> None:
    then = _stack(
        {"API_TOKEN": "very-secret", "MODE": "long", "GONE": "x"}, command=["--token=very-secret", "from-outside"]
    )
    today = _stack({"API_TOKEN": "new-secret!", "MODE": "longer", "NEW": "y"}, command=["else"], labels={"a": "b"})
    record = _record(then, web=Image("shop:1", "sha256:1"))
    found = restore(record, today, _keyed, lambda _: "defined anew", {"DB_PASSWORD": "from-today"})
    web = found.stack.services["web"]
    assert web["environment"] == {"API_TOKEN": "new-secret!", "MODE": "longer"}
    assert web["command"] == ["--token=new-secret!", "from-today"]
    assert "labels" not in web
    assert found.differing == ("web.GONE", "web.MODE")
    assert (found.definition, found.images["web"].id) == ("defined anew", "sha256:1")
    same = restore(record, then, _keyed, lambda _: "defined anew", {"DB_PASSWORD": "from-outside"})
    assert (same.definition, same.differing) == ("d", ())


def test_a_release_whose_volume_is_gone_does_not_come_back() -> None:
    then = _stack({}, volumes=[{"type": "volume", "source": "old", "target": "/x"}])
    record = _record(then, web=Image("shop:1", "sha256:1"))
    with pytest.raises(BluegreenError, match="needs parts that the Compose file no longer has"):
        restore(record, _stack({}), _keyed, lambda _: "", {})


def test_what_changed_is_named_by_image_key_and_variable() -> None:
    before = _record(_stack({"A": "1", "B": "22"}, command=["x"]), 1, web=Image("shop:1", "sha256:1"))
    after = _record(_stack({"A": "1", "B": "333", "C": "4"}, command=["y"]), 2, web=Image("shop:2", "sha256:2"))
    found = difference(before, after)
    assert (found.images, found.keys, found.variables) == (("web",), ("web.command",), ("web.B", "web.+C"))
    assert difference(before, before) == Difference()


def test_kept_are_those_that_stand_and_the_last_that_served() -> None:
    records = [{"number": n, "outcome": "failed" if n == 5 else "live"} for n in (6, 5, 4, 3, 2, 1)]
    assert kept_releases(records, [6, 2], keep=2) == {6, 4, 2}


def test_only_images_of_ours_that_no_kept_release_needs_are_disposable() -> None:
    def image(identity: str, ours: bool, ref: str = "shop:dev") -> dict[str, Any]:
        return {"web": {"ref": ref, "id": identity, "ours": ours}}

    records = [
        {"number": 4, "images": image("d", ours=True)},
        {"number": 3, "images": image("c", ours=True, ref="shop:3")},
        {"number": 2, "images": image("b", ours=False)},
        {"number": 1, "images": image("d", ours=True)},
    ]
    assert disposable(records, {4}, {}) == {"c": frozenset({"shop:3"})}
    orphans = {"s": "shop:dev", "d": "shop:dev"}  # made by a command that was killed; d has come into a release since
    assert disposable(records, {4}, orphans) == {"c": frozenset({"shop:3"}), "s": frozenset({"shop:dev"})}
