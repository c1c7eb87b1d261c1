"""A plan that is carried out: what is shown, recorded and answered for, and what becomes of one that never ended."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.domain.world import World
from bluegreen.errors import COMMAND, BluegreenError, ExitCode, Interrupted
from bluegreen.flow.run import NothingChanged, Operation, describe, give_up
from bluegreen.flow.values import Result
from bluegreen.plans.plan import Plan, Step
from tests.fakes.noted import Noted, tools
from tests.unit.worlds import slot

IMAGE, ROUTE, JOBS = Step("prepare", "image", "x"), Step("cutover", "route", "x"), Step("settle", "jobs", "x")
DRAIN, RECORD = Step("settle", "drain", "x"), Step("settle", "record", "x")
PLAN = Plan("switch", "green", 2, (IMAGE, ROUTE, JOBS, DRAIN, RECORD))


def _world(live: Any = "blue", **more: Any) -> World:
    slots: Any = {"blue": slot("blue", 1), "green": slot("green", 2)}
    intended = Routing("shop", 5, live, slots, "previous", None, 5.0, **more)
    return World("shop", None, ControlAnswer("shop", 5, live, "1.30.6", 7, live), intended, ())


class Play:
    """One operation, and what the journal was told of it."""

    def __init__(self, **answers: Any) -> None:
        self.journal: list[tuple[Any, ...]] = []
        operations = Noted(self.journal, start=41, **answers)
        self.phases: list[str] = []
        self.tools = tools(journal=SimpleNamespace(operations=operations), phase=self.phases.append)
        self.told = self.tools.told
        self.result = Result("switch", "failed")
        self.operation = Operation(self.tools, PLAN, self.result)

    def run(self, phase: Any, **actions: Any) -> None:
        """The steps of a phase; what is given for one is raised, called, or its detail."""
        found: dict[str, Any] = {step.name: partial(_act, actions.get(step.name, "fine")) for step in PLAN.steps}
        self.operation.phase(phase, found)

    def recorded(self) -> list[tuple[Any, ...]]:
        return [(call[1], call[2]["step"], call[2]["outcome"]) for call in self.journal if call[0] == "step"]


def _act(what: Any) -> str:
    if isinstance(what, BaseException):
        raise what
    return str(what() if callable(what) else what)


def test_each_step_is_shown_before_and_after_and_recorded_once_it_is_begun() -> None:
    play = Play()
    play.run("prepare")
    assert play.journal == [], "not yet begun"
    play.operation.begin()
    play.operation.begin()
    assert play.journal[0] == ("start", "switch", 2, "green")
    assert play.recorded() == [(41, "image", "done")], "what was done before, once"
    play.run("settle")
    assert play.recorded() == [(41, name, "done") for name in ("image", "jobs", "drain", "record")]
    assert play.told.started == ["image", "jobs", "drain", "record"]
    assert play.told.ended[0] == ("image", "done", "fine")
    assert [it.step.name for it in play.result.steps] == play.told.started


def test_from_the_cutover_on_signals_are_held_and_others_are_told() -> None:
    play = Play()
    play.run("prepare")
    assert (play.told.held, play.phases) == (False, [])
    play.run("cutover")
    assert (play.told.held, play.phases) == (True, ["cutover"])


def test_how_long_a_step_took_is_measured() -> None:
    play = Play()
    play.run("prepare", image=lambda: play.told.sleep(2.5))
    assert play.result.steps[0].seconds == 2.5


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (BluegreenError("No.", failed="why"), "failed", "No. (why)"), (ValueError("odd"), "failed", "odd"),
        (KeyError(), "failed", "KeyError"), (NothingChanged("it is the same"), "done", "it is the same"),
        (Interrupted("Stop."), "failed", "Stop."),
    ],
)  # fmt: skip
def test_a_step_that_fails_before_the_end_ends_its_phase(error: BaseException, outcome: str, detail: str) -> None:
    play = Play()
    with pytest.raises(type(error)):
        play.run("prepare", image=error)
    assert play.told.ended == [("image", outcome, detail)]
    assert play.result.warnings == []


def test_a_step_that_fails_after_traffic_has_moved_is_a_warning() -> None:
    play = Play()
    play.run("settle", jobs=BluegreenError("No.", failed="why"))
    assert play.told.ended == [("jobs", "warning", "No. (why)"), ("drain", "done", "fine"), ("record", "done", "fine")]
    assert play.result.warnings == ["jobs: No. (why)"]
    with pytest.raises(ValueError, match="odd"):
        play.run("settle", jobs=ValueError("odd"))


def test_who_wants_to_leave_does_not_wait() -> None:
    play = Play()
    play.told.asked = "SIGTERM"
    play.run("settle", drain=ValueError("it waits"))
    assert [outcome for _, outcome, _ in play.told.ended] == ["done", "left out", "done"]
    done = play.operation.ended()
    assert "SIGTERM" in done.warnings[0]
    assert done.warnings[0].endswith("(without waiting: drain).")
    assert play.journal[-1] == ("end", 41, "failed", None)
    calm = Play()
    assert calm.operation.ended().warnings == []


@pytest.mark.parametrize(
    ("code", "outcome", "warned"),
    [
        (ExitCode.FAILED, "failed", True), (ExitCode.MOVED_BACK, "moved-back", True),
        (ExitCode.UNKNOWN, "unknown", True), (ExitCode.INTERRUPTED, "failed", False),
    ],
)  # fmt: skip
def test_an_operation_that_failed_says_where_traffic_is(code: ExitCode, outcome: str, warned: bool) -> None:
    play = Play()
    play.told.asked = "SIGINT"
    error = BluegreenError("No.", next=f"{COMMAND} up", exit_code=code)
    result = play.operation.failed(error, _world())
    assert (result.outcome, result.error, play.told.held) == (outcome, error, True)
    assert (error.traffic, error.retry, error.next) == ("blue, release 1 (unchanged)", "safe", "bluegreen -p shop up")
    assert (result.live, result.previous) == ({"color": "blue", "release": 1}, {"color": "green", "release": 2})
    assert bool(result.warnings) is warned
    assert play.journal[-1][:3] == ("end", 41, outcome)
    assert play.journal[-1][3]["exit_code"] == int(code)


def test_what_an_error_knows_already_stays() -> None:
    error = BluegreenError("No.", traffic="unknown; look now", retry="not before you looked")
    Play().operation.failed(error, _world())
    assert (error.traffic, error.retry) == ("unknown; look now", "not before you looked")


@pytest.mark.parametrize(
    ("world", "live", "previous"),
    [
        (_world(), 1, 2), (_world(live=None), None, None),
        (World("shop", None, None, None, ()), None, None),
    ],
)  # fmt: skip
def test_what_is_live_is_described_as_it_is(world: World, live: int | None, previous: int | None) -> None:
    result = Result("up", "unchanged")
    describe(result, world)
    assert (result.live or {}).get("release") == live
    if world.live:
        assert (result.previous or {}).get("release") == previous
    describe(
        result, World("shop", None, None, Routing("shop", 5, "blue", {"blue": slot("blue", 1)}, None, None, 0), ())
    )
    assert result.previous is None


def test_what_is_only_prepared_is_no_previous_release() -> None:
    world = _world()
    assert world.intended is not None
    prepared = Routing("shop", 5, "blue", world.intended.slots, "prepared", None, 5.0)
    result = Result("up", "unchanged")
    describe(result, World("shop", None, world.answer, prepared, ()))
    assert result.previous is None


# -- an operation that never ended


def _left(target: Any = "blue", recorded: bool = True) -> Any:
    return SimpleNamespace(id=7, verb="switch", started="at noon", target=target, recorded=recorded)


UNSEALED = _world(own=_world("green").intended)


@pytest.mark.parametrize(
    ("left", "world", "outcome", "where"),
    [
        (_left("blue"), _world(), "finished", "traffic is on blue"),
        (_left("green"), _world(), "abandoned", "traffic is on blue"),
        (_left("blue"), _world(live=None), "abandoned", "no color is live"),
        (_left(None), _world(live=None), "abandoned", "no color is live"),
        (_left("blue", recorded=False), _world(), "abandoned", "traffic is on blue"),
        (_left("green", recorded=False), UNSEALED, "finished", "traffic is on blue"),
    ],
)  # fmt: skip
def test_what_became_of_it_is_told_by_where_traffic_is(left: Any, world: World, outcome: str, where: str) -> None:
    play = Play(unfinished=left)
    assert give_up(play.tools, world) is True
    assert play.journal[-1] == ("end", 7, outcome)
    assert play.tools.log == [("remove_tasks",), ("tidy",)]
    (notice,) = play.told.notices
    assert "An earlier switch (started at noon) never ended" in notice
    assert notice.endswith(f"{where}.")
    assert ("it is finished" in notice) is (outcome == "finished")


def test_nothing_is_said_where_nothing_was_left() -> None:
    play = Play()
    assert give_up(play.tools, _world()) is False
    assert (play.tools.log, play.told.notices) == ([], [])
