"""Who is to blame, by requests that are asked again of both releases. Pure.

A release that fails for visitors may do so because of what both share: a database, a service of somebody else. So
the GETs that failed are asked of both releases again, one right after the other. If the cause is shared, a pair of
which one answer fails is as likely to accuse the one as the other: a fair coin, however often both fail (McNemar,
1947). What speaks against the coin is weighed as in `evidence.py`, so it may be looked at after each pair.

For slowness a pair accuses when the new release takes half as long again. Of two releases that are equally slow, less
than half of the pairs do that, however latencies are distributed; of one that is three times as slow, two thirds do
even when latencies vary as much as an exponential distribution. Wald's sequential test (1945) tells the two apart.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from bluegreen.domain.evidence import Bets

Answer = Literal["new", "shared", "unknown"]

DOUBT = 0.01  # the chance of accusing the new release for nothing, once the other evidence is there
SHARED = 2  # failures of the release before on one route, from which on that route fails with both
SHARE = 1 / 3  # and of the new one's failures there
EQUAL, SLOW = 0.45, 0.65  # shares of pairs that accuse
UNLIKE = 1.5  # times as long is slower
LEAST = 0.02  # seconds more that count as slower
SECRET = (401, 403, 407)  # answers to who has not logged in: they say nothing


@dataclass(frozen=True)
class Answered:
    """What one release answered. `status` 0: nothing."""

    status: int
    seconds: float

    @property
    def tells(self) -> bool:
        """Whether it says something; a way to the login does not."""
        return self.status not in SECRET and not 300 <= self.status < 400

    @property
    def failed(self) -> bool:
        return self.status == 0 or self.status >= 500

    def __str__(self) -> str:
        return str(self.status) if self.status else "no answer"


@dataclass(frozen=True)
class Pair:
    """The same request, asked of the release before and of the new one."""

    route: str
    uri: str
    old: Answered
    new: Answered


class Blame:
    """Weighs pairs as they come. `slow`: whether it is about slowness, else about failures."""

    def __init__(self, slow: bool) -> None:
        self._slow = slow
        self._coin = Bets(0.5, DOUBT)
        self._lead = 0.0  # Wald's test of slowness: the logarithm of the ratio of the two likelihoods
        self._old: Counter[str] = Counter()  # by route
        self._new: Counter[str] = Counter()
        self.proof: Pair | None = None  # the new one failed, the one before did not
        self.pairs = 0

    def see(self, pair: Pair) -> None:
        if not (pair.old.tells and pair.new.tells):
            return
        self.pairs += 1
        old, new = self._accuses(pair.old, pair.new), self._accuses(pair.new, pair.old)
        self._old[pair.route] += old
        self._new[pair.route] += new
        if new and not old:
            self.proof = self.proof or pair
        if self._slow:
            self._lead += math.log(SLOW / EQUAL) if new else math.log((1 - SLOW) / (1 - EQUAL))
        elif old != new:
            self._coin.see(new)

    def _accuses(self, one: Answered, other: Answered) -> bool:
        if not self._slow:
            return one.failed
        return one.seconds > UNLIKE * other.seconds and one.seconds - other.seconds > LEAST

    @property
    def shared(self) -> list[str]:
        """The routes on which the release before does the same."""
        if self._slow:
            return list(self._new) if self.answer == "shared" else []
        return [route for route, old in self._old.items() if old >= SHARED and old >= SHARE * self._new[route]]

    @property
    def answer(self) -> Answer:
        """Whom the pairs so far accuse; unknown: more have to be asked, or nobody can tell."""
        if self._slow:
            enough = math.log(1 / DOUBT)
            return "new" if self._lead >= enough else "shared" if self._lead <= -enough else "unknown"
        if self._coin.strength >= 1:
            return "new"
        seen = set(self._new) | set(self._old)
        return "shared" if self.shared and set(self.shared) == {it for it in seen if self._new[it]} else "unknown"

    def at_the_end(self) -> Answer:
        """The same when nothing more is asked: what the release before does too, or what cannot be seen again."""
        if self.answer == "unknown" and self.shared and not self._slow:
            return "shared"
        return self.answer

    def words(self) -> str:
        """The pair that proves it, in a phrase."""
        if self.proof is None:
            return ""
        it = self.proof
        uri = it.uri.partition("?")[0][:80]
        if self._slow:
            return f"asked again, {uri} takes {it.new.seconds:.2f} s, and {it.old.seconds:.2f} s before"
        return f"asked again, {uri} gives {it.new}, and {it.old} before"
