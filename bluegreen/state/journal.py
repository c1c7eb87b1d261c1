"""What happened: releases, operations and their steps, in SQLite. Losing it loses history, never traffic."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
BUSY_TIMEOUT = 5.0  # seconds to wait for another bluegreen's write; status reads while a switch writes

_SCHEMA = """
create table if not exists releases (
    number integer primary key,
    created text not null,
    color text not null,
    outcome text not null default 'started',
    definition text not null default '',
    images text not null default '{}',
    services text not null default '{}'
);
create table if not exists operations (
    id integer primary key,
    verb text not null,
    release integer,
    target text,
    pid integer not null,
    started text not null,
    ended text,
    outcome text,
    error text
);
create table if not exists steps (
    operation integer not null references operations(id),
    phase text not null,
    step text not null,
    color text,
    started text not null,
    seconds real,
    outcome text,
    detail text
);
"""


@dataclass(frozen=True)
class Operation:
    """One run of a verb, as the journal knows it."""

    id: int
    verb: str
    release: int | None
    target: str | None
    pid: int
    started: str
    outcome: str | None


class Journal:
    """The history of one app. Opened when first needed; every write is committed at once."""

    def __init__(self, state: Path, now: Callable[[], str]) -> None:
        self._path = state / "journal.db"
        self._now = now
        self._opened: sqlite3.Connection | None = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._opened = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, isolation_level=None)
            self._opened.execute("pragma journal_mode = wal")
            if self._opened.execute("pragma user_version").fetchone()[0] < SCHEMA_VERSION:
                self._opened.executescript(_SCHEMA)
                self._opened.execute(f"pragma user_version = {SCHEMA_VERSION}")
        return self._opened

    def newest_release(self) -> int:
        """The highest release number given out; 0: none."""
        return int(self._db.execute("select coalesce(max(number), 0) from releases").fetchone()[0])

    def start_release(self, number: int, color: str, definition: str, services: Mapping[str, Any]) -> None:
        """Records a release before anything of it exists. `services` holds no value of a variable."""
        self._db.execute(
            "insert or replace into releases (number, created, color, definition, services) values (?, ?, ?, ?, ?)",
            (number, self._now(), color, definition, json.dumps(services, sort_keys=True)),
        )

    def end_release(self, number: int, outcome: str, images: Mapping[str, Any]) -> None:
        self._db.execute(
            "update releases set outcome = ?, images = ? where number = ?",
            (outcome, json.dumps(images), number),
        )

    def release_outcome(self, number: int) -> str | None:
        row = self._db.execute("select outcome from releases where number = ?", (number,)).fetchone()
        return str(row[0]) if row else None

    def start_operation(self, verb: str, release: int | None, target: str | None) -> int:
        cursor = self._db.execute(
            "insert into operations (verb, release, target, pid, started) values (?, ?, ?, ?, ?)",
            (verb, release, target, os.getpid(), self._now()),
        )
        return int(cursor.lastrowid or 0)

    def end_operation(self, operation: int, outcome: str, error: Mapping[str, object] | None = None) -> None:
        self._db.execute(
            "update operations set ended = ?, outcome = ?, error = ? where id = ?",
            (self._now(), outcome, json.dumps(error) if error else None, operation),
        )

    def step(
        self,
        operation: int,
        phase: str,
        step: str,
        color: str | None,
        seconds: float,
        outcome: str,
        detail: str,
    ) -> None:
        """Records a step that has ended; `seconds` is how long it took."""
        self._db.execute(
            "insert into steps values (?, ?, ?, ?, ?, ?, ?, ?)",
            (operation, phase, step, color, self._now(), round(seconds, 4), outcome, detail),
        )

    def unfinished(self) -> Operation | None:
        """The newest operation that never ended: its process was killed, or is at work now."""
        if not self._path.exists():
            return None
        row = self._db.execute(
            "select id, verb, release, target, pid, started, outcome from operations order by id desc limit 1"
        ).fetchone()
        return Operation(*row) if row and row[6] is None else None

    def abandon(self, operation: int) -> None:
        """Marks an unfinished operation as given up by the one that follows it."""
        self.end_operation(operation, "abandoned")

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
