"""The release in the slot of the new one: set aside, and removed once the new one is live."""

from __future__ import annotations

from bluegreen.domain.words import counted
from bluegreen.flow.aside import put_aside
from bluegreen.flow.making import Making
from bluegreen.flow.steps.settle import wait_drained


def set_aside(it: Making) -> str:
    waited = wait_drained(it, it.new.color, "it still answers requests")
    number = it.keep.release if it.keep else None
    here = [replica for replica in it.world.in_color(it.new.color) if replica.release == number]
    return f"{counted(put_aside(it.tools, here), 'container')} stopped and kept{waited}"


def discard(it: Making) -> str:
    """Removes what was set aside. Traffic is on the new release, so nobody comes back to it."""
    gone = [replica for replica in it.tools.containers.replicas() if replica.place == "aside"]
    for replica in gone:
        with it.tools.signals.deferred():
            it.tools.containers.remove(replica.id)
    return f"{counted(len(gone), 'container')} removed"
