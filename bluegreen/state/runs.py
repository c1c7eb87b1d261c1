"""The journal's runs: migrations and hooks."""

from __future__ import annotations

from collections.abc import Callable

from bluegreen.state.database import Database
from bluegreen.state.rows import Run, run_of


class Runs:
    """Migrations and hooks, each from its start to its end."""

    def __init__(self, database: Database, now: Callable[[], str]) -> None:
        self._db, self._now = database, now

    def start(self, release: int, kind: str, name: str) -> int:
        cursor = self._db.execute(
            "insert into runs (release, kind, name, started) values (?, ?, ?, ?)", (release, kind, name, self._now())
        )
        return int(cursor.lastrowid or 0)

    def end(self, run: int, outcome: str, code: int | None = None, output: str = "") -> None:
        self._db.execute(
            "update runs set ended = ?, outcome = ?, code = ?, output = ? where id = ?",
            (self._now(), outcome, code, output, run),
        )

    def of(self, release: int) -> list[Run]:
        if not self._db.exists():
            return []
        rows = self._db.rows(
            "select id, release, kind, name, started, ended, outcome, code, output from runs where release = ?"
            " order by id", (release,),
        )  # fmt: skip
        return [run_of(row) for row in rows]

    def in_doubt(self) -> list[Run]:
        """Migrations of which nobody knows how far they came: cut by a kill, or by a person."""
        if not self._db.exists():
            return []
        rows = self._db.rows(
            "select id, release, kind, name, started, ended, outcome, code, output from runs"
            " where kind = 'migrate' and (outcome is null or outcome = 'interrupted') order by id"
        )
        return [run_of(row) for row in rows]
