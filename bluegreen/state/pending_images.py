"""Images that are being made: a kill in the middle must not make anybody forget them."""

from __future__ import annotations

from collections.abc import Mapping

from bluegreen.state.database import Database


class PendingImages:
    """Names that are being built or pulled, and images that a killed command made."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def start(self, before: Mapping[str, str | None]) -> None:
        """Names that are about to be built or pulled, with the image that each means now."""
        self.end()
        for reference, identity in before.items():
            self._db.execute("insert or replace into makings values (?, ?)", (reference, identity))

    def names(self) -> dict[str, str | None]:
        """Those of a command that never came to record what it made."""
        return dict(self._db.rows("select ref, before from makings where typeof(ref) = 'text'"))

    def end(self) -> None:
        self._db.execute("delete from makings")

    def add_orphan(self, identity: str, reference: str) -> None:
        """An image that a killed command made under this name, and that no release is known to have."""
        self._db.execute("insert or replace into orphans values (?, ?)", (identity, reference))

    def orphans(self) -> dict[str, str]:
        """Names by id."""
        return dict(self._db.rows("select id, ref from orphans where typeof(id) = 'text' and typeof(ref) = 'text'"))

    def forget_orphan(self, identity: str) -> None:
        self._db.execute("delete from orphans where id = ?", (identity,))
