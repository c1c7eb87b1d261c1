"""`down`: stops and removes this app, and what Compose runs for it. Volumes stay, unless --volumes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from bluegreen.domain.app import Route, Stack
from bluegreen.domain.routing import Slot
from bluegreen.domain.words import counted
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow.observe import observe
from bluegreen.flow.run import Action, Operation, describe, give_up
from bluegreen.flow.values import Result, Tools
from bluegreen.plans.down import plan_down
from bluegreen.plans.plan import Plan


def plan_ending(tools: Tools, stack: Stack | None, volumes: bool) -> Plan:
    """The plan that `down` would follow now; looks, changes nothing."""
    return plan_down(observe(tools), stack.shared if stack else None, volumes, tools.edge.left(None))


def down(tools: Tools, stack: Stack | None, volumes: bool) -> Result:
    """Ends the app. Without a readable Compose file (stack None) the shared services are left alone."""
    world = observe(tools)
    give_up(tools, world)
    plan = plan_down(world, stack.shared if stack else None, volumes, tools.edge.left(None))
    result = Result("down", "down")
    tools.show.plan(plan)
    operation = Operation(tools, plan, result).begin()
    left = world.slot(world.live) if world.live else None
    actions: dict[str, Action] = {
        "stop": lambda: stop(tools, world),
        "remove": lambda: f"{len(tools.engine.remove_leftovers())} containers and networks removed",
        "leave_edge": tools.edge.leave,
        "shared": lambda: _end_shared(tools, stack, volumes),
    }
    try:
        operation.phase("end", actions)
    except BluegreenError as error:
        error.traffic = "none: down has begun"
        error.next = error.next or f"{tools.command} down"
        return operation.failed(error, world)
    describe(result, world)
    result.message = "Everything of this app is down." + ("" if volumes else " Its named volumes stay.")
    if stack and left:
        result.next = tools.compose.plain_command(plain_override(stack, left), [*stack.shared, *left.replicas])
        result.warnings.append(
            f"Nothing answers now. The command above starts release {left.release}, which was live, by plain Compose. "
            "docker compose up -d alone starts what was built or pulled last."
        )
        others = [route.service for route in left.fronts if route.public and route.service != front(left).service]
        if others:
            result.warnings.append(unpublished(front(left).service, others))
    return operation.ended()


def stop(tools: Tools, world: World) -> str:
    """Jobs get their grace period; what answered requests is ended immediately, because nginx goes too."""
    running = [replica for replica in world.replicas if replica.running]
    for replica in running:
        with contextlib.suppress(BluegreenError):
            tools.containers.stop(replica.id, 0 if replica.role == "routed" else None)
    return counted(len(running), "container")


def _end_shared(tools: Tools, stack: Stack | None, volumes: bool) -> str:
    if stack is None:
        return "left as they are"
    tools.compose.down(volumes, tools.show.progress)
    for definition in stack.networks.values():
        if not definition.get("external"):
            tools.engine.remove_network(definition["name"])
    for key, definition in stack.volumes.items() if volumes else ():
        if not definition.get("external"):
            tools.engine.remove_volume(definition.get("name", key))
    return "with volumes" if volumes else "volumes stay"


def unpublished(service: str, others: Sequence[str]) -> str:
    """What plain Compose does not serve to visitors, in a sentence."""
    return f"Plain Compose publishes {service} only. nginx also routed {', '.join(others)}: visitors do not reach it."


def front(slot: Slot) -> Route:
    """The routed service that visitors get without nginx: the one of every path and any host."""
    return min(
        (route for route in slot.routes if route.public), key=lambda route: (route.path != "/", route.host is not None)
    )


def plain_override(stack: Stack, slot: Slot) -> dict[str, Any]:
    """What is merged into the Compose file so that it serves this release: images by id, the port published."""
    services: dict[str, Any] = {
        name: {"image": image.id, "pull_policy": "never"} for name, image in slot.images.items()
    }
    route = front(slot)
    there = {str(port.get("published")) for port in stack.services[route.service].get("ports") or []}
    wanted = [f"{listen}:{route.port}" for listen in stack.settings.listen if str(listen.port) not in there]
    if wanted:
        services[route.service]["ports"] = wanted
    if slot.replicas.get(route.service, 1) > 1:  # several containers cannot hold one port
        one = {"scale": 1} if stack.services[route.service].get("scale") is not None else {"deploy": {"replicas": 1}}
        services[route.service] |= one
    return {"services": services}
