"""What happened: releases, operations and their steps, in SQLite. Losing it loses history, never traffic."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bluegreen.domain.release import Begun, Note
from bluegreen.state.lock import left_by
from bluegreen.state.rows import Operation, Run

SCHEMA_VERSION = 3
BUSY_TIMEOUT = 5.0  # seconds to wait for another bluegreen's write; status reads while a switch writes

_SCHEMA = """
create table if not exists releases (
    number integer primary key,
    created text not null,
    color text not null,
    outcome text not null default 'started',
    definition text not null default '',
    images text not null default '{}',
    services text not null default '{}',
    owner text not null default '',
    expect text not null default '',
    note text not null default '',
    revision text not null default '',
    subject text not null default '',
    previous integer,
    restores integer,
    figures text not null default '{}'
);
create table if not exists runs (
    id integer primary key,
    release integer not null,
    kind text not null,
    name text not null,
    started text not null,
    ended text,
    outcome text,
    code integer,
    output text not null default ''
);
create table if not exists makings (
    ref text primary key,
    before text
);
create table if not exists strays (
    id text primary key,
    ref text not null
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


# What brings a journal of an older version to this one; the tables that are new are made anyway.
_UPGRADES = {
    1: tuple(
        f"alter table releases add column {column}"
        for column in (
            "owner text not null default ''", "expect text not null default ''", "note text not null default ''",
            "revision text not null default ''", "subject text not null default ''", "previous integer",
            "restores integer", "figures text not null default '{}'",
        )
    ),
    2: (),
}  # fmt: skip
RELEASE_COLUMNS = (
    "number", "created", "color", "outcome", "definition", "images", "services", "owner", "expect", "note",
    "revision", "subject", "previous", "restores", "figures",
)  # fmt: skip
AS_JSON = ("images", "services", "figures")


class Journal:
    """The history of one app. Opened when first needed; every write is committed at once.

    Losing it loses history, never traffic: a journal that is broken is set aside, one of a newer bluegreen is
    left alone, one that cannot be written is done without. `tell` hears of it, once.
    """

    def __init__(self, state: Path, now: Callable[[], str], tell: Callable[[str], None] = lambda _: None) -> None:
        self._path = state / "journal.db"
        self._now = now
        self._tell = tell
        self._opened: sqlite3.Connection | None = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self, again: bool = True) -> sqlite3.Connection:
        try:
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
            return self._connect(str(self._path))
        except (OSError, sqlite3.Error) as error:
            if again and _is_broken(error) and (aside := self._set_aside()):
                self._tell(f"The journal was broken ({error}); it is kept as {aside}, and history begins anew.")
                return self._open(again=False)
            return self._without(error)

    def _connect(self, path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            connection.execute("pragma journal_mode = wal")
            if _version(connection) > SCHEMA_VERSION:
                raise sqlite3.OperationalError(f"it is of a newer bluegreen (version {_version(connection)})")
            if _version(connection) < SCHEMA_VERSION:
                _bring_up_to_date(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> str | None:
        moment = re.sub(r"[^0-9]", "", self._now())[:14]
        aside = self._path.with_name(f"journal-broken-{moment}.db")
        try:
            self._path.replace(aside)
            for end in ("-wal", "-shm"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
        except OSError:
            return None
        return aside.name

    def _without(self, error: Exception) -> sqlite3.Connection:
        self._tell(f"The journal cannot be used ({error}), so this run is not recorded; traffic does not depend on it.")
        return self._connect(":memory:")

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            if self._opened is not None:
                self._opened.close()
            self._opened = None
            if _is_broken(error) and (aside := self._set_aside()):
                self._tell(f"The journal was broken ({error}); it is kept as {aside}, and history begins anew.")
            else:
                self._opened = self._without(error)
            return self._db.execute(statement, values)

    def newest_release(self) -> int:
        """The highest release number given out; 0: none."""
        return int(self._execute("select coalesce(max(number), 0) from releases").fetchone()[0])

    def start_release(self, begun: Begun) -> None:
        """Records a release before any container of it exists."""
        said = begun.note
        self._execute(
            "insert or replace into releases (number, created, color, definition, images, services, owner, expect,"
            " note, revision, subject, previous, restores) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                begun.number, self._now(), begun.color, begun.definition,
                json.dumps({name: asdict(image) for name, image in begun.images.items()}),
                json.dumps(begun.services, sort_keys=True), said.owner, said.expect, said.note, said.revision,
                said.subject, begun.previous, begun.restores,
            ),
        )  # fmt: skip

    def end_release(self, number: int, outcome: str, images: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        self._execute(
            "update releases set outcome = ?, images = ?, figures = ? where number = ?",
            (outcome, json.dumps(images), json.dumps(figures), number),
        )

    def annotate(self, number: int, note: Note) -> None:
        """What was said of a release later, when a prepared one is switched to; what was not said stays."""
        for column in ("owner", "expect", "note"):
            if value := getattr(note, column):
                self._execute(f"update releases set {column} = ? where number = ?", (value, number))  # noqa: S608 - fixed names

    def releases(self) -> list[dict[str, Any]]:
        """Every release, the newest first, with the names of RELEASE_COLUMNS as keys."""
        if not self._path.exists():
            return []
        rows = self._execute(f"select {', '.join(RELEASE_COLUMNS)} from releases order by number desc")  # noqa: S608 - fixed names
        found = [dict(zip(RELEASE_COLUMNS, row, strict=True)) for row in rows]
        return [{key: json.loads(value) if key in AS_JSON else value for key, value in row.items()} for row in found]

    # -- images that are being made: a kill in the middle must not make anybody forget them

    def start_makings(self, before: Mapping[str, str | None]) -> None:
        """Names that are about to be built or pulled, with the image that each means now."""
        self.end_makings()
        for reference, identity in before.items():
            self._execute("insert or replace into makings values (?, ?)", (reference, identity))

    def makings(self) -> dict[str, str | None]:
        """Those of a command that never came to record what it made."""
        return dict(self._execute("select ref, before from makings").fetchall())

    def end_makings(self) -> None:
        self._execute("delete from makings")

    def add_stray(self, identity: str, reference: str) -> None:
        """An image that a killed command made under this name, and that no release is known to have."""
        self._execute("insert or replace into strays values (?, ?)", (identity, reference))

    def strays(self) -> dict[str, str]:
        """Names by id."""
        return dict(self._execute("select id, ref from strays").fetchall())

    def forget_stray(self, identity: str) -> None:
        self._execute("delete from strays where id = ?", (identity,))

    # -- migrations and hooks

    def start_run(self, release: int, kind: str, name: str) -> int:
        cursor = self._execute(
            "insert into runs (release, kind, name, started) values (?, ?, ?, ?)", (release, kind, name, self._now())
        )
        return int(cursor.lastrowid or 0)

    def end_run(self, run: int, outcome: str, code: int | None = None, output: str = "") -> None:
        self._execute(
            "update runs set ended = ?, outcome = ?, code = ?, output = ? where id = ?",
            (self._now(), outcome, code, output, run),
        )

    def runs(self, release: int) -> list[Run]:
        if not self._path.exists():
            return []
        rows = self._execute(
            "select id, release, kind, name, started, ended, outcome, code, output from runs where release = ?"
            " order by id", (release,),
        )  # fmt: skip
        return [Run(*row) for row in rows]

    def doubtful_runs(self) -> list[Run]:
        """Migrations of which nobody knows how far they came: cut by a kill, or by a person."""
        if not self._path.exists():
            return []
        rows = self._execute(
            "select id, release, kind, name, started, ended, outcome, code, output from runs"
            " where kind = 'migrate' and (outcome is null or outcome = 'interrupted') order by id"
        )
        return [Run(*row) for row in rows]

    def release_outcome(self, number: int) -> str | None:
        row = self._execute("select outcome from releases where number = ?", (number,)).fetchone()
        return str(row[0]) if row else None

    def start_operation(self, verb: str, release: int | None, target: str | None) -> int:
        cursor = self._execute(
            "insert into operations (verb, release, target, pid, started) values (?, ?, ?, ?, ?)",
            (verb, release, target, os.getpid(), self._now()),
        )
        return int(cursor.lastrowid or 0)

    def end_operation(self, operation: int, outcome: str, error: Mapping[str, object] | None = None) -> None:
        self._execute(
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
        self._execute(
            "insert into steps values (?, ?, ?, ?, ?, ?, ?, ?)",
            (operation, phase, step, color, self._now(), round(seconds, 4), outcome, detail),
        )

    def last_seconds(self, verb: str) -> float | None:
        """How long the newest operation of a verb took until traffic had moved; None: none did."""
        if not self._path.exists():
            return None
        row = self._execute(
            "select sum(seconds) from steps where phase in ('prepare', 'cutover') and operation = (select max(id)"
            " from operations where verb = ? and outcome in ('switched', 'flipped-back'))", (verb,),
        ).fetchone()  # fmt: skip
        return float(row[0]) if row and row[0] is not None else None

    def last_step_seconds(self, step: str) -> float | None:
        """How long the newest step of this name took; None: none was done."""
        if not self._path.exists():
            return None
        row = self._execute(
            "select seconds from steps where step = ? and outcome = 'done' order by rowid desc limit 1", (step,)
        ).fetchone()
        return float(row[0]) if row else None

    def unfinished(self) -> Operation | None:
        """The newest operation that never ended: its process was killed, or is at work now."""
        if not self._path.exists():
            return None
        row = self._execute(
            "select id, verb, release, target, pid, started, outcome from operations order by id desc limit 1"
        ).fetchone()
        if row and row[6] is None:
            return Operation(*row)
        left = left_by(self._path.parent)
        return Operation(0, left.verb, None, None, left.pid, left.since, None, recorded=False) if left else None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma user_version").fetchone()[0])


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """All of it or nothing; whoever comes second finds it done."""
    connection.execute("begin immediate")
    try:
        version = _version(connection)
        older = range(version, SCHEMA_VERSION) if version else ()  # 0: a new file, without tables
        steps = [statement for number in older for statement in _UPGRADES[number]]
        for statement in [*steps, *filter(str.strip, _SCHEMA.split(";")), f"pragma user_version = {SCHEMA_VERSION}"]:
            connection.execute(statement)
    except sqlite3.Error:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _is_broken(error: Exception) -> bool:
    """Whether what is there is no journal: not a full or read-only disk, not a newer version."""
    lost_tables = isinstance(error, sqlite3.OperationalError) and "no such" in str(error)
    return lost_tables or (isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError))
