"""How what runs differs from what should run: drift, orphans, misplaced jobs, unhealthy replicas. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bluegreen.domain.color import Color
from bluegreen.domain.routing import ControlAnswer, Routing, Slot, Standing
from bluegreen.domain.world import Replica, World


def drift(world: World) -> str:
    """How nginx's answer differs from the rendered file, in words; empty: it does not."""
    answer, intended = world.answer, world.intended
    if answer is None and intended is None:
        return ""
    if answer is None:
        return "nginx does not answer"
    if world.live and world.proxy and not world.proxy.published:
        return "nginx does not have its ports yet: a take-over was not finished"
    if intended is None:
        return "nginx's file is missing, or bluegreen did not write it"
    if world.proxy and world.proxy.stale:
        return "nginx still has a folder that was deleted, not the one with its file"
    if words := _otherwise(answer, intended):
        return words
    homeless = [slot.color for slot in intended.slots.values() if _at_home(slot, world.in_color(slot.color)) != slot]
    if homeless:
        return f"nginx has old addresses for {' and '.join(homeless)}"
    if not intended.sealed:
        return f"the route names {intended.live or 'no color'} as live, and nginx's file does not yet"
    if world.edited:
        return "nginx's file or a snippet was changed by hand; nginx would load the change at its next start"
    return ""


def _otherwise(answer: ControlAnswer, intended: Routing) -> str:
    if (answer.generation, answer.live) != (intended.generation, intended.live):
        return (
            f"nginx answers {answer.live or 'no color'} (generation {answer.generation}), "
            f"the file says {intended.live or 'no color'} (generation {intended.generation})"
        )
    if answer.canary != intended.canary:
        return f"nginx sends {answer.canary} % of visitors to {intended.idle}, the route says {intended.canary} %"
    return ""


def actual(world: World) -> Routing | None:
    """The routing as it really is: the file's, with the color that nginx answers and the addresses that replicas have.

    A way back that is gone is left out."""
    found = world.intended
    if found is None:
        return None
    if found.own and found.own.live == world.live:  # nginx does not follow the route that is there
        found = found.own
    if found.live != world.live:  # nginx's answer counts
        standing: Standing = "previous" if world.unfinished_verb == "flip-back" else "prepared"
        standing_there = standing if found.slots.get(world.idle) else None
        found = replace(found, live=world.live, standing=standing_there, aside=None)
    found = replace(found, own=None)  # as a file that is made from it will be
    if way_back_gone(world):
        slots = {color: slot for color, slot in found.slots.items() if color == world.live}
        found = replace(found, slots=slots, standing=None)
    return replace(found, slots={color: _at_home(slot, world.in_color(color)) for color, slot in found.slots.items()})


def _at_home(slot: Slot, here: Iterable[Replica]) -> Slot:
    """The slot with its replicas' real addresses: an `up` may have recreated one and been killed."""
    found = {(it.service, it.number): it.address for it in here if it.release == slot.release and it.address}
    addresses = {
        service: tuple(found.get((service, number)) or address for number, address in enumerate(known, 1))
        for service, known in slot.addresses.items()
    }
    return replace(slot, addresses=addresses)


def orphans(world: World) -> list[Replica]:
    """Idle containers of a release that the rendered file never had, or that has lost other containers.

    Stopped ones of a failed release stay, for their logs.
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
    """Jobs that run on the wrong color, or do not run on the right one, because an operation was cut off."""
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
    """Why a slot cannot take traffic, as far as the Engine knows: one phrase for each replica."""
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
    """Jobs of the live color that are not running; one that ended by itself with exit code 0 is done."""
    here = [it for it in replicas if it.release == slot.release and it.role == "job"]
    return [f"{it.name} is not running" for it in here if not it.running and it.exit_code != 0]


def way_back_gone(world: World) -> bool:
    """Whether the idle slot has lost a container, so that nobody can go back to it.

    A container that is set aside is not lost.
    """
    slot = world.slot(world.idle)
    return bool(world.live and slot and missing_replicas(slot, _of_release(world, slot), routed_only=True))


def set_aside(world: World) -> Slot | None:
    """The release that was set aside while a new one is made. It comes back if the new one does not go live.

    None: none was set aside, or it is not complete any more.
    """
    intended = world.intended
    if intended is None or world.live is None:
        return None
    slot = intended.aside if intended.standing == "prepared" else intended.slots.get(world.idle)
    if slot is None or intended.live != world.live or slot.color == world.live:
        return None
    mine = _of_release(world, slot)
    # A command was killed: the container is stopped, and not renamed yet; or renamed back, and not started yet.
    stopped = world.unfinished and any(it.role == "routed" and it.state == "exited" for it in mine)
    begun = intended.standing == "prepared" or stopped or any(it.place == "aside" for it in mine)
    return slot if begun and not missing_replicas(slot, mine, routed_only=True) else None


def returning(world: World) -> Slot | None:
    """The release that was set aside for one that is gone or not complete. A prepared release stays."""
    slot, intended = set_aside(world), world.intended
    waits = intended is not None and intended.standing == "prepared" and not way_back_gone(world)
    return None if waits else slot


def way_back(world: World) -> Slot | None:
    """The release that flip-back goes to, now or after it is brought back; None: there is none."""
    intended = world.intended
    stands = intended and intended.standing == "previous" and intended.live == world.live and not way_back_gone(world)
    return set_aside(world) or (world.slot(world.idle) if stands else None)


def in_the_way(world: World, target: Color, keep: Slot | None) -> list[Replica]:
    """What must be removed before a release is made on `target`: all but what is kept until that release is live."""
    kept = {it.id for it in _of_release(world, keep)} if keep else set()
    here = [it for it in world.in_color(target) if it.id not in kept]
    failed = [it for it in world.elsewhere() if it.place == "failed"]
    return [*here, *failed, *leftovers(world)]


def leftovers(world: World) -> list[Replica]:
    """Containers that were set aside and are not needed: the release that they made room for is live by now."""
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
