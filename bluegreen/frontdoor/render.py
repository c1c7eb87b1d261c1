"""The rendered nginx file: values in, text out. Jinja is loaded only when something is rendered."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bluegreen.domain.app import Canary, Edge, Listen, ProxySettings
from bluegreen.domain.color import COLORS, Color, other
from bluegreen.domain.loopback import on_loopback
from bluegreen.domain.routing import Routing, Slot
from bluegreen.frontdoor import closed, headers, secure
from bluegreen.frontdoor import types as static
from bluegreen.frontdoor.headers import Lines
from bluegreen.frontdoor.places import Choice, apart, prefix_pattern, served, servers, statuses, targets
from bluegreen.frontdoor.route import CONF, EDGE, NEXT, ROUTE, RUN
from bluegreen.frontdoor.text import GENERATION_MARK, SINCE_MARK, header_lines

if TYPE_CHECKING:
    from jinja2 import Template


BUFFER = 16 * 1024  # bytes, of proxy_buffers
MANY = 3  # replicas, of which a request that ends an application must not reach all
PLACES = {  # as the proxy sees them
    "run": RUN, "route": f"{CONF}/{ROUTE}", "next": f"{CONF}/{NEXT}", "closed": f"{CONF}/{closed.LINK}",
}  # fmt: skip


@dataclass(frozen=True)
class ProxyConfig:
    """What a rendered file says beyond the routing: listeners and the settings of the proxy."""

    listen: tuple[Listen, ...]
    preview: Listen | None
    trust: tuple[str, ...]
    probe_networks: tuple[str, ...]
    snippets: str | None = None  # folder of the snippets, as the proxy sees it
    failover: bool = False
    hooks: tuple[str, ...] = ()
    own: Lines = field(default_factory=lambda: Lines(None))  # the headers that the snippets set
    limits: ProxySettings = field(default_factory=ProxySettings)
    inside: tuple[str, ...] = ()  # the app's own network, where its containers reach nginx
    tls: secure.Secure | None = None
    edge: Edge | None = None  # through whose sockets visitors come, too
    pages: Mapping[int, str] = field(default_factory=dict)  # status to the folder of the person's own page
    canary: Canary = field(default_factory=Canary)


def render(routing: Routing, proxy: ProxyConfig, templates: Path) -> str:
    """The nginx file for this routing, with marks for generation and moment.

    `routing.live` is the file's own default, which counts when the route is gone. A slot that is only prepared may
    become live by a rename alone, so limits that take no variable are then the more generous of both.
    """
    slots = tuple(routing.slots[color] for color in COLORS if color in routing.slots)
    marked = replace(
        routing, generation=GENERATION_MARK, since=SINCE_MARK if routing.live else None,
        listen=_visited(proxy), preview=str(proxy.preview) if proxy.preview else None,
        failover=proxy.failover, hooks=proxy.hooks, edge=proxy.edge.name if proxy.edge else "",
    )  # fmt: skip
    failover = _failover(routing) if proxy.failover else ()
    values: dict[str, Any] = {
        "header": header_lines(json.dumps(marked.as_dict(), sort_keys=True)),
        "app": routing.app,
        "generation": GENERATION_MARK,
        "live": routing.live,
        "idle": routing.idle,
        "other": {color: other(color) for color in COLORS},
        "live_slot": routing.live_slot or routing.idle_slot,
        "idle_slot": routing.idle_slot,
        "slots": slots,
        "static": static.values(routing),
        "buffered": lambda choice: _buffered(routing, choice),
        **_places(slots, proxy),
        **_limits(routing, proxy.limits),
        **_listens(proxy),
        "trust": proxy.trust,
        "edge": _edge(proxy.edge),
        "probe_networks": proxy.probe_networks,
        "snippets": proxy.snippets,
        **_headers(proxy),
        "pages": proxy.pages,
        "canary": _canary(proxy.canary),
        "failover": failover,
        "few": lambda choice: all(_replicas(routing, *named) < MANY for named in choice),
        "fails_over": lambda choice: any(named in failover for named in choice),
        "drain": max(1, round(routing.drain)),
        "workers": "auto",
        **PLACES,
        "retries": closed.RETRIES,
    }
    return packed(compiled(templates, "nginx.conf.j2").render(values))


def packed(text: str) -> str:
    """Without the lines that a template leaves empty."""
    return re.sub(r"\n(?:[ \t]*\n)+", "\n\n", text)


def _places(slots: Sequence[Slot], proxy: ProxyConfig) -> dict[str, Any]:
    tls = proxy.tls
    found, alone = servers(slots, tls.names if tls else ()), apart(slots)
    every = [*found, *(server for group in alone.values() for server in group)]
    kinds = tuple(dict.fromkeys(location.kind for server in every for location in server.locations))
    return {
        "servers": found, "tls": tls.rendered([server.name for server in found], proxy.edge is None) if tls else None,
        "apart": [(sorted({it.rpartition(":")[2] for it in listen}), group) for listen, group in alone.items()],
        "choices": [choice for choice, _ in kinds], "number": {kind: place for place, kind in enumerate(kinds)},
        "statuses": statuses, "targets": targets, "pattern": prefix_pattern,
    }  # fmt: skip


def _listens(proxy: ProxyConfig) -> dict[str, Any]:
    public = sorted({str(listen.port) for listen in proxy.listen})
    preview = [str(proxy.preview.port)] if proxy.preview else []
    return {
        "public_listens": [*_inner("public"), *public],
        "preview_listens": [f"unix:{RUN}/preview.sock", *_inner("passed"), *preview],
        "preview_is_loopback": proxy.preview is not None and on_loopback(proxy.preview),
        "inside": proxy.inside,
    }


def _visited(proxy: ProxyConfig) -> tuple[str, ...]:
    return tuple(map(str, (*proxy.listen, *(proxy.edge.listen if proxy.edge else ()))))


def _edge(at: Edge | None) -> dict[str, Any] | None:
    """The sockets in which nginx listens for the edge."""
    if at is None:
        return None
    return {"plain": f"unix:{EDGE}/plain.sock", "secure": f"unix:{EDGE}/secure.sock"}


def _canary(it: Canary) -> dict[str, Any]:
    """`asked`: where a tester says which color he wants; `visitor`: whom the route is asked for."""
    asked = [f"$http_{headers.variable(it.header)}"] if it.header else []
    asked += [f"$cookie_{it.cookie}"] if it.cookie else []
    visitor = "$bg_visitor" if asked else "$bg_unasked" if it.pin else "$bg_bucket"
    return {**asdict(it), "asked": asked, "visitor": visitor}


def _limits(routing: Routing, limits: ProxySettings) -> dict[str, Any]:
    """A WebSocket waits at least as long as every other answer. Of proxy_buffers, used where a snippet turns buffering
    on, those that are busy must hold the largest head, and be fewer than all. Source: ngx_http_proxy_module."""
    longest = max([limits.websocket_timeout, *(slot.read_timeout for slot in routing.slots.values())])
    return {
        "max_body": lambda slot: _most([it.max_body for it in _shared_limits(routing, slot)]),
        "read_timeout": lambda slot: max(it.read_timeout for it in _shared_limits(routing, slot)),
        "limits": limits,
        "upgraded_timeout": round(longest * 1000),
        "busy_buffers": pieces(limits.max_answer_headers),
    }


def pieces(head: int) -> int:
    """How many of proxy_buffers may be busy, so that they hold a head of so many bytes."""
    return max(2, -(-head // BUFFER))


def _headers(proxy: ProxyConfig) -> dict[str, Any]:
    def sent(own: Sequence[str]) -> list[tuple[str, str]]:
        found = headers.sent(own, proxy.limits.underscores)
        asks = proxy.canary.header if proxy.canary.secret else ""
        return [*found, (asks, "$bg_asks")] if asks and asks.lower() not in map(str.lower, own) else found

    return {"headers": sent, "own": proxy.own, "believed": headers.BELIEVED, "variable": headers.variable}


def _inner(door: str) -> tuple[str, str]:
    """Where workers that were left pass on to: whoever accepts, and this generation alone."""
    return f"unix:{RUN}/{door}.sock", f"unix:{RUN}/{door}-{GENERATION_MARK}.sock"


def _replicas(routing: Routing, color: Color, service: str) -> int:
    slot = routing.slots.get(color)
    return len(slot.addresses.get(service, ())) if slot else 0


def _buffered(routing: Routing, choice: Choice) -> bool:
    """Whether the service of each color there is one whose answers nginx takes in."""
    wanted = {(color, it.service) for color, slot in routing.slots.items() for it in slot.fronts if it.buffering}
    there = served(choice)
    return bool(there) and set(there) <= wanted


def _shared_limits(routing: Routing, slot: Slot) -> tuple[Slot, ...]:
    """The slots whose limits count where this one is shown: both, until the seal."""
    return tuple(routing.slots.values()) if routing.standing == "prepared" else (slot,)


def _most(sizes: list[int]) -> int:
    """The largest body that any of these takes; 0 is nginx's word for no limit."""
    return 0 if 0 in sizes else max(sizes)


@functools.cache
def compiled(folder: Path, name: str) -> Template:
    """A template of `folder`, once for each command: a switch renders several times; most of it is compiling."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is an nginx file; every value was validated at the boundary
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def _failover(routing: Routing) -> tuple[tuple[Color, str], ...]:
    """(live color, service) pairs for which the other color may answer: it has the service, and it has served."""
    proven = static.proven(routing)
    slots = routing.slots
    if len(slots) < len(COLORS):
        return ()
    names = [{(route.service, route.path if route.strip else "") for route in slot.routes} for slot in slots.values()]
    both = set.intersection(*names)
    uneven = {service for service, _ in set.union(*names) - both}  # also whose path is cut in one color only
    return tuple(
        (color, it.service) for color in proven for it in slots[color].fronts if it.public and it.service not in uneven
    )
