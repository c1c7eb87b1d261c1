"""Which addresses of `listen` and `proxy.trust` mean this machine itself. Pure."""

from __future__ import annotations

import ipaddress

from bluegreen.domain.app import Listen, Settings


def is_loopback(network: str) -> bool:
    """Whether an address, or all of a network, is loopback."""
    found = ipaddress.ip_network(network)
    if isinstance(found, ipaddress.IPv4Network):
        return found.subnet_of(ipaddress.IPv4Network("127.0.0.0/8"))
    return any(found.subnet_of(ipaddress.IPv6Network(it)) for it in ("::1/128", "::ffff:127.0.0.0/104"))


def on_loopback(listen: Listen) -> bool:
    """Whether only this machine can reach what is published there."""
    return bool(listen.address) and is_loopback(listen.address.strip("[]"))


def trusted(settings: Settings) -> tuple[str, ...]:
    """The addresses of proxy.trust that mean this machine itself."""
    return tuple(network for network in settings.proxy.trust if is_loopback(network))


def reached_by_others(settings: Settings) -> tuple[Listen, ...]:
    """The listeners that other machines can reach.

    For nginx, requests from this machine come from the address of the network's gateway. Requests by IPv6 from anywhere
    come from the same address (docker-proxy; seen on 20.10 and 28). So this address means this machine only if no
    listener can be reached by others.
    """
    at_the_edge = (*settings.edge.listen, *settings.edge.tls) if settings.edge else ()
    return tuple(listen for listen in (*settings.listeners(), *at_the_edge) if not on_loopback(listen))
