"""Names of what an app has on the Engine, and the addresses that its containers get. Pure."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from typing import Literal

from bluegreen.domain.app import Listen
from bluegreen.domain.color import Color, Place
from bluegreen.errors import COMMAND, BluegreenError

RESERVED = 16  # lowest addresses of the network: the gateway, the proxy, and room
LEAST = 3  # of a small network: itself, the gateway and the proxy
SMALL = 32  # addresses of a static half; one with fewer has no room to spare
SMALLEST_BLOCK = 22  # bits of its prefix at most; an Engine with smaller pools has many of them
STRIDE = 16  # addresses that one release walks on by


def network_name(app: str) -> str:
    return f"{app}_bluegreen"


def color_network_name(app: str, color: Color) -> str:
    return f"{app}_bluegreen_{color}"


def container_name(app: str, color: Color, service: str, number: int, place: Place = "slot") -> str:
    return f"{app}-{color}-{service}-{number}{'' if place == 'slot' else f'-{place}'}"


def task_name(app: str, role: str, service: str, release: int) -> str:
    return f"{app}-{role}-{service}-{release}"


def proxy_name(app: str) -> str:
    return f"{app}-proxy"


def public_network_name(app: str) -> str:
    """The network of the proxy alone: being on it is what publishes its ports."""
    return f"{app}_bluegreen_public"


Part = Literal["public", "blue", "green"]


@dataclass(frozen=True)
class Block:
    """The subnet that the Engine picks for an app, shared by the app's networks: a server has few of them.

    Half of it is the app's own network; an eighth each are its public network's and those of its colors.
    """

    network: ipaddress.IPv4Network

    @property
    def wide(self) -> bool:
        """Whether it has room for all of them; else each network gets a subnet of its own, as the Engine picks it."""
        return self.network.prefixlen <= SMALLEST_BLOCK

    @property
    def own(self) -> ipaddress.IPv4Network:
        return next(self.network.subnets(prefixlen_diff=1))

    def part(self, name: Part) -> ipaddress.IPv4Network:
        return list(self.network.subnets(prefixlen_diff=3))[{"public": 4, "blue": 5, "green": 6}[name]]


def block_of(own: ipaddress.IPv4Network, text: str) -> Block | None:
    """The block of an app's own network, as its label says it; None: it has a subnet of its own."""
    try:
        found = Block(ipaddress.IPv4Network(text))
    except ValueError:
        return None
    return found if found.wide and found.own == own else None


@dataclass(frozen=True)
class Subnet:
    """The app's own network: `static` is given out by us, the rest by the Engine."""

    network: ipaddress.IPv4Network

    @property
    def static(self) -> ipaddress.IPv4Network:
        return next(self.network.subnets(prefixlen_diff=1))

    @property
    def dynamic(self) -> ipaddress.IPv4Network:
        return list(self.network.subnets(prefixlen_diff=1))[1]

    @property
    def gateway(self) -> str:
        return str(self.network[1])

    @property
    def proxy(self) -> str:
        return str(self.network[2])


def addresses(subnet: Subnet, release: int, count: int, avoid: frozenset[str]) -> list[str]:
    """Addresses for the replicas of a release: each release walks on, so none is used again soon.

    Pure. `avoid` is whatever somebody holds, or nginx still names. Raises BluegreenError when the
    static half is full.
    """
    reserved = RESERVED if subnet.static.num_addresses >= SMALL else LEAST
    size = max(subnet.static.num_addresses - reserved - 1, 1)
    start = (release * STRIDE) % size
    walk = (str(subnet.static[reserved + (start + step) % size]) for step in range(size))
    found = list(itertools.islice((address for address in walk if address not in avoid), count))
    if len(found) < count:
        raise BluegreenError(
            "The app's network has no addresses left.",
            code="no-addresses",
            failed=f"{count} wanted in {subnet.static}, {len(found)} free",
            expected="room for both colors; how large a network is: default-address-pools in the Engine's daemon.json",
            retry="safe",
            next=f"{COMMAND} down, then {COMMAND} up",
        )
    return found


def overlap(address: str, listen: Listen) -> bool:
    """Whether an address that a port is published on and one that is wanted are, or contain, the same."""
    wanted = listen.address.strip("[]")
    return address == wanted or is_any(address) or is_any(wanted)


def is_any(address: str) -> bool:
    return not address or ipaddress.ip_address(address).is_unspecified
