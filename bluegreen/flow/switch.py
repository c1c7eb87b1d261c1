"""A switch: the new release on the idle color, proven, then traffic. `prepare` is its first half, and the
first `up` is a switch away from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from bluegreen.domain.app import HookName, Stack
from bluegreen.domain.color import Color, Role, other
from bluegreen.domain.record import Restored, defining_services, written_down
from bluegreen.domain.release import Begun, Image, Note
from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.verdict import expectation
from bluegreen.domain.words import counted
from bluegreen.domain.world import Replica, World
from bluegreen.errors import BluegreenError, ExitCode, Interrupted
from bluegreen.flow.adopt import Adoption, find_plain
from bluegreen.flow.answers import gate
from bluegreen.flow.checks import look_before_release, serves_instead
from bluegreen.flow.cutover import Cutover
from bluegreen.flow.hooks import Moment, after_failure, run_hooks
from bluegreen.flow.jobs import hand_over_jobs
from bluegreen.flow.migrate import Answer, migrate, refuse_doubt, settle_doubt
from bluegreen.flow.observe import look_again, observe
from bluegreen.flow.prerequisites import ground, render_sealed, render_today
from bluegreen.flow.retention import note_makings, prune
from bluegreen.flow.run import Action, NothingChanged, Operation, describe, give_up
from bluegreen.flow.values import Check, ImageWish, Order, Result, Tools
from bluegreen.plans.differences import actual, ended_jobs, unwell
from bluegreen.plans.plan import Plan, Wish
from bluegreen.plans.release import plan_release, start_order

DEPENDENCY_TIMEOUT = 120.0  # seconds that a depends_on condition may take; Compose itself waits forever
ASK_AGAIN = 0.25  # seconds between two looks at the Engine
LOG_LINES = 12  # last lines of a failed container that an error shows
MANY_RESTARTS = 3  # a replica that the Engine restarted this often is not going to be healthy
OUTCOMES = {"up": "switched", "switch": "switched", "prepare": "prepared"}


@dataclass(frozen=True)
class Request:
    """What the person typed after the verb."""

    verb: Literal["up", "switch", "prepare"] = "switch"
    force: bool = False
    build: bool = True
    pull: bool = False
    adopt: bool = False
    note: Note = field(default_factory=Note)
    migrate: Answer | None = None  # what to do about a migration that is in doubt
    overrides: Mapping[str, str] = field(default_factory=dict)
    restored: Restored | None = None  # the kept release that is brought back


@dataclass
class Candidate:
    """The release that is being made."""

    color: Color
    release: int
    images: dict[str, Image] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    created: list[tuple[str, str]] = field(default_factory=list)  # service, container
    slot: Slot | None = None
    previewed: bool = False
    migrated: bool = False


def plan_switch(tools: Tools, stack: Stack, wish: Wish, request: Request) -> Plan:
    """The plan that a switch would follow now; looks, changes nothing."""
    plain = find_plain(tools, stack, request.adopt) if request.verb == "up" else ()
    adopts = tuple(container.name for container in plain)
    plan = plan_release(request.verb, observe(tools), replace(wish, force=request.force, adopts=adopts))
    _refuse_doubt(tools, plan, request, wish)
    return plan


def _refuse_doubt(tools: Tools, plan: Plan, request: Request, wish: Wish) -> None:
    if any(step.name == "create" for step in plan.steps):
        refuse_doubt(tools, request.verb, request.migrate, bool(wish.migrate))


def switch(tools: Tools, stack: Stack, wish: Wish, request: Request) -> Result:
    """Carries out a switch (or prepare, or the first up). Never raises BluegreenError after its plan was shown."""
    world = observe(tools)
    plain = find_plain(tools, stack, request.adopt) if request.verb == "up" else ()
    wish = replace(wish, adopts=tuple(container.name for container in plain))
    plan = plan_release(request.verb, world, replace(wish, force=request.force))
    give_up(tools, world)
    _refuse_doubt(tools, plan, request, wish)
    _refuse_to_clear_what_serves(tools, world, plan)
    if any(step.name == "create" for step in plan.steps):
        look_before_release(tools, stack)
    result = Result(request.verb, "unchanged")
    if not plan.steps:
        describe(result, world)
        result.message = plan.nothing
        return result
    tools.show.plan(plan)
    operation = Operation(tools, plan, result).begin()
    adoption = Adoption(tools, stack, plain) if plain else None
    release = Release(stack, wish, request, world, operation, adoption)
    done = release.run()
    after_failure(tools, done, release.moment("failed"), lambda: stack, release.new.images)
    return done


def _refuse_to_clear_what_serves(tools: Tools, world: World, plan: Plan) -> None:
    if any(step.name == "clear" for step in plan.steps) and serves_instead(tools, world):
        raise BluegreenError(
            f"{world.idle} answers for {world.live} now (failover), so it cannot make room for a release.",
            failed=f"no replica of {world.live} can be reached", expected=f"{world.live} to answer by itself",
            traffic=f"{world.idle}, in place of {world.live}", retry="safe",
            next=f"{tools.command} flip-back (makes {world.idle} live), then {tools.command} {plan.verb}",
        )  # fmt: skip


class Release:
    """One run of a switch; its methods are the steps of the plan."""

    def __init__(
        self,
        stack: Stack,
        wish: Wish,
        request: Request,
        world: World,
        operation: Operation,
        adoption: Adoption | None,
    ) -> None:
        self.adoption = adoption
        self.stack, self.wish, self.request, self.world = stack, wish, request, world
        self.operation, self.tools = operation, operation.tools
        self.plan, self.result = operation.plan, operation.result
        tools, plan = self.tools, self.plan
        target = plan.target or world.idle
        self.new = Candidate(target, plan.release or wish.release)
        if not any(step.name == "create" for step in plan.steps):
            self.new.slot = world.slot(target)
            self.new.images = dict(self.new.slot.images) if self.new.slot else {}
        self.cutover = Cutover(tools, world, target)
        self.began = tools.clock()

    def moment(self, outcome: str) -> Moment:
        """What hooks are told."""
        return Moment(self.request.verb, self.new.color, self.new.release, outcome, self.request.note.owner)

    def run(self) -> Result:
        tools, world = self.tools, self.world
        try:
            self._phase("prepare")
        except NothingChanged as nothing:
            return self._unchanged(str(nothing))
        except Interrupted as error:
            tools.signals.hold()
            self._withdraw(remove=True)
            return self.operation.failed(self._serving_still(error), world)
        except BluegreenError as error:
            tools.signals.hold()
            error.next = error.next or f"{tools.command} logs {self.new.color}"
            self._withdraw(remove=False)
            return self.operation.failed(self._serving_still(error), world)
        try:
            self._phase("cutover")
        except Exception as cause:  # noqa: BLE001 - whatever went wrong, traffic must be put back first
            moved = self._move_back(cause)
            return self.operation.failed(moved, look_again(tools, self.world))
        self._phase("settle")
        after = look_again(tools, self.world)
        self.result.outcome = OUTCOMES[self.request.verb]
        if self.adoption:
            self.result.message = self.adoption.said
        describe(self.result, after)
        return self.operation.ended()

    def _phase(self, phase: Literal["prepare", "cutover", "settle"]) -> None:
        self.operation.phase(phase, self._actions())

    def _actions(self) -> dict[str, Action]:
        return {
            **ground(self.tools, self.stack), "proxy": self._proxy, "undrift": self._undrift,
            "handover": self._handover, "image": self._image, "migrate": self._migrate,
            "before_switch": lambda: self._hooks("before_switch", "prepared"),
            "after_switch": lambda: self._hooks("after_switch", "switched"),
            "clear": self._clear, "create": self._create,
            "start": self._start, "health": self._health, "preview": self._preview, "check": self._check,
            "expect": self._expect,
            **self.cutover.actions(), "jobs": self._jobs, "drain": self._drain,
            "record": self._record, "prune": lambda: prune(self.tools, self.stack.settings.keep), **self._adopting(),
        }  # fmt: skip

    # -- prepare

    def _proxy(self) -> str:
        if self.tools.nginx.intended() is None:
            empty = Routing(self.stack.app, 0, None, {}, None, None, self.stack.settings.drain)
            self.tools.door.first(self._render(empty), 1, "")
        return ground(self.tools, self.stack, published=self.adoption is None)["proxy"]()

    def _undrift(self) -> str:
        routing = actual(self.world)
        if routing is None:
            raise BluegreenError(
                "The rendered file is gone.",
                failed="nginx.conf is absent",
                expected="what the last switch left",
                retry="safe",
                next=f"{self.tools.command} up",
            )
        self._load(self._render(routing), routing.since, render_sealed(self.tools, self.stack, routing))
        return f"live stays {self.world.live or 'no color'}"

    def _handover(self) -> str:
        live = self.world.live or other(self.new.color)
        with self.tools.signals.deferred():
            return hand_over_jobs(self.tools, live, start_order(self.stack.services, self.stack.settings.jobs))

    def _adopting(self) -> dict[str, Action]:
        return {"adopt": self.adoption.take_over, "adopted": self.adoption.finish} if self.adoption else {}

    def _image(self) -> str:
        names = self.stack.settings.own_services()
        restored = self.request.restored.images if self.request.restored else {}
        overrides = self.request.overrides
        making = {overrides.get(name) or self.stack.image_reference(name) for name in names if name not in restored}
        note_makings(self.tools, sorted(making))
        # What is built first: a worker may run the image that web builds, by its name alone.
        for service in sorted(names, key=lambda name: not self.stack.services[name].get("build")):
            wish = ImageWish(self.request.build, self.request.pull, overrides.get(service), restored.get(service))
            self.new.images[service] = self.tools.colors.image(self.stack, service, wish, self.tools.show.progress)
        live = self.world.slot(self.world.live) if self.world.live else None
        if live and self._same(live) and not self.request.force:
            here = [it for it in self.tools.engine.replicas() if it.color == live.color]  # after a handover, too
            if wrong := [*unwell(live, here), *ended_jobs(live, here)]:
                raise BluegreenError(
                    f"There is nothing new to release, and {live.color} is not whole.", failed="; ".join(wrong),
                    expected=f"every replica of release {live.release} to run",
                    retry="not useful before that is mended",
                    next=f"{self.tools.command} up (makes {live.color} whole), or {self.tools.command} switch --force",
                )  # fmt: skip
            back = self.request.restored
            what = f"release {back.release} was" if back else "the Compose file says"
            self.tools.journal.end_makings()
            raise NothingChanged(f"release {live.release} on {self.world.live} is what {what}")
        if self.request.migrate and not self.wish.migrate:
            settle_doubt(self.tools, self.request.migrate)
        interpolated = self.tools.compose.interpolated(Path(self.stack.project_directory))
        written = written_down(
            self.stack, defining_services(self.stack), self.wish.replicas, self.tools.fingerprint, interpolated
        )
        begun = Begun(
            self.new.release, self.new.color, self.wish.definition, self.new.images, written, self.request.note,
            live.release if live else None, self.request.restored.release if self.request.restored else None,
        )  # fmt: skip
        self.tools.journal.start_release(begun)
        self.tools.journal.end_makings()
        return ", ".join(f"{name} {image.id.removeprefix('sha256:')[:12]}" for name, image in self.new.images.items())

    def _same(self, live: Slot | None) -> bool:
        if live is None or live.definition != self.wish.definition:
            return False
        mine = {name: image.id for name, image in self.new.images.items() if name in live.images}
        return {name: image.id for name, image in live.images.items()} == mine

    def _migrate(self) -> str:
        migration = self.stack.settings.migrate
        service = (migration.run.service if migration else "") or ""
        image = self.new.images[service]
        self._await_dependencies(service)
        done = migrate(self.tools, self.stack, image, self.new.color, self.new.release, self.request.migrate)
        self.new.migrated = True
        return done

    def _hooks(self, name: HookName, outcome: str) -> str:
        return run_hooks(self.tools, self.stack, name, self.moment(outcome), self.new.images)

    def _clear(self) -> str:
        waited = self._wait_drained(self.new.color, "it still answers requests")
        held = self.world.in_color(self.new.color)
        for replica in held:
            with self.tools.signals.deferred():
                if replica.role == "job" and replica.running:
                    self.tools.engine.stop(replica.id)
                self.tools.engine.remove(replica.id)
        return f"{counted(len(held), 'container')} removed{waited}"

    def _create(self) -> str:
        tools, color = self.tools, self.new.color
        with tools.signals.deferred():
            tools.colors.ensure_ground(self.stack, color, tools.show.progress)
        wanted = self.wish.replicas
        avoid = frozenset(
            [address for slot in self._slots().values() for ips in slot.addresses.values() for address in ips]
            + [replica.address for replica in tools.engine.replicas() if replica.address]
        )
        free = iter(tools.colors.free_addresses(self.new.release, sum(wanted.values()), avoid))
        for service in start_order(self.stack.services, list(wanted)):
            count = wanted[service]
            role: Role = "job" if service in self.stack.settings.jobs else "routed"
            mine = tuple(next(free) for _ in range(count))
            for number, address in enumerate(mine, 1):
                order = Order(
                    color,
                    service,
                    number,
                    self.new.release,
                    role,
                    self.new.images[service],
                    address,
                    self.wish.definition,
                )
                with tools.signals.deferred():
                    self.new.created.append((service, tools.colors.create(self.stack, order)))
            if role == "routed":
                self.new.addresses[service] = mine
        return counted(len(self.new.created), "container")

    def _start(self) -> str:
        tools = self.tools
        routed = [name for name in self.wish.replicas if name not in self.stack.settings.jobs]
        for service in start_order(self.stack.services, routed):
            self._await_dependencies(service)
            for mine in [container for name, container in self.new.created if name == service]:
                with tools.signals.deferred():
                    tools.engine.start(mine)
        return ", ".join(routed)

    def _await_dependencies(self, service: str) -> None:
        for name, wanted in (self.stack.services[service].get("depends_on") or {}).items():
            condition = wanted.get("condition", "service_started")
            deadline = self.tools.clock() + DEPENDENCY_TIMEOUT
            while problem := self._dependency_problem(name, condition):
                if not wanted.get("required", True) and "not there" in problem:
                    break
                if "not there" in problem or self.tools.clock() > deadline:
                    raise BluegreenError(
                        f"{service} cannot start: {name} is not as its depends_on asks.",
                        failed=f"{name} {problem}", expected=condition, retry="safe",
                        next=f"{self.tools.command} up" if name in self.stack.shared else f"{self.tools.command} logs",
                    )  # fmt: skip
                self.tools.show.progress(f"{service} waits for {name}: {problem}")
                self.tools.sleep(ASK_AGAIN)

    def _dependency_problem(self, name: str, condition: str) -> str | None:
        if name in self.wish.replicas:
            mine = [replica for replica in self._mine() if replica.service == name]
            if condition == "service_healthy":
                return next((f"is {r.health or r.state}" for r in mine if r.health != "healthy"), None)
            return (
                None
                if name in self.stack.settings.jobs
                else next((f"is {r.state}" for r in mine if not r.running), None)
            )
        found = self.tools.colors.dependency(name)
        if found is None:
            return "is not there"
        state, health, code = found
        if condition == "service_completed_successfully":
            return None if state == "exited" and code == 0 else f"is {state}, exit code {code}"
        if condition == "service_healthy":
            return None if health == "healthy" else f"is {health or state}"
        return None if state in ("running", "restarting") else f"is {state}"

    def _health(self) -> str:
        known = self.new.addresses or (self.new.slot.addresses if self.new.slot else {})
        checks = [
            Check(f"{route.service}-{number}", address, route.port, route.host, route.health)
            for route in self.stack.settings.routes
            for number, address in enumerate(known.get(route.service, ()), 1)
        ]
        began = self.tools.clock()
        missing = self.tools.prober.wait(checks, self._between)
        if missing:
            raise self._unhealthy(missing, [replica for replica in self._mine() if replica.role == "routed"])
        self._await_docker_health(began)
        return counted(len(checks), "replica")

    def _between(self, text: str) -> None:
        """Between two rounds: show how far it is, and see whether waiting on makes any sense."""
        self.tools.show.progress(text)
        for replica in self._mine():
            if replica.role == "routed" and replica.state in ("restarting", "exited", "dead"):
                last, restarts, words = self.tools.engine.exit_of(replica.id)
                if replica.state != "restarting" or restarts >= MANY_RESTARTS:
                    raise self._crashed(replica, replica.exit_code or last, restarts, words)

    def _await_docker_health(self, began: float) -> None:
        timeout = max(route.health.timeout for route in self.stack.settings.routes)
        while True:
            unwell = [r for r in self._mine() if r.role == "routed" and r.health not in (None, "healthy")]
            if not unwell:
                return
            if self.tools.clock() - began > timeout or any(r.health == "unhealthy" for r in unwell):
                replica = unwell[0]
                raise BluegreenError(
                    f"{self.new.color} did not become healthy in {self.tools.clock() - began:.0f} s.",
                    failed=f"Docker's own health check of {replica.service}-{replica.number} says {replica.health}",
                    expected="healthy, as the service's healthcheck defines it",
                    retry="safe", lines=self._last_lines(replica),
                )  # fmt: skip
            self.tools.show.progress(f"Docker's health check of {unwell[0].name}: {unwell[0].health}")
            self.tools.sleep(ASK_AGAIN)

    def _unhealthy(self, missing: Mapping[str, tuple[int, str]], routed: list[Replica]) -> BluegreenError:
        name, (tries, last) = next(iter(missing.items()))
        replica = next(r for r in routed if f"{r.service}-{r.number}" == name)
        policy = next(route.health for route in self.stack.settings.routes if route.service == replica.service)
        more = f"; {len(missing) - 1} more replicas are not healthy either" if len(missing) > 1 else ""
        return BluegreenError(
            f"{self.new.color} did not become healthy in {policy.timeout:g} s.",
            failed=f"GET {policy.path} of {name} through the proxy {last} ({tries} tries){more}",
            expected=expectation(policy),
            retry="safe",
            lines=self._last_lines(replica),
        )

    def _crashed(self, replica: Replica, code: int, restarts: int, words: str) -> BluegreenError:
        return BluegreenError(
            f"{self.new.color} did not become healthy: {replica.service}-{replica.number} keeps ending.",
            failed=f"exit code {code}, {restarts} restarts{f', {words}' if words else ''}",
            expected="a process that stays and answers its health check",
            retry="safe",
            lines=self._last_lines(replica),
        )

    def _last_lines(self, replica: Replica) -> list[str]:
        return [
            f"{replica.service}-{replica.number}  {line}" for line in self.tools.engine.log_tail(replica.id, LOG_LINES)
        ]

    def _preview(self) -> str:
        """The file that knows both colors, and the texts by which either becomes its own default after a shift."""
        live = self.world.slot(self.world.live) if self.world.live else None
        new = self.new.slot = self.new.slot or self._slot()
        slots = {slot.color: slot for slot in (live, new) if slot}
        since = self.world.intended.since if self.world.intended else None
        app, drain = self.stack.app, self.stack.settings.drain
        both = self._render(Routing(app, 0, self.world.live, slots, "prepared", since, drain))
        there = Routing(app, 0, new.color, slots, "previous" if live else None, since, drain)
        sealed = {new.color: self._render(there)}
        if live:
            sealed[live.color] = self._render(replace(there, live=live.color))
        self.new.previewed = True
        self._load(both, since, sealed)
        return f"nginx knows {counted(len(slots), 'color')}"

    def _slot(self) -> Slot:
        settings = self.stack.settings
        return Slot(
            self.new.color, self.new.release, self.wish.definition, settings.routes, self.new.addresses,
            self.new.images, dict(self.wish.replicas), settings.jobs,
            settings.proxy.max_body, settings.proxy.read_timeout, self.new.migrated,
            settings.migrate.reversible if settings.migrate else True,
        )  # fmt: skip

    def _load(self, text: str, since: str | None, sealed: dict[Color, str]) -> None:
        """A reload that leaves live as it is: tested before, with the texts for either color, and confirmed."""
        self.tools.door.test(list(dict.fromkeys([text, *sealed.values()])))
        with self.tools.signals.deferred():
            try:
                self.tools.door.store(sealed)  # before the file: killed in between, no older one is ever loaded
                self.tools.door.load(text, self.world.live, since or "")
            except BluegreenError as error:
                error.next = error.next or f"{self.tools.command} status"
                raise

    def _check(self) -> str:
        routes = self.new.slot.routes if self.new.slot else ()
        checks = [
            Check(
                f"{route.service} at {route.host or ''}{route.path}",
                None,
                route.port,
                route.host,
                replace(route.health, successes=1),
            )
            for route in routes
            if self._reachable(route.path, route.health.path)
        ]
        wrong = self.tools.prober.once(checks)
        if wrong:
            name, reason = next(iter(wrong.items()))
            policy = next(check.policy for check in checks if check.name == name)
            raise BluegreenError(
                f"{self.new.color} does not answer as expected through the preview listener.",
                failed=f"{name}: {reason}", expected=expectation(policy), retry="safe",
            )  # fmt: skip
        return counted(len(checks), "route")

    def _expect(self) -> str:
        return gate(self.tools, self.wish.expected, self.new.color, self.stack.project_directory)

    @staticmethod
    def _reachable(prefix: str, path: str) -> bool:
        """Whether a health path lies under the route's prefix: only then nginx routes it to that service."""
        return prefix == "/" or path == prefix or path.startswith(f"{prefix}/")

    # -- cutover and settle

    def _jobs(self) -> str:
        order = start_order(self.stack.services, self.stack.settings.jobs)
        return hand_over_jobs(self.tools, self.new.color, order, self._await_dependencies, self.new.slot)

    def _drain(self) -> str:
        return self._wait_drained(other(self.new.color), "requests in flight").removeprefix(", ") or "nothing in flight"

    def _wait_drained(self, color: Color, why: str) -> str:
        """Waits until nginx holds no request to this color any more, or `drain` is over."""
        tools = self.tools
        slot = self.world.slot(color)
        addresses = frozenset(ip for ips in slot.addresses.values() for ip in ips) if slot else frozenset()
        if not addresses or self.world.proxy is None or not self.world.proxy.running:
            return ""
        began, limit = tools.clock(), self.world.intended.drain if self.world.intended else 0.0
        while left := tools.nginx.in_flight(addresses):
            if tools.clock() - began > limit:
                return f", {left} requests longer than {limit:g} s remain"
            if tools.signals.asked:
                return f", {left} requests were still in flight when {tools.signals.asked} came"
            tools.show.progress(f"{why}: {left} connections ({limit:g} s at most)")
            tools.sleep(ASK_AGAIN)
        seconds = tools.clock() - began
        return f", {seconds:.1f} s until no request was in flight" if seconds >= ASK_AGAIN else ""

    def _record(self) -> str:
        prepared = self.request.verb == "prepare"
        images = {name: asdict(image) for name, image in (self.new.slot.images if self.new.slot else {}).items()}
        figures = {"seconds": round(self.tools.clock() - self.began, 3)}
        figures |= {done.step.name: round(done.seconds, 3) for done in self.result.steps}
        self.tools.journal.end_release(self.new.release, "prepared" if prepared else "live", images, figures)
        self.tools.journal.annotate(self.new.release, self.request.note)
        self.tools.snippets.forget()
        return f"release {self.new.release}"

    # -- the way out

    def _move_back(self, cause: Exception) -> BluegreenError:
        if self.adoption is None or not self.adoption.begun:
            return self._serving_still(self.cutover.move_back(cause))
        try:
            self.adoption.put_back()
        except BluegreenError as error:
            return BluegreenError(
                "The take-over failed, and not everything could be put back.", failed=f"{cause}; {error}",
                expected=f"{self.adoption.names} to run as before", traffic="unknown; look now",
                retry="not before you looked", next="docker ps -a", exit_code=ExitCode.UNKNOWN,
            )  # fmt: skip
        moved = self.cutover.move_back(cause)
        moved.traffic = f"{self.adoption.serving} of plain Compose, started again"
        return moved

    def _unchanged(self, why: str) -> Result:
        self.tools.signals.hold()
        describe(self.result, look_again(self.tools, self.world))
        self.result.message = why
        return self.operation.ended()

    def _serving_still(self, error: BluegreenError) -> BluegreenError:
        """Before a take-over has begun, traffic goes where plain Compose has it."""
        if self.adoption:
            error.traffic = f"{self.adoption.serving} of plain Compose (unchanged)"
        return error

    def _withdraw(self, remove: bool) -> None:
        """After a failed prepare: the color is stopped (its logs stay) or removed; nginx forgets it."""
        tools = self.tools
        prepared_before = not any(step.name == "create" for step in self.plan.steps)
        try:
            if prepared_before:
                return
            images = {name: asdict(image) for name, image in self.new.images.items()}
            tools.journal.end_release(self.new.release, "interrupted" if remove else "failed", images, {})
            for replica in self._mine():
                if remove:
                    tools.engine.remove(replica.id)
                else:
                    tools.engine.set_restart(replica.id, {"Name": "no"})
                    tools.engine.stop(replica.id, 1)
            self._forget_idle()
        except BluegreenError as error:
            tools.show.notice(f"Cleaning up was not complete ({error}); the next command goes on with it.")

    def _forget_idle(self) -> None:
        """nginx and the stored files must not name a color whose containers left or failed."""
        intended = self.tools.nginx.intended()
        if intended is None or self.new.color not in intended.slots or self.world.proxy is None:
            return
        if (
            any(step.step.name == "clear" and step.outcome == "done" for step in self.result.steps)
            or self.new.previewed
        ):
            live = {color: slot for color, slot in intended.slots.items() if color == self.world.live}
            # With the snippets of the loaded file: those of today may be what failed.
            text = self.tools.render(
                replace(intended, slots=live, standing=None), self.stack, self.tools.snippets.loaded()
            )
            self._load(text, intended.since, {self.world.live: text} if self.world.live else {})

    def _mine(self) -> list[Replica]:
        return [r for r in self.tools.engine.replicas() if r.color == self.new.color and r.release == self.new.release]

    def _slots(self) -> Mapping[Color, Slot]:
        return self.world.intended.slots if self.world.intended else {}

    def _render(self, routing: Routing) -> str:
        return render_today(self.tools, self.stack, routing)
