"""The way back while a release is made in its place: set aside under another name, and brought back after a failure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.world import Replica
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.values import Tools

RUNS = ("running", "restarting", "paused")
FAILED_GRACE = 1  # seconds that a failed release gets to stop


def put_aside(tools: Tools, replicas: Iterable[Replica]) -> int:
    """Stops these containers and gives them another name; their addresses stay theirs. Returns how many.

    They hold no request, so they get no grace. Only `bring_back` starts them: no policy `always`.
    """
    count = 0
    for replica in replicas:
        with tools.signals.deferred():
            if replica.state in RUNS:
                tools.containers.stop(replica.id, 0)
            tools.containers.never_restart(replica.id)  # after the stop: what runs comes back by itself, at any moment
            tools.containers.move(replica, "aside")
        count += 1
    return count


def bring_back(tools: Tools, slot: Slot, failed_stays: bool = True) -> list[str]:
    """Puts a release that was set aside into its place, started; returns the replicas that are not healthy then.

    What is there makes room: with `failed_stays` it is stopped and keeps its logs under another name. Safe to run
    again. Raises BluegreenError.
    """
    here = [it for it in tools.containers.replicas() if it.color == slot.color]
    mine = [it for it in here if it.release == slot.release and it.place != "failed"]
    others = [it for it in here if it not in mine]
    for replica in sorted(others, key=lambda it: it.place != "failed"):  # names of failed ones become free first
        with tools.signals.deferred():
            if replica.place == "slot" and failed_stays:
                _leave_for_logs(tools, replica)
            else:
                tools.containers.remove(replica.id)
    for replica in mine:
        with tools.signals.deferred():
            if replica.place == "aside":
                tools.containers.move(replica, "slot")
            if replica.role == "routed":
                tools.containers.restart_as_defined(replica)
                if not replica.running:
                    tools.containers.start(replica.id)
    tools.show.progress(f"release {slot.release} on {slot.color} starts again")
    return list(tools.prober.wait(replica_checks(slot), tools.show.progress))


def routing_with(routing: Routing, slot: Slot) -> Routing:
    """The routing in which this release is the way back again."""
    slots = {color: it for color, it in routing.slots.items() if color == routing.live}
    return replace(routing, slots={**slots, slot.color: slot}, standing="previous", aside=None, own=None)


def said(slot: Slot, unhealthy: list[str]) -> str:
    """The state of the way back, in a sentence."""
    if unhealthy:
        names = ", ".join(unhealthy)
        return f"The way back, release {slot.release} on {slot.color}, runs again, but is not healthy: {names}."
    return f"Release {slot.release} is the way back again, on {slot.color}."


def _leave_for_logs(tools: Tools, replica: Replica) -> None:
    if replica.state in RUNS:
        tools.containers.stop(replica.id, FAILED_GRACE)
    tools.containers.never_restart(replica.id)
    tools.containers.move(replica, "failed")
