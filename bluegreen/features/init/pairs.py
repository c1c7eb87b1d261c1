"""Hand-made pairs: two services that are one, for a switch by hand (web-blue and web-green, api_1 and api_2). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bluegreen.features.init.kinds import (
    Service,
    Services,
    context,
    is_other,
    is_proxy,
    is_worker,
    repository,
    words,
)

COLORS = ("blue", "green")
SIDES = (
    ("1", "2", "3", "4", "5"), ("01", "02", "03"), ("a", "b"), ("one", "two"), ("v1", "v2"), ("primary", "secondary"),
    ("old", "new"), ("current", "next"), ("active", "standby"), ("live", "idle"),
)  # fmt: skip
LATER = ("green", "2", "b", "new", "next", "standby", "idle", "canary", "secondary")  # beside a service without a side
PARTS = re.compile(r"[-_.]")
NAMES = ("web", "app", "api")  # for a pair that is called by its colors alone


@dataclass(frozen=True)
class Pair:
    """`kept` goes on as `name`; the others go."""

    name: str
    kept: str
    others: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        return (self.kept, *self.others)


def find(services: Services) -> list[Pair]:
    """Every pair of a file, in its order."""
    found: list[Pair] = []
    taken: set[str] = set()
    sets: list[tuple[str, ...]] = [COLORS, *SIDES]
    for sides in sets:
        for name in services:
            base = _without(name, sides[0])
            if base is None or (not base and sides != COLORS) or name in taken or not _is_app(name, services[name]):
                continue
            others = tuple(
                it for side in sides[1:] for it in services if it not in taken and _without(it, side) == base
            )
            others = tuple(it for it in others if _alike(services, name, it, sides))
            if others:
                found.append(Pair(_name(base, services, {name, *others}), name, others))
                taken |= {name, *others}
    for name, service in services.items():
        if name in taken or not _is_app(name, service):
            continue
        others = tuple(it for side in LATER for it in services if it not in taken and _without(it, side) == name)
        others = tuple(it for it in others if _alike(services, name, it, ()))
        if others:
            found.append(Pair(name, name, others))
            taken |= {name, *others}
    return found


def merged(document: Mapping[str, Any], pairs: list[Pair]) -> dict[str, Any]:
    """The document as it is when each pair is one service."""
    renamed = {it.kept: it.name for it in pairs} | {other: it.name for it in pairs for other in it.others}
    gone = {other for it in pairs for other in it.others}
    services = {}
    for name, service in (document.get("services") or {}).items():
        if name in gone:
            continue
        copy = dict(service)
        if wanted := service.get("depends_on"):
            copy["depends_on"] = {renamed.get(it, it): how for it, how in wanted.items()}
        services[renamed.get(name, name)] = copy
    return {**document, "services": services}


def _without(name: str, side: str) -> str | None:
    """A name without the part that tells its side; None: it has none."""
    parts = PARTS.split(name)
    if side in parts:
        at = parts.index(side)
        kept = parts[:at] + parts[at + 1 :]
        marks = PARTS.findall(name)
        return (marks[0] if marks else "-").join(kept)
    if side.isdigit() and re.fullmatch(rf"[A-Za-z-]+{side}", name):
        return name.removesuffix(side)
    return None


def _alike(services: Services, one: str, other: str, sides: tuple[str, ...]) -> bool:
    """Whether two services are the same thing twice. Of colors their names say it."""
    first, second = services[one], services[other]
    if not _is_app(other, second):
        return False
    if sides == COLORS:
        return True
    if is_worker(one, first):
        return False
    same = (repository(first) and repository(first) == repository(second)) or (
        context(first) is not None and context(first) == context(second)
    )
    return bool(same) and _shape(first) == _shape(second)


def _is_app(name: str, service: Service) -> bool:
    return not (is_other(name, service) or is_proxy(name, service))


def _shape(service: Service) -> str:
    """Its command without numbers: two sides differ in a port."""
    return re.sub(r"\d+", "", words(service))


def _name(base: str, services: Services, members: set[str]) -> str:
    free = [it for it in (base, *NAMES) if it and (it not in services or it in members)]
    return free[0] if free else sorted(members)[0]
