"""Receipts of moves of traffic, written from nginx's log when it has the requests: by this verb or the next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bluegreen.domain.figures import Figures, Gap
from bluegreen.domain.receipt import Books, in_words
from bluegreen.errors import OF_MACHINE, BluegreenError
from bluegreen.flow.figures import LOOK_AT_CLOCK, catch_up, is_stamp, moment
from bluegreen.flow.traffic import stamped
from bluegreen.flow.values import Tools

MOST = 200_000  # lines that are read for one receipt
SECONDS = 2.0  # that it is read for
LATE = 1.0  # seconds after which nginx has written what happened at a move
PENDING = 2  # receipts that one command writes


def account(tools: Tools, proxy: str | None = None) -> Figures:
    """Reads nginx's log: figures, and the receipts that are due. Returns figures that could not be kept.

    Raises BluegreenError when the log cannot be read.
    """
    if proxy is None:
        there = tools.proxy.container()
        proxy = there.speaker if there and there.running else None
    unkept = catch_up(tools, proxy) if proxy else Figures()
    if proxy and tools.journal.figures.writable():
        gaps = tools.journal.figures.known(tools.wall()).gaps
        _write_due(tools, proxy, gaps)
    return unkept


def written(tools: Tools, release: int) -> list[dict[str, Any]]:
    """Receipts of the moves to a release, the oldest first, with their `words`; those that are due are written."""
    if any("requests" not in it for it in tools.journal.receipts.of(release)):
        accounted(tools)
    return [{**it, "words": in_words(it)} for it in tools.journal.receipts.of(release) if "requests" in it]


def accounted(tools: Tools, proxy: str | None = None) -> str:
    """`account` of a verb that acts: what kept it from doing so, in a phrase; empty: nothing."""
    _, why = looked(tools, proxy)
    return f"nginx's log was not added to the figures ({why}); the next command reads it" if why else ""


def looked(tools: Tools, proxy: str | None = None) -> tuple[Figures, str]:
    """`account` of a verb that looks: (figures that could not be kept, why the log cannot be read). Never raises."""
    try:
        return account(tools, proxy), ""
    except (BluegreenError, *OF_MACHINE) as error:
        return Figures(), str(error) or type(error).__name__


def _write_due(tools: Tools, proxy: str, gaps: Iterable[Gap]) -> None:
    moves = tools.journal.receipts.moves()
    due = [(number, move) for number, move, pending in moves if pending and tools.wall() - move.ended >= LATE]
    for number, move in due[:PENDING]:
        later = [other.began for _, other, _ in moves if other.began > move.ended]
        books = Books(move, min([*later, tools.wall()]))
        _read(tools, proxy, books)
        books.incomplete += [
            f"nobody has read the log from {gap.since[:19]} to {gap.until[:19]}: {gap.why}"
            for gap in gaps
            if _overlap(gap, books)
        ]
        tools.journal.receipts.end(number, books.receipt())


def _overlap(gap: Gap, books: Books) -> bool:
    try:
        return moment(gap.since) <= books.until and moment(gap.until) >= books.since
    except ValueError:  # somebody has written it
        return False


def _read(tools: Tools, proxy: str, books: Books) -> None:
    end = tools.clock() + SECONDS
    chunks = tools.containers.read_log(proxy, books.since, books.until + LATE)
    for number, (stamp, one) in enumerate(stamped(chunks), 1):
        if not is_stamp(stamp):
            books.incomplete.append("the Engine cannot read nginx's log")
            return
        if one:
            books.see(one)
        if number >= MOST or (number % LOOK_AT_CLOCK == 0 and tools.clock() > end):
            books.incomplete.append(f"only {number} lines of nginx's log were read")
            return
