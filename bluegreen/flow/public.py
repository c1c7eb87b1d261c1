"""Whether visitors reach nginx: what is published, and what answers there."""

from __future__ import annotations

from dataclasses import replace

from bluegreen.domain.app import Listen, Stack
from bluegreen.domain.routing import Slot
from bluegreen.domain.world import ProxyContainer, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Tools


def as_published(stack: Stack, world: World) -> Stack:
    """The stack with the listeners that the running proxy is published on: only `up` makes it anew with others."""
    listen, preview = published(world)
    if listen is None:
        return stack
    settings = replace(
        stack.settings, listen=tuple(map(_listen, listen)), preview=_listen(preview) if preview else None
    )
    return replace(stack, settings=settings)


def published(world: World) -> tuple[tuple[str, ...] | None, str | None]:
    """(listen, preview) of the proxy that there is; (None, None): there is none, or it cannot be told."""
    proxy, intended = world.proxy, world.intended
    if proxy is None:
        return None, None
    if proxy.listen is not None:
        return proxy.listen, proxy.preview
    return (intended.listen, intended.preview) if intended and intended.listen else (None, None)


def differing(stack: Stack, world: World) -> str:
    """How the settings of today differ from what nginx is published on, in words; empty: they do not."""
    listen, preview = published(world)
    if listen is None:
        return ""
    wanted = tuple(map(str, stack.settings.listen))
    shown = str(stack.settings.preview) if stack.settings.preview else None
    found = []
    if sorted(wanted) != sorted(listen):
        found.append(f"nginx is published on {', '.join(listen)}, the file says listen {', '.join(wanted)}")
    if shown != preview:
        found.append(f"the preview is on {preview or 'no port'}, the file says {shown or 'off'}")
    return "; ".join(found)


def unreached(tools: Tools, proxy: ProxyContainer | None, slot: Slot | None) -> tuple[tuple[str, ...], list[str]]:
    """(the listeners that were asked, those that gave no answer, each with why). None is asked before publishing."""
    routing = tools.door.intended()
    if proxy is None or not proxy.published or routing is None:
        return (), []
    listens = proxy.listen or routing.listen
    route = slot.routes[0] if slot and slot.routes else None
    return listens, tools.prober.public(listens, route.host if route else None, route.health.path if route else "/")


def refuse_unreached(tools: Tools, proxy: ProxyContainer | None, slot: Slot | None) -> str:
    """What was asked, in words. Raises BluegreenError when a listener that is published gives no answer."""
    listens, silent = unreached(tools, proxy, slot)
    if proxy is None or not silent:
        return ", ".join(listens)
    if not tools.engine.publishes_here():
        tools.show.notice(
            f"The Engine publishes ports elsewhere, so it is not known whether {', '.join(listens)} answers."
        )
        return ""
    raise BluegreenError(
        "nginx does not answer where it is published.", failed="; ".join(silent),
        expected="an HTTP answer on every address of listen, as visitors get it",
        retry="safe, after the cause is fixed",
        next=f"{tools.command} up (publishes nginx as the file says), or docker port {proxy.name}",
    )  # fmt: skip


def _listen(text: str) -> Listen:
    address, _, port = text.rpartition(":")
    return Listen(address, int(port))
