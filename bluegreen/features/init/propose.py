"""The smallest `x-bluegreen` block for a Compose file that has none, and why it says what it says. Pure.

Reads Compose's resolved document. Guesses are named as guesses: the person reads them before anything runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Service = Mapping[str, Any]
Services = Mapping[str, Service]

# By the last part of an image's name. What keeps data, or watches, is not released in two colors.
STORES = re.compile(
    r"postg|pgvector|timescale|mysql|mariadb|percona|redis|valkey|keydb|dragonfly|memcache|mongo|rabbitmq|nats|kafka"
    r"|zookeeper|elasticsearch|opensearch|meilisearch|typesense|clickhouse|minio|influx|couch|cassandra|neo4j|etcd"
    r"|vault|mailhog|mailpit|maildev|jaeger|zipkin|adminer|pgadmin|phpmyadmin|mongo-express|prometheus|grafana|loki"
    r"|squid|novnc|azurite|keycloak|weaviate|qdrant|milvus|sonic|watchtower"
)
PROXIES = re.compile(r"^(nginx|traefik|caddy|haproxy|envoy|httpd)\b|-(nginx|proxy|gateway)$|^(proxy|gateway|nginx)$")
WORKERS = re.compile(r"worker|sidekiq|celery|scheduler|cron|queue|consumer|beat|(?:^|[-_])(?:jobs?|async)(?:$|[-_])")
FRONT = ("web", "app", "server", "api", "backend", "frontend", "www", "site")
URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?(/[^\s\"'|;&?)]*)?")
COMMAND_PORT = re.compile(r"(?:--port[= ]|-p |:)(\d{2,5})\b")
TRAEFIK_PORT = re.compile(r"^traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port$")
TRAEFIK_RULE = re.compile(r"^traefik\.http\.routers\.[^.]+\.rule$")
TRAEFIK_HOST = re.compile(r"Host\(`([^`]+)`\)")
TRAEFIK_PATH = re.compile(r"PathPrefix\(`([^`]+)`\)")
PLAIN = re.compile(r"^[A-Za-z0-9_/.][A-Za-z0-9_/.~-]*$")


@dataclass(frozen=True)
class Front:
    """A service that gets traffic, as far as its file tells."""

    name: str
    port: int | None
    why_port: str
    health: str | None = None
    host: str | None = None
    path: str = "/"
    listen: str | None = None


@dataclass
class Proposal:
    """A block, and a reason for each thing that was decided; `advice` is for the person to do."""

    block: dict[str, Any] = field(default_factory=dict)
    decisions: list[tuple[str, str]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def text(self, indent: str = "") -> str:
        """The block as YAML, ready to stand in a Compose file (`$` doubled)."""
        return "".join(f"{indent}{line}\n" for line in ["x-bluegreen:", *_yaml(self.block)])


def propose(document: Mapping[str, Any]) -> Proposal:
    """The proposal for Compose's document of a file. `block` is empty when no service takes HTTP."""
    services: Services = document.get("services") or {}
    proposal = Proposal()
    fronts = _fronts(services)
    if not fronts:
        names = ", ".join(name for name, service in services.items() if not _infrastructure(name, service))
        proposal.advice.append(
            f"No service says on which port it answers HTTP: choose service and port (among {names or 'none'})."
        )
        return proposal
    proxy = _proxy(services)
    if len(fronts) > 1:
        proposal.block["services"] = {front.name: _entry(front) for front in fronts}
        names = ", ".join(front.name for front in fronts)
        proposal.decisions.append(("services", f"{names} are routed by Traefik's labels today"))
    else:
        _one(proposal, fronts[0], services)
    _listen(proposal, fronts, services, proxy)
    chosen = {front.name for front in fronts}
    if jobs := _jobs(services, chosen, proxy):
        proposal.block["jobs"] = jobs
        proposal.decisions.append(("jobs", f"{', '.join(jobs)}: the same code beside what is routed, without a port"))
    _advise(proposal, services, chosen | set(jobs), proxy)
    return proposal


def _fronts(services: Services) -> list[Front]:
    candidates = [_front(name, service) for name, service in services.items() if not _infrastructure(name, service)]
    by_traefik = [front for front in candidates if front.host and front.port]
    if len(by_traefik) > 1:
        return by_traefik
    with_port = [front for front in candidates if front.port]
    return sorted(with_port, key=lambda front: _rank(front, services[front.name]))[:1]


