"""What happened: releases, operations and their steps, in SQLite. Losing it loses history, never traffic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bluegreen.domain.release import Begun, Note
from bluegreen.state import database
from bluegreen.state.database import Database
from bluegreen.state.lock import left_by
from bluegreen.state.rows import Operation, Run

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

    def __init__(
        self, state: Path, now: Callable[[], str], tell: Callable[[str], None] = lambda _: None, look: bool = False
    ) -> None:
        self._state, self._now = state, now
        self._db = Database(str(state), now, tell, look)
        self._execute = self._db.execute
        self.close = self._db.close

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
        if not self._db.exists():
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
        if not self._db.exists():
            return []
        rows = self._execute(
            "select id, release, kind, name, started, ended, outcome, code, output from runs where release = ?"
            " order by id", (release,),
        )  # fmt: skip
        return [Run(*row) for row in rows]

    def doubtful_runs(self) -> list[Run]:
        """Migrations of which nobody knows how far they came: cut by a kill, or by a person."""
        if not self._db.exists():
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
        return database.start_operation(self._db, verb, release, target)

    def end_operation(self, operation: int, outcome: str, error: Mapping[str, object] | None = None) -> None:
        database.end_operation(self._db, operation, outcome, error)

    def step(self, operation: int, done: Mapping[str, Any]) -> None:
        """Records a step that has ended, with the fields of `--json`."""
        database.add_step(self._db, operation, done)

    def last_seconds(self, verb: str) -> float | None:
        """How long the newest operation of a verb took until traffic had moved; None: none did."""
        if not self._db.exists():
            return None
        row = self._execute(
            "select sum(seconds) from steps where phase in ('prepare', 'cutover') and operation = (select max(id)"
            " from operations where verb = ? and outcome in ('switched', 'flipped-back'))", (verb,),
        ).fetchone()  # fmt: skip
        return float(row[0]) if row and row[0] is not None else None

    def last_step_seconds(self, step: str) -> float | None:
        """How long the newest step of this name took; None: none was done."""
        if not self._db.exists():
            return None
        row = self._execute(
            "select seconds from steps where step = ? and outcome = 'done' order by rowid desc limit 1", (step,)
        ).fetchone()
        return float(row[0]) if row else None

    def unfinished(self) -> Operation | None:
        """The newest operation that never ended: its process was killed, or is at work now."""
        if row := database.unfinished(self._db):
            return Operation(*row)
        left = left_by(self._state)
        return Operation(0, left.verb, None, None, left.pid, left.since, None, recorded=False) if left else None
