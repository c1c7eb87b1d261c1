"""nginx's log, read from where the last command stopped, and added to the figures in the journal.

Acting verbs do it at their end, never before traffic has moved; looks do it too, and keep what they read only when the
journal is their user's. What was not read in time is read by the next verb; what is gone from the log is said.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bluegreen.domain.figures import Figures, Gap, Position
from bluegreen.domain.traffic import Seen
from bluegreen.flow.traffic import stamped
from bluegreen.flow.values import Tools

MOST = 200_000  # lines that one command reads
SECONDS = 2.0  # that it reads for
FIRST = 3600.0  # seconds that are read of a log that was never read
LOOK_AT_CLOCK = 500  # lines between two looks at the clock
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def catch_up(tools: Tools, proxy: str | None = None, keep: bool = True) -> Figures:
    """Reads what nginx has written since the last time, and keeps it unless `keep` is False.

    Returns what it has read and could not keep, for who shows figures: nothing, when the journal has it. `proxy`: the
    name of nginx's container, if it is known. Raises BluegreenError when the log cannot be read.
    """
    if proxy is None:
        there = tools.proxy.container()
        if there is None or not there.running:
            return Figures()
        proxy = there.speaker
    was = tools.journal.figures.position()
    reading = Reading(was, proxy)
    chunks = tools.containers.read_log(proxy, _since(tools, was))
    end = tools.clock() + SECONDS
    for number, (stamp, one) in enumerate(stamped(chunks), 1):
        reading.see(stamp, one)
        if number >= MOST or (number % LOOK_AT_CLOCK == 0 and tools.clock() > end):
            reading.found.behind = True
            break
    found = reading.found
    if reading.position in (None, was) or not keep or not tools.journal.figures.writable():
        return found
    if not tools.journal.figures.add(found, was, reading.position):
        return Figures()  # another command has read the same
    return Figures(behind=found.behind, unread=found.unread)


def figures(tools: Tools, unkept: Figures, since: float = 0.0, release: int | None = None) -> Figures:
    """All that is known from this moment on (seconds since the epoch), of one release or all, with what `catch_up`
    could not keep."""
    found = tools.journal.figures.known(since, release)
    found.merge(unkept)
    return found


class Reading:
    """The lines after a position, as sums."""

    def __init__(self, was: Position | None, container: str) -> None:
        self._was = was
        self._container = container
        self._skip = was.nth if was and was.container == container else 0  # lines of its stamp that are known
        self._first = True
        self.found = Figures()
        self.position = was

    def see(self, stamp: str, one: Seen | None) -> None:
        """One line; `one` None: it is no request."""
        was = self._was
        if not is_stamp(stamp):  # not of the log: the Engine says why there is none
            self.found.unread = True
            return
        if was and stamp < was.stamp:
            return
        if self._first:
            self._first = False
            if was and (why := self._missing(was, stamp)):
                self.found.gaps.append(Gap(was.stamp, stamp, why))
        if was and self._skip and stamp == was.stamp:
            self._skip -= 1
            return
        there = self.position
        same = there is not None and there.container == self._container and there.stamp == stamp
        self.position = Position(self._container, stamp, there.nth + 1 if there and same else 1)
        if one:
            self.found.see(one)

    def _missing(self, was: Position, stamp: str) -> str:
        if was.container != self._container:
            return "nginx runs in another container"
        known = stamp == was.stamp
        return "" if known else "the log does not go back to what was read last: rotated, or of a new container"


def _since(tools: Tools, was: Position | None) -> float:
    """A millisecond before the last line: the Engine and a float count differently."""
    if was is None:
        return moment(tools.now()) - FIRST
    try:
        return moment(was.stamp) - 0.001
    except ValueError:
        return moment(tools.now()) - FIRST


def is_stamp(text: str) -> bool:
    """Whether a line of a log begins so; what the Engine says instead of a log does not."""
    return STAMP.fullmatch(text) is not None


def moment(stamp: str) -> float:
    """Seconds since the epoch, of one of the Engine's stamps or of ISO 8601. Raises ValueError."""
    found = datetime.fromisoformat(stamp[:26].rstrip("Z") if stamp.endswith("Z") else stamp)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
