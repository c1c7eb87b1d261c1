"""Which probes a slot asks for. Cheap to import; flip-back needs it first."""

from __future__ import annotations

from bluegreen.domain.routing import Slot
from bluegreen.flow.values import Check


def replica_checks(slot: Slot) -> list[Check]:
    """One for each routed replica, by its address, named SERVICE-N."""
    return [
        Check(f"{route.service}-{number}", address, route.port, route.host, route.health)
        for route in slot.fronts
        if route.port
        for number, address in enumerate(slot.addresses.get(route.service, ()), 1)
    ]
