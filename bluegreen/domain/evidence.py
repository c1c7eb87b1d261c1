"""Evidence that may be looked at after every request. Pure.

A test that is repeated until it says "worse" will say so of any release, if it is made for one look at the end. Here
the question is a bet. Under the hypothesis that the release is no worse, each request fails with a chance of at most
p0, whatever came before. For each worse rate p the product of p/p0 for a failure and (1-p)/(1-p0) for a success is
what a bet of 1 has become; its expectation never grows while the hypothesis is true (a supermartingale), and neither
does that of a fixed mixture of such bets over several p, the e-process here. By Ville's inequality it ever reaches
1/alpha with a chance of at most alpha: after each request, for as long as one likes.

Sources: J. Ville, Etude critique de la notion de collectif (1939); A. Wald, Sequential Analysis (1947); H. Robbins,
Statistical methods related to the law of the iterated logarithm, Ann. Math. Stat. 41 (1970); A. Ramdas, P. Gruenwald,
V. Vovk, G. Shafer, Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38 (2023).
`python -m tests.simulation` shows what comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

ALPHA = 0.001  # the chance of a false verdict for one release
EACH = ALPHA / 5  # of one test of failures: what both releases share begins another one, up to four times
# Worse rates, as parts of the way from p0 to 1, each with its share of the bet. The last catches what always fails
# after three requests, those in the middle what fails often, the first ones what fails now and then.
GRID = ((0.02, 0.12), (0.03, 0.3), (0.1, 0.16), (0.2, 0.2), (0.5, 0.1), (0.98, 0.12))
LEAST_RATE = 0.01  # fewer failures are no reason to go back, however seldom the release before has failed
MOST_UNKNOWN = 0.1  # what a release before of which too little is known is taken to have failed at most


class Bets:
    """An e-process against "each trial fails with a chance of at most p0". The order of trials does not matter."""

    def __init__(self, p0: float, alpha: float = EACH) -> None:
        """Raises ValueError for a chance that is none."""
        if not 0 < p0 < 1 or not 0 < alpha < 1:
            raise ValueError("a chance between 0 and 1")
        self._goal = math.log(1 / alpha)
        rates = [(p0 + (1 - p0) * part, share) for part, share in GRID]
        self._bets = [(math.log(share), math.log(p / p0), math.log((1 - p) / (1 - p0))) for p, share in rates]
        self.trials = self.failures = 0
        self.strength = 0.0  # 1 and more: decided; 0.5: half of the evidence. It never falls

    def see(self, failed: bool, times: int = 1) -> None:
        """Takes trials of one outcome in."""
        self.trials += times
        if failed:
            self.failures += times
            self.strength = max(self.strength, self.log_e / self._goal)

    @property
    def log_e(self) -> float:
        """The logarithm of what the bet of 1 has become."""
        passed = self.trials - self.failures
        logs = [share + self.failures * lost + passed * won for share, lost, won in self._bets]
        return log_sum(logs)


def log_sum(logs: Iterable[float]) -> float:
    """The logarithm of a sum, of the logarithms of its terms."""
    terms = [*logs]
    most = max(terms)
    return most + math.log(math.fsum(math.exp(term - most) for term in terms))


def allowed_rate(failed: int, requests: int) -> float:
    """p0 for failures: what the release before may fail at most (99 % sure), and 1 % in any case.

    Of a release before that has hardly been asked the bound is useless; then 10 % is allowed, or three times what was
    seen, so that a release that always fails is still seen after five requests.
    """
    if not requests:
        return MOST_UNKNOWN
    most = max(MOST_UNKNOWN, 3 * failed / requests)
    return min(0.99, max(LEAST_RATE, min(upper_bound(failed, requests), most)))


def upper_bound(failed: int, trials: int, confidence: float = 0.99) -> float:
    """The rate that is not exceeded with this confidence (C. Clopper, E. Pearson, Biometrika 26, 1934)."""
    if failed >= trials:
        return 1.0
    low, high = failed / trials, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _beta(failed + 1, trials - failed, middle) < confidence:
            low = middle
        else:
            high = middle
    return high


def _beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x >= (a + 1) / (a + b + 2):
        return 1 - front * _fraction(b, a, 1 - x) / b
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    tiny, c = 1e-300, 1.0
    d = 1 / (1 - (a + b) * x / (a + 1) or tiny)
    found = d
    for m in range(1, 10_000):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + factor * d or tiny)
            c = 1 + factor / c or tiny
            found *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return found


class Histogram:
    """How long requests took, in buckets each a tenth wider than the one before. Times in seconds."""

    FIRST = 0.0005  # seconds; all that is faster counts as this
    STEP = math.log(1.1)
    LAST = 150  # about 13 minutes

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})
        self.count = sum(self.counts.values())

    def add(self, seconds: float, times: int = 1) -> None:
        bucket = self.bucket(seconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + times
        self.count += times

    @classmethod
    def bucket(cls, seconds: float) -> int:
        """The number of the bucket."""
        if not seconds > cls.FIRST:
            return 0
        if math.isinf(seconds):
            return cls.LAST
        return min(cls.LAST, 1 + int(math.log(seconds / cls.FIRST) / cls.STEP))

    def merge(self, other: Histogram) -> None:
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.count += other.count

    def quantile(self, q: float) -> float:
        """The upper edge of the bucket in which this quantile lies; 0.0: there is none."""
        return self._of_rank(max(1, math.ceil(q * self.count))) if self.count else 0.0

    def quantile_bound(self, q: float) -> float | None:
        """What this quantile does not exceed, 99 % sure; None: there are too few. By order statistics."""
        rank = math.ceil(q * self.count + 2.33 * math.sqrt(self.count * q * (1 - q))) + 1
        return self._of_rank(rank) if rank <= self.count else None

    def _of_rank(self, rank: int) -> float:
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return self.FIRST * math.exp(bucket * self.STEP)
        return 0.0

    def as_dict(self) -> dict[str, int]:
        return {str(bucket): count for bucket, count in sorted(self.counts.items())}

    @classmethod
    def from_dict(cls, data: Mapping[str, int]) -> Histogram:
        """The inverse of `as_dict`. Raises ValueError and TypeError for a document of another shape."""
        return cls({int(bucket): int(count) for bucket, count in data.items()})


QUANTILES = (0.5, 0.75, 0.95)
APART = 20  # routes, those most asked for, that are also looked at each by itself


FACTOR, LEAST = 2.0, 0.05  # times as long, and seconds more, that count as slow


def too_late(bound: float, factor: float = FACTOR, least: float = LEAST) -> float:
    """Seconds beyond which an answer is late, if it was not to take more than `bound`."""
    return max(factor * bound, bound + least)


class Late:
    """Trials of latencies against limits: one bet for each quantile, averaged."""

    def __init__(self, alpha: float) -> None:
        self._bets = {q: Bets(1 - q, alpha) for q in QUANTILES}

    def see(self, seconds: float, limits: Iterable[tuple[float, float]]) -> bool:
        """Takes one request in; returns whether it exceeds any of the limits, each with its quantile."""
        late = False
        for q, limit in limits:
            self._bets[q].see(seconds > limit)
            late = late or seconds > limit
        return late

    @property
    def log_e(self) -> float:
        return log_sum(bets.log_e for bets in self._bets.values()) - math.log(len(QUANTILES))


class Slower:
    """Whether a release is `factor` times as slow, by no assumption of how latencies are distributed.

    If each route's quantile q is at most twice the bound of what it was, a request takes longer than that with a chance
    of at most 1-q: again a trial, and the e-processes of several quantiles are averaged. Half of the bet is on all
    routes together; the other half is shared by the routes most asked for, each by itself, because one slow route does
    not show among many quick ones. Routes that the release before did not have, or hardly, say nothing. Less than
    `least` seconds more is not slow.
    """

    def __init__(
        self, before: Mapping[str, Histogram], alpha: float = ALPHA, factor: float = FACTOR, least: float = LEAST
    ) -> None:
        self._goal = math.log(1 / alpha)
        self._limits: dict[str, list[tuple[float, float]]] = {}
        for route, histogram in before.items():
            bounds = [(q, histogram.quantile_bound(q)) for q in QUANTILES]
            self._limits[route] = [(q, too_late(it, factor, least)) for q, it in bounds if it is not None]
        most = sorted(before, key=lambda route: before[route].count, reverse=True)[:APART]
        self._together, self._apart = Late(alpha), {route: Late(alpha) for route in most}
        self._before, self._after = before, dict[str, Histogram]()
        self.strength = 0.0  # as of Bets

    def see(self, route: str, seconds: float) -> None:
        """Takes one request in."""
        limits = self._limits.get(route)
        if not limits:
            return
        self._after.setdefault(route, Histogram()).add(seconds)
        late = self._together.see(seconds, limits)
        if alone := self._apart.get(route):
            alone.see(seconds, limits)
        if late:
            share = -math.log(len(self._apart))
            each = log_sum(it.log_e + share for it in self._apart.values())
            self.strength = max(self.strength, (log_sum((self._together.log_e, each)) - math.log(2)) / self._goal)

    @property
    def shown(self) -> tuple[float, float]:
        """p95 in seconds, before and now, of the route on which it differs most."""
        pairs = [(self._before[route].quantile(0.95), it.quantile(0.95)) for route, it in self._after.items()]
        return max(pairs, key=lambda pair: pair[1] / (pair[0] or Histogram.FIRST), default=(0.0, 0.0))
