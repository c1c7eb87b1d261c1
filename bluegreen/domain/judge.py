"""Whether a new release may stay: what its visitors get, compared with what the release before gave. Pure.

The evidence is that of `evidence.py`, which may be looked at after every request. It says that something is worse, and
not who is to blame: that is asked (see `blame.py`), and what one visitor alone has met is not enough.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bluegreen.domain.beside import Beside
from bluegreen.domain.evidence import Bets, Histogram, Slower, allowed_rate
from bluegreen.domain.replay import unfit_to_repeat
from bluegreen.domain.traffic import UPGRADED, Seen

HURT = 200  # requests that are kept for who asks which ones
SUSPECTS = 60  # requests that are kept to be asked again
VISITORS = 10_000  # that are counted apart, and routes; more count as one
OTHERS = "others"
ALONE = 0.8  # the share of all requests from which on one visitor is a proxy with many behind it
MOST_SHARED = 0.5  # one URL that always fails is no cause for everything else to fail
SETTLING = 3.0  # seconds in which a cold cache is no slow release

Kind = Literal["failures", "slow"]
KINDS: tuple[Kind, ...] = ("failures", "slow")


@dataclass
class Before:
    """What the release before has answered lately: the measure."""

    requests: int = 0
    failed: int = 0
    latency: dict[str, Histogram] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Iterable[Seen], release: int) -> Before:
        found = cls()
        for one in seen:
            if counts(one, release):
                found.requests += 1
                found.failed += one.failed
                if one.status != UPGRADED and not one.failed:
                    found.latency.setdefault(one.route, Histogram()).add(one.seconds)
        return found

    @property
    def all_latency(self) -> Histogram:
        merged = Histogram()
        for one in self.latency.values():
            merged.merge(one)
        return merged


def counts(one: Seen, release: int) -> bool:
    """Whether a request says something of a release: nginx did not answer by itself, and a visitor asked."""
    return one.release == release and bool(one.service) and one.of_visitor


def _named(name: str, known: Mapping[str, object]) -> str:
    return name if name in known or len(known) < VISITORS else OTHERS


class Judge:
    """The traffic of one new release, request by request. It needs no clock of the log, which may be set back."""

    def __init__(self, release: int, before: Before, old: int = 0, leave_out: Sequence[str] = ()) -> None:
        """`old`: the release before; `leave_out`: prefixes of paths that are never asked again."""
        self.release, self.before, self._old, self._leave_out = release, before, old, leave_out
        self.beside = Beside(before.latency)
        self.requests = self.failed = 0
        self.latency = Histogram()
        self.hurt: deque[Seen] = deque(maxlen=HURT)
        self.slow_ones: deque[Seen] = deque(maxlen=SUSPECTS)
        self.failing: Counter[str] = Counter()  # route and status
        self._by_route: dict[str, list[int]] = {}  # requests, failed
        self._visitors: Counter[str] = Counter()
        self._hurt_visitors: Counter[str] = Counter()
        self._bets = Bets(allowed_rate(before.failed, before.requests))
        self._rest: Bets | None = None  # for what cannot be asked again, once there is a shared cause
        self._slower = Slower(before.latency)
        self.cleared: dict[Kind, set[str]] = {"failures": set(), "slow": set()}  # routes; see `clear`

    def see(self, one: Seen, elapsed: float) -> None:
        """Takes one request in; others' are left alone. `elapsed`: seconds since the release got traffic."""
        if self._old and counts(one, self._old):
            self.beside.see(one, new=False)
        if not counts(one, self.release):
            return
        self.beside.see(one, new=True)
        route = one.route
        self.requests += 1
        visitor = _named(one.visitor, self._visitors)
        self._visitors[visitor] += 1
        known = self._by_route.setdefault(_named(route, self._by_route), [0, 0])
        known[0] += 1
        known[1] += one.failed
        ours = route not in self.cleared["failures"]
        if ours:
            self._of(route).see(one.failed)
        if one.failed:
            self.failed += 1
            self.hurt.append(one)
            self._fails(one, route, visitor, ours)
        elif one.status != UPGRADED:
            self.latency.add(one.seconds)
            if elapsed >= SETTLING and route not in self.cleared["slow"]:
                before = self._slower.strength
                self._slower.see(route, one.seconds)
                if self._slower.strength > before:
                    self.slow_ones.append(one)

    def _fails(self, one: Seen, route: str, visitor: str, ours: bool) -> None:
        name = f"{route} {one.status}"
        full = len(self.failing) >= VISITORS and name not in self.failing
        self.failing[f"{OTHERS} {one.status}" if full else name] += ours
        self._hurt_visitors[visitor] += ours

    def _of(self, route: str) -> Bets:
        return self._bets if self._rest is None or route.startswith("GET ") else self._rest

    def strength(self, kind: Kind) -> float:
        """How far the evidence has come: 1 and more is enough, if who is to blame is known."""
        if kind == "slow":
            return self._slower.strength
        return max(self._bets.strength, self._rest.strength if self._rest else 0.0)

    def suspects(self, kind: Kind) -> list[Seen]:
        """The requests that can be asked again, the latest first, each of a visitor and an address once."""
        found: dict[tuple[str, str], Seen] = {}
        for one in reversed(self.hurt if kind == "failures" else self.slow_ones):
            known = one.route in self.cleared[kind]
            if not known and not unfit_to_repeat(one, self._leave_out):
                found.setdefault((one.host, one.uri), one)
        return list(found.values())[:SUSPECTS]

    @property
    def spread(self) -> bool:
        """Whether more than one visitor on one route is hurt; a proxy that hides its visitors counts as many."""
        visitors = [name for name, count in self._hurt_visitors.most_common(2) if count]
        routes = {name.rpartition(" ")[0] for name, count in self.failing.items() if count}
        hidden = any(self._visitors[name] >= ALONE * self.requests for name in visitors)
        return len(visitors) > 1 or len(routes) > 1 or (hidden and self.requests > self.failed)

    def shared(self, kind: Kind) -> list[str]:
        """The routes on which visitors who stay on the release before have the same trouble, and that still count."""
        return [route for route in self.beside.shared(kind) if route not in self.cleared[kind]]

    def clear(self, kind: Kind, routes: Iterable[str]) -> None:
        """On these routes both releases do the same: what happens there is no evidence against either.

        What fails elsewhere and cannot be asked again may have the same cause, so it must fail more often than the
        best of them does. What can be asked again is measured as before.
        """
        self.cleared[kind] |= set(routes)
        if kind == "slow":
            self._slower = Slower(
                {name: it for name, it in self.before.latency.items() if name not in self.cleared[kind]}
            )
            self.slow_ones.clear()
            return
        counted = {route: it for route, it in self._by_route.items() if route in self.cleared[kind]}
        shared = [allowed_rate(failed, requests) for requests, failed in counted.values()]
        usual = allowed_rate(self.before.failed, self.before.requests)
        self._bets, self._rest = Bets(usual), Bets(max(usual, min([MOST_SHARED, *shared])))
        for route, (requests, failed) in self._by_route.items():
            if route not in self.cleared[kind]:
                self._of(route).see(failed=False, times=requests - failed)
                self._of(route).see(failed=True, times=failed)
        for name in [it for it in self.failing if it.rpartition(" ")[0] in self.cleared[kind]]:
            self.failing[name] = 0
        hurt = [one for one in self.hurt if one.route not in self.cleared[kind]]
        self._hurt_visitors = Counter(_named(one.visitor, self._visitors) for one in hurt)

    def figures(self) -> str:
        """What was seen so far, in a line."""
        stayed = self.beside.words(self._old)
        said = f"{_said(self.requests, self.failed, self.latency)}; before: {self.was()}"
        return f"{said}; {stayed}" if stayed else said

    def was(self) -> str:
        """The same of the release before."""
        return _said(self.before.requests, self.before.failed, self.before.all_latency)

    def evidence(self, kind: Kind) -> str:
        """What speaks against the release, in a sentence."""
        if kind == "failures":
            most = ", ".join(f"{name} ({count} x)" for name, count in self.failing.most_common(3) if count)
            of_before = f"{self.before.failed} of {self.before.requests} before"
            stayed = self.beside.words(self._old)
            of_before = f"{of_before}; {stayed}" if stayed else of_before
            return f"{self.failed} of {self.requests} requests failed: {most}; {of_before}"
        was, now = self._slower.shown
        return f"p95 is {milliseconds(now)}, before it was {milliseconds(was)}, in {self.requests} requests"


def _said(requests: int, failed: int, latency: Histogram) -> str:
    if not requests:
        return "no requests"
    share = f"{100 * failed / requests:.1f} % failed"
    if not latency.count:
        return f"{requests:,} requests, {share}"
    quantiles = (f"p{round(100 * q)} {milliseconds(latency.quantile(q))}" for q in (0.5, 0.95, 0.99))
    return f"{requests:,} requests, {share}, {', '.join(quantiles)}"


def milliseconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{1000 * seconds:.0f} ms"


def hurt_lines(hurt: Iterable[Seen], most: int) -> list[str]:
    """The requests that failed, for who has to look after them: when (UTC), what, how, and its id. Without queries."""
    from datetime import UTC, datetime

    found = [*hurt]
    lines = []
    for one in found[-most:]:
        path, moment = one.uri.partition("?")[0][:80], datetime.fromtimestamp(one.ended, UTC)
        lines.append(f"{moment:%H:%M:%S} {one.method} {path} {one.status} {one.request_id}")
    return [*([f"the last {most} of {len(found)}"] if len(found) > most else []), *lines]
