"""A command ended in a step of the edge: no neighbour feels it, and the next command goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import Make
from tests.support.load import Load
from tests.support.machine import THOROUGH, docker
from tests.support.project import Project
from tests.support.street import EDGE, Street

EDGE_STEPS = ("edge", "leave_edge")
SIGNALS = ("SIGKILL", "SIGINT") if THOROUGH else ("SIGKILL",)


@pytest.fixture
def street(make_project: Make) -> Iterator[Street]:
    found = Street(make_project)
    yield found
    found.clean()


@dataclass(frozen=True)
class Scenario:
    """`arrange` brings the app to where `command` has the step; `then` is what a person types after a kill."""

    name: str
    step: str
    command: tuple[str, ...]
    arrange: Callable[[Project], None]
    then: tuple[str, ...]
    there: bool = True  # whether the app is on the edge in the end


def _away(shop: Project) -> None:
    if shop.state.exists():
        shop.ok("down", "--yes")


def _on(shop: Project) -> None:
    shop.write(shop.compose)
    shop.ok("up")


def _wants_away(shop: Project) -> None:
    _on(shop)
    shop.write(shop.compose.replace(EDGE, '  listen: "${SHOP_LISTEN}"\n'))


def _wants_a_name(shop: Project) -> None:
    _on(shop)
    more = f"[shop.example.com, n{time.monotonic_ns()}.example.com]"
    shop.write(shop.compose.replace("host: shop.example.com", f"host: {more}"))


SCENARIOS = (
    Scenario("first up", "edge", ("up",), _away, ("up",)),
    Scenario("another name", "edge", ("switch",), _wants_a_name, ("switch",)),
    Scenario("moves away", "leave_edge", ("up",), _wants_away, ("up",), there=False),
    Scenario("down", "leave_edge", ("down", "--yes"), _on, ("down", "--yes"), there=False),
)


QUICK = ("another name",)  # what `make test` runs
ROWS = [pytest.param(it, marks=() if it.name in QUICK else pytest.mark.long, id=it.name) for it in SCENARIOS]


@pytest.mark.timeout(3600 if THOROUGH else 300)
@pytest.mark.parametrize("scenario", ROWS)
def test_killed_in_a_step_of_the_edge(street: Street, scenario: Scenario) -> None:
    shop, blog = street.app_of("shop.example.com"), street.app_of("blog.example.com")
    shop.compose = shop.file.read_text()
    blog.ok("up")
    scenario.arrange(shop)
    _, report = shop.run_killed(*scenario.command, at={})
    events = next(it["events"] for it in report if it["step"] == scenario.step)
    assert events, "the step asks the outside for something"
    step = 1 if THOROUGH else max(2, events // 2 + 1)
    rows = [("before", 0), *(("middle", event) for event in range(1, events + 1, step)), ("after", 0)]
    asked = 0
    for signal in SIGNALS:
        for moment, event in rows:
            scenario.arrange(shop)
            with Load(street.port, {"get": 6, "fresh": 2}, host="blog.example.com") as load:
                time.sleep(0.2)
                at = {"step": scenario.step, "moment": moment, "signal": signal, "event": event}
                shop.run_killed(*scenario.command, at=at)
                shop.ok(*scenario.then)
                time.sleep(0.2)
            row = f"{scenario.name}: {signal} {moment} {event}"
            assert load.tally.lost == [], (row, load.tally.why())
            asked += len(load.tally.answers)
            assert street.ask("blog.example.com")[0] == 200, row
            assert street.ask("shop.example.com")[0] == (200 if scenario.there else 421), row
            if scenario.then[0] != "down":
                shop.ok("up")  # names that only a release before had are free now
                assert shop.ok("up", "--json").json()["outcome"] == "unchanged", row
                assert shop.status()["drift"] is None, row
    print(f"\n{scenario.name}: {len(rows) * len(SIGNALS)} rows, 0 of {asked} of the neighbour's lost")
    if scenario.there:
        shop.ok("down", "--yes")
    blog.ok("down", "--yes")
    assert docker("ps", "-aq", "--filter", f"label=bluegreen.app={street.app}") == ""
    assert not street.state.exists()
