"""The files of the new release that nginx serves itself: taken out of a container that is healthy."""

from __future__ import annotations

from collections.abc import Sequence

from bluegreen.domain.app import FilesAt
from bluegreen.domain.words import counted
from bluegreen.flow.making import Making
from bluegreen.flow.values import Tools

MEGABYTE = 1_000_000


def files(it: Making) -> str:
    return take(it.tools, it.new.release, it.stack.settings.files)


def take(tools: Tools, release: int, places: Sequence[FilesAt]) -> str:
    """Keeps the files of a release, all or none. Raises BluegreenError."""
    found = [it for it in tools.containers.replicas() if it.release == release and it.place == "slot"]
    containers = {it.service: it.id for it in reversed(found)}  # the first of each
    sources = [(place, containers.get(place.service, "")) for place in places if place.service]
    count, size = tools.static.take(release, sources)
    return f"{counted(count, 'file')}, {size / MEGABYTE:.1f} MB"
