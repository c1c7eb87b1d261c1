"""Which services may get traffic, on which port, and by which health check. Pure. Each guess has its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bluegreen.features.init import dockerfile, kinds, labels, routes
from bluegreen.features.init.health import asked
from bluegreen.features.init.kinds import Service, Services
from bluegreen.features.init.labels import Labelled
from bluegreen.features.init.passes import Passed
from bluegreen.features.init.routes_js import listens

VARIABLES = (
    "VIRTUAL_PORT", "PORT", "APP_PORT", "HTTP_PORT", "SERVER_PORT", "ASPNETCORE_HTTP_PORTS", "ASPNETCORE_URLS",
)  # fmt: skip
FRONT = ("web", "app", "server", "api", "backend", "frontend", "www", "site")
Files = Mapping[str, str]


@dataclass(frozen=True)
class Front:
    """A service that may get traffic, with what its file and its code say about it."""

    name: str
    port: int | None
    why_port: str
    health: str | None = None
    why_health: str = ""
    host: str | None = None
    path: str = "/"
    listen: str | None = None
    labelled: Labelled | None = None
    passed: tuple[Passed, ...] = ()  # by a proxy of this file


def candidates(services: Services, files: Files, passed: tuple[Passed, ...]) -> list[Front]:
    """Every service that may get traffic, the most likely first."""
    found = [
        front(name, services, files, tuple(it for it in passed if it.service == name))
        for name, service in services.items()
        if may_be_routed(name, service, services)
    ]
    workers = {it.name for it in found if kinds.is_worker(it.name, services[it.name])}
    if workers != {it.name for it in found}:
        found = [it for it in found if it.name not in workers or it.labelled or it.passed]
    return sorted(found, key=lambda it: rank(it, services))


def may_be_routed(name: str, service: Service, services: Services) -> bool:
    """Whether it is an application that answers requests."""
    if kinds.is_other(name, service) or kinds.is_proxy(name, service) or kinds.is_development(service):
        return False
    if kinds.speaks_fastcgi(service):
        return False
    if kinds.published(service):
        return bool(kinds.http_ports(service))
    return not kinds.runs_once(name, service, services)


def rank(it: Front, services: Services) -> tuple[int, ...]:
    """Lower is more likely: routed today, published to the world, built here, named like a web service."""
    service = services[it.name]
    published = kinds.published(service)
    world = any(not str(port.get("host_ip") or "").startswith("127.") for port in published)
    name = next((number for number, word in enumerate(FRONT) if word in it.name.lower()), len(FRONT))
    routed = bool(it.labelled and (it.labelled.hosts or it.labelled.port)) or bool(it.passed)
    return (
        not routed, it.port is None, not published, not (published and world), not kinds.starts_by_itself(service),
        not kinds.built(service), name,
        it.health is None,
    )  # fmt: skip


def front(name: str, services: Services, files: Files, passed: tuple[Passed, ...]) -> Front:
    """What is known of one service."""
    service = services[name]
    labelled = labels.read(service)
    built = dockerfile.of_service(service, files)
    checked, path = asked(service, name)
    port, why = _port(name, service, files, passed)
    health, why_health = None, ""
    if path and checked in (None, port):
        health, why_health = path, "from its healthcheck"
    if health is None and built.health[1] and built.health[0] in (None, port):
        health, why_health = built.health[1], "from the HEALTHCHECK of its Dockerfile"
    if health is None and (folder := kinds.context(service)):
        health, why_health = routes.health(below(files, folder)) or (None, "")
    listen = next((listen_of(it) for it in kinds.published(service) if it["target"] == port), None)
    hosts = labelled.hosts if labelled else ()
    return Front(
        name, port, why, health, why_health, hosts[0] if len(hosts) == 1 else None, labelled.path if labelled else "/",
        listen, labelled, passed,
    )  # fmt: skip


def below(files: Files, folder: str) -> dict[str, str]:
    """The files of one folder, by their paths in it."""
    start = f"{folder.rstrip('/')}/"
    return {path[len(start) :]: text for path, text in files.items() if path.startswith(start)}


def _port(name: str, service: Service, files: Files, passed: tuple[Passed, ...]) -> tuple[int | None, str]:
    """(the port that it answers HTTP on, where that was found), the most certain first."""
    labelled = labels.read(service)
    built = dockerfile.of_service(service, files)
    checked, _ = asked(service, name)
    targets = kinds.http_ports(service)
    said = dockerfile.command_port(kinds.words(service))
    known = [it for it in (checked, *(it.port for it in passed), said) if it in targets]
    first = next(iter([*known, *targets]), None)
    shown = next((it for it in kinds.published(service) if it["target"] == first), {})
    expose = next((_first(text) for text in service.get("expose") or []), None)
    ways: list[tuple[int | None, str]] = [
        (labelled.port if labelled else None, f"from the labels for {labelled.proxy if labelled else ''}"),
        (checked if checked in targets else None, "ports and healthcheck agree"),
        (known[0] if known else None, f"from ports: {_spelled(shown)}"),
        (targets[0] if targets else None, f"from ports: {_spelled(shown)}"),
        (next((it.port for it in passed), None), "the proxy of this file sends requests to it"),
        (expose, "from expose"),
        (_variable(service, *VARIABLES), "from its environment"),
        (checked, "from its healthcheck"),
        (said, "from its command"),
        (dockerfile.command_port(built.command) if not kinds.words(service) else None, "from CMD of its Dockerfile"),
        (built.exposed[0] if built.exposed else None, "from EXPOSE of its Dockerfile"),
        (listens(below(files, kinds.context(service) or "/nowhere")), "its code listens there"),
        dockerfile.default_port(service, built),
    ]
    return next(((port, why) for port, why in ways if port), (None, ""))


def _spelled(port: Mapping[str, object]) -> str:
    """A published port as people write it."""
    parts = [str(port.get("host_ip") or ""), str(port.get("published") or ""), str(port.get("target") or "")]
    return '"' + ":".join(filter(None, parts)) + '"'


def _first(text: object) -> int | None:
    number, _, protocol = str(text).partition("/")
    first = number.partition("-")[0]
    if not first.isdigit() or protocol not in ("", "tcp") or int(first) in kinds.NOT_HTTP:
        return None
    return int(first)


def _variable(service: Service, *names: str) -> int | None:
    environment = service.get("environment") or {}
    values = [re.search(r"(?:^|:)(\d{2,5})/?$", str(environment.get(name) or "")) for name in names]
    return next((int(it[1]) for it in values if it and int(it[1]) < 65536), None)


def listen_of(port: Mapping[str, object]) -> str | None:
    """Where a port is published today, as `listen` spells it; None: nowhere fixed."""
    published, address = str(port.get("published") or ""), str(port.get("host_ip") or "")
    if not published.isdigit() or published == "0":
        return None
    everywhere = not address or set(address) <= set("0.:")
    return published if everywhere else f"[{address}]:{published}" if ":" in address else f"{address}:{published}"
