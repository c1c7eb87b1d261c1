"""How what runs differs from what was meant: drift, orphans, misplaced jobs, replicas that are not healthy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bluegreen.domain.color import Color
from bluegreen.domain.routing import Routing, Slot, Standing
from bluegreen.domain.world import Replica, World


def drift(world: World) -> str:
    """How what nginx answers differs from the rendered file, in words; empty: it does not."""
    answer, intended = world.answer, world.intended
    if answer is None and intended is None:
        return ""
    if answer is None:
        return "nginx does not answer"
    if world.live and world.proxy and not world.proxy.published:
        return "nginx is not published on its ports: a take-over has not ended"
    if intended is None:
        return "the rendered file is absent or not ours"
    if world.proxy and world.proxy.stale:
        return "nginx sees a folder that is gone, not the one with the rendered file"
    if (answer.generation, answer.live) != (intended.generation, intended.live):
        return (
            f"nginx answers {answer.live or 'no color'} (generation {answer.generation}), "
            f"the file says {intended.live or 'no color'} (generation {intended.generation})"
        )
    homeless = [slot.color for slot in intended.slots.values() if _at_home(slot, world.in_color(slot.color)) != slot]
    if homeless:
        return f"nginx knows {' and '.join(homeless)} at addresses that its replicas do not have"
    if not intended.sealed:
        return f"nginx's file does not say {intended.live or 'no color'} by itself yet; the route does"
    if world.edited:
        return "somebody else has written into nginx's file or its snippets; nginx would load that at its next start"
    return ""


def actual(world: World) -> Routing | None:
    """The routing as it is in truth: the file's, turned to what nginx answers, at the addresses that replicas have,
    without a way back that is gone."""
    found = world.intended
    if found is None:
        return None
    if found.own and found.own.live == world.live:  # nginx does not follow the route that is there
        found = found.own
    if found.live != world.live:  # what it answers counts
        standing: Standing = "previous" if world.unfinished_verb == "flip-back" else "prepared"
        standing_there = standing if found.slots.get(world.idle) else None
        found = replace(found, live=world.live, standing=standing_there, aside=None)
    found = replace(found, own=None)  # as a file that is made from it will be
    if way_back_gone(world):
        slots = {color: slot for color, slot in found.slots.items() if color == world.live}
        found = replace(found, slots=slots, standing=None)
    return replace(found, slots={color: _at_home(slot, world.in_color(color)) for color, slot in found.slots.items()})


def _at_home(slot: Slot, here: Iterable[Replica]) -> Slot:
    """The slot with the addresses that its replicas have: an `up` may have made one again and been killed."""
    found = {(it.service, it.number): it.address for it in here if it.release == slot.release and it.address}
    addresses = {
        service: tuple(found.get((service, number)) or address for number, address in enumerate(known, 1))
        for service, known in slot.addresses.items()
    }
    return replace(slot, addresses=addresses)


def orphans(world: World) -> list[Replica]:
    """Containers on the idle color of a release that never got as far as the rendered file, or that has lost others.

    Those of a release that failed stay for their logs: they are stopped.
    """
    gone = world.slot(world.idle) if way_back_gone(world) else None
    slot = returning(world) or (None if gone else world.slot(world.idle))
    return [
        replica
        for replica in world.in_color(world.idle)
        if (slot is None or replica.release != slot.release)
        and (
            world.unfinished
            or replica.state in ("created", "running", "restarting", "paused")
            or (gone and replica.release == gone.release)  # its stopped jobs, too
        )
    ]


def misplaced(world: World) -> list[str]:
    """Jobs that run where they must not, or do not run where they must, because an operation never ended."""
    live = world.slot(world.live) if world.live else None
    if live is None:
        return []
    found = [
        replica.name
        for replica in world.in_color(world.idle)
        if replica.role == "job" and replica.state in ("running", "restarting", "paused")
    ]
    if world.unfinished:
        here = world.in_color(live.color)
        found += [it.name for it in here if it.role == "job" and it.release == live.release and not it.running]
    return found


def unhealthy_replicas(slot: Slot, replicas: Iterable[Replica]) -> list[str]:
    """What keeps a slot from taking traffic, as far as the Engine knows: one phrase for each replica."""
    here = [replica for replica in replicas if replica.release == slot.release]
    found = [f"{name} is gone" for name in missing_replicas(slot, here, routed_only=True)]
    routed = [replica for replica in here if replica.role == "routed"]
    found += [f"{it.name} is {it.health if it.running else it.state}" for it in routed if not it.healthy]
    found += [f"{it.name} is not on the app's network" for it in routed if it.healthy and it.off_network]
    return found + [
        f"{it.name} is not at the address that nginx knows" for it in routed if it.healthy and moved(slot, it)
    ]


def moved(slot: Slot, replica: Replica) -> bool:
    """Whether a replica has another address than nginx knows."""
    return bool(replica.address) and replica.address not in slot.addresses.get(replica.service, ())


def ended_jobs(slot: Slot, replicas: Iterable[Replica]) -> list[str]:
    """Jobs of the live color that do not run; one that has ended by itself, without an error, is done."""
    here = [it for it in replicas if it.release == slot.release and it.role == "job"]
    return [f"{it.name} does not run" for it in here if not it.running and it.exit_code != 0]


def way_back_gone(world: World) -> bool:
    """Whether the idle slot of the file has lost a container, so that it is no way back any more.

    One that is set aside is not lost.
    """
    slot = world.slot(world.idle)
    return bool(world.live and slot and missing_replicas(slot, _of_release(world, slot), routed_only=True))


def set_aside(world: World) -> Slot | None:
    """The release that was set aside for one in the making, and that comes back when that one does not become live.

    None: nothing was, or it is not complete any more.
    """
    intended = world.intended
    if intended is None or world.live is None:
        return None
    slot = intended.aside if intended.standing == "prepared" else intended.slots.get(world.idle)
    if slot is None or intended.live != world.live or slot.color == world.live:
        return None
    mine = _of_release(world, slot)
    # Killed in the middle: stopped, and not renamed yet; or renamed back, and not started yet.
    stopped = world.unfinished and any(it.role == "routed" and it.state == "exited" for it in mine)
    begun = intended.standing == "prepared" or stopped or any(it.place == "aside" for it in mine)
    return slot if begun and not missing_replicas(slot, mine, routed_only=True) else None


def returning(world: World) -> Slot | None:
    """The release that was set aside for one that is not there any more, or not complete; a prepared one stays."""
    slot, intended = set_aside(world), world.intended
    waits = intended is not None and intended.standing == "prepared" and not way_back_gone(world)
    return None if waits else slot


def way_back(world: World) -> Slot | None:
    """The release on the idle color that flip-back goes to, now or once it is brought back; None: there is none."""
    intended = world.intended
    stands = intended and intended.standing == "previous" and intended.live == world.live and not way_back_gone(world)
    return set_aside(world) or (world.slot(world.idle) if stands else None)


def in_the_way(world: World, target: Color, keep: Slot | None) -> list[Replica]:
    """What has to go before a release is made on `target`: all but what is kept until that release is live."""
    kept = {it.id for it in _of_release(world, keep)} if keep else set()
    here = [it for it in world.in_color(target) if it.id not in kept]
    failed = [it for it in world.elsewhere() if it.place == "failed"]
    return [*here, *failed, *leftovers(world)]


def leftovers(world: World) -> list[Replica]:
    """Containers out of their slot that nobody comes back to: set aside for a release that is live by now."""
    slot = set_aside(world)
    back = {it.id for it in _of_release(world, slot)} if slot else set()
    return [it for it in world.elsewhere() if it.place == "aside" and it.id not in back]


def _of_release(world: World, slot: Slot) -> list[Replica]:
    """The containers of a release on its color, in the slot or set aside."""
    return [
        it for it in world.replicas if (it.color, it.release) == (slot.color, slot.release) and it.place != "failed"
    ]


def missing_replicas(slot: Slot, here: Iterable[Replica], routed_only: bool = False) -> list[str]:
    mine = (replica for replica in here if replica.release == slot.release and not replica.lost)
    there = {(replica.service, replica.number) for replica in mine}
    return [
        f"{slot.color}-{service}-{number}"
        for service, wanted in slot.replicas.items()
        for number in range(1, wanted + 1)
        if (service, number) not in there and not (routed_only and service in slot.jobs)
    ]
