"""The journal's figures: sums of what visitors got, how far nginx's log was read, and what is missing.

Bounded: the newest `MINUTES` of each release by the minute, what is older by the hour, `HOURS` of them; the routes of
`ROUTE_HOURS`; and of all of it `ROOM` bytes, the oldest go first. The totals, a row for each color, keep
counting what goes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from bluegreen.domain.figures import HOUR, MINUTE, Figures, Gap, Key, Position, RouteKey, Sums, bounded, in_hours
from bluegreen.state.database import Database

MINUTES = 1440  # of each release: a day of traffic
HOURS = 720  # of each release: thirty days of it
ROUTE_HOURS = 6  # of each release
GAPS = 100
ROOM = 6 * 1024 * 1024  # bytes of all sums

MINUTE_ROWS = "select start, seconds, release, color, sums from figures"
ROUTE_ROWS = "select start, release, route, sums from route_figures"
SIZE = (
    "select (select coalesce(sum(length(sums) + 60), 0) from figures)"
    " + (select coalesce(sum(length(sums) + length(route) + 60), 0) from route_figures)"
)
DEFECT = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # what is written there is none of ours


class FigureTables:
    """Sums by minute and route, the position in the log, and gaps."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def writable(self) -> bool:
        """Whether this user's command may keep what it reads: it owns the journal."""
        try:
            found = os.stat(self._db.path)
        except OSError:
            return False
        return found.st_uid == os.geteuid() and bool(found.st_mode & 0o200)

    def position(self) -> Position | None:
        """How far the log was read; None: never."""
        if not self._db.exists():
            return None
        return self._position()

    def known(self, since: float = 0.0, release: int | None = None) -> Figures:
        """All sums from a moment on (seconds since the epoch), with the hour that it is in; of one release or all."""
        if not self._db.exists():
            return Figures()
        mine, value = ("", ()) if release is None else (" and release = ?", (release,))
        rows = self._db.rows(f"{MINUTE_ROWS} where start + seconds > ?{mine}", (since, *value))
        routes = self._db.rows(f"{ROUTE_ROWS} where start + {HOUR} > ?{mine}", (since, *value))
        gaps = self._db.rows("select since, until, why from log_gaps order by id")
        return Figures(dict(_minutes(rows)), dict(_routes(routes)), [Gap(*map(str, row)) for row in gaps])

    def add(self, found: Figures, was: Position | None, now: Position) -> bool:
        """Adds what was read between two positions, all or nothing; False: somebody else has read it meanwhile."""

        def act() -> bool:
            if self._position() != was:
                return False
            self._add(found)
            self._db.execute("insert or replace into log_position values (1, ?, ?, ?)", tuple(now))
            return True

        return self._db.together(act)

    def totals(self) -> dict[str, Sums]:
        """All that was ever counted, by color; empty: nginx itself. They only grow."""
        return dict(_totals(self._db.rows("select color, sums from totals"))) if self._db.exists() else {}

    def keep(self, releases: Collection[int]) -> None:
        """Removes the sums of all other releases; those of none (0) stay."""
        kept = [0, *releases]
        marks = ", ".join("?" * len(kept))
        for table in ("figures", "route_figures"):
            self._db.execute(f"delete from {table} where release not in ({marks})", kept)  # noqa: S608 - marks and fixed names

    def _position(self) -> Position | None:
        rows = self._db.rows("select container, stamp, nth from log_position where typeof(nth) = 'integer'")
        return Position(str(rows[0][0]), str(rows[0][1]), int(rows[0][2])) if rows else None

    def _add(self, found: Figures) -> None:
        self._add_sums(found)
        self._add_totals(found)
        self._add_routes(found)
        for gap in found.gaps:
            self._db.execute("insert into log_gaps (since, until, why) values (?, ?, ?)", tuple(gap))
        self._db.execute("delete from log_gaps where id <= (select max(id) from log_gaps) - ?", (GAPS,))
        for release in {key.release for key in found.minutes}:
            self._bound(release)
        self._make_room()

    def _add_sums(self, found: Figures) -> None:
        for key, sums in found.minutes.items():
            there = self._db.rows(
                f"{MINUTE_ROWS} where release = ? and seconds = ? and start = ? and color = ?",
                (key.release, key.seconds, key.start, key.color),
            )
            both = Figures(dict(_minutes(there)))
            both.merge(Figures({key: sums}))
            self._db.execute("insert or replace into figures values (?, ?, ?, ?, ?)", (*key, _text(both.minutes[key])))

    def _add_totals(self, found: Figures) -> None:
        for color, sums in found.by_color().items():
            there = dict(_totals(self._db.rows("select color, sums from totals where color = ?", (color,))))
            sums.merge(there.get(color, Sums()))
            self._db.execute("insert or replace into totals values (?, ?)", (color, _text(sums)))

    def _add_routes(self, found: Figures) -> None:
        for hour, release in {(place.start, place.release) for place in found.routes}:
            where = (hour, release)
            there = self._db.rows(f"{ROUTE_ROWS} where start = ? and release = ?", where)
            both = Figures(routes=dict(_routes(there)))
            both.merge(Figures(routes={it: sums for it, sums in found.routes.items() if it[:2] == where}))
            self._db.execute("delete from route_figures where start = ? and release = ?", where)
            for place, sums in bounded(both.routes).items():
                self._db.execute("insert into route_figures values (?, ?, ?, ?)", (*place, _text(sums)))

    def _bound(self, release: int) -> None:
        """Older minutes become hours; older hours and older routes go."""
        if oldest := self._nth_newest("figures", release, MINUTE, MINUTES):
            old = (release, MINUTE, oldest - oldest % HOUR)  # full hours
            rows = self._db.rows(f"{MINUTE_ROWS} where release = ? and seconds = ? and start < ?", old)
            self._db.execute("delete from figures where release = ? and seconds = ? and start < ?", old)
            self._add_sums(Figures(in_hours(_minutes(rows))))
        if oldest := self._nth_newest("figures", release, HOUR, HOURS):
            old = (release, HOUR, oldest)
            self._db.execute("delete from figures where release = ? and seconds = ? and start < ?", old)
        if oldest := self._nth_newest("route_figures", release, None, ROUTE_HOURS):
            self._db.execute("delete from route_figures where release = ? and start < ?", (release, oldest))

    def _nth_newest(self, table: str, release: int, seconds: int | None, nth: int) -> int:
        """Where the last of so many begins; 0: there are not more."""
        where = "release = ?" if seconds is None else "release = ? and seconds = ?"
        values = (release,) if seconds is None else (release, seconds)
        found = self._db.rows(
            f"select distinct start from {table} where {where} order by start desc limit 1 offset ?",  # noqa: S608 - fixed words
            (*values, nth - 1),
        )
        return int(found[0][0]) if found else 0

    def _make_room(self) -> None:
        """The oldest hours go, until there is room."""
        while self._db.rows(SIZE)[0][0] > ROOM:
            both = "select start from figures union all select start from route_figures"
            oldest = self._db.rows(f"select min(start) from ({both})")[0][0]  # noqa: S608 - fixed words
            for table in ("figures", "route_figures"):
                self._db.execute(f"delete from {table} where start < ?", (oldest + HOUR,))  # noqa: S608 - fixed names


def _text(sums: Sums) -> str:
    return json.dumps(sums.as_dict(), separators=(",", ":"))


def _minutes(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Key, Sums]]:
    for start, seconds, release, color, text in rows:
        try:
            yield Key(int(start), int(seconds), int(release), str(color)), Sums.from_dict(json.loads(text))
        except DEFECT:
            continue


def _totals(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, Sums]]:
    for color, text in rows:
        try:
            yield str(color), Sums.from_dict(json.loads(text))
        except DEFECT:
            continue


def _routes(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[RouteKey, Sums]]:
    for start, release, route, text in rows:
        try:
            yield RouteKey(int(start), int(release), str(route)), Sums.from_dict(json.loads(text))
        except DEFECT:
            continue
