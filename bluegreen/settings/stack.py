"""From Compose's resolved document to a `Stack`, or one report of everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bluegreen.domain import edge, labelled, needed
from bluegreen.domain.app import FilesAt, Settings, Stack
from bluegreen.domain.color import COLORS
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.settings.parse import InvalidSettings, parse_settings

Refuse = Callable[[Mapping[str, Any], Sequence[str]], Iterable[tuple[str, str]]]
SWARM_ONLY = ("placement", "update_config", "rollback_config", "labels", "endpoint_mode")
SMALLEST = (
    "add to the top level:  x-bluegreen:",
    "                         service: web    # the service that gets traffic",
    "                         port: 8000      # where it listens",
)


def make_stack(document: Mapping[str, Any], project_directory: str, profiles: Iterable[str], refuse: Refuse) -> Stack:
    """The stack of a resolved Compose document.

    `profiles`: those that are active for a plain Compose; `refuse` finds the service keys that a color
    cannot have. Raises BluegreenError (exit 2) with every problem.
    """
    services: Mapping[str, Mapping[str, Any]] = document.get("services") or {}
    if "x-bluegreen" not in document:
        raise BluegreenError(
            "The Compose file has no x-bluegreen block.", code="no-block",
            failed="the top level has no key x-bluegreen",
            expected="x-bluegreen with at least service and port, such as these lines", retry="safe, after it is added",
            next="bluegreen init (prints one for this file), bluegreen init --write (adds it)",
            exit_code=ExitCode.USAGE, lines=list(SMALLEST),
        )  # fmt: skip
    try:
        settings = parse_settings(document["x-bluegreen"], services)
    except InvalidSettings as error:
        lines = [
            f"x-bluegreen.{problem}".replace("x-bluegreen.x-bluegreen", "x-bluegreen") for problem in error.problems
        ]
        raise _problems(
            "The x-bluegreen block is not valid.", lines, "settings as bluegreen schema describes them"
        ) from None
    refused = [f"{path}: {reason}" for path, reason in refuse(document, settings.own_services())]
    refused += _served_by_nobody(services, settings)
    refused += _names_of_ours(document, settings)
    refused += _without_volume(document, settings)
    if refused:
        raise _problems(
            "bluegreen cannot run this Compose file as it is.", refused, "a Compose file without these lines"
        )
    return Stack(
        app=document["name"],
        settings=replace(settings, files=tuple(_with_name(it, document) for it in settings.files)),
        services=services,
        networks=document.get("networks") or {},
        volumes=document.get("volumes") or {},
        secrets=document.get("secrets") or {},
        configs=document.get("configs") or {},
        shared=_shared(services, settings, set(profiles)),
        project_directory=project_directory,
        notices=(*_notices(services, settings), *_without_effect(document, settings)),
        together=tuple(_together(services, settings)),
    )


def _names_of_ours(document: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """Networks and services of the file that would have the names of bluegreen's own networks and containers."""
    app = document["name"]
    if app.startswith(edge.APP):
        yield f"name: {app} is the name of an edge of this machine; choose another name"
    networks = {f"{app}_bluegreen{end}" for end in ("", "_public", *(f"_{color}" for color in COLORS))}
    for key, network in (document.get("networks") or {}).items():
        if (network or {}).get("name", f"{app}_{key}") in networks:
            yield f"networks.{key}: {app}_{key} is the name of bluegreen's own network; choose another name"
    for color in COLORS:
        for name in settings.release_services():
            if (other := f"{color}-{name}") in document["services"] and other not in settings.own_services():
                yield f"services.{other}: its container has the name of {name} in {color}; choose another name"


