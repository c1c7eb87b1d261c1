"""What visitors got, as sums: for each minute and release, and for each route of an hour. Pure.

No address, no agent and no query of a visitor is in a sum; of a path only what routes have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bluegreen.domain.evidence import Histogram
from bluegreen.domain.traffic import UPGRADED, Seen

MINUTE, HOUR = 60, 3600
ROUTES = 50  # of a release in an hour that have a sum of their own
BATCH_ROUTES = 500  # the same while a log is read: which ones are the most used is known only at its end
OTHER = "other"  # the name of all further ones
LONGEST_ROUTE = 160  # characters
UNROUTED = (400, 404, 405, 410, 414, 431)  # answers that make no route of what was asked for


class Key(NamedTuple):
    """Whose sums: a release on a color, in `seconds` from `start` on (since the epoch). Release 0: nginx itself."""

    start: int
    seconds: int
    release: int
    color: str


class RouteKey(NamedTuple):
    """One route of a release in the hour from `start` on."""

    start: int
    release: int
    route: str


@dataclass(slots=True)
class Sums:
    """Requests counted. `classes`: by the first digit of the status; `sent`: bytes of all bodies."""

    requests: int = 0
    failed: int = 0
    sent: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    seconds: float = 0.0  # of all in `latency`

    def see(self, one: Seen) -> None:
        self.requests += 1
        self.failed += one.failed
        self.sent += one.size
        digit = str(one.status)[:1]
        self.classes[digit] = self.classes.get(digit, 0) + 1
        if one.status != UPGRADED:
            self.latency.add(one.seconds)
            self.seconds += one.seconds

    def merge(self, other: Sums) -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.sent += other.sent
        self.seconds += other.seconds
        for digit, count in other.classes.items():
            self.classes[digit] = self.classes.get(digit, 0) + count
        self.latency.merge(other.latency)

    @property
    def failed_share(self) -> float:
        return self.failed / self.requests if self.requests else 0.0

    @property
    def mean_size(self) -> float:
        """Bytes of an answer."""
        return self.sent / self.requests if self.requests else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "requests": self.requests, "failed": self.failed, "sent": self.sent, "classes": self.classes,
            "seconds": round(self.seconds, 3), "latency": self.latency.as_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Sums:
        """The inverse of `as_dict`. Raises ValueError, TypeError, KeyError and AttributeError for another shape."""
        classes = {str(digit): int(count) for digit, count in data["classes"].items()}
        latency = Histogram.from_dict(data["latency"])
        seconds = float(data.get("seconds", 0.0))  # older journals have none
        return cls(int(data["requests"]), int(data["failed"]), int(data["sent"]), classes, latency, seconds)


class Position(NamedTuple):
    """How far a log was read: the Engine's time stamp of the last line, and which of the lines of this stamp it was."""

    container: str
    stamp: str
    nth: int = 1


class Gap(NamedTuple):
    """Lines of the log that nobody has read: from one of the Engine's time stamps to another, and why."""

    since: str
    until: str
    why: str


@dataclass
class Figures:
    """Sums of any minutes, hours and releases, and what is missing in them."""

    minutes: dict[Key, Sums] = field(default_factory=dict)
    routes: dict[RouteKey, Sums] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    behind: bool = False  # the log goes on; there was no time to read all of it
    unread: bool = False  # the Engine could not read it

    def see(self, one: Seen) -> None:
        """Takes one request in, if it is a visitor's."""
        if not one.of_visitor:
            return
        release, ended = one.release or 0, int(one.ended)
        key = Key(ended - ended % MINUTE, MINUTE, release, one.color)
        self.minutes.setdefault(key, Sums()).see(one)
        hour = ended - ended % HOUR
        route = OTHER if one.status in UNROUTED else one.route[:LONGEST_ROUTE]
        place = RouteKey(hour, release, route)
        if place not in self.routes and len(self.routes) >= BATCH_ROUTES:
            place = RouteKey(hour, release, OTHER)
        self.routes.setdefault(place, Sums()).see(one)

    def merge(self, other: Figures) -> None:
        for key, sums in other.minutes.items():
            self.minutes.setdefault(key, Sums()).merge(sums)
        for place, sums in other.routes.items():
            self.routes.setdefault(place, Sums()).merge(sums)
        self.gaps += [gap for gap in other.gaps if gap not in self.gaps]
        self.behind, self.unread = self.behind or other.behind, self.unread or other.unread

    def total(self, release: int | None = None, since: float = 0.0, until: float | None = None) -> Sums:
        """One sum of all minutes (and hours) that began in this time; of a release, or of all."""
        found = Sums()
        for key, sums in self.minutes.items():
            if release in (None, key.release) and key.start >= since and (until is None or key.start < until):
                found.merge(sums)
        return found

    def by_color(self) -> dict[str, Sums]:
        """One sum for each color; empty: nginx itself."""
        found: dict[str, Sums] = {}
        for key, sums in self.minutes.items():
            found.setdefault(key.color, Sums()).merge(sums)
        return found

    def of_routes(self, release: int, since: float = 0.0, until: float | None = None) -> dict[str, Sums]:
        """The routes of a release, the most used first, `other` last."""
        found: dict[str, Sums] = {}
        for place, sums in self.routes.items():
            if place.release == release and place.start >= since and (until is None or place.start < until):
                found.setdefault(place.route, Sums()).merge(sums)
        return dict(sorted(found.items(), key=lambda it: (it[0] == OTHER, -it[1].requests)))

    def releases(self) -> list[int]:
        """Those that have answered, the oldest number first."""
        return sorted({key.release for key in self.minutes} - {0})

    def incomplete(self, since: str, until: str) -> list[Gap]:
        """What is missing between two of the Engine's time stamps, or ISO 8601 in UTC."""
        return [gap for gap in self.gaps if gap.since[:19] <= until[:19] and gap.until[:19] >= since[:19]]


def bounded(routes: Mapping[RouteKey, Sums], most: int = ROUTES) -> dict[RouteKey, Sums]:
    """The most used routes of each release and hour; all further ones are `other`."""
    groups: dict[tuple[int, int], list[tuple[RouteKey, Sums]]] = {}
    for place, sums in routes.items():
        groups.setdefault((place.start, place.release), []).append((place, sums))
    found: dict[RouteKey, Sums] = {}
    for (start, release), mine in groups.items():
        ranked = sorted(mine, key=lambda it: (it[0].route == OTHER, -it[1].requests, it[0].route))
        for place, sums in ranked[:most]:
            found[place] = _copy(sums)
        for _, sums in ranked[most:]:
            found.setdefault(RouteKey(start, release, OTHER), Sums()).merge(sums)
    return found


def in_hours(minutes: Iterable[tuple[Key, Sums]]) -> dict[Key, Sums]:
    """Minutes, added up to hours."""
    found: dict[Key, Sums] = {}
    for key, sums in minutes:
        start = key.start - key.start % HOUR
        found.setdefault(Key(start, HOUR, key.release, key.color), Sums()).merge(sums)
    return found


def _copy(sums: Sums) -> Sums:
    found = Sums()
    found.merge(sums)
    return found
