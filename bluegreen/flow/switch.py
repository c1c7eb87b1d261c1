"""A switch: the new release on the idle color, proven, then traffic. `prepare` is its first half, and the
first `up` is a switch away from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from bluegreen.domain.app import Stack
from bluegreen.domain.color import other
from bluegreen.domain.routing import Routing
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode, Interrupted
from bluegreen.flow import canary
from bluegreen.flow.adopt import Adoption, find_plain
from bluegreen.flow.answers import gate
from bluegreen.flow.checks import look_before_release, serves_instead
from bluegreen.flow.hooks import after_failure
from bluegreen.flow.jobs import hand_over_jobs
from bluegreen.flow.making import Making, Request
from bluegreen.flow.migrate import refuse_doubt
from bluegreen.flow.observe import look_again, observe
from bluegreen.flow.prerequisites import first_file, prerequisite_steps
from bluegreen.flow.public import after_cutover, as_published, differing
from bluegreen.flow.retention import prune
from bluegreen.flow.run import Action, NothingChanged, Operation, describe, give_up
from bluegreen.flow.shared import DIFFERS
from bluegreen.flow.steps import aside, files, health, image, make, once, preview, settle, withdraw
from bluegreen.flow.values import Result, Tools
from bluegreen.flow.watch import Watch, Worse, taken_back, watched
from bluegreen.plans.canary import ends_as_canary, plan_promote, watched_for, with_control
from bluegreen.plans.differences import returning
from bluegreen.plans.plan import Plan, Wish
from bluegreen.plans.release import plan_release, start_order

OUTCOMES = {"up": "switched", "switch": "switched", "prepare": "prepared", "promote": "switched"}


def plan_switch(tools: Tools, stack: Stack, wish: Wish, request: Request) -> Plan:
    """The plan that a switch would follow now; looks, changes nothing."""
    plain = find_plain(tools, stack, request.adopt) if request.verb == "up" else ()
    adopts = tuple(container.name for container in plain)
    world, wish = observe(tools), replace(wish, force=request.force, adopts=adopts)
    canary.refuse_irreversible(stack, wish)
    plan = _plan(request, world, with_control(request.verb, world, wish, canary.reversible(stack)))
    _refuse_doubt(tools, plan, request, wish)
    return plan


def _plan(request: Request, world: World, wish: Wish) -> Plan:
    if request.verb == "promote":
        return plan_promote(world, wish)
    return plan_release(request.verb, world, wish)


def _refuse_doubt(tools: Tools, plan: Plan, request: Request, wish: Wish) -> None:
    if any(step.name == "create" for step in plan.steps):
        refuse_doubt(tools, request.verb, request.migrate, bool(wish.migrate))


def switch(tools: Tools, stack: Stack, wish: Wish, request: Request) -> Result:
    """Carries out a switch (or prepare, or the first up). Never raises BluegreenError after its plan was shown."""
    world = observe(tools)
    if request.verb != "up" and (words := differing(stack, world)):
        tools.show.notice(f"{words}. To apply it: {tools.command} up (recreates nginx).")
        stack = as_published(stack, world)
    plain = find_plain(tools, stack, request.adopt) if request.verb == "up" else ()
    wish = replace(wish, adopts=tuple(container.name for container in plain))
    canary.refuse_irreversible(stack, wish)
    wish = with_control(request.verb, world, wish, canary.reversible(stack))
    try:
        plan = _plan(request, world, replace(wish, force=request.force))
    finally:
        give_up(tools, world)  # also of a command that is refused the person learns what became of the one before
    _refuse_doubt(tools, plan, request, wish)
    _refuse_to_clear_what_serves(tools, world, plan)
    if any(step.name == "create" for step in plan.steps):
        look_before_release(tools, stack)
    result = Result(request.verb, "unchanged")
    if not plan.steps:
        describe(result, world)
        result.message = plan.nothing
        return result
    if wish.changed and request.verb != "up":
        tools.show.notice(f"{', '.join(wish.changed)}: {DIFFERS}. A switch leaves it; {tools.command} up recreates it.")
    tools.show.plan(plan)
    operation = Operation(tools, plan, result).begin()
    adoption = Adoption(tools, stack, plain) if plain else None
    release = Release(stack, wish, request, world, operation, adoption)
    done = release.run()
    after_failure(tools, done, release.moment("failed"), lambda: stack, release.new.images)
    return done


def _refuse_to_clear_what_serves(tools: Tools, world: World, plan: Plan) -> None:
    if any(step.name in ("aside", "clear") for step in plan.steps) and serves_instead(tools, world):
        raise BluegreenError(
            f"{world.idle} answers for {world.live} now (failover), so it cannot make room for a release.",
            code="failover-serves",
            failed=f"no replica of {world.live} can be reached", expected=f"{world.live} to answer by itself",
            traffic=f"{world.idle}, in place of {world.live}", retry="safe",
            next=f"{tools.command} flip-back (makes {world.idle} live), then {tools.command} {plan.verb}",
        )  # fmt: skip


class Release(Making):
    """One run of a switch, prepare or first up."""

    watching: Watch | None = None

    def run(self) -> Result:
        tools, world = self.tools, self.world
        try:
            self._phase("prepare")
        except NothingChanged as nothing:
            return self._unchanged(str(nothing))
        except Interrupted as error:
            tools.signals.hold()
            withdraw.withdraw(self, remove=True)
            return self.operation.failed(self._serving_still(error), world)
        except BluegreenError as error:
            tools.signals.hold()
            error.next = error.next or f"{tools.command} {f'logs {self.new.color}' if self.new.created else 'check'}"
            withdraw.withdraw(self, remove=False)
            return self.operation.failed(self._serving_still(error), world)
        if moved := self._move():
            return moved
        self._phase("settle")
        after = look_again(tools, self.world)
        shifted = self.request.verb != "prepare"
        if shifted and (unreached := after_cutover(tools, self.new.slot, self.new.color)):
            return self.operation.failed(unreached, after)
        self.result.outcome = OUTCOMES[self.request.verb]
        if ends_as_canary(self.wish):
            self.result.outcome, self.result.message = "canary", canary.said(after, tools.command)
        elif self.adoption:
            self.result.message = self.adoption.said
        elif self.keep and self.request.verb == "prepare":
            self.result.message = f"Until then there is no way back: release {self.keep.release} is set aside."
        describe(self.result, after)
        return self.operation.ended(after)

    def _move(self) -> Result | None:
        """Traffic moves, and is watched. The result, if it is back; None: it stays."""
        if not self.wish.shares:
            self._listen()
        try:
            self._phase("cutover")
            self._phase("watch")
        except canary.Stays as why:
            return canary.stays(self, why)
        except Exception as cause:  # noqa: BLE001 - whatever went wrong, traffic must be put back first
            if isinstance(cause, Worse):
                self.cutover.canary = 0
            moved = self._move_back(cause)
            if self.cutover.canary:  # its visitors keep it
                return self.operation.failed(moved, look_again(self.tools, self.world))
            if isinstance(cause, Worse) and moved.exit_code == ExitCode.MOVED_BACK:
                moved = taken_back(self, cause, moved)
            self.tools.journal.releases.end(self.new.release, "moved back", self.new.kept_images(), {})
            if self.keep and moved.exit_code != ExitCode.UNKNOWN:
                withdraw.bring_back_kept(self)
            return self.operation.failed(moved, look_again(self.tools, self.world))
        finally:
            if self.watching:
                self.watching.leave()
        return None

    def _listen(self) -> None:
        """Listens to nginx's log from before traffic moves on, if the plan watches."""
        old = self.world.slot(self.world.live) if self.world.live else None
        proxy = self.proxy()
        watched = any(step.name == "watch" for step in self.plan.steps)
        watched = watched or any(watched_for(self.wish, share) for share in self.wish.shares)
        if self.watching:
            self.watching.leave()
        if old and proxy and self.new.slot and watched:
            leave_out = self.stack.settings.compare.leave_out
            self.watching = Watch(self.tools, proxy.speaker, old, self.new.slot, leave_out=leave_out)

    def _moves(self, move: Action) -> str:
        """A step of a canary: each share has a watch of its own."""
        if self.wish.shares:
            self._listen()
        return move()

    def _watch(self) -> str:
        if self.watching is None:
            return "there was nothing to compare with"
        return watched(self, self.watching, self.wish.watch)

    def _phase(self, phase: Literal["prepare", "cutover", "watch", "settle"]) -> None:
        self.operation.phase(phase, self._actions())

    def _actions(self) -> dict[str, Action]:
        record = canary.record if ends_as_canary(self.wish) else settle.record
        steps: dict[str, Callable[[Making], str]] = {
            "undrift": preview.undrift, "image": image.image, "migrate": once.migration, "aside": aside.set_aside,
            "clear": make.clear, "discard": aside.discard,
            "create": make.create, "start": make.start, "health": health.health, "files": files.files,
            "preview": preview.preview,
            "check": preview.check_all, "jobs": settle.jobs, "drain": settle.drain, "record": record,
        }  # fmt: skip
        moves = {"share": self.cutover.share, "route": self.cutover.route}
        return {
            **prerequisite_steps(self.tools, self.stack, asleep=self.wish.asleep),
            "proxy": self._proxy, "handover": self._handover, "expect": self._expect, "watch": self._watch,
            "compare": self._compare,
            "before_switch": partial(once.hooks, self, "before_switch", "prepared"),
            "after_switch": partial(once.hooks, self, "after_switch", "switched"),
            "prune": partial(prune, self.tools, self.stack.settings.keep),
            **{name: partial(step, self) for name, step in steps.items()}, **self.cutover.actions(), **self._adopting(),
            **{name: partial(self._moves, move) for name, move in moves.items()},
            "verdict": lambda: canary.verdict(self, self.watching),
        }  # fmt: skip

    def _proxy(self) -> str:
        intended = self.tools.door.intended()
        if intended is None or (intended.live is None and self.world.answer is None):  # none that nginx has ever loaded
            empty = Routing(self.stack.app, 0, None, {}, None, None, self.stack.settings.drain)
            first_file(self.tools, self.stack, self.render(empty), empty)
        return prerequisite_steps(self.tools, self.stack, published=self.adoption is None)["proxy"]()

    def _handover(self) -> str:
        live = self.world.live or other(self.new.color)
        with self.tools.signals.deferred():
            return hand_over_jobs(self.tools, live, start_order(self.stack.services, self.stack.settings.jobs))

    def _adopting(self) -> dict[str, Action]:
        return {"adopt": self.adoption.take_over, "adopted": self.adoption.finish} if self.adoption else {}

    def _expect(self) -> str:
        return gate(self.tools, self.wish.expected, self.new.color, self.stack.project_directory)

    def _compare(self) -> str:
        from bluegreen.flow.compare import gate as compared  # who compares nothing does not wait for it

        return compared(self)

    def _move_back(self, cause: Exception) -> BluegreenError:
        if self.adoption is None or not self.adoption.begun:
            return self._serving_still(self.cutover.move_back(cause))
        try:
            self.adoption.put_back()
        except BluegreenError as error:
            return self.adoption.lost(cause, error)
        moved = self.cutover.move_back(cause)
        moved.traffic = self.adoption.restored or moved.traffic
        return moved

    def _unchanged(self, why: str) -> Result:
        self.tools.signals.hold()
        if returning(self.world):
            withdraw.bring_back_kept(self)
        after = look_again(self.tools, self.world)
        describe(self.result, after)
        self.result.message = why
        return self.operation.ended(after)

    def _serving_still(self, error: BluegreenError) -> BluegreenError:
        """Before a take-over has begun, traffic goes where plain Compose has it."""
        if self.adoption:
            error.traffic = f"{self.adoption.serving} (unchanged)"
        return error
