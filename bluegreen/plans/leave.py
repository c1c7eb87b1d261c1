"""Back to plain Compose: it starts the release beside bluegreen's, and takes the port when that one is healthy."""

from __future__ import annotations

from bluegreen.domain.routing import Slot
from bluegreen.domain.world import World
from bluegreen.plans.plan import Plan, Step


def plan_leave(world: World, left: Slot, front: str) -> Plan:
    """`left`: the release that is live; `front`: its service that plain Compose publishes.

    If nginx does not run, an earlier command was killed after it stopped nginx; this one does the rest.
    """
    steps = []
    routed = ", ".join(route.service for route in left.fronts)
    if world.proxy is not None and world.proxy.running:
        steps.append(Step("prepare", "beside", f"Compose starts {routed} of release {left.release} without a port"))
        steps.append(Step("prepare", "health", "each must pass its health check, sent through nginx"))
    steps.append(Step("prepare", "publish", f"Compose creates {front} with its port; it starts once nginx has stopped"))
    steps.append(Step("cutover", "leave", f"nginx stops; {front} of plain Compose starts and must answer"))
    steps.append(Step("settle", "stop", "the containers of both colors are stopped, each with its stop signal"))
    steps.append(Step("settle", "remove", "nginx, the colors and their networks; shared services keep running"))
    rest = ", ".join(left.replicas)
    steps.append(Step("settle", "shared", f"Compose runs {rest}, with the command that is printed at the end"))
    return Plan("down", None, left.release, tuple(steps))
