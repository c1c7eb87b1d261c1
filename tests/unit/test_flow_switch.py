"""A switch as a whole: what is looked at before it, what is made once, and what a flip-back does not wait for."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli.app import _may_be_there
from bluegreen.cli.quick import usual
from bluegreen.flow import flip_back as flips
from bluegreen.flow import switch as switches
from bluegreen.flow.observe import at_the_door
from bluegreen.flow.prerequisites import first_file
from tests.fakes.app import App
from tests.fakes.site import Site, Tell
from tests.unit.worlds import routing, slot


def test_a_release_is_looked_at_before_it_is_made_and_not_again_when_it_stands_prepared(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(switches, "look_before_release", lambda _, stack: looked.append(stack.app))
    live.release("shop:2")
    assert tell("prepare")[0] == 0
    assert looked == ["shop"]
    assert tell("switch")[0] == 0
    assert looked == ["shop"]


def test_the_first_file_is_written_for_an_nginx_that_has_never_answered(
    shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []

    def note(tools: Any, stack: Any, text: str, given: Any) -> None:
        written.append(given.live)
        first_file(tools, stack, text, given)

    monkeypatch.setattr(switches, "first_file", note)
    shop.document["x-bluegreen"]["health"]["timeout"] = "10ms"
    shop.sick.add(1)
    assert tell("up")[0] == 1
    assert written == [None]
    shop.engine.remove({}, {}, shop.engine.named("shop-proxy").id)
    assert tell("up")[0] == 0
    assert written == [None, None], "nothing answers, so it is no loss"
    assert tell("switch", "--force")[0] == 0
    assert written == [None, None]


def test_the_first_file_is_not_written_under_an_nginx_that_answers(
    shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.document["x-bluegreen"]["health"]["timeout"] = "10ms"
    shop.sick.add(1)
    assert tell("up")[0] == 1
    shop.document["x-bluegreen"]["listen"] = 8200  # so that the proxy is made again

    def refuse(*_: Any) -> None:
        raise AssertionError("nginx answers already")

    monkeypatch.setattr(switches, "first_file", refuse)
    code, found = tell("up")
    assert (code, found["live"]["release"]) == (0, 2), found
    assert "proxy" in [it["step"] for it in found["steps"]]


@pytest.mark.parametrize("jobs", [False, True])
def test_a_flip_back_does_not_wait_for_the_reload_that_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: bool
) -> None:
    waits: list[bool] = []

    def note(tools: Any, wait: bool = True) -> Any:
        waits.append(wait)
        return at_the_door(tools, wait)

    monkeypatch.setattr(flips, "at_the_door", note)
    monkeypatch.setattr("os.fsync", lambda _: None)
    app = App(tmp_path, jobs=jobs)
    app.run("up")
    app.content = "two"
    app.run("switch")
    done = app.run("flip-back")
    assert done is not None
    assert done.outcome == "flipped-back"
    assert waits == ([True] if jobs else [True, False]), "with jobs the Engine is asked again anyway"


FILE = routing("blue", blue=slot("blue", 7), green=slot("green", 6)).as_dict()
ANSWER = {"app": "shop", "generation": 5, "live": "blue", "default": "blue", "nginx": "1.30.6", "worker": 9}


@pytest.mark.parametrize(
    ("leaving", "release", "quick"),
    [
        ({"migrated": True, "reversible": False}, 6, False), ({"migrated": False, "reversible": False}, 6, True),
        ({"migrated": True, "reversible": True}, 6, True), ({"migrated": True, "reversible": False}, 8, True),
    ],
)  # fmt: skip
def test_only_going_back_over_a_migration_that_ran_and_cannot_be_lived_with_is_unusual(
    leaving: dict[str, bool], release: int, quick: bool
) -> None:
    file = copy.deepcopy(FILE)
    file["slots"]["blue"] |= leaving
    file["slots"]["green"]["release"] = release
    assert usual(file, ANSWER, "blue") is quick


def test_a_compose_file_that_may_not_be_looked_at_is_for_compose_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compose.yaml").touch()
    assert _may_be_there(tmp_path / "compose.yaml")
    assert not _may_be_there(tmp_path / "none.yaml")

    def refuse(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", refuse)
    assert _may_be_there(tmp_path / "none.yaml")
