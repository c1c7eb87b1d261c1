"""`down --to-compose`: the reverse of `up --adopt`. Plain Compose's containers are checked, then take the port.

Until then nginx serves, also after a failure. Jobs are not checked: they would run twice.
"""

from __future__ import annotations

from bluegreen.domain.app import Listen, Stack
from bluegreen.domain.words import OUTSIDE_DOCKER
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow.down import front, plain_override, stop, unpublished
from bluegreen.flow.observe import observe
from bluegreen.flow.ports import PlainPort
from bluegreen.flow.run import Action, Operation, give_up
from bluegreen.flow.steps import leaving
from bluegreen.flow.steps.leaving import Leaving
from bluegreen.flow.values import Result, Tools
from bluegreen.plans.leave import plan_leave
from bluegreen.plans.plan import Plan


def plan_leaving(tools: Tools, plain: PlainPort, stack: Stack) -> Plan:
    """What `leave` would do now; looks, changes nothing. Raises BluegreenError when it cannot be done."""
    world = observe(tools)
    if words := _left_already(tools, stack, world):
        return Plan("down", None, None, (), words)
    it = _leaving(tools, plain, stack, world)
    return plan_leave(it.world, it.left, it.front.service)


def _left_already(tools: Tools, stack: Stack, world: World) -> str:
    """That plain Compose serves and nothing of ours is there, in a sentence; empty: it is not so."""
    if world.proxy or world.replicas:
        return ""
    services = [route.service for route in stack.settings.routes]
    there = [it for it in tools.engine.plain_containers() if it.running and it.service in services]
    if {it.service for it in there} != set(services):
        return ""
    return f"Plain Compose serves already: {', '.join(it.name for it in there)}. Nothing of bluegreen runs."


def leave(tools: Tools, plain: PlainPort, stack: Stack) -> Result:
    """Ends the app, and leaves its live release to plain Compose. Raises BluegreenError before there is a plan."""
    world = observe(tools)
    if words := _left_already(tools, stack, world):
        return Result("down", "unchanged", message=words)
    it = _leaving(tools, plain, stack, world)
    give_up(tools, it.world)
    plan = plan_leave(it.world, it.left, it.front.service)
    tools.show.plan(plan)
    for words in unproven(it):
        tools.show.notice(words)
    operation = Operation(tools, plan, Result("down", "down")).begin()
    actions: dict[str, Action] = {
        "beside": lambda: leaving.beside(it), "health": lambda: leaving.health(it),
        "publish": lambda: leaving.publish(it), "leave": lambda: leaving.leave(it),
        "stop": lambda: stop(tools, it.world),
        "remove": lambda: f"{len(tools.engine.remove_leftovers())} containers and networks removed",
        "shared": lambda: leaving.serve(it),
    }  # fmt: skip
    try:
        operation.phase("prepare", actions)
    except BluegreenError as error:
        tools.signals.hold()
        _taken_away(it, error)
        return operation.failed(error, it.world)
    try:
        operation.phase("cutover", actions)
    except Exception as cause:  # noqa: BLE001 - whatever went wrong, nginx must serve again first
        return operation.failed(leaving.put_back(it, cause), it.world)
    operation.phase("settle", actions)
    return _ended(it, operation)


def _taken_away(it: Leaving, error: BluegreenError) -> None:
    try:
        leaving.take_away(it)
    except BluegreenError as left:
        error.lines.append(f"plain containers are left: {left}")


def _ended(it: Leaving, operation: Operation) -> Result:
    result, number = operation.result, it.left.release
    gap = f"Requests failed for at most {it.milliseconds} ms."
    result.message = f"Plain Compose serves release {number}. {gap} Volumes stay."
    if result.steps[-1].outcome == "done":
        result.warnings.append(
            f"docker compose up -d alone starts what was built or pulled last. Release {number} again: {it.command}"
        )
    else:
        result.next = it.command
    return operation.ended()


def _leaving(tools: Tools, plain: PlainPort, stack: Stack, world: World) -> Leaving:
    left = world.intended.live_slot if world.intended else None
    if left is None or set(left.replicas) - set(stack.services):
        gone = ", ".join(sorted(set(left.replicas) - set(stack.services))) if left else ""
        raise BluegreenError(
            "Plain Compose cannot serve what is live.", code="nothing-to-leave",
            failed=f"the Compose file has no {gone} any more" if left else "nothing is live",
            expected="a live release whose services are in the Compose file", retry="safe",
            next=f"{tools.command} status",
        )  # fmt: skip
    if stack.settings.edge or tools.edge.left(stack):
        raise BluegreenError(
            "Plain Compose cannot serve what visitors reach through an edge.", code="nothing-to-leave",
            failed="listen: edge, and plain Compose publishes ports", expected="listen with a port of its own",
            retry="safe, after the file is changed and an up", next=f"{tools.command} up",
        )  # fmt: skip
    route = front(left)
    _refuse_held(tools, stack, route.service)
    before = frozenset(it.id for it in tools.engine.plain_containers())
    return Leaving(tools, plain, stack, world, left, route, plain_override(stack, left), before)


def _refuse_held(tools: Tools, stack: Stack, service: str) -> None:
    """A port of the file that somebody else holds: plain Compose could not publish it when nginx has stopped."""
    ports = [it for it in stack.services[service].get("ports") or [] if str(it.get("published") or "").isdigit()]
    wanted = [Listen(str(it.get("host_ip") or ""), int(it["published"])) for it in ports]
    mine = [it.name for it in tools.engine.plain_containers() if it.service == service]
    for listen, holder in (tools.engine.port_holders(wanted) if wanted else {}).items():
        if holder is not None and holder not in mine:
            raise BluegreenError(
                f"Port {listen} is held by {holder or OUTSIDE_DOCKER}.", code="plain-port-held",
                failed=f"plain Compose publishes {service} there", expected=f"{listen} free", retry="safe",
                next="ss -ltnp (shows who holds it)",
            )  # fmt: skip


def unproven(it: Leaving) -> list[str]:
    """What is not checked before nginx stops, and what visitors will not reach afterwards, in sentences."""
    found = []
    if it.left.jobs:
        found.append(
            f"{', '.join(it.left.jobs)} must not run twice: plain Compose starts it after bluegreen's has stopped."
        )
    visible = [route.service for route in it.left.fronts if route.public]
    if others := [name for name in visible if name != it.front.service]:
        found.append(unpublished(it.front.service, others))
    if (count := it.left.replicas.get(it.front.service, 1)) > 1:
        found.append(f"Plain Compose cannot publish {count} containers of {it.front.service} on one port: it gets one.")
    return found
