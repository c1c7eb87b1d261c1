"""Which probes a slot asks for."""

from __future__ import annotations

from bluegreen.operations.ports import Check
from bluegreen.release.model import Slot


def replica_checks(slot: Slot) -> list[Check]:
    """One for each routed replica, by its address, named SERVICE-N."""
    return [
        Check(f"{route.service}-{number}", address, route.port, route.host, route.health)
        for route in slot.routes
        for number, address in enumerate(slot.addresses.get(route.service, ()), 1)
    ]
