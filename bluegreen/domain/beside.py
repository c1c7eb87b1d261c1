"""What visitors who stay on the release before get, while others have the new one. Pure.

A trouble that both releases have at the same time hits them too. That clears what cannot be asked again: a POST, a
short trouble. With a small share of visitors it takes long to be seen, so nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bluegreen.domain.blame import SHARE, SHARED
from bluegreen.domain.evidence import Histogram, too_late
from bluegreen.domain.traffic import UPGRADED, Seen

QUANTILE = 0.95
ROUTES = 10_000  # that are counted apart


@dataclass
class Tally:
    """One route with one release."""

    requests: int = 0
    failed: int = 0
    late: int = 0

    def rate(self, kind: str) -> float:
        return (self.failed if kind == "failures" else self.late) / self.requests if self.requests else 0.0


class Beside:
    """Both releases, minute by minute: from the moment on at which the new one got visitors."""

    def __init__(self, usual: Mapping[str, Histogram]) -> None:
        bounds = {route: it.quantile_bound(QUANTILE) for route, it in usual.items()}
        self._late = {route: too_late(it) for route, it in bounds.items() if it is not None}
        self._old: dict[str, Tally] = {}
        self._new: dict[str, Tally] = {}
        self.requests = self.failed = 0  # of the release before

    def see(self, one: Seen, new: bool) -> None:
        """Takes one request in. `new`: of the new release."""
        if not new:
            self.requests += 1
            self.failed += one.failed
        sums, route = self._new if new else self._old, one.route
        if route not in sums and len(sums) >= ROUTES:
            return
        it = sums.setdefault(route, Tally())
        it.requests += 1
        it.failed += one.failed
        limit = self._late.get(route)
        it.late += limit is not None and not one.failed and one.status != UPGRADED and one.seconds > limit

    def shared(self, kind: str) -> list[str]:
        """The routes on which those who stayed have the same trouble, by the rule of `blame`, and by rates.

        `kind`: failures or slow.
        """
        found = []
        for route, old in self._old.items():
            new = self._new.get(route, Tally())
            seen = old.failed if kind == "failures" else old.late
            if seen >= SHARED and 0 < SHARE * new.rate(kind) <= old.rate(kind):
                found.append(route)
        return found

    def words(self, release: int) -> str:
        """What those who stayed got, in a phrase; empty: nobody has asked."""
        if not self.requests:
            return ""
        return f"{self.failed} of {self.requests} failed for visitors still on release {release}"
