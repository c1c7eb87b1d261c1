"""What a report says: everything that is known of one release, and those around it. Looks only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bluegreen.domain.figures import Figures
from bluegreen.domain.receipt import Move
from bluegreen.domain.timeline import Lived, timeline
from bluegreen.errors import BluegreenError
from bluegreen.flow.figures import figures as all_figures
from bluegreen.flow.receipts import looked, written
from bluegreen.flow.values import Tools
from bluegreen.look.history import history, show

RELEASES = 50  # that the page lists, the newest ones
MOVES = 6  # of traffic to or from the release that are drawn, the newest ones
CONTAINERS, LINES, LONG = 6, 60, 400  # of a release that failed: containers, lines of each, characters of a line


@dataclass(frozen=True)
class Log:
    """The last lines of a container, masked."""

    container: str
    state: str
    lines: list[str]


@dataclass(frozen=True)
class Facts:
    """`release` has the fields of `show --json`, `releases` those of `history --json`."""

    app: str
    command: str
    release: dict[str, Any]
    releases: list[dict[str, Any]] = field(default_factory=list)
    all_releases: int = 0
    colors: dict[int, str] = field(default_factory=dict)  # of all releases
    operations: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)  # of moves to it and from it
    moves: list[Move] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    lived: list[Lived] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def facts(tools: Tools, number: int | None) -> Facts:
    """Of this release; None: of the newest one, also when it was taken back. Raises BluegreenError: there is none."""
    unkept, unread = looked(tools)
    notes = [f"nginx's log cannot be read: {unread}"] if unread else []
    records = tools.journal.releases.all()
    newest = records[0]["number"] if records else None
    release = show(tools, number if number is not None else newest)
    figures = all_figures(tools, unkept)
    mine = release["release"]
    moves = [move for _, move, _ in tools.journal.receipts.moves() if mine in (move.release, move.previous)]
    if figures.behind:
        notes.append("nginx's log is longer than one command reads; the next one goes on")
    return Facts(
        tools.app, tools.command, release, history(tools, RELEASES), len(records),
        {it["number"]: it["color"] for it in records}, tools.journal.operations.of(mine),
        _receipts(tools, release, moves), moves[-MOVES:], figures,
        _lived(timeline(tools.journal.operations.moved()), records), list(_logs(tools, release)), notes,
    )  # fmt: skip


def _receipts(tools: Tools, release: Mapping[str, Any], moves: Sequence[Move]) -> list[dict[str, Any]]:
    mine = release["release"]
    others = {move.release for move in moves} - {mine}
    left = [it for other in others for it in written(tools, other) if it["previous"] == mine]
    return sorted([*release["receipts"], *left], key=lambda it: str(it["moved"]))[-MOVES:]


def _lived(lived: list[Lived], records: Sequence[Mapping[str, Any]]) -> list[Lived]:
    """What was live when, with the first release: no traffic has moved to it."""
    first = next((it for it in reversed(records) if it["outcome"] == "live"), None)
    if first and (not lived or first["created"] < lived[0].since):
        return [Lived(first["created"], first["number"], "up"), *lived]
    return lived


def _logs(tools: Tools, release: dict[str, Any]) -> Iterator[Log]:
    """Of a release that did not stay, as long as its containers are there."""
    if release["outcome"] == "live":
        return
    mine = [it for it in tools.containers.replicas() if it.release == release["release"]]
    for it in mine[:CONTAINERS]:
        try:
            found = tools.containers.log_tail(it.id, LINES)
        except BluegreenError as error:
            found = [f"(its log cannot be read: {error.failed or error.summary})"]
        yield Log(it.name, it.state, [tools.mask(line)[:LONG] for line in found])
