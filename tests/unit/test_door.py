"""The front door puts its parts in order: tested, stored, loaded, and what is left over taken away."""

from __future__ import annotations

from typing import Any

from bluegreen.frontdoor.front_door import FrontDoor


class Said:
    """Stands for a part of the front door; writes down what it is told."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log, self._name = log, name

    def __getattr__(self, what: str) -> Any:
        def told(*given: Any, **named: Any) -> Any:
            self._log.append(f"{self._name}.{what}{given}{named or ''}")
            return 7

        return told


def _door() -> tuple[FrontDoor, list[str]]:
    log: list[str] = []
    nginx, door, snippets, render = (_said(log, name) for name in ("nginx", "door", "snippets", "render"))
    return FrontDoor(nginx, door, snippets, render), log


def _said(log: list[str], name: str) -> Any:
    return Said(log, name)


def test_every_text_is_tested_and_stored_before_one_is_loaded() -> None:
    door, log = _door()
    assert door.load("both", {"blue": "b", "green": "both"}, "blue", "now") == 7
    assert log == [
        "door.test(['both', 'b'],)", "door.store({'blue': 'b', 'green': 'both'},)", "door.load('both', 'blue', 'now')",
    ]  # fmt: skip


def test_directives_are_forgotten_only_when_all_is_settled() -> None:
    door, log = _door()
    door.tidy()
    assert log == ["door.tidy()", "snippets.tidy()"]
    door.tidy(settled=True)
    assert log[-1] == "snippets.forget()"


def test_the_first_file_comes_before_its_route_and_without_a_live_color_there_is_none() -> None:
    door, log = _door()
    door.first("text", 1, "", None, lambda _: (0, ""))
    door.first("text", 2, "now", "green", lambda _: (0, ""))
    told = [it for it in log if not it.startswith("door.test(['text'], ")]
    assert told == ["door.first('text', 1, '')", "door.first('text', 2, 'now')", "door.turn('green',){'keep': True}"]
    assert log[0].startswith("door.test("), "tested before it is written"
