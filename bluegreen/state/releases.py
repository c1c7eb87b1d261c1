"""The journal's releases: what ran, who said what of it, how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from bluegreen.domain.app import Route
from bluegreen.domain.release import Begun, Image, Note
from bluegreen.domain.shape import shaped
from bluegreen.state.database import Database

COLUMNS = (
    "number", "created", "color", "outcome", "definition", "images", "services", "owner", "expect", "note",
    "revision", "subject", "previous", "restores", "figures",
)  # fmt: skip
AS_JSON = ("images", "services", "figures")
NUMBERS = ("previous", "restores")
TEXTS = ("created", "color", "outcome", "definition", "owner", "expect", "note", "revision", "subject")


class Releases:
    """What ran, who said what of it, how it ended."""

    def __init__(self, database: Database, now: Callable[[], str]) -> None:
        self._db, self._now = database, now

    def newest(self) -> int:
        """The highest release number given out; 0: none."""
        return int(self._db.rows("select coalesce(max(number), 0) from releases")[0][0])

    def start(self, begun: Begun) -> None:
        """Records a release before any container of it exists."""
        said = begun.note
        self._db.execute(
            "insert or replace into releases (number, created, color, definition, images, services, owner, expect,"
            " note, revision, subject, previous, restores) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                begun.number, self._now(), begun.color, begun.definition,
                json.dumps({name: asdict(image) for name, image in begun.images.items()}),
                json.dumps(begun.services, sort_keys=True), said.owner, said.expect, said.note, said.revision,
                said.subject, begun.previous, begun.restores,
            ),
        )  # fmt: skip

    def end(self, number: int, outcome: str, images: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        self._db.execute(
            "update releases set outcome = ?, images = ?, figures = ? where number = ?",
            (outcome, json.dumps(images), json.dumps(figures), number),
        )

    def annotate(self, number: int, note: Note) -> None:
        """What was said of a release later, when a prepared one is switched to; what was not said stays."""
        for column in ("owner", "expect", "note"):
            if value := getattr(note, column):
                self._db.execute(f"update releases set {column} = ? where number = ?", (value, number))  # noqa: S608 - fixed names

    def all(self) -> list[dict[str, Any]]:
        """Every release, the newest first, with the names of COLUMNS as keys."""
        if not self._db.exists():
            return []
        rows = self._db.rows(f"select {', '.join(COLUMNS)} from releases order by number desc")  # noqa: S608 - fixed names
        found = [_release(dict(zip(COLUMNS, row, strict=True))) for row in rows]
        return [it for it in found if it is not None]


def _release(row: dict[str, Any]) -> dict[str, Any] | None:
    """A row as a value; None: what is written there is none of ours, so there is no such release."""
    try:
        found = {key: json.loads(value) if key in AS_JSON else value for key, value in row.items()}
        images, services, figures = (found[key] for key in AS_JSON)
        for image in images.values():
            shaped(Image, image)
        sound = (
            all(isinstance(found[key], str) for key in TEXTS)
            and all(found[key] is None or type(found[key]) is int for key in NUMBERS)
            and all(type(figure) in (int, float) for figure in figures.values())
            and (services == {} or _is_definition(services, images if found["outcome"] == "live" else None))
        )
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    return found if sound else None


def _is_definition(services: Mapping[str, Any], images: Mapping[str, Any] | None) -> bool:
    """Whether this is what `written_down` makes of a release; with `images`, one that has served."""
    names = {Route.from_dict(route).service for route in services["routes"]} | set(services["jobs"])
    written = services["services"]
    return (
        names <= set(written)
        and (images is None or names <= set(images))
        and all(isinstance(it["environment"], dict) for it in written.values())
        and all(type(services[key]) in (int, float) for key in ("max_body", "read_timeout"))
    )
