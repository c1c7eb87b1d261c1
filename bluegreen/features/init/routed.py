"""Which services get traffic: all that a proxy routes today, or the most likely one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bluegreen.features.init import kinds, proxied
from bluegreen.features.init.fronts import Files, Front
from bluegreen.features.init.kinds import Services

SERVER = re.compile(r"nginx|caddy|httpd|openresty")  # an image that passes on by itself


class Said(Protocol):
    """What a person answered."""

    @property
    def service(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...


@dataclass(frozen=True)
class Chosen:
    """The routed services, the reason, other possible ones, and notes for the person."""

    fronts: list[Front]
    why: str = ""
    rivals: tuple[Front, ...] = ()
    notes: tuple[str, ...] = ()


def choose(fronts: Sequence[Front], services: Services, answer: Said) -> Chosen:
    """The routed services of a file."""
    if answer.service:
        said = next((it for it in fronts if it.name == answer.service), None)
        said = said or Front(answer.service, None, "")
        port = answer.port or said.port
        why = f"{said.name}: as you said"
        return (
            Chosen([replace(said, port=port, why_port=said.why_port if port == said.port else "as you said")], why)
            if (port and said.name in services)
            else Chosen([])
        )
    known = [it for it in fronts if it.port]
    labelled = [it for it in known if it.labelled and (it.labelled.hosts or it.labelled.port)]
    if labelled:
        return _by_labels(_apart(labelled))
    passed = [it for it in known if it.passed]
    if passed:
        return _by_proxy(passed)
    return _likeliest(known, services)


def with_inner(chosen: Chosen, fronts: Sequence[Front], services: Services, files: Files) -> Chosen:
    """The same, with services to which an nginx inside the routed service sends requests (a page and its API)."""
    if len(chosen.fronts) != 1 or chosen.fronts[0].labelled or not SERVER.search(_base(chosen.fronts[0], services)):
        return chosen
    first = chosen.fronts[0]
    passed = [it for it in proxied.does(first.name, services, files).passed if it.service != first.name]
    found = [
        replace(front, passed=tuple(it for it in passed if it.service == front.name))
        for front in fronts
        if front.name != first.name and front.port and any(it.service == front.name for it in passed)
    ]
    inner = [
        replace(it, path=it.passed[0].path) for it in found if not it.passed[0].stripped and it.passed[0].path != "/"
    ]
    notes = tuple(
        f"{first.name} removes {it.passed[0].path} from the path for {it.name}, which stays a shared service. "
        f"To release it too, let it answer below {it.passed[0].path} and name it in services."
        for it in found
        if it.passed[0].stripped
    )
    if not inner:
        return replace(chosen, notes=(*chosen.notes, *notes))
    why = f"{first.name}, and {', '.join(it.name for it in inner)}: {first.name} sends a path to it today"
    rivals = tuple(it for it in chosen.rivals if it.name not in {one.name for one in inner})
    return Chosen([first, *inner], why, rivals, (*chosen.notes, *notes))


def _base(front: Front, services: Services) -> str:
    return str(services[front.name].get(kinds.BASE) or "")


def _apart(fronts: Sequence[Front]) -> list[Front]:
    """One service for each host and path: of two, the one without a profile comes first."""
    found: list[Front] = []
    for it in fronts:
        hosts = it.labelled.hosts if it.labelled else ()
        if not any(other.labelled and other.labelled.hosts == hosts and other.path == it.path for other in found):
            found.append(it)
    return found


def _by_labels(fronts: list[Front]) -> Chosen:
    reader = fronts[0].labelled.proxy if fronts[0].labelled else "a proxy"
    if len(fronts) == 1:
        return Chosen([replace(fronts[0], host=None, path="/")], f"{fronts[0].name}: {reader} routes to it today")
    return Chosen(_told_apart(fronts), f"{', '.join(it.name for it in fronts)}: {reader} routes to them today")


def _told_apart(fronts: Sequence[Front]) -> list[Front]:
    """A host is named only if services differ by it."""
    paths = [it.path for it in fronts]
    if len(set(paths)) == len(paths) and "/" in paths and len({it.host for it in fronts}) == 1:
        return [replace(it, host=None) for it in fronts]
    return list(fronts)


def _by_proxy(fronts: list[Front]) -> Chosen:
    """Services that a proxy of this file routes to, by path or host, without those whose path it changes."""
    if len(fronts) == 1:
        return Chosen(fronts, f"{fronts[0].name}: the proxy of this file sends requests to it")
    found, notes = [], []
    for it in fronts:
        paths = list(dict.fromkeys(one.path for one in it.passed if not one.stripped))
        hosts = list(dict.fromkeys(one.host for one in it.passed))
        if not paths:
            prefix = it.passed[0].path
            notes.append(
                f"{it.name} gets {prefix}/… without {prefix} from the proxy. bluegreen does not change paths: it stays "
                f"a shared service. To release it too, let it answer under {prefix} and name it in services."
            )
            continue
        path = "/" if "/" in paths else min(paths, key=len)
        if rest := [one for one in paths if one != path and not (path == "/" or one.startswith(f"{path}/"))]:
            notes.append(f"{it.name} also gets {', '.join(rest)} today; a service has one path in bluegreen.")
        found.append(replace(it, path=path, host=hosts[0] if len(hosts) == 1 else None))
    if len(found) < 2 or len({(it.path, it.host) for it in found}) < len(found):
        first = sorted(found or fronts, key=lambda it: it.path)[0]
        others = [it.name for it in found if it.name != first.name]
        if others:
            notes.append(f"{', '.join(others)} gets requests from it too; it stays a shared service.")
        return Chosen(
            [replace(first, path="/", host=None)],
            f"{first.name}: the proxy of this file sends requests to it",
            (),
            tuple(notes),
        )
    names = ", ".join(it.name for it in found)
    return Chosen(_told_apart(found), f"{names}: the proxy of this file sends requests to them", (), tuple(notes))


def _likeliest(fronts: Sequence[Front], services: Services) -> Chosen:
    if not fronts:
        return Chosen([])
    first = fronts[0]
    shown = [it for it in fronts if kinds.published(services[it.name])]
    others = [it for it in shown if it.name != first.name]
    if not kinds.published(services[first.name]):
        alone = len(fronts) == 1
        return Chosen(
            [first], f"{first.name}: {'the only service that answers HTTP' if alone else 'most likely, by its name'}"
        )
    if not others:
        return Chosen([first], f"{first.name}: the only service with a published port")
    rivals = tuple(it for it in others if kinds.built(services[it.name]) == kinds.built(services[first.name]))
    names = ", ".join(it.name for it in others)
    why = f"{first.name}: the first of those with a published port; {names}: shared, with their own ports"
    return Chosen([first], why, rivals)
