"""What is live, what is idle, how they are, and the exact command to go back. Looks, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bluegreen.domain.app import Stack
from bluegreen.domain.color import Color
from bluegreen.domain.record import gone_back_from
from bluegreen.domain.routing import Slot
from bluegreen.domain.world import Replica, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.checks import serves_instead
from bluegreen.flow.migrate import in_doubt
from bluegreen.flow.observe import observe
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.proxy_image import moved
from bluegreen.flow.public import unreached
from bluegreen.flow.rebuild import rebuild
from bluegreen.flow.values import Tools
from bluegreen.plans.differences import drift, set_aside, unhealthy_replicas
from bluegreen.plans.flip_back import plan_flip_back


def status(
    tools: Tools,
    urls: Sequence[str],
    preview: str | None,
    stack: Stack | None = None,
    differing: Sequence[str] = (),
    closed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The fields of `status --json`, all of them. `stack`: replaces a lost state folder.

    `differing`: shared services whose containers are not as the file says; `closed`: what maintenance has said.
    """
    world = observe(tools)
    differs = drift(world)
    if world.intended is None and stack:
        world = replace(world, intended=rebuild(tools, stack, world))
    command, why = _way_back(tools, world)
    found: dict[str, Any] = {
        "app": world.app,
        "live": _color(tools, world, world.live),
        "idle": _color(tools, world, world.idle),
        "shares": world.shares,
        "urls": list(urls),
        "preview": preview,
        "set_aside": aside.release if (aside := set_aside(world)) else None,
        "drift": differs or None,
        "unreached": unreached(tools, world.proxy, world.slot(world.live) if world.live else None)[1]
        if world.answer
        else [],
        "closed": closed,
        "shared_differs": list(differing),
        "beside": _beside(tools, world),
        "unfinished": world.unfinished,
        "migration": in_doubt(tools),
        "jobs": _jobs(tools, world),
        "failover": _failover(tools, world),
        "proxy_image": _proxy_image(tools, world),
        "flip_back": command,
        "forward": bool(command and not world.canary and world.idle_slot and world.idle_slot.release in _marked(tools)),
        "no_way_back": why,
        "certificates": None,
    }
    from bluegreen.look.questions import questions

    return {**found, "questions": questions(tools, world, found)}


def _beside(tools: Tools, world: World) -> list[str]:
    """Release services that plain Compose runs beside the colors: somebody typed `docker compose up`."""
    slot = world.slot(world.live) if world.live else None
    mine = slot.replicas if slot and slot.jobs else {}  # a second worker does harm; check looks at all of them
    return [it.name for it in tools.engine.plain_containers() if it.running and it.service in mine] if mine else []


def _color(tools: Tools, world: World, color: Color | None) -> dict[str, Any] | None:
    slot = world.slot(color) if color else None
    if slot is None or color is None:
        return None
    here = [replica for replica in world.in_color(color) if replica.release == slot.release]
    unhealthy = _unhealthy(tools, world, slot)
    live, intended = color == world.live, world.intended
    replicas = {}
    for service, wanted in slot.replicas.items():
        mine = [replica for replica in here if replica.service == service]
        well = [replica for replica in mine if replica.healthy and f"{service}-{replica.number}" not in unhealthy]
        replicas[service] = {
            "wanted": wanted if live or service not in slot.jobs else 0,
            "running": sum(replica.running for replica in mine),
            "healthy": len(well),
        }
    return {
        "color": color,
        "release": slot.release,
        "images": {name: {"ref": image.ref, "id": image.id} for name, image in slot.images.items()},
        "replicas": replicas,
        "since": intended.since if intended and live else None,
        "standing": "live" if live else "canary" if world.canary else intended.standing if intended else None,
    }


def _jobs(tools: Tools, world: World) -> dict[str, dict[str, Any]]:
    """Are jobs failing? For each of the live color's: how many run, restarts, how one last ended, what is wrong."""
    slot = world.slot(world.live) if world.live else None
    if slot is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name in slot.jobs:
        here = [it for it in world.in_color(slot.color) if it.service == name and it.release == slot.release]
        ends = {it.name: tools.containers.exit_of(it.id) for it in here}
        wanted = slot.replicas[name]
        failing = [words for it in here if (words := _failing(it, ends[it.name][0]))]
        failing += [f"{wanted - len(here)} of {wanted} gone"] if len(here) < wanted else []
        last = [it.exit_code if it.exit_code is not None else ends[it.name][0] for it in here if not it.running]
        found[name] = {
            "wanted": wanted, "running": sum(it.running for it in here),
            "restarts": sum(restarts for _, restarts, _ in ends.values()), "last_exit": last[-1] if last else None,
            "health": next((it.health for it in here if it.health not in (None, "healthy")),
                           next((it.health for it in here), None)),
            "failing": failing,
        }  # fmt: skip
    return found


def _failing(job: Replica, code: int) -> str | None:
    """What is wrong with a job's container, in a phrase; one that ended by itself with exit code 0 is done."""
    number = f"{job.service}-{job.number}"
    if job.running:
        return f"{number} is unhealthy" if job.health == "unhealthy" else None
    ended = job.exit_code if job.exit_code is not None else code
    return None if job.state == "exited" and ended == 0 else f"{number} is {job.state}, exit code {ended}"


def _failover(tools: Tools, world: World) -> dict[str, Any] | None:
    """None: off. `serving`: the idle color answers now, because the live one cannot be reached."""
    if world.intended is None or not world.intended.failover:
        return None
    ready = world.intended.standing == "previous"
    return {"color": world.idle if ready else None, "serving": serves_instead(tools, world)}


def _proxy_image(tools: Tools, world: World) -> dict[str, Any] | None:
    """The image that nginx runs; `newer`: the one that its name points to by now, if that is another."""
    if world.proxy is None:
        return None
    newer = moved(tools, world.proxy)
    facts = tools.images.facts(newer) if newer else None
    return {
        "ref": world.proxy.reference, "id": world.proxy.image, "nginx": world.answer.nginx if world.answer else None,
        "newer": newer, "newer_nginx": facts.nginx or None if facts else None,
    }  # fmt: skip


def _unhealthy(tools: Tools, world: World, slot: Slot) -> dict[str, str]:
    if world.answer is None:  # no proxy to ask through
        return {}
    return tools.prober.once(replica_checks(slot))


def _marked(tools: Tools) -> set[int]:
    return gone_back_from(tools.journal.operations.moves())


def _way_back(tools: Tools, world: World) -> tuple[str | None, str | None]:
    """(the command that goes back, None) or (None, why there is no way back)."""
    try:
        plan_flip_back(world, force=False)
    except BluegreenError as error:
        return None, error.failed
    slot = world.idle_slot
    if set_aside(world):  # by a command that was killed: flip-back brings it back
        return f"{tools.command} flip-back", None
    wrong = unhealthy_replicas(slot, world.in_color(world.idle)) if slot else []
    return (None, "; ".join(wrong)) if wrong else (f"{tools.command} flip-back", None)
