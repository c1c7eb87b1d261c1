"""The quick way lets through only what the plan of a flip-back has no objection to."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluegreen.cli.quick import _read, usual
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.domain.world import World
from bluegreen.plans.flip_back import plan_flip_back
from tests.unit.worlds import routing, slot

FILE = routing("blue", blue=slot("blue", 7), green=slot("green", 6)).as_dict()
ANSWER = {"app": "shop", "generation": 5, "live": "blue", "default": "blue", "nginx": "1.30.6", "worker": 9}
COLORS = st.sampled_from(["blue", "green", None])


def test_what_is_as_usual_goes_the_quick_way() -> None:
    assert usual(FILE, ANSWER, "blue")
    assert usual(FILE, ANSWER, "none"), "after the first up of a bluegreen that knew no route"


def _changed(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FILE), **more}


@pytest.mark.parametrize(
    ("file", "answer", "named"),
    [
        (FILE, None, "blue"),
        (FILE, {**ANSWER, "live": "green"}, "blue"),
        (FILE, {**ANSWER, "live": "green"}, "green"),
        (FILE, {**ANSWER, "default": "green"}, "blue"),
        (FILE, {**ANSWER, "generation": 4}, "blue"),
        (FILE, {**ANSWER, "app": "another"}, "blue"),
        (FILE, ANSWER, "green"),
        (FILE, ANSWER, None),
        (_changed(standing="prepared"), ANSWER, "blue"),
        (_changed(standing=None), ANSWER, "blue"),
        (_changed(live=None), {**ANSWER, "live": None, "default": None}, "none"),
        (_changed(slots={"blue": FILE["slots"]["blue"]}), ANSWER, "blue"),
        (_changed(slots={}), ANSWER, "blue"),
        ({}, ANSWER, "blue"),
        ({"slots": 3, "live": "blue"}, ANSWER, "blue"),
    ],
)
def test_what_is_unusual_does_not(file: dict[str, Any], answer: dict[str, Any] | None, named: str | None) -> None:
    assert not usual(file, answer, named)


@given(
    live=COLORS, standing=st.sampled_from(["previous", "prepared", None]), answered=COLORS, default=COLORS,
    named=st.sampled_from(["blue", "green", "none", None]), migrated=st.booleans(), reversible=st.booleans(),
    releases=st.tuples(st.integers(1, 3), st.integers(1, 3)), both=st.booleans(),
)  # fmt: skip
def test_the_plan_objects_to_nothing_that_is_usual(**it: Any) -> None:
    file = copy.deepcopy(FILE)
    file["live"], file["standing"] = it["live"], it["standing"]
    file["slots"]["blue"] |= {"release": it["releases"][0], "migrated": it["migrated"], "reversible": it["reversible"]}
    file["slots"]["green"] |= {"release": it["releases"][1]}
    if not it["both"]:
        del file["slots"]["green"]
    answer = {**ANSWER, "live": it["answered"], "default": it["default"]}
    if not usual(file, answer, it["named"]):
        return
    found = Routing.from_dict(file)
    plan = plan_flip_back(World("shop", None, ControlAnswer(**answer), found, ()), force=False)
    assert plan.target == found.idle
    names = [step.name for step in plan.steps if step.name != "jobs"]
    assert names == ["health", "route", "confirm", "seal", "record"], "what the quick way does, in its order"


@pytest.mark.parametrize(
    ("words", "files", "name", "json"),
    [
        (["flip-back"], [], None, False),
        (["flip-back", "--json"], [], None, True),
        (["-f", "a.yaml", "--file", "b.yaml", "-p", "shop", "flip-back"], ["a.yaml", "b.yaml"], "shop", False),
    ],
)
def test_it_reads_what_it_knows(words: list[str], files: list[str], name: str | None, json: bool) -> None:
    found = _read(words)
    assert (found.files, found.name, found.json) == (files, name, json)


@pytest.mark.parametrize(
    "words",
    [
        ["flip-back", "--force"], ["flip-back", "--help"], ["flip-back", "--now"], ["flip-back", "--jso"],
        ["--env-file", "x", "flip-back"], ["-f", "flip-back"], ["-f", "-p", "flip-back"],
        ["-p", "a", "x", "flip-back"],
        ["flip-back", "--json", "--json"], ["flip-back", "flip-back"], ["expect", "flip-back"],
    ],
)  # fmt: skip
def test_it_leaves_what_it_does_not_know_to_the_full_command(words: list[str]) -> None:
    assert _read(words) is None
