"""What happened: releases, operations and their steps, in SQLite. Losing it loses history, never traffic."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.state.database import Database
from bluegreen.state.operations import Operations
from bluegreen.state.pending_images import PendingImages
from bluegreen.state.releases import Releases
from bluegreen.state.runs import Runs

if TYPE_CHECKING:
    from bluegreen.state.figures import FigureTables
    from bluegreen.state.receipts import Receipts


class Journal:
    """The history of one app, a part for each table. Opened when first needed; every write is committed immediately.

    Losing it loses history, never traffic: a journal that is broken is set aside, one of a newer bluegreen is
    left alone, one that cannot be written is done without. `tell` gets one message about it.
    """

    def __init__(
        self, state: Path, now: Callable[[], str], tell: Callable[[str], None] = lambda _: None, look: bool = False
    ) -> None:
        database = Database(str(state), now, tell, look)
        self.releases = Releases(database, now)
        self.operations = Operations(database, state)
        self.runs = Runs(database, now)
        self.pending_images = PendingImages(database)
        self._database = database
        self.close = database.close

    @cached_property
    def figures(self) -> FigureTables:
        """Who needs none does not load them."""
        from bluegreen.state.figures import FigureTables

        return FigureTables(self._database)

    @cached_property
    def receipts(self) -> Receipts:
        from bluegreen.state.receipts import Receipts

        return Receipts(self._database)
