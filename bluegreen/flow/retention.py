"""Kept releases: brought back by `switch --to`; the images of all others are removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bluegreen.domain.app import Stack
from bluegreen.domain.record import Restored, disposable, kept_releases, restore
from bluegreen.domain.words import counted
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Tools


def can_come_back(tools: Tools, record: Mapping[str, Any]) -> bool:
    """Whether a release has served and all its images are still there."""
    images = record["images"].values()
    return record["outcome"] == "live" and bool(images) and all(tools.images.id_of(it["id"]) for it in images)


def bring_back(tools: Tools, today: Stack, number: int, define: Callable[[Stack], str], force: bool) -> Restored:
    """A kept release, ready to be switched to. Raises BluegreenError when it is not kept, or cannot work any more."""
    records = {record["number"]: record for record in tools.journal.releases.all()}
    if number not in records or not can_come_back(tools, records[number]):
        kept = [str(it) for it, record in sorted(records.items()) if can_come_back(tools, record)]
        outcome = records[number]["outcome"] if number in records else ""
        why = f"its outcome was {outcome}" if outcome != "live" else "its images are gone"
        raise BluegreenError(
            f"Release {number} is not kept." if outcome else f"There is no release {number}.", code="release-not-kept",
            failed=why if outcome else "the history does not have it",
            expected=f"one of: {', '.join(kept) or 'none'} (x-bluegreen.keep: {today.settings.keep})",
            retry="not useful", next=f"{tools.command} history",
        )  # fmt: skip
    migrated = [it for it in records.values() if it["number"] > number and _has_migrated(tools, it["number"])]
    final = sorted(it["number"] for it in migrated if not it["services"].get("reversible", True))
    if final and not force:
        raise BluegreenError(
            f"Release {number} cannot run on the data that release {final[-1]} has migrated.",
            code="migration-not-reversible",
            failed=f"the migration of release {final[-1]} is declared irreversible (migrate.reversible: false)",
            expected="only migrations after which it still works", retry="only with --force",
            next=f"{tools.command} switch --to {number} --force (if you know that it works)",
        )  # fmt: skip
    interpolated = tools.compose.interpolated(Path(today.project_directory))
    try:
        restored = restore(records[number], today, tools.fingerprint, define, interpolated)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BluegreenError(
            f"Release {number} cannot be brought back: its record is damaged.", code="journal-damaged",
            failed=f"{type(error).__name__}: {error}", expected="a complete record in journal.db",
            retry="not useful", next=f"{tools.command} history",
        ) from None  # fmt: skip
    if restored.differing:
        tools.show.notice(
            f"Changed since release {number}: {', '.join(restored.differing)}. Values are not kept: today's are used."
        )
    if migrated:
        names = ", ".join(str(it["number"]) for it in sorted(migrated, key=lambda it: int(it["number"])))
        tools.show.notice(f"Migrations after release {number} are not undone (release {names}).")
    return restored


def _has_migrated(tools: Tools, number: int) -> bool:
    return any(run.kind == "migrate" and run.outcome == "done" for run in tools.journal.runs.of(number))


def note_makings(tools: Tools, references: Iterable[str]) -> None:
    """Before images are made: notes which name points to which image, and what a killed command has built.

    The next build takes the name away from it, and nothing would name the image any more.
    """
    for reference, before in tools.journal.pending_images.names().items():
        there = tools.images.id_of(reference)
        if there and there != before:
            tools.journal.pending_images.add_orphan(there, reference)
    tools.journal.pending_images.start({reference: tools.images.id_of(reference) for reference in references})


def prune(tools: Tools, keep: int) -> str:
    """Removes the images that no kept release needs; says how many. What something else uses stays."""
    routing, records = tools.door.intended(), tools.journal.releases.all()
    kept = kept_releases(records, routing.releases() if routing else (), keep)
    tools.static.forget(kept)
    tools.journal.figures.keep(kept)
    orphans = tools.journal.pending_images.orphans()
    held = tools.images.held() if any(record["number"] not in kept for record in records) else {}
    over = frozenset(name for name, release in held.items() if release not in kept)
    gone = [
        identity
        for identity, names in disposable(records, kept, orphans).items()
        if tools.images.id_of(identity) and tools.images.remove(identity, names | over)
    ]
    for name in over:
        tools.images.let_go(name)
    for identity in orphans:
        if tools.images.id_of(identity) is None:
            tools.journal.pending_images.forget_orphan(identity)
    return f"{counted(len(gone), 'image')} removed" if gone else "nothing to remove"
