"""What a comparison of two releases has shown, by route and by kind. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bluegreen.domain.answers import Answer
from bluegreen.domain.differing import (
    ADDED,
    HEADER,
    KINDS,
    LENGTH,
    MISSING,
    SILENT,
    SIZE,
    STATUS,
    TYPE,
    Difference,
    Key,
    covers,
    differences,
)
from bluegreen.domain.learning import Identity
from bluegreen.domain.replay import shown_uri
from bluegreen.domain.traffic import Seen

REFUSED = (401, 403)  # what is said to somebody who is not logged in
MOVED = (301, 302, 303, 307, 308)
LOG_IN = re.compile(r"log-?in|sign-?in|auth|sso|session", re.IGNORECASE)
NOISE = 2  # a difference has to be more than so many times as frequent as noise at the same place


@dataclass(frozen=True)
class Asked:
    """One request and its answers: of the live release twice, and between them of the other one. Times in seconds."""

    seen: Seen
    first: Answer
    other: Answer
    second: Answer
    seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)  # in the order of the answers


@dataclass(frozen=True)
class Found:
    """One kind of difference on one route: how many of the compared requests have it, and one of them."""

    difference: Difference
    count: int
    example: str

    def words(self, compared: int) -> str:
        """`14 of 50 lack "price"`."""
        return f"{self.count} of {compared} {phrase(self.difference, self.count == 1)}"


@dataclass(frozen=True)
class OnRoute:
    """What was compared on one route. `found`: most frequent first."""

    route: str
    compared: int
    differ: int
    found: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What was seen. `not_reached`: route to why it could not be compared; times in seconds."""

    routes: tuple[OnRoute, ...] = ()
    not_reached: Mapping[str, str] = field(default_factory=dict)
    live_seconds: tuple[float, ...] = ()
    other_seconds: tuple[float, ...] = ()

    @property
    def compared(self) -> int:
        return sum(it.compared for it in self.routes)

    @property
    def differ(self) -> int:
        return sum(it.differ for it in self.routes)

    @property
    def share(self) -> float:
        """Of the requests that were compared, how many differ, from 0 to 1."""
        return self.differ / self.compared if self.compared else 0.0

    def lines(self) -> Iterator[str]:
        """Each difference, the most frequent of each route first."""
        for it in self.routes:
            yield from (f"{it.route}: {found.words(it.compared)}" for found in it.found)


def compare(asked: Iterable[Asked], mine: Identity, its: Identity) -> Comparison:
    """`mine`: the live release; `its`: the other one."""
    routes: defaultdict[str, list[Asked]] = defaultdict(list)
    barred: dict[str, str] = {}
    live: list[float] = []
    other: list[float] = []
    for one in asked:
        if why := barrier(one, mine, its):
            barred.setdefault(one.seen.route, why)
            continue
        routes[one.seen.route].append(one)
        live += [one.seconds[0], one.seconds[2]]
        other += [] if one.other.problem else [one.seconds[1]]
    found = [_on_route(route, each, mine, its) for route, each in routes.items()]
    found.sort(key=lambda it: (-it.differ, -it.compared, it.route))
    return Comparison(tuple(found), dict(sorted(barred.items())), tuple(live), tuple(other))


def barrier(one: Asked, mine: Identity, its: Identity) -> str:
    """Why nothing can be said about a request; empty: it can be compared.

    What is refused without a log-in, by both releases in the same way, was not reached; an answer of the other release
    that is not refused any more is a difference.
    """
    live = one.first
    if live.problem or one.second.problem:
        return f"live: {live.problem or one.second.problem}"
    noise = differences(live, one.second, mine, mine)
    if any(not covers(noise, it) for it in differences(live, one.other, mine, its).values()):
        return ""
    if live.status in REFUSED:
        return str(live.status)
    where = urlsplit(live.headers.get("location", "")).path if live.status in MOVED else ""
    if where and (one.seen.status < 300 or LOG_IN.search(where)):
        return f"{live.status} to {where}"
    return ""


def _on_route(route: str, asked: Sequence[Asked], mine: Identity, its: Identity) -> OnRoute:
    noise = [differences(one.first, one.second, mine, mine) for one in asked]
    own: list[dict[Key, Difference]] = []
    for one, varies in zip(asked, noise, strict=True):
        found = differences(one.first, one.other, mine, its)
        own.append({key: it for key, it in found.items() if not covers(varies, it)})
    counts = Counter(key for each in own for key in each)
    kept = {key for key in counts if counts[key] > NOISE * _noisy(key, own, noise)}
    found_here = []
    for key in kept:
        place = next(number for number, each in enumerate(own) if key in each)
        found_here.append(Found(own[place][key], counts[key], shown_uri(asked[place].seen.uri)))
    found_here.sort(key=lambda it: (-it.count, KINDS.index(it.difference.kind), it.difference.where))
    return OnRoute(route, len(asked), sum(bool(kept & each.keys()) for each in own), tuple(found_here))


def _noisy(key: Key, own: Sequence[Mapping[Key, Difference]], noise: Sequence[Mapping[Key, Difference]]) -> int:
    """In how many requests of the route the live release differs from itself at this place."""
    sample = next(each[key] for each in own if key in each)
    return sum(covers(varies, sample) for varies in noise)


def phrase(it: Difference, one: bool = False) -> str:
    """What those that differ do, in a few words. `one`: there is one of them."""
    have, place = ("has" if one else "have"), f'"{it.where}"' if it.where else "the body"
    change = f" ({it.live} -> {it.other})" if it.live and it.other else ""
    if it.kind == SILENT:
        return f"{'does' if one else 'do'} not answer ({it.other})"
    if it.kind == STATUS:
        return f"{'answers' if one else 'answer'} {it.other} instead of {it.live}"
    if it.kind == MISSING or (it.kind == HEADER and not it.other):
        return f"{'lacks' if one else 'lack'} {place if it.kind == MISSING else it.where}"
    if it.kind == ADDED or (it.kind == HEADER and not it.live):
        return f"also {have} {place if it.kind == ADDED else it.where}"
    if it.kind == HEADER:
        return f"{have} another {it.where}{change}"
    if it.kind == TYPE:
        return f"{have} {it.other} instead of {it.live} in {place}"
    if it.kind == LENGTH:
        return f"{have} another number of entries in {place}{change}"
    return f"{have} another size{change}" if it.kind == SIZE else f"{have} another {place}{change}"


def percentile(seconds: Sequence[float], part: float) -> float | None:
    """The nearest-rank percentile; None: there is nothing."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))] if ordered else None