def _without_volume(document: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    known = document.get("volumes") or {}
    for it in settings.files:
        if it.volume and it.volume not in known:
            names = ", ".join(known) or "none"
            yield f"x-bluegreen.files.{it.prefix}/.volume: {it.volume} is no volume of the Compose file ({names})"


def _with_name(place: FilesAt, document: Mapping[str, Any]) -> FilesAt:
    defined = (document.get("volumes") or {}).get(place.volume) or {}
    return replace(place, name=defined.get("name") or f"{document['name']}_{place.volume}") if place.volume else place


def _served_by_nobody(services: Mapping[str, Mapping[str, Any]], settings: Settings) -> Iterable[str]:
    for route in settings.fronts:
        service = services[route.service]
        key, count = "scale", service.get("scale")
        if count is None:
            key, count = "deploy.replicas", (service.get("deploy") or {}).get("replicas")
        if count is not None and int(count) == 0:
            yield f"services.{route.service}.{key}: 0 containers cannot answer; only a job may have 0"


def _shared(services: Mapping[str, Mapping[str, Any]], settings: Settings, profiles: set[str]) -> tuple[str, ...]:
    return tuple(
        name
        for name, service in services.items()
        if name not in settings.own_services()
        and (not service.get("profiles") or profiles & {"*", *service["profiles"]})
    )


def _notices(services: Mapping[str, Mapping[str, Any]], settings: Settings) -> Iterable[str]:
    names = settings.own_services()
    routed = {route.service: route.port for route in settings.routes}
    listen = ", ".join([*map(str, settings.listen), *(["the edge"] if settings.edge else [])])
    for name in names:
        service = services[name]
        for port in service.get("ports") or []:
            shown, protocol = port.get("published") or port["target"], port.get("protocol", "tcp")
            if port["target"] == routed.get(name) and protocol == "tcp":
                yield f"{name}: port {shown} is not published; nginx publishes {listen} instead (x-bluegreen.listen)."
            else:
                which = f"{shown}{'/udp' if protocol == 'udp' else ''}"
                yield f"{name}: port {which} is not published any more: two colors cannot both publish it."
        if not service.get("profiles"):
            yield f"{name} has no profile: a plain docker compose up starts it too. Add profiles: [release]."
        yield from labelled.notices(name, service)
    for name, service in services.items():
        if name in names:
            continue
        met = [other for other in service.get("depends_on") or {} if other in names]
        if met:
            refuses = needed.unmet({name: service, **{it: services[it] for it in met}}, met)
            more = (
                " With its profile off, a plain docker compose up refuses the file: bluegreen init --write repairs it."
            )
            yield (
                f"{name} is shared and depends on {', '.join(met)}: it cannot reach a color's services by name."
                f"{more if refuses else ''}"
            )


def _without_effect(document: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """Keys that plain Compose ignores. Compose says so itself, but only when it creates a container."""
    for name in settings.own_services():
        service = document["services"][name]
        deploy = service.get("deploy") or {}
        idle = [f"deploy.{key}" for key in SWARM_ONLY if deploy.get(key)]
        idle += ["deploy.mode"] if deploy.get("mode") not in (None, "replicated") else []
        if idle:
            yield f"{name}: {', '.join(idle)} has no effect outside a swarm, here as in plain Compose."
        for kind in ("secrets", "configs"):
            for use in service.get(kind) or []:
                asked = [key for key in ("uid", "gid", "mode") if use.get(key)]
                if asked and ((document.get(kind) or {}).get(use["source"]) or {}).get("file"):
                    keys = ", ".join(asked)
                    yield f"{name}: {keys} of {kind}.{use['source']} has no effect on a file, here as in plain Compose."


def _together(services: Mapping[str, Mapping[str, Any]], settings: Settings) -> Iterable[str]:
    """Data that both colors use at the same time, and volumes that each release has for itself: a person must judge."""
    for name in settings.release_services():
        mounts = services[name].get("volumes") or []
        lasting = [m for m in mounts if m["type"] in ("volume", "bind") and m.get("source")]
        written = [mount["source"] for mount in lasting if not mount.get("read_only")]
        if written and name not in settings.jobs:
            yield f"{name}: both colors write to {', '.join(written)} while both run."
        fresh = [mount["target"] for mount in mounts if mount["type"] == "volume" and not mount.get("source")]
        if fresh:
            yield f"{name}: {', '.join(fresh)} is an anonymous volume: every release starts with a new one."


def _problems(summary: str, lines: list[str], expected: str) -> BluegreenError:
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return BluegreenError(
        summary, code="settings-invalid", failed=count, expected=expected, retry="safe, after the file is fixed",
        next="fix the file, then the same command", exit_code=ExitCode.USAGE, lines=lines,
    )  # fmt: skip
