"""Carries out a plan: one action for each step, each step shown and recorded. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.ports import Result, StepDone, Tools
from bluegreen.plans.plan import WAITS, Phase, Plan, Step

Action = Callable[[], str]  # does the step, returns what happened in a phrase
LEFT_OUT = "left out"


class NothingChanged(Exception):
    """A step found that there is nothing to release; says why."""


def give_up(tools: Tools, world: World) -> None:
    """Ends an operation in the journal that never ended, tidies up after it, and says what became of it."""
    left = tools.journal.unfinished()
    if left is None:
        return
    tools.engine.remove_once()
    tools.door.tidy()
    tools.snippets.tidy()
    arrived = left.target is not None and left.target == world.live
    where = f"traffic is on {world.live}" if world.live else "no color is live"
    words = "traffic had moved, so it is finished" if arrived else "it is abandoned"
    tools.journal.end_operation(left.id, "finished" if arrived else "abandoned")
    tools.show.notice(f"An earlier {left.verb} (started {left.started}) never ended; {words}: {where}.")


def begin(tools: Tools, plan: Plan) -> int:
    """Opens the operation in the journal."""
    return tools.journal.start_operation(plan.verb, plan.release, plan.target)


def run_phase(
    tools: Tools, plan: Plan, phase: Phase, actions: Mapping[str, Action], operation: int, result: Result
) -> None:
    """Runs the steps of one phase in order. A failing step is recorded and its error goes on.

    From cutover on signals are only noted: half of a cutover would be worse than all of it.
    """
    if phase != "prepare":
        tools.phase(phase)
        tools.signals.hold()
    for step in plan.steps:
        if step.phase == phase:
            _run_step(tools, step, actions[step.name], operation, result)


def _run_step(tools: Tools, step: Step, action: Action, operation: int, result: Result) -> None:
    tools.show.started(step)
    began = tools.clock()
    outcome, detail = "done", ""
    try:
        if step.name in WAITS and tools.signals.asked:
            outcome, detail = LEFT_OUT, f"{tools.signals.asked} came; it would only have waited"
        else:
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


def ended(tools: Tools, operation: int, result: Result) -> Result:
    """Closes an operation that reached its end; a signal that came meanwhile is answered for."""
    _answer_signal(tools, result)
    tools.journal.end_operation(operation, result.outcome)
    return result


def failed(tools: Tools, operation: int, result: Result, error: BluegreenError, world: World) -> Result:
    """Closes an operation that failed; the error learns where traffic is."""
    tools.signals.hold()
    error.traffic = error.traffic or world.traffic()
    error.retry = error.retry or "safe"
    result.error = error
    outcomes = {ExitCode.MOVED_BACK: "moved-back", ExitCode.UNKNOWN: "unknown"}
    result.outcome = outcomes.get(error.exit_code, "failed")
    describe(result, world)
    if error.exit_code != ExitCode.INTERRUPTED:
        _answer_signal(tools, result)
    tools.journal.end_operation(operation, result.outcome, error.fields())
    return result


def _answer_signal(tools: Tools, result: Result) -> None:
    if asked := tools.signals.asked:
        skipped = [done.step.name for done in result.steps if done.outcome == LEFT_OUT]
        left_out = f"; left out: {', '.join(skipped)}" if skipped else ""
        result.warnings.append(f"{asked} came when only the end was safe, so {result.verb} went on to it{left_out}.")


def describe(result: Result, world: World) -> None:
    """Fills in which release is live and which is the previous one, as observed."""
    live, idle = (world.slot(world.live) if world.live else None), world.slot(world.idle)
    result.live = {"color": live.color, "release": live.release} if live else None
    previous = idle if world.intended and world.intended.standing == "previous" else None
    result.previous = {"color": previous.color, "release": previous.release} if previous else None
