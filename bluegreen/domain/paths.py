"""Paths as nginx compares them. Pure."""

from __future__ import annotations

from urllib.parse import unquote

from bluegreen.domain.app import Route


def takes_own_health(route: Route) -> bool:
    """Whether a route's health path is under its prefix: only then nginx sends it to that service."""
    path = unquote(route.health.path.partition("?")[0])  # prefixes are decoded already
    return route.path == "/" or path == route.path or path.startswith(f"{route.path}/")
