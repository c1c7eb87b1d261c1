"""Carries out a plan: one action for each step, each step shown and recorded. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bluegreen.operations.ports import Result, StepDone, Tools
from bluegreen.release.errors import BluegreenError, ExitCode
from bluegreen.release.model import World
from bluegreen.release.plan import Phase, Plan, Step

Action = Callable[[], str]  # does the step, returns what happened in a phrase


class NothingChanged(Exception):
    """A step found that there is nothing to release; says why."""


def begin(tools: Tools, plan: Plan, world: World) -> int:
    """Opens the operation in the journal; one that never ended is given up first, and that is said."""
    if left := tools.journal.unfinished():
        tools.journal.abandon(left.id)
        where = f"traffic is on {world.live}" if world.live else "no color is live"
        tools.show.notice(f"An earlier {left.verb} (started {left.started}) never ended; it is abandoned: {where}.")
    return tools.journal.start_operation(plan.verb, plan.release, plan.target)


def run_phase(
    tools: Tools, plan: Plan, phase: Phase, actions: Mapping[str, Action], operation: int, result: Result
) -> None:
    """Runs the steps of one phase in order. A failing step is recorded and its error goes on."""
    for step in plan.steps:
        if step.phase == phase:
            _run_step(tools, step, actions[step.name], operation, result)


def _run_step(tools: Tools, step: Step, action: Action, operation: int, result: Result) -> None:
    tools.show.started(step)
    began = tools.clock()
    outcome, detail = "done", ""
    try:
        detail = action()
    except NothingChanged as nothing:
        detail = str(nothing)
        raise
    except BluegreenError as error:
        outcome = "warning" if step.phase == "settle" else "failed"
        detail = str(error)
        if step.phase != "settle":
            raise
        result.warnings.append(f"{step.name}: {error}")
    except BaseException as error:
        outcome, detail = "failed", str(error) or type(error).__name__
        raise
    finally:
        done = StepDone(step, tools.clock() - began, outcome, detail)
        result.steps.append(done)
        tools.show.ended(done)
        tools.journal.step(operation, step.phase, step.name, step.color, done.seconds, outcome, detail)


def failed(tools: Tools, operation: int, result: Result, error: BluegreenError, world: World) -> Result:
    """Closes an operation that failed; the error learns where traffic is."""
    error.traffic = error.traffic or world.traffic()
    error.retry = error.retry or "safe"
    result.error = error
    outcomes = {ExitCode.MOVED_BACK: "moved-back", ExitCode.UNKNOWN: "unknown"}
    result.outcome = outcomes.get(error.exit_code, "failed")
    describe(result, world)
    tools.journal.end_operation(operation, result.outcome, error.fields())
    return result


def describe(result: Result, world: World) -> None:
    """Fills in which release is live and which is the previous one, as observed."""
    live, idle = (world.slot(world.live) if world.live else None), world.slot(world.idle)
    result.live = {"color": live.color, "release": live.release} if live else None
    previous = idle if world.intended and world.intended.standing == "previous" else None
    result.previous = {"color": previous.color, "release": previous.release} if previous else None
