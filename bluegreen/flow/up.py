"""`up`: the first release when there is none; afterwards only what is missing."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from bluegreen.domain.app import Stack
from bluegreen.domain.color import COLORS, Color, Role
from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.verdict import expectation
from bluegreen.domain.words import counted
from bluegreen.domain.world import NewNginx, PlainContainer, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.adopt import Adoption, find_plain
from bluegreen.flow.aside import bring_back, routing_with, said
from bluegreen.flow.checks import tell_failover
from bluegreen.flow.jobs import hand_over_jobs
from bluegreen.flow.making import Request
from bluegreen.flow.observe import look_again, observe
from bluegreen.flow.prerequisites import (
    first_file,
    prerequisite_steps,
    refuse_old,
    render_sealed,
    render_today,
    run_proxy,
    text_to_load,
)
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.proxy_image import moved
from bluegreen.flow.public import refuse_unreached
from bluegreen.flow.rebuild import rebuild
from bluegreen.flow.receipts import accounted
from bluegreen.flow.run import Action, Operation, describe, give_up
from bluegreen.flow.steps.edge import Moving
from bluegreen.flow.steps.files import take
from bluegreen.flow.switch import plan_switch, switch
from bluegreen.flow.values import Order, Result, Tools
from bluegreen.plans.differences import actual, leftovers, orphans, returning
from bluegreen.plans.plan import Plan, Wish
from bluegreen.plans.release import start_order
from bluegreen.plans.repair import plan_repair
from bluegreen.plans.steps import can_follow, differs

RESTART_GRACE = 2  # seconds that nginx gets to end its requests; no new ones are answered meanwhile


def up(tools: Tools, stack: Stack, wish: Wish, request: Request) -> Result:
    """Carries out `up`. Never raises BluegreenError: it is in the result."""
    world = _look(tools, stack, request.live)
    live = world.slot(world.live) if world.live else None
    if live is None:
        return switch(tools, stack, wish, replace(request, verb="up"))
    return Repair(tools, stack, wish, world, live, find_plain(tools, stack, request.adopt)).run()


def plan_up(tools: Tools, stack: Stack, wish: Wish, request: Request) -> Plan:
    """What `up` would do now; looks, changes nothing."""
    world = _look(tools, stack, request.live)
    live = world.slot(world.live) if world.live else None
    if live is None:
        return plan_switch(tools, stack, wish, replace(request, verb="up"))
    return Repair(tools, stack, wish, world, live, find_plain(tools, stack, request.adopt)).plan


def _look(tools: Tools, stack: Stack, said: Color | None) -> World:
    """The world; when the state folder was deleted under a running app, with a routing made from the rest."""
    world = observe(tools, thorough=True)
    if world.proxy and world.proxy.running and tools.edge.unbound(stack):
        world = replace(world, proxy=replace(world.proxy, stale=True))
    if world.intended is None and world.proxy and world.replicas and (world.answer is None or world.answer.live):
        return replace(world, intended=rebuild(tools, stack, world, said))
    return world


class Repair:
    """One run of `up` when a color is live; its methods are the steps of the plan."""

    def __init__(
        self, tools: Tools, stack: Stack, wish: Wish, world: World, live: Slot, plain: tuple[PlainContainer, ...]
    ) -> None:
        self.adoption = Adoption(tools, stack, plain)  # what a killed take-over has left; usually nothing
        self.tools, self.stack, self.world, self.live = tools, stack, world, live
        image = stack.settings.proxy.image
        self.wish = replace(
            wish,
            adopts=tuple(container.name for container in plain),
            proxy_image=image if moved(tools, world.proxy, image) else "",
            files_gone=any(it.service for it in live.files) and not tools.static.has(live.release),
        )
        self.result = Result("up", "unchanged")
        self._moving = Moving(tools, stack, bool(self.wish.edge))
        if world.intended is None:
            raise BluegreenError(
                "nginx's rendered configuration is gone.",
                code="config-missing",
                failed="nginx.conf is not in the state folder",
                expected="the file of the last switch",
                retry="safe",
                next=f"{tools.command} switch",
            )
        self.routing: Routing = actual(world) or world.intended
        self.live = self.routing.slots.get(live.color, live)
        self.plan: Plan = plan_repair(world, self.wish, self._rendered_differs())

    def _render(self, routing: Routing) -> str:
        return render_today(self.tools, self.stack, routing)

    def _rendered_differs(self) -> bool:
        """Whether the settings of today would render other files than there are."""
        wanted = COLORS if self.routing.standing == "previous" or self.routing.canary else ()
        text = self._render(replace(self.routing, drain=self.stack.settings.drain))
        return self.tools.door.differs(text, self.routing.generation, self.routing.since or "", wanted)

    def run(self) -> Result:
        tools = self.tools
        give_up(tools, self.world)
        tell_failover(tools, self.world)
        operation = Operation(tools, self.plan, self.result).begin()
        actions: dict[str, Action] = {
            **prerequisite_steps(tools, self.stack),
            "proxy": self._proxy, "leave_edge": self._moving.leave, "edge": self._moving.arrive,
            "handover": self._handover, "clear": self._clear, "share": lambda: _end_canary(self),
            "bring_back": lambda: _brought_back(self), "adopt": self._adopt,
            "recreate": self._recreate, "connect": self._connect,
            "start": lambda: self._start(self.world.live), "health": self._health, "warm": self._warm,
            "render": self._rendered, "files": lambda: take(tools, self.live.release, self.live.files),
        }  # fmt: skip
        try:
            operation.phase("prepare", actions)
            refuse_unreached(tools, tools.proxy.container(), self.live)
        except BluegreenError as error:
            error.traffic = error.traffic or self._moving.traffic
            return operation.failed(error, self.world)
        after = look_again(tools, self.world)
        describe(self.result, after)
        repaired = [done.step.name for done in self.result.steps if done.step.name != "shared" or self.wish.changed]
        self.result.outcome = "repaired" if repaired else "unchanged"
        self.result.message = self.plan.nothing if not repaired else f"repaired: {', '.join(dict.fromkeys(repaired))}"
        if self.wish.definition != self.live.definition:
            self.result.warnings.append(
                f"The Compose file differs from release {self.live.release}. To release it: {tools.command} switch"
            )
        return operation.ended(after)

    def _proxy(self) -> str:
        tools, proxy = self.tools, self.world.proxy
        tools.edge.prepare(self.stack)
        if proxy and proxy.running and differs(self.world, self.wish):  # its log goes with it
            accounted(tools, proxy.speaker)
        if tools.door.intended() is None:
            self._first_file()
        elif proxy and proxy.state == "restarting":  # nginx refuses its file; a new one that it accepts may help
            with contextlib.suppress(BluegreenError):
                self._first_file()
        elif differs(self.world, self.wish) and can_follow(self.world, self.wish.proxy_ports):
            return _followed(self)
        elif differs(self.world, self.wish):  # the nginx in it must accept its file before the one that runs ends
            self._first_file()
        began, restarted = tools.clock(), False
        if proxy and proxy.definition != self.wish.proxy_definition:
            self._moving.begins()
        with tools.signals.deferred():
            if proxy and proxy.stale and proxy.definition == self.wish.proxy_definition:
                tools.proxy.restart(proxy.id, RESTART_GRACE)
                restarted = True
            done = run_proxy(tools, self.stack)
        if restarted:
            return f"restarted, {tools.clock() - began:.1f} s without answers at most"
        return self._moving.published(done)

    def _first_file(self) -> None:
        first_file(self.tools, self.stack, self._render(self.routing), replace(self.routing, live=self.world.live))

    def _handover(self) -> str:
        order = start_order(self.stack.services, self.stack.settings.jobs)
        with self.tools.signals.deferred():
            return hand_over_jobs(self.tools, self.live.color, order)

    def _clear(self) -> str:
        left = [*orphans(self.world), *leftovers(self.world)]
        for replica in left:
            with self.tools.signals.deferred():
                self.tools.containers.remove(replica.id)
        return f"{counted(len(left), 'container')} removed"

    def _adopt(self) -> str:
        """Goes on with a take-over that was killed after the color was checked."""
        try:
            done = self.adoption.take_over()
        except BluegreenError as error:
            try:
                self.adoption.put_back()
            except BluegreenError as left:
                raise self.adoption.lost(error, left) from None
            error.traffic = self.adoption.restored
            raise
        self.adoption.finish()
        self.result.warnings.append(self.adoption.said)
        return done

    def _recreate(self) -> str:
        tools, live = self.tools, self.live
        if self.wish.definition != live.definition:
            raise BluegreenError(
                f"Containers of release {live.release} are gone, and the Compose file has changed since.",
                code="compose-file-changed",
                failed="they cannot be made again as they were",
                expected=f"the Compose file as it was at release {live.release}",
                retry="safe", next=f"{tools.command} switch (releases what the Compose file says)",
            )  # fmt: skip
        known = [r for r in self.world.in_color(live.color) if r.release == live.release]
        here = {(r.service, r.number): r for r in known if not r.lost}
        for lost in (it for it in known if it.lost):
            tools.containers.remove(lost.id)
        addresses: dict[str, tuple[str, ...]] = {}
        made = 0
        avoid = {r.address for r in self.world.replicas if r.address}
        avoid |= {ip for slot in self.routing.slots.values() for ips in slot.addresses.values() for ip in ips}
        tools.colors.ensure_prerequisites(self.stack, live.color, tools.show.progress)
        for service in start_order(self.stack.services, list(live.replicas)):
            wanted = live.replicas[service]
            mine: list[str] = []
            for number in range(1, wanted + 1):
                if replica := here.get((service, number)):
                    before = live.addresses.get(service, ())[number - 1 : number]  # of one that was disconnected
                    mine.append(replica.address or "".join(before))
                    continue
                address = tools.colors.free_addresses(live.release, 1, frozenset(avoid))[0]
                avoid.add(address)
                role: Role = "job" if service in live.jobs else "routed"
                order = Order(
                    live.color, service, number, live.release, role, live.images[service], address, live.definition,
                )  # fmt: skip
                tools.containers.start(tools.colors.create(self.stack, order))
                mine.append(address)
                made += 1
            if service not in live.jobs:
                addresses[service] = tuple(mine)
        self.live = replace(live, addresses=addresses)
        self.routing = replace(self.routing, slots={**self.routing.slots, live.color: self.live})
        return counted(made, "container")

    def _connect(self) -> str:
        done = []
        avoid = {it.address for it in self.world.replicas if it.address}
        avoid |= {ip for slot in self.routing.slots.values() for ips in slot.addresses.values() for ip in ips}
        for replica in self.world.in_color(self.live.color):
            if replica.off_network and replica.release == self.live.release:
                known = self.live.addresses.get(replica.service, ())
                free = self.tools.colors.free_addresses(self.live.release, 1, frozenset(avoid))[0]
                address = known[replica.number - 1] if replica.number <= len(known) else free
                avoid.add(address)
                with self.tools.signals.deferred():
                    self.tools.containers.connect(replica.id, address)
                done.append(replica.name)
        return ", ".join(done)

    def _start(self, color: Color | None) -> str:
        started = []
        for replica in self.tools.containers.replicas():
            if (
                replica.color == color
                and replica.place == "slot"
                and not replica.running
                and not replica.lost
                and (replica.role == "routed" or color == self.world.live)
            ):
                self.tools.containers.restart_as_defined(replica)
                if replica.state == "restarting":  # the Engine waits longer and longer between two tries
                    self.tools.containers.stop(replica.id, RESTART_GRACE)
                self.tools.containers.start(replica.id)
                started.append(replica.name)
        return ", ".join(started)

    def _warm(self) -> str:
        """Starts the way back, and waits until it is healthy; a warning when it does not get there."""
        started = self._start(self.world.idle)
        slot = self.world.slot(self.world.idle)
        missing = self.tools.prober.wait(replica_checks(slot), self.tools.show.progress) if slot else {}
        if missing:
            self.result.warnings.append(f"The way back, {self.world.idle}, is not healthy: {', '.join(missing)}.")
        return started

    def _health(self) -> str:
        checks = replica_checks(self.live)
        missing = self.tools.prober.wait(checks, self.tools.show.progress)
        if missing:
            name, (tries, last) = next(iter(missing.items()))
            raise BluegreenError(
                f"{self.live.color} is not healthy.", code="live-not-healthy",
                failed=f"{name} {last} ({tries} tries)",
                expected=expectation(self.live.routes[0].health),
                retry="safe", next=f"{self.tools.command} logs {self.live.color}",
            )  # fmt: skip
        return counted(len(checks), "replica")

    def _rendered(self) -> str:
        return f"generation {_load(self)}, live stays {self.live.color}"


def _followed(it: Repair) -> str:
    """Another nginx takes over from the one that runs. Raises BluegreenError; then that one goes on, as it did."""
    version = refuse_old(it.tools, it.stack)
    generation = _load(it, it.tools.proxy.successor(it.stack, it.tools.show.progress))
    return f"nginx {version} took over, no request waited; generation {generation}"


def _load(it: Repair, new: NewNginx | None = None) -> int:
    """Has nginx, or a new one, load what the settings of today give; returns its generation."""
    tools, routing = it.tools, replace(it.routing, drain=it.stack.settings.drain)
    sealed = render_sealed(tools, it.stack, routing)
    with tools.signals.deferred():
        text = text_to_load(tools, it.stack, routing, sealed)
        return tools.door.load(text, sealed, it.live.color, routing.since or "", new)


def _end_canary(it: Repair) -> str:
    """Its release cannot answer any more."""
    it.tools.door.turn(it.live.color)
    it.routing = replace(it.routing, canary=0)
    return f"renamed to {it.live.color}"


def _brought_back(it: Repair) -> str:
    slot = returning(it.world)
    if slot is None:
        return "nothing was set aside"
    unhealthy = bring_back(it.tools, slot, failed_stays=False)
    it.routing = routing_with(it.routing, slot)
    if unhealthy:
        it.result.warnings.append(said(slot, unhealthy))
    return said(slot, unhealthy)
