"""Which address belongs to which replica."""

from __future__ import annotations

import ipaddress

import pytest

from bluegreen.errors import BluegreenError
from bluegreen.places.docker.addresses import Subnet, addresses

WIDE = Subnet(ipaddress.IPv4Network("172.18.0.0/16"))
NARROW = Subnet(ipaddress.IPv4Network("10.9.9.0/26"))


def test_half_of_the_network_is_ours_and_the_other_half_the_engines() -> None:
    assert (str(WIDE.static), str(WIDE.dynamic)) == ("172.18.0.0/17", "172.18.128.0/17")
    assert (WIDE.gateway, WIDE.proxy) == ("172.18.0.1", "172.18.0.2")


def test_releases_walk_on_so_that_no_address_is_used_again_soon() -> None:
    seen: set[str] = set()
    for release in range(1, 100):
        mine = addresses(WIDE, release, 5, frozenset())
        assert not seen & set(mine)
        seen |= set(mine)


def test_addresses_that_somebody_holds_are_left_out() -> None:
    first = addresses(WIDE, 3, 2, frozenset())
    again = addresses(WIDE, 3, 2, frozenset(first))
    assert not set(first) & set(again)
    assert {WIDE.gateway, WIDE.proxy}.isdisjoint(first + again)


def test_a_narrow_network_wraps_around_and_says_when_it_is_full() -> None:
    found = addresses(NARROW, 7, 10, frozenset())
    assert len(set(found)) == 10
    assert all(ipaddress.IPv4Address(address) in NARROW.static for address in found)
    with pytest.raises(BluegreenError, match="no addresses left"):
        addresses(NARROW, 7, 20, frozenset())


@pytest.mark.parametrize(("size", "room"), [(24, 111), (26, 15), (27, 12), (28, 4)])
def test_small_networks_have_room_for_small_apps(size: int, room: int) -> None:
    small = Subnet(ipaddress.IPv4Network(f"10.9.9.0/{size}"))
    found = addresses(small, 5, room, frozenset())
    assert len(set(found)) == room
    assert {small.gateway, small.proxy, str(small.static[0])}.isdisjoint(found)
    with pytest.raises(BluegreenError, match="no addresses left"):
        addresses(small, 5, room + 1, frozenset())
