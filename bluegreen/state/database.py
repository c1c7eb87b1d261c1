"""The journal's file: opened when first needed, brought up to date, done without when it cannot be used.

Standard library only, and little of it: flip-back records itself through it.
"""

from __future__ import annotations

import json
import os
import sqlite3

from bluegreen.files import Unfit, refuse_other

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

NAME = "journal.db"
SCHEMA_VERSION = 5
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
create table if not exists orphans (
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
create table if not exists figures (
    start integer not null,
    seconds integer not null,
    release integer not null,
    color text not null,
    sums text not null,
    primary key (release, seconds, start, color)
) without rowid;
create table if not exists route_figures (
    start integer not null,
    release integer not null,
    route text not null,
    sums text not null,
    primary key (release, start, route)
) without rowid;
create table if not exists totals (
    color text primary key,
    sums text not null
) without rowid;
create table if not exists log_position (
    id integer primary key check (id = 1),
    container text not null,
    stamp text not null,
    nth integer not null
);
create table if not exists log_gaps (
    id integer primary key,
    since text not null,
    until text not null,
    why text not null
);
create table if not exists receipts (
    id integer primary key,
    release integer not null,
    moved text not null,
    receipt text not null
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
    3: (),
    4: (),
}  # fmt: skip


class Database:
    """One app's journal file. Every statement is committed immediately.

    A file that is broken is set aside, one of a newer bluegreen is left alone, one that cannot be written is done
    without. `tell` gets one message about it.
    """

    def __init__(self, state: str, now: Callable[[], str], tell: Callable[[str], None], look: bool = False) -> None:
        self.path = os.path.join(state, NAME)
        self.now, self._tell = now, tell
        self._look = look  # a look makes no file
        self._opened: sqlite3.Connection | None = None
        self._together = False

    def exists(self) -> bool:
        return os.path.exists(self.path)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One that writes."""
        return self._done(lambda: self._db.execute(statement, values))

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One that reads: all its rows. Some of what is broken in a file shows only when a row is fetched."""
        return self._done(lambda: self._db.execute(statement, values).fetchall())

    def together(self, act: Callable[[], T]) -> T:
        """Several statements: all of them or, killed or failed, none."""

        def both() -> T:
            self._db.execute("begin immediate")
            self._together = True
            try:
                found = act()
            except BaseException:
                self._db.execute("rollback")
                raise
            finally:
                self._together = False
            self._db.execute("commit")
            return found

        return self._done(both)

    def _done(self, act: Callable[[], T]) -> T:
        if self._together:
            return act()
        try:
            return act()
        except sqlite3.Error as error:
            self.close()
            if _is_broken(error) and (aside := self._set_aside()):
                self._tell(f"The journal was broken ({error}). It is kept as {aside}; history starts again.")
            else:
                self._opened = self._without(error)
            return act()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self, again: bool = True) -> sqlite3.Connection:
        try:
            if self._look and not self.exists():
                return self._connect(":memory:")
            if not self.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            for end in ("", "-wal", "-shm"):  # SQLite would wait for ever at a pipe
                if os.path.lexists(self.path + end):
                    refuse_other(self.path + end, os.stat(self.path + end).st_mode)
            return self._connect(self.path)
        except (OSError, sqlite3.Error) as error:
            if again and _is_broken(error) and (aside := self._set_aside()):
                self._tell(f"The journal was broken ({error}). It is kept as {aside}; history starts again.")
                return self._open(again=False)
            return self._without(error)

    def _connect(self, path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        connection.text_factory = lambda raw: raw.decode(errors="replace")
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
        moment = "".join(filter(str.isdigit, self.now()))[:14]
        aside = f"journal-broken-{moment}.db"
        try:
            os.replace(self.path, os.path.join(os.path.dirname(self.path), aside))
            for end in ("-wal", "-shm"):
                if os.path.lexists(self.path + end):
                    os.unlink(self.path + end)
        except OSError:
            return None
        return aside

    def _without(self, error: Exception) -> sqlite3.Connection:
        self._tell(f"The journal cannot be used ({error}), so this run is not recorded; traffic does not depend on it.")
        return self._connect(":memory:")


# -- operations and their steps


def start_operation(db: Database, verb: str, release: int | None, target: str | None) -> int:
    cursor = db.execute(
        "insert into operations (verb, release, target, pid, started) values (?, ?, ?, ?, ?)",
        (verb, release, target, os.getpid(), db.now()),
    )
    return int(cursor.lastrowid or 0)


def add_step(db: Database, operation: int, done: Mapping[str, Any]) -> None:
    """Records a step that has ended, with the fields of `--json`."""
    values = [done[key] for key in ("phase", "step", "color")]
    ended = [round(done["seconds"], 4), done["outcome"], done["detail"]]
    db.execute("insert into steps values (?, ?, ?, ?, ?, ?, ?, ?)", (operation, *values, db.now(), *ended))


def end_operation(db: Database, operation: int, outcome: str, error: Mapping[str, object] | None = None) -> None:
    db.execute(
        "update operations set ended = ?, outcome = ?, error = ? where id = ?",
        (db.now(), outcome, json.dumps(error) if error else None, operation),
    )


def record(
    db: Database,
    what: tuple[str, int | None, str | None],
    steps: Sequence[Mapping[str, Any]],
    outcome: str,
    move: tuple[tuple[str, str, str], Mapping[str, Mapping[str, Any]], tuple[float, float]] | None = None,
) -> None:
    """An operation that has ended: its verb, release and target, its steps, and its move as `add_move` takes it."""

    def act() -> None:
        operation = start_operation(db, *what)
        for done in steps:
            add_step(db, operation, done)
        end_operation(db, operation, outcome)
        if move:
            add_move(db, *move)

    db.together(act)


def add_move(
    db: Database, what: tuple[str, str, str], slots: Mapping[str, Mapping[str, Any]], moment: tuple[float, float]
) -> None:
    """A move of traffic, as `domain/receipt.py` has it: its verb, the color it left, the other one. Its receipt is
    written later. `slots`: as nginx's file has them; `moment`: when the rename began, and ended."""
    verb, left, color = what
    before, after = slots.get(left) or {}, slots.get(color) or {}
    move = {
        "verb": verb, "left": left, "color": color, "began": moment[0], "ended": moment[1],
        "previous": before.get("release") or 0, "release": after.get("release") or 0,
        "addresses": [it for addresses in (before.get("addresses") or {}).values() for it in addresses],
    }  # fmt: skip
    values = (move["release"], f"{moment[1]:.6f}", json.dumps(move))
    db.execute("insert into receipts (release, moved, receipt) values (?, ?, ?)", values)


def unfinished(db: Database) -> tuple[Any, ...] | None:
    """(id, verb, release, target, pid, started, outcome) of the newest operation, when it never ended."""
    if not db.exists():
        return None
    newest = db.rows("select id, verb, release, target, pid, started, outcome from operations order by id desc limit 1")
    return newest[0] if newest and newest[0][6] is None else None


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
    return (
        isinstance(error, Unfit)
        or lost_tables
        or (isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError))
    )