def _infrastructure(name: str, service: Service) -> bool:
    image = _image_name(service)
    if STORES.search(image) or (not service.get("build") and PROXIES.search(image)) or PROXIES.search(name):
        return True
    return bool(WORKERS.search(name)) or (
        bool(set(service.get("profiles") or []) - {"release"}) and not service.get("ports")
    )


def _image_name(service: Service) -> str:
    reference = str(service.get("image") or "").partition("@")[0]
    return reference.rpartition("/")[2].partition(":")[0]


def _rank(front: Front, service: Service) -> tuple[int, ...]:
    """Lower is likelier: routed by labels, published to the world, a telling name, built here."""
    published = [port for port in service.get("ports") or [] if port.get("protocol", "tcp") == "tcp"]
    world = any(not str(port.get("host_ip") or "").startswith("127.") for port in published)
    name = next((number for number, word in enumerate(FRONT) if word in front.name.lower()), len(FRONT))
    return (not front.host, not published, not (published and world), not service.get("build"), name)


def _front(name: str, service: Service) -> Front:
    labels = service.get("labels") or {}
    rules = [str(value) for key, value in labels.items() if TRAEFIK_RULE.match(key)]
    host = next((found[1] for rule in rules if (found := TRAEFIK_HOST.search(rule))), None)
    path = next((found[1] for rule in rules if (found := TRAEFIK_PATH.search(rule))), "/")
    checked, health = _health(service)
    published = [port for port in service.get("ports") or [] if port.get("protocol", "tcp") == "tcp"]
    ways: list[tuple[int | None, str]] = [
        *((int(value), "Traefik's label names it") for key, value in labels.items() if TRAEFIK_PORT.match(key)),
        (
            next((port["target"] for port in published if port["target"] == checked), None),
            "ports and healthcheck agree",
        ),
        (next((port["target"] for port in published), None), "ports publishes it"),
        (next((_first_port(text) for text in service.get("expose") or []), None), "expose names it"),
        (_variable(service, "VIRTUAL_PORT", "PORT"), "the environment says so"),
        (checked, "its healthcheck asks there"),
        (_command_port(service), "its command says so"),
    ]
    port, why = next(((port, why) for port, why in ways if port), (None, ""))
    listen = next((_listen_of(entry) for entry in published if entry["target"] == port), None)
    return Front(name, port, why, health if checked in (None, port) else None, host, path, listen)


def _first_port(text: Any) -> int | None:
    number, _, protocol = str(text).partition("/")
    first = number.partition("-")[0]
    return int(first) if first.isdigit() and protocol in ("", "tcp") else None


def _variable(service: Service, *names: str) -> int | None:
    environment = service.get("environment") or {}
    values = [str(environment.get(name) or "") for name in names]
    return next((int(value) for value in values if value.isdigit()), None)


def _command_port(service: Service) -> int | None:
    words = service.get("command") or []
    found = COMMAND_PORT.search(words if isinstance(words, str) else " ".join(map(str, words)))
    return int(found[1]) if found else None


def _health(service: Service) -> tuple[int | None, str | None]:
    """(port, path) that the service's own health check asks for."""
    test = (service.get("healthcheck") or {}).get("test") or []
    found = URL.search(test if isinstance(test, str) else " ".join(map(str, test)))
    if not found:
        return None, None
    return int(found[1] or 80), found[2] or "/"


def _listen_of(port: Mapping[str, Any]) -> str | None:
    """Where a port is published today, as `listen` spells it; None: nowhere fixed, or where it would be anyway."""
    published, address = str(port.get("published") or ""), str(port.get("host_ip") or "")
    if not published.isdigit() or published == "0":
        return None
    everywhere = not address or set(address) <= set("0.:")
    return published if everywhere else f"[{address}]:{published}" if ":" in address else f"{address}:{published}"


def _proxy(services: Services) -> str | None:
    """A reverse proxy of the file's own that is published."""
    return next(
        (name for name, service in services.items()
         if service.get("ports") and (PROXIES.search(name) or PROXIES.search(_image_name(service)))),
        None,
    )  # fmt: skip


