"""Who answers where: the hosts and paths of both colors together, and each color's service at each of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bluegreen.domain.app import Route
from bluegreen.domain.color import COLORS, Color
from bluegreen.domain.routing import Slot

NO_SERVICE = 404  # the color serves this host, and nothing at this path
NO_HOST = 421  # the color serves nothing for this host
NO_COLOR = 503  # the color has no release
PLAIN = re.compile(r"[A-Za-z0-9._~@:+/-]+")
ELSEWHERE = ">"  # before a host in the place of a service
STATUS = "!"  # before a status in the place of a service; no service's name has it

Choice = tuple[tuple[Color, str], ...]  # for each color: a service, STATUS and a number, or ELSEWHERE and a host


Kind = tuple[Choice, tuple[tuple[Color, str], ...]]


@dataclass(frozen=True)
class Location:
    """`taken_off`: for colors whose service gets the path without its prefix, that prefix."""

    match: str
    choice: Choice
    taken_off: tuple[tuple[Color, str], ...] = ()
    copied: bool = False  # files of a release are looked for first
    mounted: bool = False  # and files of a volume
    asset: bool = False  # a 404 is asked of the other color

    @property
    def kind(self) -> Kind:
        """What it has in common with others that are served in the same way."""
        return self.choice, self.taken_off


@dataclass(frozen=True)
class Server:
    name: str
    default: bool
    locations: tuple[Location, ...]


def servers(slots: Iterable[Slot], names: Iterable[str] = ()) -> tuple[Server, ...]:
    """The server blocks for both colors: one for each host that either names, and a default for every other host.

    A named host is also answered by services without a host, below what it has of its own. `names`: more hosts.
    """
    here = {slot.color: _shared(slot) for slot in slots}
    hosts = dict.fromkeys(route.host for slot in here.values() for route in slot.routes if route.host is not None)
    hosts |= dict.fromkeys(host for slot in here.values() for host in slot.redirect)
    hosts |= dict.fromkeys(names)
    return (_server("_", here), *(_server(host, here) for host in hosts))


def _shared(slot: Slot) -> Slot:
    return replace(slot, routes=tuple(route for route in slot.routes if not route.listen))


def apart(slots: Iterable[Slot]) -> dict[tuple[str, ...], tuple[Server, ...]]:
    """The server blocks of services with listeners of their own, by these."""
    slots = tuple(slots)
    every = dict.fromkeys(route.listen for slot in slots for route in slot.routes if route.listen)
    return {listen: servers(_alone(slot, listen) for slot in slots) for listen in every}


def _alone(slot: Slot, listen: tuple[str, ...]) -> Slot:
    routes = tuple(replace(route, listen=()) for route in slot.routes if route.listen == listen)
    return replace(slot, routes=routes, redirect={}, files=(), assets=())


def statuses(choice: Choice) -> tuple[int, ...]:
    """The statuses in the place of a service, each once; NO_COLOR always: no color may be live yet."""
    found = {int(name.removeprefix(STATUS)) for _, name in choice if name.startswith(STATUS)}
    return tuple(sorted(found | {NO_COLOR}))


def served(choice: Choice) -> tuple[tuple[Color, str], ...]:
    """The colors that have a service there, with it."""
    return tuple((color, name) for color, name in choice if not name.startswith((STATUS, ELSEWHERE)))


def targets(choice: Choice) -> tuple[str, ...]:
    """The hosts to which visitors are sent in the place of a service."""
    return tuple(dict.fromkeys(name.removeprefix(ELSEWHERE) for _, name in choice if name.startswith(ELSEWHERE)))


def _server(name: str, here: dict[Color, Slot]) -> Server:
    paths = {color: _paths(slot, name) for color, slot in here.items()}
    every = {path for mine in paths.values() for path in mine} | {"/"}
    copied = {it.prefix for slot in here.values() for it in slot.files if it.service}
    mounted = {it.prefix for slot in here.values() for it in slot.files if it.volume}
    assets = {prefix for slot in here.values() for prefix in slot.assets}
    every |= copied | mounted | assets
    locations: list[Location] = []
    for path in sorted(every, key=lambda path: (-len(path), path)):
        found = {color: _place(paths.get(color), path) for color in COLORS}
        choice = tuple((color, place.service) for color, place in found.items())
        taken = tuple((color, place.path) for color, place in found.items() if place.strip and place.path != "/")
        # /api means /api and /api/..., never /apiary
        matches = ["/"] if path == "/" else [f"= {_written(path)}", _written(f"{path}/")]
        kinds = (path in copied, path in mounted, path in assets)
        locations += [Location(it, choice, taken, *(kinds if it[0] != "=" else ())) for it in matches]
    return Server(name, name == "_", tuple(locations))


def prefix_pattern(path: str) -> str:
    """A regular expression for the path below a prefix, as nginx reads it back in quotes."""
    return re.escape(path).replace("\\", "\\\\").replace('"', '\\"')


def _written(path: str) -> str:
    """As nginx reads it back: quoted where a sign means something to it. Source: ngx_conf_read_token."""
    if PLAIN.fullmatch(path):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _paths(slot: Slot, name: str) -> dict[str, Route]:
    """What one color serves for a host, path by path, as if its routes were the only ones."""
    if name in slot.redirect:
        return {"/": Route(f"{ELSEWHERE}{slot.redirect[name]}", 0)}
    hosts = {route.host for route in slot.routes if route.host is not None}
    mine = name if name in hosts else _wildcard(hosts, name)
    anybody = {route.path: route for route in slot.routes if route.host is None and route.public}
    return anybody | {route.path: route for route in slot.routes if mine is not None and route.host == mine}


def _wildcard(hosts: Iterable[str], name: str) -> str | None:
    """The longest `*.` host that takes this name, as nginx chooses it (ngx_http_core_module, server_name)."""
    found = [host for host in hosts if host.startswith("*.") and name.endswith(host[1:])]
    return max(found, key=len, default=None)


def _place(paths: dict[str, Route] | None, path: str) -> Route:
    """The route that takes this path; one of no service, with STATUS, where none does."""
    if paths is None:
        return Route(f"{STATUS}{NO_COLOR}", 0)
    fitting = [prefix for prefix in paths if prefix == "/" or path == prefix or path.startswith(f"{prefix}/")]
    if fitting:
        return paths[max(fitting, key=len)]
    return Route(f"{STATUS}{NO_SERVICE if paths else NO_HOST}", 0)
