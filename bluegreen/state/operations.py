"""The journal's operations: each run of a verb that acts, and its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bluegreen.domain.timeline import Moved
from bluegreen.state import database
from bluegreen.state.database import Database
from bluegreen.state.lock import left_by
from bluegreen.state.rows import Operation, number, operation_of, text


class Operations:
    """Each run of a verb that acts, and its steps."""

    def __init__(self, database: Database, state: Path) -> None:
        self._db, self._state = database, state

    def start(self, verb: str, release: int | None, target: str | None) -> int:
        return database.start_operation(self._db, verb, release, target)

    def end(self, operation: int, outcome: str, error: Mapping[str, object] | None = None) -> None:
        database.end_operation(self._db, operation, outcome, error)

    def step(self, operation: int, done: Mapping[str, Any]) -> None:
        """Records a step that has ended, with the fields of `--json`."""
        database.add_step(self._db, operation, done)

    def moves(self) -> list[tuple[str, int]]:
        """(verb, release that was live then, or got a share) of each operation that moved traffic, the oldest first."""
        if not self._db.exists():
            return []
        found = self._db.rows(
            "select verb, release from operations where outcome in ('switched', 'canary', 'flipped-back', 'finished')"
            " and typeof(verb) = 'text' and typeof(release) = 'integer' order by id"
        )
        return [(verb, release) for verb, release in found]

    def moved(self) -> list[Moved]:
        """Each operation that moved traffic, or took all down, and when; the oldest first."""
        if not self._db.exists():
            return []
        found = self._db.rows(
            "select verb, release, steps.started, operations.outcome, ended"
            " from operations join steps on operation = id"
            " where step = 'route' and steps.outcome = 'done' and typeof(release) = 'integer' union all"
            " select verb, null, ended, outcome, ended from operations where outcome = 'down' order by 3"
        )
        return [Moved(text(row[0]), number(row[1]), *map(text, row[2:])) for row in found]

    def last_seconds(self, verb: str) -> float | None:
        """How long the newest operation of a verb took until traffic had moved; None: none did."""
        if not self._db.exists():
            return None
        found = self._db.rows(
            "select sum(seconds) from steps where phase in ('prepare', 'cutover') and operation = (select max(id)"
            " from operations where verb = ? and outcome in ('switched', 'flipped-back'))", (verb,),
        )  # fmt: skip
        return _seconds(found)

    def last_step_seconds(self, step: str) -> float | None:
        """How long the newest step of this name took; None: none was done."""
        if not self._db.exists():
            return None
        return _seconds(
            self._db.rows(
                "select seconds from steps where step = ? and outcome = 'done' order by rowid desc limit 1", (step,)
            )
        )

    def unfinished(self) -> Operation | None:
        """The newest operation that never ended: its process was killed, or is at work now."""
        if row := database.unfinished(self._db):
            return operation_of(row)
        left = left_by(self._state)
        return Operation(0, left.verb, None, None, left.pid, left.since, None, recorded=False) if left else None


def _seconds(found: Sequence[tuple[Any, ...]]) -> float | None:
    return float(found[0][0]) if found and isinstance(found[0][0], int | float) else None
