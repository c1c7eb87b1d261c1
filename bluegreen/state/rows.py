"""Rows of the journal, as values."""

from __future__ import annotations

from dataclasses import dataclass


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
