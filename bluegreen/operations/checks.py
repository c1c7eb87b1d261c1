"""Which probes a slot asks for, and what their answers mean for the whole."""

from __future__ import annotations

from bluegreen.operations.ports import Check, Tools
from bluegreen.release.model import Slot, World

UNREACHED = "gave no answer on port"  # what our nginx says of a replica that takes no connection


def replica_checks(slot: Slot) -> list[Check]:
    """One for each routed replica, by its address, named SERVICE-N."""
    return [
        Check(f"{route.service}-{number}", address, route.port, route.host, route.health)
        for route in slot.routes
        for number, address in enumerate(slot.addresses.get(route.service, ()), 1)
    ]


def serves_instead(tools: Tools, world: World) -> bool:
    """Whether failover is at work: no replica of some routed service of the live color can be reached."""
    slot = world.slot(world.live) if world.live else None
    intended = world.intended
    if slot is None or intended is None or not intended.failover or intended.standing != "previous":
        return False
    if world.answer is None:
        return False
    answers = tools.prober.once(replica_checks(slot))
    silent = {name for name, reason in answers.items() if reason.startswith(UNREACHED)}
    return any(
        all(f"{service}-{number}" in silent for number in range(1, len(addresses) + 1))
        for service, addresses in slot.addresses.items()
    )


def tell_failover(tools: Tools, world: World) -> None:
    """Says that failover is at work, where a command would otherwise not mention it."""
    if serves_instead(tools, world):
        tools.show.notice(f"Failover: {world.live} cannot be reached, {world.idle} answers for it.")
