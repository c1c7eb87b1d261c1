"""Where visitors reach an app: its names at the edge, or the addresses that its own nginx is published on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli.text import urls

if TYPE_CHECKING:
    from bluegreen.domain.routing import Routing

USUAL = {"http": "80", "https": "443"}


def names(routing: Routing | None) -> list[str]:
    """The hosts that the live release names, those that are only redirected too; sorted."""
    slot = routing.live_slot if routing else None
    if slot is None:
        return []
    routed = {route.host for route in slot.routes if route.public and not route.listen and route.host}
    return sorted(routed | set(slot.redirect))


def visited(routing: Routing, state: Path) -> list[str]:
    """The URLs to show. On an edge, where a port is shared, these are names."""
    slot = routing.live_slot
    hosts = names(routing) if routing.edge and slot else []
    hosts = [host for host in hosts if slot and host not in slot.redirect and not host.startswith("*.")]
    if not hosts:
        return urls(routing.listen)
    port = routing.listen[-1].rpartition(":")[2]  # the edge's come last
    covered, secure = _secured(state)
    return [_url("https", host, secure) if host in covered else _url("http", host, port) for host in hosts]


def _secured(state: Path) -> tuple[frozenset[str], str]:
    """(hosts that have a certificate of their own, the port of HTTPS)."""
    from bluegreen.cli.certificates import has_tls, store

    wanted = (store(state).wanted() if has_tls(state) else None) or {}
    listen = wanted.get("listen") or ["443"]
    return frozenset(wanted.get("names") or ()), str(listen[0]).rpartition(":")[2]


def _url(scheme: str, host: str, port: str) -> str:
    return f"{scheme}://{host}{'' if port == USUAL[scheme] else f':{port}'}/"
