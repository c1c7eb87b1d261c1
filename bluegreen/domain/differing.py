"""How the answers of two releases to the same request differ. Pure.

The live release is asked twice: where its own two answers differ, the difference to the other release says nothing
(Diffy's idea: https://github.com/opendiffy/diffy). Where one route has such noise in some requests, a difference in
others counts only when it is more frequent than the noise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bluegreen.domain.answers import NOTHING, SECRET, TELLING, TIME, UUID, Answer, kind_of
from bluegreen.domain.learning import Identity
from bluegreen.domain.traffic import NUMBER

DEEPEST = 40  # levels of JSON; deeper ones are compared as one value
SIZE_SHARE, SIZE_LEAST = 0.1, 64  # a body without JSON differs when it is so much larger or smaller
SHOWN = 40  # characters of a value or a key
TYPE_HEADER = "Content-Type"
SILENT, STATUS, HEADER, MISSING, ADDED, TYPE, VALUE, LENGTH, SIZE = (
    "silent", "status", "header", "missing", "added", "type", "value", "length", "size",
)  # fmt: skip
KINDS = (SILENT, STATUS, HEADER, MISSING, ADDED, TYPE, VALUE, LENGTH, SIZE)
Key = tuple[str, str, str]  # kind, where, and what tells two of them apart


@dataclass(frozen=True)
class Difference:
    """One difference. `where`: a header, or a place in the JSON; `live` and `other`: what each has, shortened."""

    kind: str
    where: str
    live: str = ""
    other: str = ""

    @property
    def key(self) -> Key:
        """What makes it the same difference in another request: for a status or a type, also from what to what."""
        more = f"{self.live} {self.other}" if self.kind in (STATUS, TYPE) else ""
        return self.kind, self.where, more


def differences(live: Answer, other: Answer, mine: Identity, its: Identity) -> dict[Key, Difference]:
    """What differs, each kind and place once. Both answers of one status: headers and bodies count, too."""
    if other.problem or live.problem:
        found = (
            [Difference(SILENT, "", live.problem, other.problem)] if bool(other.problem) != bool(live.problem) else []
        )
    elif live.status != other.status:
        found = [Difference(STATUS, "", str(live.status), str(other.status))]
    else:
        found = [*_headers(live, other, (mine, its)), *_bodies(live, other, (mine, its))]
    return {it.key: it for it in reversed(found)}  # the first of each


def covers(noise: Mapping[Key, Difference], found: Difference) -> bool:
    """Whether the live release differs from itself there."""
    for kind, where, _ in noise:
        if kind in (SILENT, STATUS):
            return True
        both_header = (kind == HEADER) == (found.kind == HEADER)
        if both_header and (where == found.where or (kind != HEADER and _inside(found.where, where))):
            return True
    return False


def _inside(where: str, outer: str) -> bool:
    return not outer or where.startswith((f"{outer}.", f"{outer}[]"))


Both = tuple[Identity, Identity]


def _headers(live: Answer, other: Answer, who: Both) -> Iterator[Difference]:
    for name in TELLING:
        mine, its = live.headers.get(name.lower(), ""), other.headers.get(name.lower(), "")
        if _plain(name, mine) != _plain(name, its) and not _own(mine, its, who, name):
            yield Difference(HEADER, name, _short(mine) if mine else "", _short(its) if its else "")


def _plain(name: str, value: str) -> str:
    return value.replace(" ", "").lower() if name == TYPE_HEADER else value


def _bodies(live: Answer, other: Answer, who: Both) -> Iterator[Difference]:
    mine, its = live.as_json(), other.as_json()
    if mine is not NOTHING and its is not NOTHING:
        yield from _json(mine, its, "", who, 0)
        return
    if (mine is NOTHING) != (its is NOTHING) and _short_enough(live) and _short_enough(other):
        yield Difference(TYPE, "", *("text" if it is NOTHING else "JSON" for it in (mine, its)))
        return
    sizes = size_of(live), size_of(other)
    if abs(sizes[0] - sizes[1]) > max(SIZE_LEAST, SIZE_SHARE * max(sizes)):
        yield Difference(SIZE, "", *(f"{size} B" if size < 10_000 else f"{size / 1000:.0f} kB" for size in sizes))


def size_of(answer: Answer) -> int:
    """Bytes of the body as its header says it, else of what was read."""
    said = answer.headers.get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < 16 else len(answer.body.encode(errors="replace"))


def _short_enough(answer: Answer) -> bool:
    """Whether all of a body was read: of the beginning of JSON it cannot be said that it is JSON."""
    return size_of(answer) <= len(answer.body.encode(errors="replace"))


def _json(mine: Any, its: Any, where: str, who: Both, level: int) -> Iterator[Difference]:
    kinds = kind_of(mine), kind_of(its)
    if kinds[0] != kinds[1]:
        yield Difference(TYPE, where, *kinds)
    elif kinds[0] == "object" and level < DEEPEST:
        for name in mine.keys() | its.keys():
            place = f"{where}.{_key(name)}" if where else _key(name)
            if name not in its or name not in mine:
                yield Difference(MISSING if name in mine else ADDED, place)
            else:
                yield from _json(mine[name], its[name], place, who, level + 1)
    elif kinds[0] == "array" and level < DEEPEST:
        if len(mine) != len(its):
            yield Difference(LENGTH, where, str(len(mine)), str(len(its)))
        for one, other in zip(mine, its, strict=False):
            yield from _json(one, other, f"{where}[]", who, level + 1)
    elif mine != its and not _own(mine, its, who, where):
        secret = SECRET.search(where.rpartition(".")[2])
        yield Difference(VALUE, where, *("" if secret else _short(it) for it in (mine, its)))


def _key(name: str) -> str:
    """A key that names one thing, such as an id, counts as *."""
    return "*" if NUMBER.fullmatch(name) else _short(name)


def _own(mine: Any, its: Any, who: Both, where: str) -> bool:
    """Whether two values differ because they say who answers, or when: color, release, a time, a random id."""
    here, there = who
    if (mine, its) == (here.color, there.color):
        return True
    if "release" in where.lower() and (str(mine), str(its)) == (str(here.release), str(there.release)):
        return True
    if not isinstance(mine, str) or not isinstance(its, str):
        return False
    return any(pattern.fullmatch(mine) and pattern.fullmatch(its) for pattern in (TIME, UUID))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(char if char.isprintable() else " " for char in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
