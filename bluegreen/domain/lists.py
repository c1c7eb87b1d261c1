"""Lists of a recorded answer: which are data with changing entries, and the shape that these entries share. Pure.

`["#each", SHAPE]` means a list of any length; each of its entries has that shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bluegreen.domain.answers import EACH, NOTHING, TIME, UUID, kind_of

SHORT = 10  # entries; a longer list always counts as data
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.:/+-]{0,30}")  # de, read:items, v2: a name; no sentence, no number


def constant(values: Sequence[list[Any]], top: bool) -> bool:
    """Whether a list is fixed, such as the languages of a service: short, only words, the same each time.

    `top`: the list is all of the answer. Then it is data, even if all its entries are words.
    """
    first = values[0]
    return (
        not top
        and 0 < len(first) <= SHORT
        and all(value == first for value in values)
        and all(isinstance(it, str) and WORD.fullmatch(it) and not UUID.fullmatch(it) for it in first)
    )


def each(values: Sequence[list[Any]]) -> Any:
    """How lists of data are written: `["#each", SHAPE]`, or #array if nothing is known about its entries."""
    entries = [entry for value in values for entry in value]
    found = shape(entries) if entries else NOTHING
    return "#array" if found is NOTHING or found == "#ignore" else [EACH, found]


def shape(entries: Sequence[Any]) -> Any:
    """What all of these have in common: the keys of objects and the kinds of values, never a value."""
    kinds = {kind_of(entry) for entry in entries}
    if kinds == {"object"}:
        names = [name for name in entries[0] if all(name in entry for entry in entries)]
        return {name: shape([entry[name] for entry in entries]) for name in names}
    if kinds == {"array"}:
        return each(entries)
    if len(kinds) > 1 or kinds == {"null"}:
        return "#ignore"
    return marker(entries, kinds.pop())


def marker(values: Sequence[Any], kind: str) -> str:
    """How values of one kind are written."""
    if kind == "string":
        for name, pattern in (("#uuid", UUID), ("#time", TIME)):
            if all(pattern.fullmatch(value) for value in values):
                return name
    return f"#{kind}"


def entry_of(today: Any, key: str | int) -> Any:
    """A part of today's answer, where it has one."""
    if isinstance(today, Mapping) and isinstance(key, str):
        return today.get(key, NOTHING)
    if isinstance(today, list) and isinstance(key, int) and key < len(today):
        return today[key]
    return NOTHING
