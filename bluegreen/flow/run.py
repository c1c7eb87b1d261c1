"""Carries out a plan: one action for each step, each step shown and recorded. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bluegreen.domain.color import Color
from bluegreen.domain.words import signal_came
from bluegreen.domain.world import World
from bluegreen.errors import OF_MACHINE, BluegreenError, ExitCode, of_machine
from bluegreen.flow.values import Result, StepDone, Tools
from bluegreen.plans.differences import leftovers
from bluegreen.plans.plan import WAITS, Phase, Plan, Step

Action = Callable[[], str]  # does the step, returns what happened in a phrase
LEFT_OUT = "left out"
OUTCOMES = {ExitCode.MOVED_BACK: "moved-back", ExitCode.UNKNOWN: "unknown"}


class NothingChanged(Exception):
    """A step found that there is nothing to release; says why."""


class Operation:
    """One run of a plan, shown, and recorded in the journal from `begin` on.

    flip-back begins it when traffic has moved: until then the journal is not even opened, and what was done so far
    is recorded then.
    """

    def __init__(self, tools: Tools, plan: Plan, result: Result) -> None:
        self.tools, self.plan, self.result = tools, plan, result
        self._number: int | None = None

    def begin(self) -> Operation:
        """Opens it in the journal, with the steps that are done already."""
        if self._number is None:
            self._number = self.tools.journal.operations.start(self.plan.verb, self.plan.release, self.plan.target)
            for done in self.result.steps:
                self._record(done)
        return self

    def phase(self, phase: Phase, actions: Mapping[str, Action]) -> None:
        """Runs the steps of one phase in order. A failing step is recorded and its error goes on.

        From cutover on signals are only noted: half of a cutover would be worse than all of it.
        """
        if phase != "prepare":
            self.tools.phase(phase)
            self.tools.signals.hold()
        for step in self.plan.steps:
            if step.phase == phase:
                _run_step(self.tools, step, actions[step.name], self)

    def done(self, step: StepDone) -> None:
        self.result.steps.append(step)
        self.tools.show.ended(step)
        if self._number is not None:
            self._record(step)

    def ended(self, after: World | None = None) -> Result:
        """Closes an operation that reached its end; a signal that came meanwhile is reported.

        `after`: the world by now; with nginx's container in it, nginx's log is read for the figures and receipts.
        """
        _answer_signal(self.tools, self.result)
        self._close()
        self._account(after)
        return self.result

    def failed(self, error: BluegreenError, world: World) -> Result:
        """Closes an operation that failed; the error gets the line that says where traffic is."""
        self.tools.signals.hold()
        error.traffic = error.traffic or world.traffic()
        error.retry = error.retry or "safe"
        error.reached_by(self.tools.command)
        self.result.error = error
        self.result.outcome = OUTCOMES.get(error.exit_code, "failed")
        describe(self.result, world)
        if error.exit_code != ExitCode.INTERRUPTED:
            _answer_signal(self.tools, self.result)
        self._close(error)
        if error.exit_code == ExitCode.MOVED_BACK:
            self._account(world)
        return self.result

    def _account(self, after: World | None) -> None:
        if after is not None and after.proxy is not None and after.proxy.running:
            from bluegreen.flow.receipts import accounted

            if said := accounted(self.tools, after.proxy.speaker):
                self.result.warnings.append(said)

    def _close(self, error: BluegreenError | None = None) -> None:
        self.begin()
        fields = error.fields() if error else None
        self.tools.journal.operations.end(self._number or 0, self.result.outcome, fields)

    def _record(self, done: StepDone) -> None:
        self.tools.journal.operations.step(self._number or 0, done.as_dict())


def give_up(tools: Tools, world: World) -> bool:
    """Ends an operation in the journal that never ended, tidies up after it, and says what became of it.

    Returns whether there was one. `world`: as it was before the command that finds it moved anything.
    """
    left = tools.journal.operations.unfinished()
    if left is None:
        return False
    tools.engine.remove_tasks()
    tools.door.tidy()
    let_go(tools, world)
    unsealed = world.intended is not None and not world.intended.sealed
    arrived = _arrived(world, left.verb, left.target) if left.recorded else unsealed
    where = f"traffic is on {world.visited() if world.canary else world.live}" if world.live else "no color is live"
    words = "traffic had moved, so it is finished" if arrived else "it is abandoned"
    tools.journal.operations.end(left.id, "finished" if arrived else "abandoned")
    tools.show.notice(f"An earlier {left.verb} (started {left.started}) never ended; {words}: {where}.")
    return True


def _arrived(world: World, verb: str, target: Color | None) -> bool:
    """Whether an operation that never ended had moved the traffic that it was to move. A share is enough for a switch;
    promote and flip-back end a canary."""
    if world.canary:
        return verb == "switch" and target == world.idle
    return world.live is not None and target == world.live


def let_go(tools: Tools, world: World) -> None:
    """Removes what was set aside for a release that is live by now."""
    for replica in leftovers(world):
        with tools.signals.deferred():
            tools.containers.remove(replica.id)


def _run_step(tools: Tools, step: Step, action: Action, operation: Operation) -> None:
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
    except (BluegreenError, *OF_MACHINE) as error:  # the latter: a full disk, files or memory that are used up
        known = of_machine(error)
        outcome = "warning" if step.phase == "settle" else "failed"
        detail = str(known)
        if step.phase != "settle":
            raise known from None
        operation.result.warnings.append(f"{step.name}: {known}")
    except BaseException as error:
        outcome, detail = "failed", str(error) or type(error).__name__
        raise
    finally:
        operation.done(StepDone(step, tools.clock() - began, outcome, detail))


def _answer_signal(tools: Tools, result: Result) -> None:
    if asked := tools.signals.asked:
        skipped = [done.step.name for done in result.steps if done.outcome == LEFT_OUT]
        result.warnings.append(signal_came(asked, result.verb, ", ".join(skipped)))


def describe(result: Result, world: World) -> None:
    """Fills in which release is live and which is the previous one, as observed."""
    live, idle = (world.slot(world.live) if world.live else None), world.slot(world.idle)
    result.live = {"color": live.color, "release": live.release} if live else None
    previous = idle if world.intended and world.intended.standing == "previous" else None
    result.shares = world.shares
    result.previous = {"color": previous.color, "release": previous.release} if previous else None
