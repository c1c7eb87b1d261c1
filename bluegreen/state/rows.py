"""Rows of the journal, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """A migration or a hook that ran once, as the journal knows it. `outcome` None: it never ended."""

    id: int
    release: int
    kind: str  # migrate, or the name of a hook
    name: str  # what ran: the service, or the command on the host
    started: str
    ended: str | None
    outcome: str | None
    code: int | None
    output: str


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
    recorded: bool = True  # False: killed before it was recorded; known from the lock that it held


def text(cell: object) -> str:
    """A cell as text, whatever somebody has written there."""
    return cell.decode(errors="replace") if isinstance(cell, bytes) else "" if cell is None else str(cell)


def number(cell: object) -> int | None:
    return cell if type(cell) is int else None


def run_of(row: tuple[Any, ...]) -> Run:
    """A row of the table, with the columns of Run; each of its type."""
    id_, release, kind, name, started, ended, outcome, code, output = row
    optional = [None if cell is None else text(cell) for cell in (ended, outcome)]
    return Run(
        number(id_) or 0, number(release) or 0, text(kind), text(name), text(started), optional[0], optional[1],
        number(code), text(output),
    )  # fmt: skip


def operation_of(row: tuple[Any, ...]) -> Operation:
    """A row of the table, with the columns of Operation; each of its type."""
    id_, verb, release, target, pid, started, outcome = row
    optional = [None if cell is None else text(cell) for cell in (target, outcome)]
    return Operation(
        number(id_) or 0, text(verb), number(release), optional[0], number(pid) or 0, text(started), optional[1]
    )  # fmt: skip
