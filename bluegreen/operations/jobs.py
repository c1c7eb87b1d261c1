"""Jobs run in one color: the left color's end first, then the others start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bluegreen.operations.ports import Tools
from bluegreen.release.model import Color, other


def hand_over_jobs(
    tools: Tools, target: Color, order: Sequence[str] = (), ready: Callable[[str], None] | None = None
) -> str:
    """Stops the jobs of the color across and starts those of `target`. Safe to run again.

    They start in this order of services, each after `ready` has found what it depends on.

    A stopped job gets the restart policy `no`, so that no restart of the Engine brings it back.
    """
    replicas = [replica for replica in tools.engine.replicas() if replica.role == "job"]
    leaving = [replica for replica in replicas if replica.color == other(target)]
    coming = [replica for replica in replicas if replica.color == target]
    for replica in leaving:
        tools.engine.set_restart(replica.id, {"Name": "no"})
        if replica.state in ("running", "restarting", "paused"):
            tools.engine.stop(replica.id)
    places = {service: place for place, service in enumerate(order)}
    for replica in sorted(coming, key=lambda replica: places.get(replica.service, 0)):
        tools.colors.restart_as_defined(replica)
        if not replica.running:
            if ready:
                ready(replica.service)
            tools.engine.start(replica.id)
    return f"{len(leaving)} stopped, {len(coming)} running on {target}"
