"""The receipt of a move of traffic: each request before, across and after it, by nginx's own counts. Pure.

nginx numbers its connections, and the requests on each. A number that is missing is a request that is not in the log.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from bluegreen.domain.traffic import UNANSWERED, Seen

BEFORE, AFTER = 10.0, 15.0  # seconds around a move that its receipt is about
ROUNDING = 0.001  # seconds: nginx writes milliseconds, and its clock is at most late, never early
NAMED = 20  # requests that a receipt names
OURS = re.compile(r"[0-9a-f]{32}")  # an id that nginx gave; a trusted proxy may use one of its own more often

When = Literal["before", "across", "after"]
ALL: tuple[When, ...] = ("before", "across", "after")


@dataclass(frozen=True)
class Move:
    """One rename of the route. `began` and `ended`: by this machine's clock, around it; seconds since the epoch."""

    verb: str
    left: str
    color: str
    began: float
    ended: float
    previous: int = 0  # the release that was left
    release: int = 0
    addresses: tuple[str, ...] = ()  # of the color that was left

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"addresses": list(self.addresses)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Move:
        """The inverse of `as_dict`. Raises ValueError, TypeError and KeyError for another shape."""
        addresses = tuple(str(it) for it in data["addresses"])
        return cls(
            str(data["verb"]), str(data["left"]), str(data["color"]), float(data["began"]), float(data["ended"]),
            int(data["previous"]), int(data["release"]), addresses,
        )  # fmt: skip


@dataclass(slots=True)
class Counted:
    """The requests of one connection."""

    first: int
    last: int
    first_began: float
    last_began: float
    holes: set[int] = field(default_factory=set)


class Books:
    """Takes the requests around a move in, in any order, and balances."""

    def __init__(self, move: Move, until: float | None = None) -> None:
        """`until`: when traffic moved again, if it did."""
        self.move = move
        self.since = move.began - BEFORE
        self.until = min(move.ended + AFTER, until if until is not None else move.ended + AFTER)
        self.incomplete: list[str] = []
        self._counts = {when: Counter[str]() for when in ALL}
        self._connections: dict[int, Counted] = {}
        self._ids = set[str]()
        self._twice: list[str] = []
        self._late: list[Seen] = []

    def see(self, one: Seen) -> None:
        if one.ended < self.since or one.ended > self.until:
            return
        again = self._number(one)
        known = bool(OURS.fullmatch(one.request_id)) and one.request_id in self._ids
        self._ids.add(one.request_id)
        if again or known:
            self._twice.append(one.request_id)
        if not one.of_visitor:
            return
        when = self._when(one)
        self._counts[when]["requests"] += 1
        self._counts[when]["failed"] += one.status >= 500
        self._counts[when]["unanswered"] += one.status == UNANSWERED
        if when == "after" and self._by_left(one):
            self._late.append(one)

    def _when(self, one: Seen) -> When:
        if one.began > self.move.ended + ROUNDING:
            return "after"
        return "before" if one.ended <= self.move.began else "across"

    def _by_left(self, one: Seen) -> bool:
        """Whether the color that was left answered, by the route's choice or by the address that nginx asked."""
        if one.routed == self.move.left:
            return True
        asked = {it.strip().rpartition(":")[0] for it in re.split(r"[,:] ", one.upstream)}
        return one.color == one.routed and bool(asked & {*self.move.addresses})

    def _number(self, one: Seen) -> bool:
        """Takes the number of a request on its connection in. Returns whether it was there already."""
        nth, began = one.nth, one.began
        there = self._connections.get(one.connection)
        if there is None:
            self._connections[one.connection] = Counted(nth, nth, began, began)
            return False
        if nth in there.holes:
            there.holes.discard(nth)
        elif nth > there.last:
            if there.last_began >= self.since:  # else those between may have ended before
                there.holes.update(range(there.last + 1, nth))
            there.last, there.last_began = nth, began
        elif nth < there.first:
            if began >= self.since:
                there.holes.update(range(nth + 1, there.first))
            there.first, there.first_began = nth, began
        else:
            return there.first_began >= self.since
        return False

    def receipt(self) -> dict[str, Any]:
        """What is kept and shown. `right`: it is complete, and each request was answered one time, by who had to."""
        missing = [(number, nth) for number, it in self._connections.items() for nth in sorted(it.holes)]
        bad = self._twice or missing or self._late
        return {
            **{key: value for key, value in self.move.as_dict().items() if key != "addresses"},
            "moved": iso(self.move.ended), "rename_ms": round(1000 * (self.move.ended - self.move.began), 3),
            "since": iso(self.since), "until": iso(self.until),
            "requests": {when: self._counts[when]["requests"] for when in ALL},
            "failed": {when: self._counts[when]["failed"] for when in ALL},
            "unanswered": {when: self._counts[when]["unanswered"] for when in ALL},
            "connections": len(self._connections),
            "twice": {"count": len(self._twice), "ids": self._twice[:NAMED]},
            "missing": {
                "count": len(missing),
                "which": [f"request {nth} of connection {number}" for number, nth in missing[:NAMED]],
            },
            "late": {"count": len(self._late), "which": [_named(one) for one in self._late[:NAMED]]},
            "incomplete": list(self.incomplete),
            "right": not bad and not self.incomplete,
        }  # fmt: skip


def _named(one: Seen) -> dict[str, Any]:
    return {
        "request_id": one.request_id, "route": one.route, "status": one.status, "color": one.routed or one.color,
        "began": iso(one.began), "upstream": one.upstream,
    }  # fmt: skip


def iso(moment: float) -> str:
    """ISO 8601 in UTC, to the millisecond, of seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def in_words(receipt: Mapping[str, Any]) -> str:
    """One sentence."""
    counts = receipt["requests"]
    said = f"{counts['before']} requests before, {counts['across']} across, {counts['after']} after"
    wrong = []
    if late := receipt["late"]["count"]:
        wrong.append(f"{late} that began after the move were answered by {receipt['left']}")
    if missing := receipt["missing"]["count"]:
        wrong.append(f"{missing} are not in the log")
    if twice := receipt["twice"]["count"]:
        wrong.append(f"{twice} were answered twice")
    wrong += [f"incomplete: {why}" for why in receipt["incomplete"]]
    if wrong:
        return f"{said}; {'; '.join(wrong)}"
    return f"{said}; each answered one time, none by {receipt['left']} after the move"
