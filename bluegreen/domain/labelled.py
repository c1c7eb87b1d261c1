"""Labels and variables by which a proxy finds containers by itself (Traefik, caddy-docker-proxy, nginx-proxy). Pure.

Such a proxy would send visitors to every container that says so: to both colors, the unproven one too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LABELS = (
    ("Traefik", re.compile(r"^traefik\.", re.IGNORECASE)),
    ("caddy-docker-proxy", re.compile(r"^caddy(?:_\d+)?(?:\.|$)")),
    ("EasyHAProxy", re.compile(r"^easyhaproxy\.")),
    ("SWAG", re.compile(r"^swag(?:$|[._])")),
    ("tsdproxy", re.compile(r"^tsdproxy\.")),
)
VARIABLES = (("nginx-proxy", "VIRTUAL_HOST"),)
OFF = {"Traefik": ("traefik.enable", "false")}  # without a label Traefik takes every container that it sees


def by_labels(service: Mapping[str, Any]) -> list[str]:
    """The proxies that would find a container of this service by its labels."""
    labels = service.get("labels") or {}
    if str(labels.get("traefik.enable", "true")).lower() == "false":
        labels = {key: value for key, value in labels.items() if not LABELS[0][1].match(key)}
    return [proxy for proxy, pattern in LABELS if any(pattern.match(key) for key in labels)]


def by_variables(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(proxy, variable) for each proxy that would find a container of this service by its environment."""
    environment = service.get("environment") or {}
    return [(proxy, name) for proxy, name in VARIABLES if environment.get(name)]


def without(labels: Mapping[str, Any]) -> dict[str, Any]:
    """The labels of a color's container: without those by which a proxy finds it."""
    kept = {key: value for key, value in labels.items() if not any(it.match(key) for _, it in LABELS)}
    for proxy in by_labels({"labels": labels}):
        if proxy in OFF:
            kept |= dict([OFF[proxy]])
    return kept | {key: value for key, value in labels.items() if (key, str(value).lower()) in OFF.values()}


def notices(name: str, service: Mapping[str, Any]) -> list[str]:
    """Notes about a release service that another proxy finds by itself."""
    found = [
        f"{name}: its labels for {proxy} are left out of the colors, so that {proxy} does not send visitors to both. "
        f"Route {proxy} to the address of listen (bluegreen help behind-a-proxy)."
        for proxy in by_labels(service)
    ]
    return found + [
        f"{name}: {proxy} finds both colors by {variable}, even one that is not checked yet. Remove it, and route "
        f"{proxy} to the address of listen (bluegreen help behind-a-proxy)."
        for proxy, variable in by_variables(service)
    ]
