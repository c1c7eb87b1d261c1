"""What labels and variables of a service tell a proxy that finds it by them: hosts, paths, ports. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bluegreen.domain.labelled import by_labels, by_variables
from bluegreen.features.init.kinds import Service
from bluegreen.features.init.passes import path_of

PORT = re.compile(r"^traefik\.(?:http\.services\.[^.]+\.loadbalancer\.server\.)?port$", re.IGNORECASE)
RULE = re.compile(r"^traefik\.(?:http\.routers\.[^.]+\.rule|frontend\.rule)$", re.IGNORECASE)
HOSTS = re.compile(r"\bHost(?:SNI)?\(([^)]*)\)|\bHost:\s*([^;\s]+)")
PATHS = re.compile(r"\bPath(?:Prefix)?\(([^)]*)\)|\bPathPrefix:\s*([^;\s]+)")
QUOTED = re.compile(r"[`'\"]([^`'\"]+)[`'\"]")
TLS = re.compile(r"\.tls(?:\.|$)|certresolver", re.IGNORECASE)
SECURE = re.compile(r"secure|https|443|tls", re.IGNORECASE)
STRIP = re.compile(r"stripprefix", re.IGNORECASE)
CADDY_SITE = re.compile(r"^caddy(?:_\d+)?$")
CADDY_PASS = re.compile(r"^caddy(?:_\d+)?\.(?:[\w./*-]+\.)?(?:\d+_)?reverse_proxy$")
UPSTREAMS = re.compile(r"\{\{\s*upstreams\s*(?:https?\s+)?(\d+)?\s*\}\}|:(\d+)")
DEEPEST_HOSTS = 20


@dataclass(frozen=True)
class Labelled:
    """What is said of one service."""

    proxy: str  # which proxy reads it
    hosts: tuple[str, ...] = ()
    path: str = "/"
    port: int | None = None
    tls: bool = False
    stripped: bool = False


def read(service: Service) -> Labelled | None:
    """What the labels say; None: no proxy routes to this service by them."""
    found = by_labels(service)
    if "Traefik" in found:
        return _traefik(service)
    if "caddy-docker-proxy" in found:
        return _caddy(service)
    if variables := by_variables(service):
        return _nginx_proxy(service, variables[0][0])
    return None


def _traefik(service: Service) -> Labelled | None:
    labels = {str(key): str(value) for key, value in (service.get("labels") or {}).items()}
    rules = [value for key, value in labels.items() if RULE.match(key)]
    hosts = [host for rule in rules for host in _arguments(HOSTS, rule)]
    paths = [path_of(path) for rule in rules for path in _arguments(PATHS, rule)]
    port = next((int(value) for key, value in labels.items() if PORT.match(key) and value.isdigit()), None)
    if not rules and port is None:
        return Labelled("Traefik") if labels.get("traefik.enable", "").lower() == "true" else None
    tls = any(
        TLS.search(key) or (key.endswith(".entrypoints") and SECURE.search(value)) for key, value in labels.items()
    )
    return Labelled(
        "Traefik", tuple(dict.fromkeys(it.lower() for it in hosts)), paths[0] if paths else "/", port, tls,
        any(STRIP.search(key) for key in labels),
    )  # fmt: skip


def _arguments(pattern: re.Pattern[str], rule: str) -> list[str]:
    found: list[str] = []
    for match in pattern.finditer(rule):
        quoted = QUOTED.findall(match[1] or "")
        found += quoted or [it.strip() for it in (match[2] or match[1] or "").split(",") if it.strip()]
    return found[:DEEPEST_HOSTS]


def _caddy(service: Service) -> Labelled:
    labels = {str(key): str(value) for key, value in (service.get("labels") or {}).items()}
    sites = [
        site for key, value in labels.items() if CADDY_SITE.match(key) for site in re.split(r"[,\s]+", value) if site
    ]
    passes = next((UPSTREAMS.search(value) for key, value in labels.items() if CADDY_PASS.match(key)), None)
    hosts = [re.sub(r"^https?://", "", it).partition(":")[0].partition("/")[0] for it in sites]
    tls = any(not it.startswith(("http://", ":")) for it in sites)
    port = int(passes[1] or passes[2]) if passes and (passes[1] or passes[2]) else None
    return Labelled("caddy-docker-proxy", tuple(filter(None, hosts)), "/", port, tls)


def _nginx_proxy(service: Service, proxy: str) -> Labelled:
    environment = service.get("environment") or {}
    hosts = [it.strip() for it in str(environment.get("VIRTUAL_HOST") or "").split(",") if it.strip()]
    port = str(environment.get("VIRTUAL_PORT") or "")
    path = path_of(str(environment.get("VIRTUAL_PATH") or "/"))
    return Labelled(
        proxy, tuple(hosts), path, int(port) if port.isdigit() else None,
        bool(environment.get("LETSENCRYPT_HOST") or environment.get("ACME_HOST")),
    )  # fmt: skip
