"""The routing when the state folder is gone: from the containers' labels, from nginx, and from the Compose file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from bluegreen.domain.app import Stack
from bluegreen.domain.color import COLORS, Color, other
from bluegreen.domain.release import Image
from bluegreen.domain.routing import Routing, Slot, Standing
from bluegreen.domain.world import Replica, World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Tools


def rebuild(tools: Tools, stack: Stack, world: World, said: Color | None = None) -> Routing:
    """What nginx routes, or would route again. Raises BluegreenError (exit 5) when nothing tells which color is live.

    `said`: the live color as a person typed it, for when nginx does not answer. It is never guessed.
    The other color counts as the way back only when its release is the older one: then it has served before.
    """
    stack = _without_secrets(tools, stack)
    slots = {color: slot for color in COLORS if (slot := _slot(stack, color, world.in_color(color)))}
    live = world.answer.live if world.answer else said or _only_color(world)
    if live is None or live not in slots:
        raise BluegreenError(
            "The state folder is gone, and nothing tells which color was live.", code="traffic-unknown",
            failed=f"{live} has no running containers" if live else _untold(world),
            expected="an answer of nginx, or your --live COLOR; and running containers of that color",
            traffic="unknown; look now" if world.answer else "none while nginx does not answer",
            retry="not before you know which color was live", next=_next(tools, world, live),
            exit_code=ExitCode.UNKNOWN,
        )  # fmt: skip
    idle = slots.get(other(live))
    standing: Standing | None = None
    if idle:
        standing = "previous" if idle.release < slots[live].release else "prepared"
    generation = world.answer.generation if world.answer else 0
    listen = tuple(map(str, stack.settings.visited()))
    preview = str(stack.settings.preview) if stack.settings.preview else None
    return Routing(stack.app, generation, live, slots, standing, None, stack.settings.drain, listen, preview)


def _without_secrets(tools: Tools, stack: Stack) -> Stack:
    """The stack with the routes that may be written down."""
    if not any(route.health.request_headers for route in stack.settings.routes):
        return stack
    from bluegreen.domain import asked

    routes = asked.kept(
        stack.settings.routes, stack.services, lambda: tools.compose.interpolated(Path(stack.project_directory))
    )
    return replace(stack, settings=replace(stack.settings, routes=routes))


def _slot(stack: Stack, color: Color, replicas: tuple[Replica, ...]) -> Slot | None:
    """The newest release that has running containers in this color."""
    running = [replica.release for replica in replicas if replica.running and replica.role == "routed"]
    if not running:
        return None
    mine = [replica for replica in replicas if replica.release == max(running)]
    routed = {replica.service for replica in mine if replica.role == "routed"}
    settings = stack.settings
    return Slot(
        color=color,
        release=max(running),
        definition=mine[0].definition,
        routes=tuple(route for route in settings.routes if route.service in routed),
        addresses={name: _addresses(mine, name) for name in sorted(routed)},
        images={it.service: Image(it.image_id, it.image_id) for it in mine},
        replicas=dict(Counter(it.service for it in mine)),
        jobs=tuple(sorted({it.service for it in mine if it.role == "job"})),
        max_body=settings.proxy.max_body,
        read_timeout=settings.proxy.read_timeout,
        redirect=settings.redirect,
    )


def _addresses(replicas: list[Replica], service: str) -> tuple[str, ...]:
    ordered = sorted(replicas, key=lambda replica: replica.number)
    return tuple(replica.address for replica in ordered if replica.service == service and replica.address)


def _untold(world: World) -> str:
    if world.answer:
        return "nginx answers that no color is live"
    some = any(replica.role == "routed" and replica.place == "slot" for replica in world.replicas)
    return f"nginx does not answer, and {'both colors have' if some else 'no color has'} containers"


def _next(tools: Tools, world: World, live: Color | None) -> str:
    """What to type. --live counts only while nginx does not answer; what does not run must be started first."""
    up = f"{tools.command} up"
    here = [it for it in world.replicas if it.role == "routed" and it.place == "slot"]
    if world.answer:
        here = [it for it in here if it.color == live]
        return f"{_start(here)}{up}" if here or live is None else f"docker ps -a; then {tools.command} down and {up}"
    there = [it for it in here if it.running] or here
    ways = [
        f"{_start(mine)}{up} --live {color} (release {max(it.release for it in mine)})"
        for color in COLORS
        if (mine := [it for it in there if it.color == color])
    ]
    return " or ".join(ways) or f"docker ps -a; then {tools.command} down and {up}"


def _start(replicas: list[Replica]) -> str:
    names = [it.name for it in replicas if it.release == max(one.release for one in replicas)]
    idle = names and not any(it.running for it in replicas)
    return f"docker start {' '.join(sorted(names))}; " if idle else ""


def _only_color(world: World) -> Color | None:
    """The only color that has containers; of two, nothing but nginx's answer or a person tells which was live."""
    there = {replica.color for replica in world.replicas if replica.role == "routed" and replica.place == "slot"}
    return there.pop() if len(there) == 1 else None
