"""The Engine has no subnet left: the message says what helps."""

from __future__ import annotations

from bluegreen.domain.subnets import none_left

SAID = "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"


def test_it_is_known_by_what_the_engine_says() -> None:
    found = none_left(f" Network shop_default Creating\nfailed to create network: {SAID}\nmore")
    assert found
    assert (found.code, found.failed) == ("no-subnets", f"failed to create network: {SAID}")
    assert "default-address-pools" in found.expected
    assert none_left("no space left on device") is None