def _one(proposal: Proposal, front: Front, services: Services) -> None:
    proposal.block["service"] = front.name
    proposal.block["port"] = front.port
    others = [
        name for name, service in services.items()
        if name != front.name and service.get("ports") and not _infrastructure(name, service)
    ]  # fmt: skip
    rest = f"; {', '.join(others)} stay shared services with their own ports" if others else ""
    proposal.decisions.append(("service", f"{front.name} is the likeliest to answer the public{rest}"))
    proposal.decisions.append(("port", f"{front.port}: {front.why_port}"))
    if front.health and front.health != "/health":
        proposal.block["health"] = front.health
        proposal.decisions.append(("health", f"{front.health}: its own healthcheck asks for it"))
    elif not front.health:
        proposal.block["health"] = "/"
        proposal.decisions.append(("health", "/: a guess, no health check names a path; it must answer 200"))


def _entry(front: Front) -> dict[str, Any]:
    entry: dict[str, Any] = {"port": front.port, "health": front.health or "/"}
    if front.host:
        entry["host"] = front.host
    if front.path != "/":
        entry["path"] = front.path
    return entry


def _listen(proposal: Proposal, fronts: list[Front], services: Services, proxy: str | None) -> None:
    listen, holder = (fronts[0].listen if len(fronts) == 1 else None), fronts[0].name
    if proxy:
        holder = proxy
        listen = next(filter(None, map(_listen_of, services[proxy]["ports"])), None)
    if listen and listen != "80":
        proposal.block["listen"] = int(listen) if listen.isdigit() else listen
        proposal.decisions.append(("listen", f"{listen}: where {holder} is published today"))
    elif not listen:
        proposal.decisions.append(("listen", "80, the default: nothing is published on a fixed port today"))
    if str(listen).rpartition(":")[2] == "8081":
        proposal.block["preview"] = "127.0.0.1:8082"
        proposal.decisions.append(("preview", "127.0.0.1:8082: the default 8081 is taken by listen"))


def _jobs(services: Services, chosen: set[str], proxy: str | None) -> list[str]:
    images = {services[name].get("image") for name in chosen} - {None}
    contexts = {_context(services[name]) for name in chosen} - {None}
    once = {
        name for service in services.values() for name, wanted in (service.get("depends_on") or {}).items()
        if wanted.get("condition") == "service_completed_successfully"
    }  # fmt: skip
    found = []
    for name, service in services.items():
        if name in chosen or name == proxy or name in once or service.get("profiles") or service.get("ports"):
            continue
        same = service.get("image") in images or _context(service) in contexts
        if same and service.get("restart") != "no":
            found.append(name)
    return found


def _context(service: Service) -> str | None:
    build = service.get("build") or {}
    return build.get("context")


def _advise(proposal: Proposal, services: Services, released: set[str], proxy: str | None) -> None:
    for name in sorted(released):
        if services[name].get("container_name"):
            proposal.advice.append(f"{name}: take out container_name; two colors cannot share one name.")
        if services[name].get("network_mode"):
            proposal.advice.append(f"{name}: take out network_mode; a color needs an address on the app's network.")
    if not all(services[name].get("profiles") for name in released):
        names = ", ".join(sorted(released))
        proposal.advice.append(f"{names}: add profiles: [release], so that a plain docker compose up leaves them out.")
    if proxy:
        ports = ", ".join(str(port.get("published") or port["target"]) for port in services[proxy]["ports"])
        proposal.advice.append(
            f"{proxy} holds port {ports} and passes requests on to a service by its name, which only a color's own "
            f"services find: let bluegreen's nginx stand in its place (take {proxy} out of the file; up --adopt stops "
            "its container when the first color is proven), or name it as the service."
        )
    once = {
        name for other in released for name, wanted in (services[other].get("depends_on") or {}).items()
        if wanted.get("condition") == "service_completed_successfully"
    }  # fmt: skip
    for name in sorted(once):
        proposal.advice.append(f"{name} runs once with bluegreen up and not again at a switch.")


def _yaml(block: Mapping[str, Any]) -> Iterable[str]:
    for key, value in block.items():
        if key == "services":
            yield "  services:"
            yield from (f"    {_scalar(name)}: {_flow(entry)}" for name, entry in value.items())
        else:
            yield f"  {key}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(entry) for entry in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A YAML scalar: plain where that is safe, in double quotes elsewhere, `$` doubled for Compose."""
    text = str(value)
    if isinstance(value, int) or (PLAIN.match(text) and not text.replace(".", "").isdigit() and text not in KEYWORDS):
        return text
    return json.dumps(text.replace("$", "$$"))


KEYWORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "True", "False", "Yes", "No", "On", "Off"})
