"""Back to the idle color at once. Needs no Compose file, no registry, no template engine: only what the
state folder keeps and what nginx and the Engine answer."""

from __future__ import annotations

from collections.abc import Callable

from bluegreen.domain.app import Stack
from bluegreen.domain.color import counted
from bluegreen.domain.routing import Slot
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow.checks import replica_checks, tell_failover
from bluegreen.flow.cutover import Cutover
from bluegreen.flow.hooks import Moment, after_failure, run_hooks
from bluegreen.flow.jobs import hand_over_jobs
from bluegreen.flow.observe import look_again, observe
from bluegreen.flow.ports import Result, Tools
from bluegreen.flow.run import Action, begin, describe, ended, failed, give_up, run_phase
from bluegreen.plans.differences import drift, unwell
from bluegreen.plans.flip_back import plan_flip_back
from bluegreen.plans.plan import Plan


def flip_back(tools: Tools, force: bool, load: Callable[[], Stack], owner: str = "") -> Result:
    """Carries out a flip-back. Never raises BluegreenError: it is in the result.

    `load` reads the Compose file, which only hooks need, once traffic is back.
    """
    world = observe(tools)
    result = Result("flip-back", "failed")
    give_up(tools, world)
    tell_failover(tools, world)
    try:
        plan = plan_flip_back(world, force)
    except BluegreenError as error:
        error.next = error.next.replace("bluegreen", tools.command, 1)
        result.error = error
        describe(result, world)
        return result
    tools.show.plan(plan)
    operation = begin(tools, plan)
    flip = FlipBack(tools, world, plan, operation, force, result, load, owner)
    done = flip.run()
    if "on_failure" in (world.intended.hooks if world.intended else ()):
        after_failure(tools, done, flip.moment("failed"), load, flip.slot.images)
    return done


class FlipBack:
    """One run of a flip-back; its methods are the steps of the plan."""

    def __init__(
        self,
        tools: Tools,
        world: World,
        plan: Plan,
        operation: int,
        force: bool,
        result: Result,
        load: Callable[[], Stack],
        owner: str,
    ) -> None:
        self.tools, self.world, self.plan, self.operation = tools, world, plan, operation
        self.load, self.owner = load, owner
        self.force, self.result = force, result
        target = plan.target or world.idle
        slot = world.slot(target)
        if slot is None:
            raise BluegreenError(
                f"There is no previous release on {target}.", failed="no release", expected="one that has served before"
            )
        self.target, self.slot = target, slot
        self.cutover = Cutover(tools, world, target)

    def run(self) -> Result:
        tools = self.tools
        actions: dict[str, Action] = {
            "health": self._health, **self.cutover.actions(), "seal": lambda: self.cutover.seal(wait=False),
            "jobs": lambda: hand_over_jobs(tools, self.target, slot=self.slot),
            "after_flip_back": self._hook, "record": lambda: f"release {self.slot.release}",
        }  # fmt: skip
        try:
            run_phase(tools, self.plan, "prepare", actions, self.operation, self.result)
        except BluegreenError as error:
            tools.signals.hold()
            return failed(tools, self.operation, self.result, error, self.world)
        try:
            run_phase(tools, self.plan, "cutover", actions, self.operation, self.result)
        except Exception as cause:  # noqa: BLE001 - whatever went wrong, traffic must be put back first
            moved = self.cutover.move_back(cause)
            return failed(tools, self.operation, self.result, moved, look_again(tools, self.world))
        run_phase(tools, self.plan, "settle", actions, self.operation, self.result)
        self.result.outcome = "flipped-back"
        if self.target == self.world.live:
            self.result.outcome = "unchanged"
            self.result.message = f"traffic had not left {self.target}, and nginx's file says so again"
        self._tell_of_migration()
        after = look_again(tools, self.world)
        if words := drift(after):
            self.result.warnings.append(f"{words}; to mend it: {tools.command} up")
        describe(self.result, after)
        return ended(tools, self.operation, self.result)

    def moment(self, outcome: str) -> Moment:
        return Moment("flip-back", self.target, self.slot.release, outcome, self.owner)

    def _hook(self) -> str:
        try:
            stack = self.load()
        except BluegreenError as error:
            raise BluegreenError(
                "The hook after_flip_back did not run.", failed=f"the Compose file cannot be read: {error.summary}",
                expected="the file with the hook", retry="safe",
            ) from None  # fmt: skip
        return run_hooks(self.tools, stack, "after_flip_back", self.moment("flipped-back"), self.slot.images)

    def _tell_of_migration(self) -> None:
        left = self.world.slot(self.world.live) if self.world.live else None
        if left and left.migrated and left.release > self.slot.release and self.target != self.world.live:
            self.result.warnings.append(
                f"Release {left.release} ran a migration, and flip-back does not undo it: "
                f"release {self.slot.release} works on the migrated data."
            )

    def _health(self) -> str:
        here = self.world.in_color(self.target)
        wrong = unwell(self.slot, here) or self._probe(self.slot)
        if not wrong:
            return counted(sum(map(len, self.slot.addresses.values())), "replica")
        running = [r for r in here if r.running and r.release == self.slot.release]
        if self.force and running:
            self.tools.show.notice(f"Forced, although {'; '.join(wrong)}.")
            return f"forced, although {'; '.join(wrong)}"
        logs, gone = f"{self.tools.command} logs {self.target}", any(reason.endswith("is gone") for reason in wrong)
        if any(reason.endswith("that nginx knows") for reason in wrong):
            way = f"{self.tools.command} up (tells nginx where its replicas are)"
        elif running:
            way = f"{logs}, or {self.tools.command} flip-back --force"
        else:
            way = (
                f"{self.tools.command} switch (goes forward)"
                if gone
                else f"{logs}, or {self.tools.command} up (starts it)"
            )
        raise BluegreenError(
            f"{self.target} is not healthy, so traffic stays.",
            failed="; ".join(wrong),
            expected=f"every replica of release {self.slot.release} healthy",
            retry="safe",
            next=way,
        )

    def _probe(self, slot: Slot) -> list[str]:
        return [
            f"GET {self._path(name)} of {name} {reason}"
            for name, reason in self.tools.prober.once(replica_checks(slot)).items()
        ]

    def _path(self, name: str) -> str:
        service = name.rpartition("-")[0]
        return next((route.health.path for route in self.slot.routes if route.service == service), "/")
