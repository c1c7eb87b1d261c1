"""The journal's operations: each run of a verb that acts, and its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bluegreen.domain.timeline import Moved
from bluegreen.state import database
from bluegreen.state.database import Database
from bluegreen.state.lock import left_by
from bluegreen.state.rows import Operation, number, operation_of, text

SHOWN = 8  # operations of one release


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

    def of(self, release: int) -> list[dict[str, Any]]:
        """The newest operations of a release, the oldest first, each with its steps, and the fields of its error."""
        if not self._db.exists():
            return []
        rows = self._db.rows(
            "select id, verb, target, started, ended, outcome, error from operations where release = ?"
            " order by id desc limit ?", (release, SHOWN),
        )  # fmt: skip
        found = []
        for row in reversed(rows):
            verb, target, started, ended, outcome = map(text, row[1:6])
            found.append(
                {"verb": verb, "target": target, "started": started, "ended": ended, "outcome": outcome,
                 "error": _error(row[6]), "steps": self._steps(row[0])}
            )  # fmt: skip
        return found

    def _steps(self, operation: object) -> list[dict[str, Any]]:
        rows = self._db.rows(
            "select phase, step, color, started, seconds, outcome, detail from steps"
            " where operation = ? order by rowid",
            (operation,),
        )
        return [
            {"phase": text(row[0]), "step": text(row[1]), "color": text(row[2]), "ended": text(row[3]),
             "seconds": row[4] if isinstance(row[4], int | float) else 0.0, "outcome": text(row[5]),
             "detail": text(row[6])}
            for row in rows
        ]  # fmt: skip

    def outcomes(self) -> dict[tuple[str, str], int]:
        """How often each verb has ended how: (verb, outcome) to a number that only grows."""
        if not self._db.exists():
            return {}
        rows = self._db.rows(
            "select verb, outcome, count(*) from operations where outcome is not null group by verb, outcome"
        )
        return {(text(verb), text(outcome)): number(count) or 0 for verb, outcome, count in rows}

    def last(self) -> tuple[str, str, str] | None:
        """(verb, outcome, when it ended) of the newest operation that has ended."""
        if not self._db.exists():
            return None
        rows = self._db.rows(
            "select verb, outcome, ended from operations where outcome is not null order by id desc limit 1"
        )
        return (text(rows[0][0]), text(rows[0][1]), text(rows[0][2])) if rows else None

    def unfinished(self) -> Operation | None:
        """The newest operation that never ended: its process was killed, or is at work now."""
        if row := database.unfinished(self._db):
            return operation_of(row)
        left = left_by(self._state)
        return Operation(0, left.verb, None, None, left.pid, left.since, None, recorded=False) if left else None


def _error(cell: object) -> dict[str, Any] | None:
    """The fields of an error; None: there is none, or it is none of ours."""
    try:
        found = json.loads(text(cell)) if cell else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _seconds(found: Sequence[tuple[Any, ...]]) -> float | None:
    return float(found[0][0]) if found and isinstance(found[0][0], int | float) else None
