"""What was live when, from the moves that the journal has. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Moved:
    """An operation that moved traffic, or ended it. `release`: the one that it moved to; None: it took all down."""

    verb: str
    release: int | None
    moved: str  # ISO 8601, UTC, as are all others
    outcome: str
    ended: str


@dataclass(frozen=True)
class Lived:
    """From `since` on this release was live, until the next one."""

    since: str
    release: int | None
    verb: str


def timeline(moves: Iterable[Moved]) -> list[Lived]:
    """The moves, the oldest first; of one that was taken back, both ways."""
    found: list[Lived] = []
    for it in sorted(moves, key=lambda move: move.moved):
        before = found[-1].release if found else None
        found.append(Lived(it.moved, it.release, it.verb))
        if it.outcome == "moved-back":
            found.append(Lived(it.ended, before, f"{it.verb}, moved back"))
    return found


def at(lived: Iterable[Lived], moment: str) -> tuple[Lived | None, Lived | None]:
    """(what was live at a moment, ISO 8601 in UTC; what came after it). None: nothing is known."""
    now, after = None, None
    for it in lived:
        if it.since <= moment:
            now = it
        elif after is None:
            after = it
    return now, after
