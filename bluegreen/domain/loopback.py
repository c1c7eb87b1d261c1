"""What means this machine itself, in `listen` and in `proxy.trust`. Pure."""

from __future__ import annotations

import ipaddress

from bluegreen.domain.app import Listen, Settings


def is_loopback(network: str) -> bool:
    """Whether an address or a network is this machine's own, all of it."""
    found = ipaddress.ip_network(network)
    if isinstance(found, ipaddress.IPv4Network):
        return found.subnet_of(ipaddress.IPv4Network("127.0.0.0/8"))
    return any(found.subnet_of(ipaddress.IPv6Network(it)) for it in ("::1/128", "::ffff:127.0.0.0/104"))


def on_loopback(listen: Listen) -> bool:
    """Whether nobody but this machine reaches what is published there."""
    return bool(listen.address) and is_loopback(listen.address.strip("[]"))


def trusted(settings: Settings) -> tuple[str, ...]:
    """The addresses of proxy.trust that mean this machine itself."""
    return tuple(network for network in settings.proxy.trust if is_loopback(network))


def reached_by_others(settings: Settings) -> tuple[Listen, ...]:
    """The listeners that others than this machine reach.

    The Engine hands nginx what comes from this machine at the address of a network's gateway; what comes by IPv6 from
    anywhere, too (docker-proxy; seen on 20.10 and 28). So that address is one of this machine only where nothing
    listens for others.
    """
    return tuple(listen for listen in settings.listeners() if not on_loopback(listen))
