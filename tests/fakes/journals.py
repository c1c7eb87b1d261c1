"""Journals of tests: quick ones, and none is left open for the garbage collector (a warning since Python 3.13)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest


@contextlib.contextmanager
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """What is on the disk after a power cut is not asked; every database that was opened is closed at the end."""
    connect = sqlite3.connect
    opened: list[sqlite3.Connection] = []

    def noted(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **more)
        opened.append(connection)
        connection.execute("pragma synchronous = off")
        return connection

    monkeypatch.setattr(sqlite3, "connect", noted)
    try:
        yield opened
    finally:
        for connection in opened:
            with contextlib.suppress(sqlite3.ProgrammingError):  # another thread's, which has closed it
                connection.close()


def is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018 - asked for its error alone
    except sqlite3.ProgrammingError:
        return False
    return True
