"""Back to plain Compose: it checks the release beside ours, and takes the port when it is ready."""

from __future__ import annotations

from bluegreen.domain.routing import Slot
from bluegreen.domain.world import World
from bluegreen.plans.plan import Plan, Step


def plan_leave(world: World, left: Slot, front: str) -> Plan:
    """`left`: the release that is live; `front`: its service that plain Compose publishes.

    Without an nginx that runs nobody is answered by ours: an earlier one was killed, and the rest of it follows.
    """
    steps = []
    routed = ", ".join(route.service for route in left.fronts)
    if world.proxy is not None and world.proxy.running:
        steps.append(Step("prepare", "beside", f"Compose starts {routed} of release {left.release} without a port"))
        steps.append(Step("prepare", "health", "each of them must prove itself through the probe socket"))
    steps.append(Step("prepare", "publish", f"Compose makes {front} with its port; it starts when nginx has stopped"))
    steps.append(Step("cutover", "leave", f"nginx stops; {front} of plain Compose starts and has to answer"))
    steps.append(Step("settle", "stop", "the containers of both colors end, each with its stop signal"))
    steps.append(Step("settle", "remove", "nginx, the colors and their networks; shared services run on"))
    rest = ", ".join(left.replicas)
    steps.append(Step("settle", "shared", f"Compose runs {rest} as the command says that is printed"))
    return Plan("down", None, left.release, tuple(steps))
