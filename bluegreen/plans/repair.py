"""`up` when there is a live color: only what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bluegreen.domain.routing import Slot
from bluegreen.domain.world import Replica, World
from bluegreen.plans.canary import lost_canary
from bluegreen.plans.differences import drift, leftovers, missing_replicas, orphans, returning, way_back_gone
from bluegreen.plans.plan import Plan, Step, Wish
from bluegreen.plans.steps import base_steps


def plan_repair(world: World, wish: Wish, rendered_differs: bool) -> Plan:
    """`up` when there is a live color: only what is missing. No release moves."""
    steps = list(base_steps("up", world, wish))
    live = world.live
    slot = world.slot(live) if live else None
    if gone := lost_canary(world):
        steps.append(Step("prepare", "share", f"{gone}: its visitors get {live} again", live))
    if left := [*orphans(world), *leftovers(world)]:
        names = ", ".join(replica.name for replica in left)
        steps.append(Step("prepare", "clear", f"remove what an interrupted release left: {names}", world.idle))
    if slot:
        steps += _whole(slot, world.in_color(slot.color))
        rendered_differs = rendered_differs or any(step.name == "recreate" for step in steps)
    if comes_back := returning(world):
        cause = f"release {comes_back.release} comes back: the release after it never went live"
        steps.append(Step("prepare", "bring_back", cause, comes_back.color))
        rendered_differs = True
    elif world.intended and (world.intended.standing == "previous" or world.canary) and not way_back_gone(world):
        idle = [r.name for r in world.in_color(world.idle) if r.role == "routed" and not r.running]
        if idle:
            what = "the release of the canary" if world.canary else "the way back"
            steps.append(Step("prepare", "warm", f"{what} is not running: {', '.join(idle)}", world.idle))
    if slot and wish.files_gone:
        steps.append(Step("prepare", "files", f"nginx has no files of release {slot.release} any more", live))
    if drift(world) or rendered_differs:
        steps += [
            Step("prepare", "render", _why_render(world), live),
        ]
    release = slot.release if slot else None
    # Compose is asked about the shared services every time; that alone is no news.
    if all(step.name == "shared" for step in steps) and not wish.changed:
        return Plan("up", live, release, tuple(steps), f"{live}, release {release} is live and complete")
    return Plan("up", live, release, tuple(steps))


def _whole(slot: Slot, here: Sequence[Replica]) -> Iterable[Step]:
    """What the live color lacks."""
    missing = missing_replicas(slot, here)
    if missing:
        yield Step("prepare", "recreate", f"missing: {', '.join(missing)}", slot.color)
    off = [replica.name for replica in here if replica.off_network and not replica.lost]
    if off:
        yield Step("prepare", "connect", f"not on the app's network any more: {', '.join(off)}", slot.color)
    down = [replica for replica in here if not replica.running and not replica.lost]
    if down:
        states = ", ".join(f"{it.name} ({it.state})" for it in down)
        yield Step("prepare", "start", f"not running: {states}", slot.color)
    if missing or down or off:
        yield Step("prepare", "health", "traffic goes to them", slot.color)


def _why_render(world: World) -> str:
    return drift(world) or "nginx's settings or addresses have changed"
