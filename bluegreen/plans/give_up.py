"""A prepared release is given up."""

from __future__ import annotations

from bluegreen.domain.world import World
from bluegreen.plans.canary import refuse_canary
from bluegreen.plans.plan import Plan, Step


def plan_give_up(world: World) -> Plan:
    """The release that was set aside comes back. If there is none, the prepared one is only removed."""
    refuse_canary(world, "prepare --give-up")
    target, slot = world.idle, world.idle_slot
    if world.intended is None or world.intended.standing != "prepared" or slot is None:
        return Plan("prepare", target, None, (), "no release is prepared")
    if aside := world.intended.aside:
        cause = f"release {slot.release} is given up; release {aside.release}, set aside for it, is the way back again"
        return Plan("prepare", target, aside.release, (Step("prepare", "bring_back", cause, target),))
    cause = f"release {slot.release} is given up; no release was there before it"
    return Plan("prepare", target, slot.release, (Step("prepare", "clear", cause, target),))
