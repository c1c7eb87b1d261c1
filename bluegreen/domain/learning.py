"""Makes an expected answer from several answers to one request, and from what a person edited before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bluegreen.domain import lists
from bluegreen.domain.answers import (
    EACH,
    EITHER_COLOR,
    LONGEST_ARRAY,
    NOTHING,
    SECRET,
    TELLING,
    Answer,
    Expectation,
    fits,
    fits_whole,
    is_each,
    kind_of,
)


@dataclass(frozen=True)
class Identity:
    """What a color may say of itself in its answers."""

    color: str
    release: int


def learn(
    asked: Expectation,
    answers: Sequence[Answer],
    live: Identity,
    other: tuple[Identity, Answer] | None,
    exact: bool = False,
) -> Expectation:
    """What all of these answers to one request have in common. They have one status.

    `exact`: lists are kept with their entries; otherwise lists of data become the shape that their entries share.

    `other` is the idle color's answer, if there is one: if each color answers with its own color or release,
    this is no difference between releases.
    """
    first = answers[0]
    headers = {
        name: first.headers[name.lower()]
        for name in TELLING
        if len({answer.headers.get(name.lower()) for answer in answers}) == 1 and first.headers.get(name.lower())
    }
    bodies = [answer.as_json() for answer in answers]
    found = NOTHING if NOTHING in bodies else _common(bodies, "", exact)
    if found is not NOTHING:
        found = _own(found, bodies[0], live, other[0] if other else None, other[1].as_json() if other else NOTHING, "")
    return Expectation(
        asked.method, asked.path, asked.headers, asked.body, first.status, headers, found, None
    )  # fmt: skip


def _common(values: list[Any], key: str, exact: bool) -> Any:
    kinds = {kind_of(value) for value in values}
    if kinds == {"object"}:
        return {
            name: _common([it[name] for it in values], name, exact)
            for name in values[0]
            if all(name in it for it in values)
        }
    if kinds == {"array"}:
        if not exact and not lists.constant(values, not key):
            return lists.each(values)
        if len({len(value) for value in values}) > 1 or len(values[0]) > LONGEST_ARRAY:
            return "#array"
        return [_common(list(entries), key, exact) for entries in zip(*values, strict=True)]
    if len(kinds) > 1:
        return "#ignore"
    if SECRET.search(key) and kinds == {"string"}:
        return "#string"
    if all(value == values[0] for value in values):
        return f"#literal {values[0]}" if isinstance(values[0], str) and values[0].startswith("#") else values[0]
    return lists.marker(values, kinds.pop())


def _own(found: Any, value: Any, live: Identity, idle: Identity | None, beside: Any, key: str) -> Any:
    """`found` with patterns where each color answers with its own color or release."""
    if isinstance(found, dict):
        there = beside if isinstance(beside, dict) else {}
        return {name: _own(it, value[name], live, idle, there.get(name, NOTHING), name) for name, it in found.items()}
    if is_each(found):
        return found
    if isinstance(found, list):
        same = beside if isinstance(beside, list) and len(beside) == len(found) else [NOTHING] * len(found)
        return [_own(it, value[n], live, idle, same[n], key) for n, it in enumerate(found)]
    if _says(value, beside, live.color, idle.color if idle else None, "color" in key.lower()):
        return EITHER_COLOR
    if _says(str(value), str(beside), str(live.release), str(idle.release) if idle else None, "release" in key.lower()):
        return "#number" if kind_of(value) == "number" else "#regex ^[0-9]+$"
    return found


def _says(value: Any, beside: Any, mine: str, others: str | None, named_so: bool) -> bool:
    if value != mine:
        return False
    return beside == others if others is not None else named_so


def merge(before: Expectation, learned: Expectation, today: Any = NOTHING, exact: bool = False) -> Expectation:
    """A request that is recorded again: where today's answer fits the old record, that stays as a person edited it.

    `today`: that answer's JSON; `exact`: lists are recorded with their entries, as the person asked. New keys are not
    added to an object that was recorded before: somebody may have removed them.
    """
    headers = {
        name: value if name not in learned.answer_headers or fits(value, learned.answer_headers[name])
        else learned.answer_headers[name]
        for name, value in before.answer_headers.items()
    }  # fmt: skip
    if before.json is NOTHING and before.text is None:
        found = learned.json
    else:
        found = _merged(before.json, learned.json, today, exact)
    return replace(learned, answer_headers=headers, json=found, text=before.text)


def _merged(before: Any, learned: Any, today: Any, exact: bool) -> Any:
    if is_each(before) and is_each(learned):
        return [EACH, _merged(before[1], learned[1], NOTHING, exact)]
    if is_each(before) or is_each(learned):
        stays = not (exact and isinstance(learned, list)) and today is not NOTHING and fits_whole(before, today)
        return before if stays else learned
    if isinstance(before, dict) and isinstance(learned, dict):
        kept = [(name, value) for name, value in before.items() if name in learned]
        return {name: _merged(value, learned[name], lists.entry_of(today, name), exact) for name, value in kept}
    if isinstance(before, list) and isinstance(learned, list) and len(before) == len(learned):
        pairs = enumerate(zip(before, learned, strict=True))
        return [_merged(old, new, lists.entry_of(today, n), exact) for n, (old, new) in pairs]
    if before is NOTHING or learned is NOTHING:
        return NOTHING if before is NOTHING else learned
    same = before == learned or (isinstance(learned, str) and learned.startswith("#") and _marked(before, learned))
    return before if same or fits(before, _plain(learned)) else learned


def _plain(learned: Any) -> Any:
    return learned.removeprefix("#literal ") if isinstance(learned, str) else learned


def _marked(before: Any, learned: str) -> bool:
    """Whether the old record is a marker that a value of the learned kind may fit: #ignore, #regex or the same."""
    return isinstance(before, str) and (before in ("#ignore", learned) or before.startswith("#regex "))
