"""Which services require one that is off without its profile: Compose refuses a project with such a service.

Source: the Compose specification, profiles and depends_on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Services = Mapping[str, Mapping[str, Any]]


def awaited(services: Services, name: str) -> list[str]:
    """What a service requires."""
    wanted = services[name].get("depends_on") or {}
    return [it for it, how in wanted.items() if how.get("required", True)]


def unmet(services: Services, names: Iterable[str]) -> list[tuple[str, str]]:
    """(service, which of `names` it requires) where a plain `docker compose up` refuses the file for it.

    Of the names only those with a profile: it is off then, and what requires it may be on.
    """
    return [
        (it, name) for name in names if name in services and services[name].get("profiles")
        for it in services if name in awaited(services, it) and not _always_with(services[it], services[name])
    ]  # fmt: skip


def _always_with(service: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a service is on only when the other is."""
    mine = service.get("profiles") or ()
    return bool(mine) and set(mine) <= set(other.get("profiles") or ())


def needed(services: Services) -> list[str]:
    """The profiles without which Compose refuses the project: they have what services without any require."""
    found: list[str] = []
    while True:
        on = [it for it, how in services.items() if not how.get("profiles") or set(how["profiles"]) & set(found)]
        off = {name for it in on for name in awaited(services, it) if name in services and name not in on}
        if not off:
            return sorted(found)
        found += [services[name]["profiles"][0] for name in off if services[name]["profiles"][0] not in found]


def switched_on(services: Services, active: str) -> list[str]:
    """Options for a Compose command on the project; none when it is accepted as it is. `active`: COMPOSE_PROFILES."""
    missing = needed(services)
    names = [*map(str.strip, active.split(",")), *missing] if missing else []  # an option hides the variable
    return [part for name in names if name for part in ("--profile", name)]
