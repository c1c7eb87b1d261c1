"""The journal's receipts: one for each move of traffic, first what was moved, later what its requests became."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bluegreen.domain.receipt import Move
from bluegreen.state.database import Database, add_move

MOST = 200  # moves that are kept
DEFECT = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # what is written there is none of ours


class Receipts:
    """Moves, and what is known of their requests."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(
        self, what: tuple[str, str, str], slots: Mapping[str, Mapping[str, Any]], moment: tuple[float, float]
    ) -> None:
        """A move that was made; its receipt is written when the log has its requests."""
        add_move(self._db, what, slots, moment)

    def moves(self) -> list[tuple[int, Move, bool]]:
        """(id, move, whether its receipt is still to be written), the oldest first."""
        found = []
        for number, text in self._rows("select id, receipt from receipts order by id"):
            try:
                data = json.loads(text)
                found.append((int(number), Move.from_dict({"addresses": [], **data}), "requests" not in data))
            except DEFECT:
                continue
        return found

    def end(self, number: int, receipt: Mapping[str, Any]) -> None:
        self._db.execute("update receipts set receipt = ? where id = ?", (json.dumps(receipt), number))
        self._db.execute("delete from receipts where id <= (select max(id) from receipts) - ?", (MOST,))

    def of(self, release: int) -> list[dict[str, Any]]:
        """The receipts of the moves to a release, the oldest first; of one that is not written yet, the move."""
        found = []
        for (text,) in self._rows("select receipt from receipts where release = ? order by id", (release,)):
            try:
                data = json.loads(text)
                Move.from_dict({"addresses": [], **data})
            except DEFECT:
                continue
            found.append(data)
        return found

    def _rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._db.rows(statement, values) if self._db.exists() else []
