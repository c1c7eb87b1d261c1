"""Whether visitors reach nginx: what is published, and what answers there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bluegreen.domain.app import Listen, Route, Stack
from bluegreen.domain.color import Color
from bluegreen.domain.paths import public_health
from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.world import ProxyContainer, World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Tools


def as_published(stack: Stack, world: World) -> Stack:
    """The stack with the listeners that the running proxy is published on: only `up` makes it again with others."""
    listen, preview = published(world)
    if listen is None:
        return stack
    tls, at = stack.settings.tls, world.proxy.tls if world.proxy else ()
    if tls and at:  # one that is not published for HTTPS yet may render what it will serve
        tls = replace(tls, listen=tuple(map(_listen, at)))
    from bluegreen.domain.edge import label, labelled

    edge = world.proxy.edge if world.proxy else ""
    settings = replace(
        stack.settings, listen=tuple(map(_listen, listen)), preview=_listen(preview) if preview else None, tls=tls,
        edge=stack.settings.edge if edge == label(stack.settings.edge) else labelled(edge),
    )  # fmt: skip
    return replace(stack, settings=settings)


def published(world: World) -> tuple[tuple[str, ...] | None, str | None]:
    """(listen, preview) of the proxy that there is; (None, None): there is none, or it is unknown."""
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
    from bluegreen.domain.edge import label

    wanted = tuple(map(str, stack.settings.listen))
    edge, there = label(stack.settings.edge), world.proxy.edge if world.proxy else ""
    shown = str(stack.settings.preview) if stack.settings.preview else None
    found = []
    if edge != there:
        found.append(f"visitors come {_through(there)}, the file says {_through(edge)}")
    if sorted(wanted) != sorted(listen):
        said = ", ".join(wanted) or "edge"
        found.append(f"nginx is published on {', '.join(listen) or 'no port'}, the file says listen {said}")
    secure = tuple(map(str, stack.settings.tls.listen)) if stack.settings.tls else ()
    at = world.proxy.tls if world.proxy else ()
    if sorted(secure) != sorted(at):
        found.append(f"nginx has HTTPS on {', '.join(at) or 'no port'}, the file says {', '.join(secure) or 'none'}")
    if shown != preview:
        found.append(f"the preview is on {preview or 'no port'}, the file says {shown or 'off'}")
    return "; ".join(found)


def _through(edge: str) -> str:
    name, *at = edge.split(" ")
    return f"through the edge {name} (on {' and '.join(at)})" if name else "without an edge"


def unreached(tools: Tools, proxy: ProxyContainer | None, slot: Slot | None) -> tuple[tuple[str, ...], list[str]]:
    """(the listeners that were asked, those that did not answer, each with why). None is asked before publishing."""
    there, route = _listeners(proxy, slot, tools.door.intended())
    if proxy is None or not there:
        return (), []
    host, path = (route.host, route.health.path) if route else (None, "/")
    silent = tools.prober.public(there, host, path)
    silent += tools.prober.secure(proxy.tls, host) if host else []
    return (*there, *proxy.tls), silent


def _listeners(
    proxy: ProxyContainer | None, slot: Slot | None, routing: Routing | None
) -> tuple[tuple[str, ...], Route | None]:
    """Where nginx is published, and a route that visitors reach there; none before publishing."""
    if proxy is None or not proxy.published or routing is None:
        return (), None
    listens = routing.listen if proxy.edge else proxy.listen or routing.listen
    if slot is None and proxy.edge:  # the edge knows an app by its names, before a color is live, too
        slot = next(iter(routing.slots.values()), None)
    return listens, next((route for route in slot.routes if route.public), None) if slot else None


def visited(tools: Tools, world: World) -> list[dict[str, Any]]:
    """What a visitor gets now, at each listener: `at`, `status` (null: no answer), `seconds`, `why` there was none."""
    proxy = world.proxy
    there, route = _listeners(proxy, world.slot(world.live) if world.live else None, world.intended)
    host, path = (route.host, public_health(route) or route.path) if route else (None, "/")
    secure = proxy.tls if proxy and there and host else ()
    found = []
    for at, is_secure in (*((at, False) for at in there), *((at, True) for at in secure)):
        status, seconds, why = tools.prober.visit(at, host, path, is_secure)
        found.append({"at": at, "path": path, "status": status or None, "seconds": round(seconds, 4), "why": why})
    return found


def refuse_unreached(tools: Tools, proxy: ProxyContainer | None, slot: Slot | None) -> str:
    """What was asked, in words. Raises BluegreenError when a published listener does not answer."""
    listens, silent = unreached(tools, proxy, slot)
    if proxy is None or not silent:
        return ", ".join(listens)
    if not tools.engine.publishes_here():
        tools.show.notice(
            f"The Engine publishes ports on another machine. Could not be checked from here: {', '.join(listens)}."
        )
        return ""
    raise _unreached(silent, tools.command)


class PublicSilent(BluegreenError):
    """nginx does not answer where it is published."""


def _unreached(silent: Sequence[str], command: str) -> PublicSilent:
    return PublicSilent(
        "nginx does not answer where it is published.", code="public-port-silent", failed="; ".join(silent),
        expected="an answer on every address of listen, and a handshake on those of tls.listen, as visitors get them",
        retry="safe, after the cause is fixed",
        next=f"{command} up (publishes nginx as the file says), or docker ps --filter name=-proxy",
    )  # fmt: skip


def after_cutover(tools: Tools, slot: Slot | None, color: Color) -> BluegreenError | None:
    """The error for a cutover after which visitors do not reach nginx: somebody must look now. None: they do."""
    routing = tools.door.intended()
    route = next((route for route in slot.routes if route.public), None) if slot else None
    at = (route.host if route else None, (public_health(route) if route else None) or "/")
    try:
        if routing is None or not tools.prober.public(routing.listen, *at):
            return None
        refuse_unreached(tools, tools.proxy.container(), slot)
    except BluegreenError as error:
        if not isinstance(error, PublicSilent):  # the Engine says nothing either
            error = _unreached([f"{it} does not answer" for it in (routing.listen if routing else ())], tools.command)
        error.traffic = f"nginx sends traffic to {color}, but visitors do not reach nginx"
        error.exit_code = ExitCode.UNKNOWN
        return error
    return None


def _listen(text: str) -> Listen:
    address, _, port = text.rpartition(":")
    return Listen(address, int(port))
