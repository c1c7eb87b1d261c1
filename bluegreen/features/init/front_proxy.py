"""The proxies of a Compose file, and where nginx of bluegreen listens beside them. Pure.

bluegreen's nginx replaces a proxy that only passes requests on. A proxy that does more (TLS, static files, passwords)
stays in front, and sends requests to the address where bluegreen's nginx listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bluegreen.features.init import kinds, labels, proxied
from bluegreen.features.init.fronts import Files, Front, listen_of
from bluegreen.features.init.kinds import Services
from bluegreen.features.init.pairs import Pair
from bluegreen.features.init.passes import Does

BRIDGE = "172.17.0.1"  # the default address of docker0, where containers reach the machine
TRUST = "172.16.0.0/12"  # the default range of Docker's networks
PORTS = (8080, 8088, 8090, 8000, 9080)  # for nginx behind another proxy
PREVIEW = 8081
READ_LABELS = ("traefik", "caddy")
TUNNELS = ("cloudflared", "ngrok")


@dataclass(frozen=True)
class Proxy:
    """A proxy in front; `name` None: it is not in this file, labels tell of it."""

    name: str | None
    does: Does

    @property
    def stays(self) -> bool:
        return bool(self.does.own)

    @property
    def shown(self) -> str:
        return self.name or self.does.kind


@dataclass(frozen=True)
class At:
    """Where nginx listens, and why."""

    at: str
    why: str = ""


def find(services: Services, files: Files, pairs: Sequence[Pair]) -> list[Proxy]:
    """Every proxy of a file that is published, and one outside of it that labels tell of."""
    renamed = {it: pair.name for pair in pairs for it in pair.members}
    found = []
    for name, service in services.items():
        if not kinds.is_proxy(name, service) or not (kinds.published(service) or service.get("network_mode") == "host"):
            continue
        # The configuration names the two of a pair, which are one service here.
        both = {**services, **{old: services[new] for old, new in renamed.items() if new in services}}
        does = proxied.does(name, both, files)
        passed = tuple(dict.fromkeys(replace(it, service=renamed.get(it.service, it.service)) for it in does.passed))
        found.append(Proxy(name, replace(does, passed=passed)))
    return found


def with_others(proxies: Sequence[Proxy], services: Services, routed: set[str]) -> list[Proxy]:
    """A proxy that also routes to a service that is not released must stay, for that service."""
    found = []
    for proxy in proxies:
        others = {it.service for it in proxy.does.passed if it.service in services}
        if proxy.does.kind in READ_LABELS:
            others |= {name for name, service in services.items() if labels.read(service)}
        left = sorted(others - routed - {proxy.name or ""})
        own = (*proxy.does.own, f"passing on to {', '.join(left)}") if left else proxy.does.own
        found.append(replace(proxy, does=replace(proxy.does, own=own)))
    return found


def outside(fronts: Sequence[Front], proxies: Sequence[Proxy]) -> str | None:
    """The proxy that finds these services by their labels and is not in this file."""
    readers = [it.labelled.proxy for it in fronts if it.labelled]
    return readers[0] if readers and not proxies else None


def stays(proxies: Sequence[Proxy], fronts: Sequence[Front]) -> bool:
    """Whether another proxy is in front of bluegreen's nginx."""
    tls = any(it.labelled and it.labelled.tls for it in fronts)
    return any(it.stays for it in proxies) or bool(outside(fronts, proxies)) or (bool(proxies) and tls)


def listen(fronts: Sequence[Front], services: Services, proxies: Sequence[Proxy], bridge: str) -> At:
    """Where visitors arrive today, or the address to which a proxy that stays will send them."""
    if stays(proxies, fronts):
        port = next(it for it in PORTS if it not in _taken(services) | {PREVIEW})
        shown = proxies[0].shown if proxies else outside(fronts, proxies)
        host = on_the_machine(services, proxies)
        if host and fronts[0].listen:
            return At(fronts[0].listen, f": where {fronts[0].name} is published today and {shown} reaches it")
        return At(f"{'127.0.0.1' if host else bridge}:{port}", f": for {shown}, which stays in front")
    if proxies and proxies[0].name:
        name = proxies[0].name
        here = [it for it in map(listen_of, kinds.published(services[name])) if it]
        if here:
            return At(here[0], f": where {name} is published today")
        return At("80", ", the default: nothing is published on a fixed port today")
    if len(fronts) == 1 and fronts[0].listen:
        return At(fronts[0].listen, f": where {fronts[0].name} is published today")
    first = next((it for it in fronts if it.path == "/" and not it.host), None)
    if first and first.listen:
        return At(first.listen, f": where {first.name} is published today")
    return At("80", ", the default: nothing is published on a fixed port today")


def on_the_machine(services: Services, proxies: Sequence[Proxy]) -> bool:
    """Whether the proxy in front is on the machine's own network, where 127.0.0.1 is the machine."""
    return any(it.name and services[it.name].get("network_mode") == "host" for it in proxies)


def preview(listen: str, services: Services, gone: Sequence[str]) -> int:
    """A port of the machine for the preview: the default, or the next one that is free.

    `gone`: services whose ports are not published any more.
    """
    stay = {name: service for name, service in services.items() if name not in gone}
    taken = {*_taken(stay), int(listen.rpartition(":")[2])}
    port = PREVIEW
    while port in taken:
        port += 1
    return port


def _taken(services: Services) -> set[int]:
    shown = [str(port.get("published") or "") for service in services.values() for port in service.get("ports") or []]
    return {int(it) for it in shown if it.isdigit()}
