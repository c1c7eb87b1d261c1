"""Advice beside the block, one line for each thing: what a person must do by hand. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bluegreen.domain.labelled import by_labels, notices
from bluegreen.domain.sources import mounted_code, reloads
from bluegreen.features.init import front_proxy, kinds
from bluegreen.features.init.front_proxy import Proxy
from bluegreen.features.init.fronts import may_be_routed
from bluegreen.features.init.kinds import Services
from bluegreen.features.init.migrations import Found
from bluegreen.features.init.pairs import Pair

if TYPE_CHECKING:
    from bluegreen.features.init.propose import Proposal

# The line that sends each kind of proxy to an address, and the place for it.
LINES = {
    "nginx": "proxy_pass http://{at}; in place of each proxy_pass to {names}",
    "caddy": "reverse_proxy {at} in place of each reverse_proxy to {names}",
    "haproxy": "server bluegreen {at} in place of the servers of {names}",
    "httpd": "ProxyPass / http://{at}/ in place of each ProxyPass to {names}",
    "caddy-docker-proxy": "a label caddy.reverse_proxy: http://{at} on a container that stays",
    "traefik": 'a service with servers: [{{url: "http://{at}"}}] in a file of its file provider, and its routers there',
}


def add(
    proposal: Proposal,
    services: Services,
    released: Sequence[str],
    proxies: Sequence[Proxy],
    migration: Found | None,
    project: str,
) -> None:
    """Adds every line, in the order in which they matter."""
    proposal.advice += [line for pair in proposal.pairs for line in _pair(pair)]
    proposal.advice += _proxies(proposal, services, proxies)
    for name in sorted(released):
        if services[name].get("container_name"):
            proposal.take_out.append((name, "container_name"))
            proposal.advice.append(
                f"{name}: remove container_name; two colors cannot share one name (init --write does it)."
            )
        if services[name].get("network_mode"):
            proposal.advice.append(f"{name}: remove network_mode; a color needs an address on the app's network.")
        if proposal.replaced and (readers := by_labels(services[name])):
            proposal.advice.append(f"{name}: its labels for {', '.join(readers)} are not used any more.")
        else:
            proposal.advice += notices(name, services[name])
        proposal.advice += _code(name, services, project)
    if migration and migration.advice:
        proposal.advice.append(migration.advice)
    if migration and (container := services[migration.block["service"]].get("container_name")):
        name = migration.block["service"]
        if (name, "container_name") not in proposal.take_out and container:
            proposal.take_out.append((name, "container_name"))
            proposal.advice.append(
                f"{name}: remove container_name; each release runs it under another name (init --write does it)."
            )
    if open_ := [name for name in sorted(released) if not services[name].get("profiles")]:
        proposal.advice.append(
            f"{', '.join(open_)}: add profiles: [release], so that a plain docker compose up does not start"
            " them (init --write does it)."
        )
    proposal.advice += _left_out(services, released, migration)
    own = {migration.block["service"]} if migration else set()
    proposal.advice += [
        f"{name} runs once with bluegreen up and not again at a switch."
        for name in sorted(kinds.waited_for(services, set(released)))
        if name not in own and name not in released
    ]


def without_front(names: Sequence[str], services: Services) -> Iterator[str]:
    """What to do if no service shows that it answers HTTP."""
    among = ", ".join(names) or "none"
    yield f"No service says on which port it answers HTTP: choose service and port (among {among})."
    for name, service in services.items():
        if kinds.speaks_fastcgi(service) and not kinds.is_worker(name, service):
            yield f"{name} speaks FastCGI, and bluegreen routes HTTP: put its web server into the same image."


def _left_out(services: Services, released: Sequence[str], migration: Found | None) -> Iterator[str]:
    """Applications of the project that a switch does not release."""
    own = {migration.block["service"]} if migration else set()
    for name, service in services.items():
        if name in own or name in released or kinds.published(service):
            continue
        if not kinds.built(service) and not any(kinds.same_code(service, services[it]) for it in released):
            continue
        if may_be_routed(name, service, services) and not kinds.is_template(name, service):
            yield (
                f"{name} belongs to this project and stays a shared service: a switch does not release it. To "
                "release it too, give it a port and a path under services, or name it in jobs."
            )


def _pair(pair: Pair) -> Iterator[str]:
    others = " and ".join(pair.others)
    rename = "" if pair.kept == pair.name else f" Rename {pair.kept} to {pair.name}."
    yield (
        f"{pair.kept} and {others} are one service, twice: bluegreen runs it in both colors.{rename} Delete {others}, "
        "and the script that switched between them (init --write does it in this file)."
    )
    if not any(it in ("blue", "green") for name in pair.members for it in name.replace("_", "-").split("-")):
        yield (
            f"Did {pair.kept} and {others} serve at the same time? Then set deploy: {{replicas: {len(pair.members)}}} "
            f"on {pair.name}."
        )


def _proxies(proposal: Proposal, services: Services, proxies: Sequence[Proxy]) -> Iterator[str]:
    at = str(proposal.block.get("listen", 80))
    routed = [proposal.block["service"]] if "service" in proposal.block else list(proposal.block.get("services", {}))
    names = ", ".join(routed)
    fronts = [it for it in proposal.fronts if it.name in routed]
    tls = any(it.labelled and it.labelled.tls for it in fronts)
    for it in proxies:
        if not (it.stays or tls):
            yield _stood_in(it, services, names)
            continue
        own = ", ".join(it.does.own or (("TLS",) if tls else ()))
        if front_proxy.on_the_machine(services, [it]) and any(front.listen == at for front in fronts):
            yield f"{it.shown} stays in front. It reaches bluegreen's nginx at {at}, where {names} is published today."
            continue
        line = _line(it.does.kind, at, names)
        instead = " Or bluegreen serves HTTPS in its place: bluegreen help https." if own == "TLS" else ""
        yield f"{it.shown} stays in front: it does {own}. Route it to bluegreen's nginx: {line}.{instead}"
    if reader := front_proxy.outside(fronts, proxies):
        line = _line(reader, at, names)
        yield f"{reader} is not in this file and stays in front. Route it to bluegreen's nginx: {line}."
    if not proxies:
        yield from (
            f"{name} sends requests to a service by its name: send them to http://{at} instead."
            for name, service in services.items()
            if any(it in kinds.image_name(service) for it in front_proxy.TUNNELS)
        )


def _line(kind: str, at: str, names: str) -> str:
    return LINES.get(kind.lower(), "http://{at} in place of {names}").format(at=at, names=names)


def _stood_in(it: Proxy, services: Services, names: str) -> str:
    name = it.name or it.does.kind
    ports = ", ".join(str(port.get("published") or port["target"]) for port in services[name].get("ports") or [])
    how = " (init --write does it)" if it.does.read else ""
    return (
        f"{name} publishes port {ports} and only passes requests on to {names}: bluegreen's nginx replaces it. "
        f"Remove {name} from the file{how}; bluegreen up --adopt stops its container when the first color is healthy."
    )


def _code(name: str, services: Services, project: str) -> Iterator[str]:
    for source, target in mounted_code(services[name], project):
        yield (
            f"{name}: remove the mount of its code ({source} at {target}): both colors would run what is in that "
            "folder, not what was released."
        )
    if reloading := reloads(services[name]):
        yield f"{name}: {reloading} is for development; start it with a server that does not watch its files."
