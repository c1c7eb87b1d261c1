"""Four questions, answered with figures: is an app up, is it slow, do its jobs fail, did a release change anything.

Pure. An answer is `yes`, `no` or `cannot tell`; its words have the figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bluegreen.domain.figures import OTHER, Sums
from bluegreen.domain.words import counted

NOW, BEFORE = 5, 60  # minutes
FEW = 30  # requests of which fewer say nothing about how long they take
ENOUGH = 100  # requests of each release from which on they are compared
SLOW = 2.0  # times as long
CHANGED = 1.5  # times as much or as little
LEAST = 0.05  # seconds that are not slow, whatever it was before
NOTICED = 0.02  # seconds less than which nobody notices
SURE = 3.3  # standard errors: one release of a thousand seems to have changed and has not
ROUTE_FEW = 50  # requests of a route in both releases
SEEN = 20  # requests of a route that make it one of a release
CERTAIN = 10  # requests that a route that vanished would have had by now
MEMORY = 20 * 1024 * 1024  # bytes
LISTED = 3  # routes that the words name


@dataclass(frozen=True)
class Answer:
    """`what`: the figures, as `--json` has them."""

    answer: str
    words: str
    what: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"answer": self.answer, "words": self.words, **self.what}


@dataclass(frozen=True)
class Containers:
    """The routed containers of a release: how often they restarted, and what memory they have in use."""

    restarts: int | None = None  # None: unknown
    memory: int | None = None  # bytes of the largest


def summary(sums: Sums) -> dict[str, Any]:
    """What `--json` says of sums."""
    known = sums.latency.count > 0
    return {
        "requests": sums.requests, "failed": sums.failed,
        "p50": round(sums.latency.quantile(0.5), 6) if known else None,
        "p95": round(sums.latency.quantile(0.95), 6) if known else None,
        "mean_size": round(sums.mean_size, 1),
    }  # fmt: skip


def is_slow(now: Sums, hour: Sums, previous: Sums, release: int | None) -> Answer:
    """p50 and p95 of the last minutes, beside the hour before and the previous release."""
    what = {"now": summary(now), "hour": summary(hour), "previous": summary(previous) | {"release": release}}
    said = f"p50 {ms(now, 0.5)}, p95 {ms(now, 0.95)} ({now.requests:,} requests in {NOW} min)"
    if now.latency.count < FEW:
        few = f"{counted(now.requests, 'request')} in {NOW} min" if now.requests else f"no requests in {NOW} min"
        return Answer("cannot tell", few, what)
    beside = [("the hour before", hour)] + ([(f"release {release}", previous)] if release else [])
    known = [(name, sums) for name, sums in beside if sums.latency.count >= FEW]
    if not known:
        return Answer("cannot tell", f"{said}; nothing to compare with yet", what)
    said += "".join(f"; {name} {ms(sums, 0.5)}, {ms(sums, 0.95)}" for name, sums in known)
    slower = [name for name, sums in known if _slower(now, sums, SLOW, LEAST)]
    return Answer("yes" if slower else "no", said, what)


def _slower(now: Sums, before: Sums, factor: float, least: float) -> bool:
    pairs = [(now.latency.quantile(q), before.latency.quantile(q)) for q in (0.5, 0.95)]
    return any(mine > factor * other and mine - other > least for mine, other in pairs)


def jobs_fail(jobs: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> Answer:
    """`shown`: a phrase for each job."""
    failing = [f"{name}: {words}" for name, it in jobs.items() for words in it["failing"]]
    if not jobs:
        return Answer("no", "there are none")
    return Answer("yes" if failing else "no", "; ".join(shown), {"failing": failing})


@dataclass(frozen=True)
class Side:
    """One release, as visitors had it."""

    release: int
    sums: Sums
    routes: Mapping[str, Sums]
    containers: Containers = Containers()


def changed(before: Side | None, after: Side | None, since: str) -> Answer:
    """Whether a release answers otherwise than the one before. `since`: how long visitors have it, in words."""
    if after is None or before is None:
        return Answer("cannot tell", "there is no release before" if after else "no release is live", {"what": []})
    what = {"releases": [before.release, after.release], "before": summary(before.sums), "after": summary(after.sums)}
    found = [*_of_containers(before.containers, after.containers)]
    compared = min(before.sums.requests, after.sums.requests) >= ENOUGH
    if compared:
        found = [*_of_sums(before.sums, after.sums), *found, *_of_routes(before, after)]
    what["what"] = [{"name": name, "words": words} for name, words in found]
    head = f"release {after.release}, {since}"
    if found:
        return Answer("yes", f"{head}: {'; '.join(words for _, words in found)}", what)
    if not compared:
        counts = f"{counted(after.sums.requests, 'request')}, release {before.release} {before.sums.requests:,}"
        return Answer("cannot tell", f"{head}: {counts} in its last hour; {ENOUGH} of each are compared", what)
    said = f"{share(after.sums)} failed (release {before.release}: {share(before.sums)})"
    said += f", p95 {ms(after.sums, 0.95)} ({ms(before.sums, 0.95)}), {after.sums.requests:,} requests"
    return Answer("no", f"{head}: {said}", what)


def _of_sums(before: Sums, after: Sums) -> Iterator[tuple[str, str]]:
    if surely_other(before, after):
        yield "errors", f"{share(after)} failed, before {share(before)}"
    slower = _slower(after, before, CHANGED, NOTICED)
    if slower or _slower(before, after, CHANGED, NOTICED):
        pairs = f"p50 {ms(after, 0.5)}, before {ms(before, 0.5)}; p95 {ms(after, 0.95)}, before {ms(before, 0.95)}"
        yield "latency", f"{'slower' if slower else 'faster'}: {pairs}"


def surely_other(before: Sums, after: Sums) -> bool:
    """Whether two shares of failed requests differ by more than chance, and by enough to matter."""
    count = before.requests + after.requests
    both = (before.failed + after.failed) / count
    spread = math.sqrt(both * (1 - both) * (1 / before.requests + 1 / after.requests))
    differ = abs(before.failed_share - after.failed_share)
    return differ >= 0.001 and differ > SURE * spread


def _of_containers(before: Containers, after: Containers) -> Iterator[tuple[str, str]]:
    if after.restarts:
        yield "restarts", counted(after.restarts, "restart")
    if before.memory and after.memory:
        ratio = after.memory / before.memory
        if not 1 / CHANGED < ratio < CHANGED and abs(after.memory - before.memory) > MEMORY:
            yield "memory", f"memory {size(after.memory)}, before {size(before.memory)}"


def _of_routes(before: Side, after: Side) -> Iterator[tuple[str, str]]:
    mine = {name: sums for name, sums in after.routes.items() if name != OTHER}
    theirs = {name: sums for name, sums in before.routes.items() if name != OTHER}
    new = [name for name, sums in mine.items() if name not in theirs and sums.requests >= SEEN]
    if new:
        yield "routes", f"new: {_names(new)}"
    ratio = after.sums.requests / before.sums.requests
    gone = [
        name for name, sums in theirs.items()
        if name not in mine and sums.requests >= SEEN and sums.requests * ratio >= CERTAIN
    ]  # fmt: skip
    if gone:
        yield "routes", f"gone: {_names(gone)}"
    both = [
        (name, theirs[name], sums) for name, sums in mine.items()
        if name in theirs and min(sums.requests, theirs[name].requests) >= ROUTE_FEW
    ]  # fmt: skip
    if slower := [name for name, was, now in both if _slower(now, was, SLOW, NOTICED)]:
        yield "latency", f"slower routes: {_names(slower)}"
    sizes = [name for name, was, now in both if _resized(was, now)]
    if sizes:
        it = sizes[0]
        pair = f"{size(mine[it].mean_size)}, before {size(theirs[it].mean_size)}"
        yield "sizes", f"other sizes: {_names(sizes)} ({pair})"


def _resized(was: Sums, now: Sums) -> bool:
    smaller, larger = sorted((was.mean_size, now.mean_size))
    return larger > CHANGED * max(smaller, 1.0) and larger - smaller > 64


def _names(found: Sequence[str]) -> str:
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return f"{', '.join(found[:LISTED])}{more}"


def ms(sums: Sums, quantile: float) -> str:
    """A quantile, as a person reads it."""
    seconds = sums.latency.quantile(quantile)
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return (
        f"{seconds:.1f} s"
        if seconds >= 1
        else f"{1000 * seconds:.0f} ms"
        if seconds >= 0.01
        else f"{1000 * seconds:.1f} ms"
    )


def share(sums: Sums) -> str:
    return f"{100 * sums.failed_share:.2f} %" if sums.failed else "0 %"


def size(count: float) -> str:
    for unit, limit in (("B", 1024), ("KB", 1024**2), ("MB", 1024**3)):
        if count < limit:
            return f"{count * 1024 / limit:.0f} {unit}"
    return f"{count / 1024**3:.1f} GB"
