"""Paths as nginx compares them. Pure."""

from __future__ import annotations

from urllib.parse import quote, unquote

from bluegreen.domain.app import Route


def public_health(route: Route) -> str | None:
    """Where visitors reach a route's health check; None: nginx sends that path to another service."""
    if not route.public:
        return None
    if route.strip and route.path != "/":
        return f"{quote(route.path)}{route.health.path}"
    path = unquote(route.health.path.partition("?")[0])  # prefixes are decoded already
    own = route.path == "/" or path == route.path or path.startswith(f"{route.path}/")
    return route.health.path if own else None
