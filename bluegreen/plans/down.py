"""The end of the app."""

from __future__ import annotations

from collections.abc import Sequence

from bluegreen.domain.world import World
from bluegreen.plans.plan import Plan, Step


def plan_down(world: World, shared: Sequence[str] | None, volumes: bool, edge: str = "") -> Plan:
    """The end of the app. `shared` None: the Compose file cannot be read, so Compose is not asked.

    `edge`: the one that has names of the app.
    """
    steps = []
    if running := [replica.name for replica in world.replicas if replica.running]:
        steps.append(Step("end", "stop", f"{', '.join(running)}, each with its stop signal"))
    kept = "named volumes stay" if not volumes else "named volumes are removed: their data is gone"
    steps.append(Step("end", "remove", "nginx, the colors and their networks"))
    if edge:
        steps.append(Step("end", "leave_edge", f"{edge} has names of this app; without any app it goes, too"))
    if shared is not None:
        names = ", ".join(shared)
        steps.append(
            Step(
                "end",
                "shared",
                f"Compose removes {names}; {kept}" if names else f"Compose has no shared service; {kept}",
            )
        )
    return Plan("down", None, None, tuple(steps))
