"""The steps back to plain Compose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bluegreen.domain.app import Health, Route, Stack
from bluegreen.domain.routing import Slot
from bluegreen.domain.verdict import expectation
from bluegreen.domain.words import counted
from bluegreen.domain.world import PlainContainer, World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.ports import PlainPort
from bluegreen.flow.prerequisites import run_proxy
from bluegreen.flow.values import Check, Tools

RESTART_GRACE = 2  # seconds that nginx gets to end its requests; no new ones are answered meanwhile
ASK_AGAIN = 0.05  # seconds between two questions to the public port
LOG_LINES = 12  # last lines of a container that an error shows


@dataclass
class Leaving:
    """Everything that the steps work with. `before`: the plain containers that were there already."""

    tools: Tools
    plain: PlainPort
    stack: Stack
    world: World
    left: Slot
    front: Route
    override: dict[str, Any]
    before: frozenset[str] = frozenset()
    command: str = ""  # to be typed for the same again
    milliseconds: int = 0  # from the stop of nginx until the public port answered again

    @property
    def routed(self) -> list[str]:
        return [route.service for route in self.left.fronts]

    def containers(self, *services: str) -> list[PlainContainer]:
        return [it for it in self.tools.engine.plain_containers() if it.service in services]


def beside(it: Leaving) -> str:
    images = {name: image.id for name, image in it.left.images.items()}
    with it.tools.signals.deferred():
        it.plain.start(images, it.routed)
    return ", ".join(container.name for container in it.containers(*it.routed))


def health(it: Leaving) -> str:
    """Each plain container through our nginx: it is on the app's network for that long."""
    tools = it.tools
    there = [container for container in it.containers(*it.routed) if container.running]
    missing = [name for name in it.routed if name not in [container.service for container in there]]
    if missing:
        raise _not_healthy(it, missing[0], "has no container that runs")
    used = {replica.address for replica in it.world.replicas if replica.address}
    used |= {address for slot in _slots(it.world) for found in slot.addresses.values() for address in found}
    free = tools.colors.free_addresses(it.left.release, len(there), frozenset(used))
    checks = []
    for container, address in zip(there, free, strict=True):
        route = next(route for route in it.left.routes if route.service == container.service)
        at = tools.containers.connect(container.id, address)  # a killed command may have done it
        checks.append(Check(container.name, at, route.port, route.host, _policy(it, route)))
    for name, (tries, last) in tools.prober.wait(checks, tools.show.progress).items():
        raise _not_healthy(it, name, f"{last} ({tries} tries)")
    return counted(len(checks), "container")


def _slots(world: World) -> list[Slot]:
    return list(world.intended.slots.values()) if world.intended else []


def _policy(it: Leaving, route: Route) -> Health:
    """As the release is checked; with the headers of today's file, which may be secrets."""
    same = [own.health.request_headers for own in it.stack.settings.routes if own.service == route.service]
    return replace(route.health, request_headers=same[0] if same else {})


def _not_healthy(it: Leaving, name: str, why: str) -> BluegreenError:
    found = [container for container in it.containers(*it.routed) if name in (container.name, container.service)]
    lines = it.tools.containers.log_tail(found[0].id, LOG_LINES) if found else []
    return BluegreenError(
        "Plain Compose does not serve this release as it should.", code="plain-not-healthy",
        failed=f"{name} {why}", expected=expectation(it.front.health), retry="safe",
        next=f"{it.tools.command} status (the plain containers were removed)", lines=[f"{name}  {it}" for it in lines],
    )  # fmt: skip


def publish(it: Leaving) -> str:
    """The front's container with its port. The proven one makes room; while nginx runs it serves nobody."""
    with it.tools.signals.deferred():
        if it.world.proxy is not None and it.world.proxy.running:
            for container in it.containers(it.front.service):
                it.tools.containers.remove(container.id, volumes=False)
        it.plain.create(it.override, [it.front.service])
    it.command = it.plain.command(it.override, [*it.stack.shared, *it.left.replicas])
    return ", ".join(container.name for container in it.containers(it.front.service))


def leave(it: Leaving) -> str:
    """nginx stops, and plain Compose's container takes its port. Raises BluegreenError; then `put_back`."""
    tools, proxy = it.tools, it.world.proxy
    began = tools.clock()
    if proxy is not None and proxy.running:
        tools.containers.stop(proxy.id, RESTART_GRACE)
    for container in it.containers(it.front.service):
        tools.containers.start(container.id)
    deadline = tools.clock() + it.front.health.timeout
    while silent := _silent(it):
        if tools.clock() > deadline:
            raise BluegreenError(
                "Plain Compose does not answer in nginx's place.", code="plain-not-serving", failed="; ".join(silent),
                expected=f"an answer on every address of listen within {it.front.health.timeout:g} s", retry="safe",
            )  # fmt: skip
        tools.sleep(ASK_AGAIN)
    it.milliseconds = round((tools.clock() - began) * 1000)
    return f"{it.front.service} answers {it.milliseconds} ms after nginx was stopped"


def _silent(it: Leaving) -> list[str]:
    listens = [str(listen) for listen in it.stack.settings.listen]
    return it.tools.prober.public(listens, it.front.host, it.front.health.path)


def put_back(it: Leaving, cause: Exception) -> BluegreenError:
    """Ours serves again: the plain front goes, nginx starts. Returns what to tell; never raises BluegreenError."""
    known = cause if isinstance(cause, BluegreenError) else _unforeseen(it, cause)
    try:
        for container in it.containers(it.front.service):
            it.tools.containers.remove(container.id, volumes=False)
        run_proxy(it.tools, it.stack)
        answer, silent = it.tools.door.answer(), _silent(it)
        if answer is None or answer.live != it.left.color or silent:
            raise BluegreenError(
                "nginx does not serve again.", code="plain-not-serving",
                failed="; ".join(silent) or f"nginx answers {answer.live if answer else 'nothing'}",
                expected=f"{it.left.color}, as before",
            )  # fmt: skip
    except BluegreenError as error:
        known.exit_code, known.retry = ExitCode.UNKNOWN, "not before you looked"
        known.traffic, known.next = "unknown; look now", f"{it.tools.command} up"
        known.failed = f"{known.failed}; {error}"
        return known
    known.exit_code = ExitCode.MOVED_BACK
    known.traffic = f"{it.left.color}, release {it.left.release} (nginx again, confirmed)"
    return known


def _unforeseen(it: Leaving, cause: Exception) -> BluegreenError:
    return BluegreenError(
        "Plain Compose does not answer in nginx's place.", code="plain-not-serving",
        failed=str(cause) or type(cause).__name__, expected=f"{it.front.service} on the public port",
    )  # fmt: skip


def take_away(it: Leaving) -> None:
    """After a failure before nginx stopped: what plain Compose has of the release and had not before."""
    for container in it.containers(*it.routed):
        if container.id not in it.before:
            it.tools.containers.remove(container.id, volumes=False)


def serve(it: Leaving) -> str:
    """The rest of the release, jobs too: ours have ended, or they would run twice."""
    running = [replica.name for replica in it.tools.containers.replicas() if replica.running and replica.role == "job"]
    if running:
        raise BluegreenError(
            "Jobs of bluegreen still run.", code="job-still-runs", failed=", ".join(running),
            expected="each job in one place only", retry="safe", next=f"{it.tools.command} down --to-compose",
        )  # fmt: skip
    it.plain.serve(it.override, list(it.left.replicas))
    return ", ".join(it.left.replicas)
