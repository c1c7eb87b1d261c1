"""The rendered nginx file: values in, text out. Jinja is loaded only when something is rendered.

A file is written for a generation and a moment that are not known when it is rendered: both directions
lie ready as texts with two marks, and `activate` fills the marks in. That needs no template engine, so a
flip-back does not wait for one.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bluegreen.domain.app import Listen
from bluegreen.domain.color import COLORS, other
from bluegreen.domain.routing import Routing, Slot

if TYPE_CHECKING:
    from jinja2 import Template

CONF = "/etc/bluegreen"  # the state folder's nginx/, inside the proxy's container
RUN = "/run/bluegreen"  # the state folder's run/
HEADER = "# bluegreen-routing: "
GENERATION_MARK = 987654321987654321  # stands for the generation until the file is activated
SINCE_MARK = "@since@"
OLDEST_NGINX = (1, 27, 4)  # the first with keepalive_min_timeout


@dataclass(frozen=True)
class Frame:
    """What a rendered file says besides the routing: listeners and the settings of the proxy."""

    listen: tuple[Listen, ...]
    preview: Listen | None
    trust: tuple[str, ...]
    probe_networks: tuple[str, ...]
    snippets: str | None = None  # folder of tested snippets, as the proxy sees it
    failover: bool = False
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Location:
    match: str
    service: str


@dataclass(frozen=True)
class Server:
    name: str
    default: bool
    locations: tuple[Location, ...]

    @property
    def catches_all(self) -> bool:
        return any(location.match == "/" for location in self.locations)


def servers(slot: Slot | None) -> tuple[Server, ...]:
    """The server blocks of a slot: one for each host it names, and a default for every other host.

    A named host is also answered by services without a host, below what it has of its own.
    """
    if slot is None:
        return (Server("_", True, ()),)
    anybody = {route.path: route.service for route in slot.routes if route.host is None}
    hosts = dict.fromkeys(route.host for route in slot.routes if route.host is not None)
    named = []
    for host in hosts:
        own = {route.path: route.service for route in slot.routes if route.host == host}
        named.append(Server(host, False, _locations({**anybody, **own})))
    return (Server("_", True, _locations(anybody)), *named)


def _locations(paths: dict[str, str]) -> tuple[Location, ...]:
    found = []
    for path in sorted(paths, key=lambda path: (-len(path), path)):
        if path == "/":
            found.append(Location("/", paths[path]))
        else:  # /api means /api and /api/..., never /apiary
            found += [Location(f"= {path}", paths[path]), Location(f"{path}/", paths[path])]
    return tuple(found)


def render(routing: Routing, frame: Frame, templates: Path) -> str:
    """The nginx file for this routing, with marks for generation and moment."""
    slots = tuple(routing.slots[color] for color in COLORS if color in routing.slots)
    marked = replace(
        routing, generation=GENERATION_MARK, since=SINCE_MARK if routing.live else None,
        listen=tuple(map(str, frame.listen)), preview=str(frame.preview) if frame.preview else None,
        failover=frame.failover, hooks=frame.hooks,
    )  # fmt: skip
    preview = [f"unix:{RUN}/preview.sock"] + ([str(frame.preview.port)] if frame.preview else [])
    values: dict[str, Any] = {
        "header": json.dumps(marked.as_dict(), sort_keys=True),
        "app": routing.app,
        "generation": GENERATION_MARK,
        "live": routing.live,
        "idle": routing.idle,
        "live_slot": routing.live_slot,
        "idle_slot": routing.idle_slot,
        "slots": slots,
        "servers": servers,
        "public_listens": [f"unix:{RUN}/public.sock", *sorted({str(listen.port) for listen in frame.listen})],
        "preview_listens": preview,
        "trust": frame.trust,
        "probe_networks": frame.probe_networks,
        "snippets": frame.snippets,
        "failover": _failover(routing) if frame.failover else (),
        "drain": max(1, round(routing.drain)),
        "workers": "auto",
        "run": RUN,
    }
    text = _template(templates).render(values)
    return re.sub(r"\n(?:[ \t]*\n)+", "\n\n", text)


@functools.cache
def _template(folder: Path) -> Template:
    """Compiled once for each command: a switch renders several times, and compiling takes most of it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is an nginx file; every value was validated at the boundary
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2")


def _failover(routing: Routing) -> tuple[str, ...]:
    """The services that the idle color can answer for: those that the previous release has as well."""
    there = {route.service for route in routing.idle_slot.routes} if routing.idle_slot else set()
    here = [route.service for route in routing.live_slot.routes] if routing.live_slot else []
    return tuple(name for name in here if name in there) if routing.standing == "previous" else ()


def turned(routing: Routing) -> Routing:
    """The same slots with traffic on the other color: what a flip-back activates."""
    return replace(routing, live=other(routing.live) if routing.live else None, standing="previous")


def activate(text: str, generation: int, since: str) -> str:
    """A rendered text with its marks filled in: what nginx is to load."""
    return text.replace(str(GENERATION_MARK), str(generation)).replace(SINCE_MARK, since)


def read_routing(text: str) -> Routing | None:
    """What a rendered file routes, from its own first line; None when it is not one of ours."""
    first = text.partition("\n")[0]
    if not first.startswith(HEADER):
        return None
    try:
        return Routing.from_dict(json.loads(first[len(HEADER) :]))
    except (KeyError, TypeError, ValueError):
        return None


def too_old(version: str) -> bool:
    """Whether this nginx lacks keepalive_min_timeout. An unreadable version counts as too old."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return not match or tuple(map(int, match.groups())) < OLDEST_NGINX
