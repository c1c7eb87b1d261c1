"""Back to the idle color, in a fraction of a second.

Until traffic has moved, this needs nginx's answer, its file and the route. It needs no Engine, no journal, no Compose
file, no registry and no template engine. Everything else comes after. `cli/quick.py` does the same for a usual app,
without loading even this module; it calls `go_on` for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bluegreen.domain.words import counted, migration_stays
from bluegreen.errors import BluegreenError
from bluegreen.flow.cutover import Cutover
from bluegreen.flow.observe import at_the_door, look_again, observe
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.run import Action, Operation, describe, give_up, let_go
from bluegreen.flow.values import Result, StepDone, Tools
from bluegreen.plans.flip_back import plan_flip_back

if TYPE_CHECKING:
    from bluegreen.domain.app import Stack
    from bluegreen.domain.color import Color
    from bluegreen.domain.routing import Slot
    from bluegreen.domain.world import World
    from bluegreen.flow.hooks import Moment
    from bluegreen.plans.plan import Plan


@dataclass(frozen=True)
class FlipBackOptions:
    """What the person typed. `load` reads the Compose file, which only hooks need, once traffic is back."""

    force: bool
    load: Callable[[], Stack]
    owner: Callable[[], str] = str  # who acts; only hooks get it


@dataclass(frozen=True)
class Begun:
    """A flip-back whose rename is made. `steps`: the fields of `--json`; `wrong`: why it has to be taken back."""

    steps: Sequence[Mapping[str, Any]]
    since: str
    moment: tuple[float, float]  # when the rename began, and ended; seconds since the epoch
    wrong: str = ""


def flip_back(tools: Tools, wanted: FlipBackOptions) -> Result:
    """Carries out a flip-back. Never raises BluegreenError: it is in the result."""
    world = at_the_door(tools)
    result = Result("flip-back", "failed")
    try:
        plan = plan_flip_back(world, wanted.force)
    except BluegreenError:
        return _refused(tools, wanted, result)
    tools.show.plan(plan)
    flip = FlipBack(Operation(tools, plan, result), world, wanted)
    return _ended(flip, flip.run())


def go_on(tools: Tools, wanted: FlipBackOptions, world: World, begun: Begun) -> Result:
    """What comes after a rename that was made by the quick way. `world`: as it was before."""
    plan = plan_flip_back(world, wanted.force)
    steps = {step.name: step for step in plan.steps}
    result = Result("flip-back", "failed")
    for done in begun.steps:
        result.steps.append(StepDone(steps[done["step"]], done["seconds"], done["outcome"], done["detail"]))
    flip = FlipBack(Operation(tools, plan, result), world, wanted)
    flip.cutover.turned(begun.since, begun.moment)
    if begun.wrong:
        failed = BluegreenError(
            "nginx does not follow the route.", code="route-not-followed", failed=begun.wrong, expected=f"{plan.target}"
        )
        return _ended(flip, flip.move_back(failed))
    return _ended(flip, flip.settle())


def _ended(flip: FlipBack, done: Result) -> Result:
    if "on_failure" in (flip.world.intended.hooks if flip.world.intended else ()):
        from bluegreen.flow.hooks import after_failure

        after_failure(flip.tools, done, flip.moment("failed"), flip.wanted.load, flip.slot.images)
    return done


def _refused(tools: Tools, wanted: FlipBackOptions, result: Result) -> Result:
    """Says why not, after a look at everything: the person has time now, and needs every fact."""
    from bluegreen.flow.checks import tell_failover

    world = observe(tools)
    killed = give_up(tools, world)
    tell_failover(tools, world)
    try:
        if killed and _given_up(tools, world, wanted):
            return flip_back(tools, wanted)
        plan_flip_back(world, wanted.force)
        error = BluegreenError(
            "nginx answers another color than a moment ago.", code="live-changed",
            failed="another command or a person moved traffic meanwhile",
            expected="no other move of traffic", retry="safe",
        )  # fmt: skip
    except BluegreenError as known:
        error = known
    result.error = error.complete(tools.command)
    describe(result, world)
    return result


def _given_up(tools: Tools, world: World, wanted: FlipBackOptions) -> bool:
    """Gives up what a killed command had prepared, for the release that was set aside. Returns whether it did."""
    from bluegreen.flow.give_up import replace_prepared
    from bluegreen.plans.differences import set_aside

    slot = set_aside(world)
    if slot is None or world.intended is None or world.intended.standing != "prepared":
        return False
    tools.show.notice(replace_prepared(tools, wanted.load(), world, slot))
    return True


class FlipBack:
    """One run of a flip-back; its methods are the steps of the plan."""

    def __init__(self, operation: Operation, world: World, wanted: FlipBackOptions) -> None:
        self.operation, self.world, self.wanted = operation, world, wanted
        self.tools, self.result = operation.tools, operation.result
        self.target, self.slot = _way_back(operation.plan, world)
        self.cutover = Cutover(self.tools, world, self.target, verb="flip-back")
        self._unfinished = False  # whether an earlier command was killed
        self._actions: dict[str, Action] = {
            "health": self._health, **self.cutover.actions(), "seal": lambda: self.cutover.seal(wait=False),
            "jobs": self._jobs, "after_flip_back": self._hook, "record": lambda: f"release {self.slot.release}",
        }  # fmt: skip

    def run(self) -> Result:
        try:
            self.operation.phase("prepare", self._actions)
        except BluegreenError as error:
            self.tools.signals.hold()
            give_up(self.tools, self.world)
            return self.operation.failed(error, self.world)
        try:
            self.operation.phase("cutover", self._actions)
        except Exception as cause:  # noqa: BLE001 - whatever went wrong, traffic must be put back first
            return self.move_back(cause)
        return self.settle()

    def move_back(self, cause: Exception) -> Result:
        """After a rename that did not do what it should have done."""
        moved = self.cutover.move_back(cause)
        give_up(self.tools, self.world)
        return self.operation.failed(moved, look_again(self.tools, self.world))

    def settle(self) -> Result:
        """Traffic is back; from here on nothing is in a hurry."""
        tools, plan = self.tools, self.operation.plan
        follows = " and ".join(step.name for step in plan.steps if step.name in ("jobs", "after_flip_back"))
        if follows:
            tools.show.notice(f"Traffic is back on {self.target}, release {self.slot.release}; {follows} follow.")
        self._unfinished = give_up(tools, self.world)
        self.operation.begin()
        if self.world.intended and self.world.intended.failover:
            from bluegreen.flow.checks import tell_failover

            tell_failover(tools, self.world)
        self.operation.phase("settle", self._actions)
        self.result.outcome = "flipped-back"
        self._tell_of_migration()
        more = (
            self._unfinished
            or self.world.canary
            or any(step.name in ("jobs", "after_flip_back") for step in plan.steps)
        )
        from bluegreen.flow.public import after_cutover

        after = look_again(tools, self.world) if more else at_the_door(tools, wait=False)
        if unreached := after_cutover(tools, self.slot, self.target):
            return self.operation.failed(unreached, after)
        let_go(tools, after)
        self._tell_of_drift(after)
        describe(self.result, after)
        return self.operation.ended(after)

    def moment(self, outcome: str) -> Moment:
        from bluegreen.flow.hooks import Moment

        return Moment("flip-back", self.target, self.slot.release, outcome, self.wanted.owner())

    def _jobs(self) -> str:
        from bluegreen.flow.jobs import hand_over_jobs

        return hand_over_jobs(self.tools, self.target, slot=self.slot, after_kill=self._unfinished)

    def _hook(self) -> str:
        from bluegreen.flow.hooks import run_hooks

        try:
            stack = self.wanted.load()
        except BluegreenError as error:
            raise BluegreenError(
                "The hook after_flip_back did not run.", code="hook-failed",
                failed=f"the Compose file cannot be read: {error.summary}",
                expected="a Compose file that can be read", retry="safe",
            ) from None  # fmt: skip
        return run_hooks(self.tools, stack, "after_flip_back", self.moment("flipped-back"), self.slot.images)

    def _tell_of_migration(self) -> None:
        left = self.world.slot(self.world.idle if self.target == self.world.live else self.world.live or "blue")
        if left and left.migrated and left.release > self.slot.release:
            self.result.warnings.append(migration_stays(left.release, self.slot.release))

    def _tell_of_drift(self, after: World) -> None:
        from bluegreen.plans.differences import drift

        begun = after.answer and after.intended and after.answer.generation < after.intended.generation
        if (words := drift(after)) and not begun:
            self.result.warnings.append(f"{words}; to repair it: {self.tools.command} up")

    def _health(self) -> str:
        silent = self._probe()
        if silent and (self._brought_back() or _started_meanwhile(self.tools, self.slot)):
            silent = self._probe()
        if not silent:
            return counted(sum(map(len, self.slot.addresses.values())), "replica")
        from bluegreen.flow.checks import not_healthy

        here = tuple(r for r in observe(self.tools).in_color(self.target) if r.release == self.slot.release)
        for replica in here:  # from here on what it was given is masked in what it answers
            with suppress(BluegreenError):
                self.tools.containers.exit_of(replica.id)
        error = not_healthy(self.tools, self.slot, here, silent)
        if self.wanted.force and any(replica.running for replica in here):
            words = f"not healthy: {self.tools.mask(error.failed)}"
            self.tools.show.notice(f"Forced, but {words}.")
            return f"forced, but {words}"
        raise error

    def _brought_back(self) -> bool:
        """Brings the way back into its place, if a killed command had set it aside. Returns whether it did."""
        from bluegreen.flow.aside import bring_back, said
        from bluegreen.plans.differences import set_aside

        slot = set_aside(observe(self.tools))
        if slot is None or slot.release != self.slot.release:
            return False
        self.tools.show.notice(said(slot, bring_back(self.tools, slot)))
        return True

    def _probe(self) -> list[str]:
        wrong = self.tools.prober.once(replica_checks(self.slot))
        return [f"GET {self._path(name)} of {name} {reason}" for name, reason in wrong.items()]

    def _path(self, name: str) -> str:
        service = name.rpartition("-")[0]
        return next((route.health.path for route in self.slot.routes if route.service == service), "/")


def _started_meanwhile(tools: Tools, slot: Slot) -> bool:
    """Waits for replicas that started a moment ago, for example after a power cut. Returns whether there were any."""
    here = [it for it in observe(tools).in_color(slot.color) if it.release == slot.release and it.role == "routed"]
    names = [replica.name for replica in here if replica.starting]
    if not names:
        return False
    longest = max(route.health.timeout for route in slot.routes)
    tools.show.notice(f"Waiting for {', '.join(names)}, started a moment ago: {longest:g} s at most. Traffic stays.")
    tools.prober.wait(replica_checks(slot), tools.show.progress)
    return True


def _way_back(plan: Plan, world: World) -> tuple[Color, Slot]:
    target = plan.target or world.idle
    slot = world.slot(target)
    if slot is None:
        raise BluegreenError(
            f"There is no previous release on {target}.",
            code="no-previous-release",
            failed="no release is kept there",
            expected="a release that has served before",
        )
    return target, slot
