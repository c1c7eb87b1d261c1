"""Who answers where: the hosts and paths of both colors together, and each color's service at each of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bluegreen.domain.app import Route
from bluegreen.domain.color import COLORS, Color
from bluegreen.domain.routing import Slot

NO_SERVICE = 404  # the color serves this host, and nothing at this path
NO_HOST = 421  # the color serves nothing for this host
NO_COLOR = 503  # the color has no release
PLAIN = re.compile(r"[A-Za-z0-9._~@:+/-]+")
STATUS = "!"  # before a status in the place of a service; no service's name has it

Choice = tuple[tuple[Color, str], ...]  # for each color: the name of a service, or STATUS and a number


@dataclass(frozen=True)
class Location:
    match: str
    choice: Choice


@dataclass(frozen=True)
class Server:
    name: str
    default: bool
    locations: tuple[Location, ...]


def servers(slots: Iterable[Slot]) -> tuple[Server, ...]:
    """The server blocks for both colors: one for each host that either names, and a default for every other host.

    A named host is also answered by services without a host, below what it has of its own.
    """
    here = {slot.color: slot.routes for slot in slots}
    hosts = dict.fromkeys(route.host for routes in here.values() for route in routes if route.host is not None)
    return (_server("_", here), *(_server(host, here) for host in hosts))


def statuses(choice: Choice) -> tuple[int, ...]:
    """The statuses in the place of a service, each once; NO_COLOR always: no color may be live yet."""
    found = {int(name.removeprefix(STATUS)) for _, name in choice if name.startswith(STATUS)}
    return tuple(sorted(found | {NO_COLOR}))


def _server(name: str, here: dict[Color, tuple[Route, ...]]) -> Server:
    paths = {color: _paths(routes, name) for color, routes in here.items()}
    every = {path for mine in paths.values() for path in mine} | {"/"}
    locations: list[Location] = []
    for path in sorted(every, key=lambda path: (-len(path), path)):
        choice = tuple((color, _service(paths.get(color), path)) for color in COLORS)
        if path == "/":
            locations.append(Location("/", choice))
        else:  # /api means /api and /api/..., never /apiary
            locations += [Location(f"= {_written(path)}", choice), Location(_written(f"{path}/"), choice)]
    return Server(name, name == "_", tuple(locations))


def _written(path: str) -> str:
    """As nginx reads it back: quoted where a sign means something to it. Source: ngx_conf_read_token."""
    if PLAIN.fullmatch(path):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _paths(routes: tuple[Route, ...], name: str) -> dict[str, str]:
    """What one color serves for a host, path by path, as if its routes were the only ones."""
    hosts = {route.host for route in routes if route.host is not None}
    mine = name if name in hosts else _wildcard(hosts, name)
    anybody = {route.path: route.service for route in routes if route.host is None}
    return anybody | {route.path: route.service for route in routes if mine is not None and route.host == mine}


def _wildcard(hosts: Iterable[str], name: str) -> str | None:
    """The longest `*.` host that takes this name, as nginx chooses it (ngx_http_core_module, server_name)."""
    found = [host for host in hosts if host.startswith("*.") and name.endswith(host[1:])]
    return max(found, key=len, default=None)


def _service(paths: dict[str, str] | None, path: str) -> str:
    if paths is None:
        return f"{STATUS}{NO_COLOR}"
    fitting = [prefix for prefix in paths if prefix == "/" or path == prefix or path.startswith(f"{prefix}/")]
    if fitting:
        return paths[max(fitting, key=len)]
    return f"{STATUS}{NO_SERVICE if paths else NO_HOST}"
