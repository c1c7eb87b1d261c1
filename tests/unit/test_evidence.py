"""Evidence that may be looked at after every request: what it promises, counted out."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest

from bluegreen.domain.evidence import (
    APART,
    EACH,
    GRID,
    QUANTILES,
    Bets,
    Histogram,
    Slower,
    allowed_rate,
    log_sum,
    upper_bound,
)  # fmt: skip
from tests.simulation import failing, slow
from tests.simulation.slow import Slowed

DICE = random.Random(7)  # noqa: S311 - nothing secret
Chance = Callable[[tuple[bool, ...]], float]


def bets_of(outcomes: tuple[bool, ...], p0: float, alpha: float = EACH) -> Bets:
    bets = Bets(p0, alpha)
    for failed in outcomes:
        bets.see(failed)
    return bets


def probability(outcomes: tuple[bool, ...], chance: Chance) -> float:
    """How likely they are, if each fails with a chance that depends on those before it."""
    each = (chance(outcomes[:at]) if failed else 1 - chance(outcomes[:at]) for at, failed in enumerate(outcomes))
    return math.prod(each)


@pytest.mark.parametrize("p0", [0.01, 0.05, 0.2, 0.5, 0.9])
def test_a_bet_on_a_release_that_is_no_worse_wins_nothing(p0: float) -> None:
    chances: list[Chance] = [
        lambda _: p0, lambda _: p0 / 3, lambda _: 0.0,
        lambda past: p0 if past and past[-1] else p0 / 2,  # troubles that come together
        lambda past: 0.0 if any(past) else p0,
    ]  # fmt: skip
    all_of_them = [*itertools.product((False, True), repeat=10)]
    bets = [bets_of(outcomes, p0, 0.05) for outcomes in all_of_them]
    for chance in chances:
        likely = [probability(outcomes, chance) for outcomes in all_of_them]
        assert math.fsum(likely) == pytest.approx(1)
        assert math.fsum(p * math.exp(it.log_e) for p, it in zip(likely, bets, strict=True)) <= 1 + 1e-9
        assert math.fsum(p for p, it in zip(likely, bets, strict=True) if it.strength >= 1) <= 0.05
    exact = math.fsum(
        probability(outcomes, chances[0]) * math.exp(it.log_e) for outcomes, it in zip(all_of_them, bets, strict=True)
    )
    assert exact == pytest.approx(1)  # nothing of the bet is given away either


def test_the_shares_of_the_bet_are_one_bet() -> None:
    assert math.fsum(share for _, share in GRID) == pytest.approx(1)
    assert Bets(0.01).log_e == pytest.approx(0)


def test_strength_is_the_most_there_ever_was_and_else_does_not_depend_on_the_order() -> None:
    outcomes = [True] * 4 + [False] * 40
    for _ in range(30):
        DICE.shuffle(outcomes)
        bets, most = Bets(0.01), 0.0
        for failed in outcomes:
            before = bets.strength
            bets.see(failed)
            most = max(most, bets.log_e / math.log(1 / EACH))
            assert bets.strength >= before
        assert bets.strength == pytest.approx(most)
        assert (bets.trials, bets.failures) == (44, 4)
        assert bets.log_e == bets_of(tuple(sorted(outcomes)), 0.01).log_e


@pytest.mark.parametrize("failed", [True, False])
def test_several_trials_are_as_many_single_ones(failed: bool) -> None:
    several, single = bets_of((True, False), 0.02), bets_of((True, False), 0.02)
    several.see(failed, times=7)
    for _ in range(7):
        single.see(failed)
    assert (several.trials, several.failures, several.log_e) == (single.trials, single.failures, single.log_e)
    assert several.strength == single.strength


@pytest.mark.parametrize(("p0", "alpha"), [(0, 0.1), (1, 0.1), (0.5, 0), (0.5, 1)])
def test_what_is_no_chance_is_refused(p0: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Bets(p0, alpha)


def test_a_sum_of_very_small_and_very_large_numbers() -> None:
    assert log_sum([-2000, -2000]) == pytest.approx(-2000 + math.log(2))
    assert log_sum([2000, 0]) == 2000


# --- what is usual


@pytest.mark.parametrize(
    ("failed", "trials", "confidence", "bound"),
    [
        (0, 30, 0.99, 1 - 0.01 ** (1 / 30)), (0, 300, 0.99, 1 - 0.01 ** (1 / 300)), (1, 10, 0.95, 0.3942),
        (5, 10, 0.95, 0.7776), (10, 10, 0.95, 1.0), (0, 1, 0.99, 0.99), (0, 20_000, 0.99, 1 - 0.01 ** (1 / 20_000)),
    ],
)  # fmt: skip
def test_the_bound_of_a_rate_is_that_of_clopper_and_pearson(
    failed: int, trials: int, confidence: float, bound: float
) -> None:
    assert upper_bound(failed, trials, confidence) == pytest.approx(bound, abs=5e-5)


def below(count: int, trials: int, p: float) -> float:
    """The chance that of so many trials at most `count` fail."""
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        + k * math.log(p) + (trials - k) * math.log1p(-p)
        for k in range(count + 1)
    ]  # fmt: skip
    return math.exp(log_sum(logs))


@pytest.mark.parametrize(("failed", "trials"), [(3, 40), (39, 40), (72, 3600), (400, 20_000), (19_000, 20_000)])
def test_so_few_failures_come_at_the_bound_one_time_in_a_hundred(failed: int, trials: int) -> None:
    assert below(failed, trials, upper_bound(failed, trials)) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(
    ("failed", "requests", "least", "most"),
    [
        (0, 0, 0.1, 0.1), (0, 1, 0.1, 0.1), (1, 10, 0.3, 0.3), (0, 30, 0.1, 0.1), (0, 3600, 0.01, 0.01),
        (20, 20_000, 0.01, 0.01), (400, 20_000, 0.02, 0.023),
        (15, 30, 0.5, 0.8), (30, 30, 0.99, 0.99), (1, 30, 0.1, 0.14),
    ],
)  # fmt: skip
def test_what_a_release_may_fail(failed: int, requests: int, least: float, most: float) -> None:
    assert least <= allowed_rate(failed, requests) <= most


# --- latencies


def test_a_quantile_is_at_most_a_tenth_too_large() -> None:
    for seconds in (0.0006, 0.012, 0.5, 3.0, 200.0):
        values = sorted(seconds * DICE.lognormvariate(0, 0.5) for _ in range(501))
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        for q in (0.01, 0.5, 0.75, 0.95, 0.99):
            exact = max(Histogram.FIRST, values[max(1, math.ceil(q * 501)) - 1])
            assert exact * 0.9999 <= histogram.quantile(q) <= exact * 1.1001


def test_what_is_very_quick_or_very_slow_is_in_the_first_or_last_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.0005, 1e9):
        histogram.add(seconds)
    assert histogram.counts == {0: 2, Histogram.LAST: 1}
    assert (Histogram().quantile(0.5), Histogram().quantile_bound(0.5)) == (0.0, None)


def test_merged_is_as_if_it_were_added_and_a_document_gives_it_back() -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for number in range(300):
        seconds = DICE.expovariate(5)
        (one if number % 3 else other).add(seconds)
        both.add(seconds)
    one.merge(other)
    assert (one.counts, one.count) == (both.counts, 300)
    back = Histogram.from_dict(both.as_dict())
    assert (back.counts, back.count, back.quantile(0.95)) == (both.counts, 300, both.quantile(0.95))
    twice = Histogram()
    twice.add(0.3, times=4)
    assert twice.count == 4
    with pytest.raises(ValueError, match="invalid literal"):
        Histogram.from_dict({"x": 1})


@pytest.mark.parametrize("q", QUANTILES)
def test_the_bound_of_a_quantile_is_right_99_times_in_a_hundred(q: float) -> None:
    known = 0
    for count in (8, 12, 30, 60, 90, 150, 300, 1000, 3000):
        bound = Histogram(dict.fromkeys(range(1, count + 1), 1)).quantile_bound(q)
        if bound is not None:
            known += 1
            rank = round(math.log(bound / Histogram.FIRST) / Histogram.STEP)
            assert below(rank - 1, count, q) >= 0.99, (count, rank)
    assert known >= 4


# --- slowness


def usual(*routes: str, seconds: float = 0.2, count: int = 400) -> dict[str, Histogram]:
    return {route: Histogram({Histogram().bucket(seconds): count}) for route in routes}


def test_routes_that_are_unknown_or_hardly_known_say_nothing() -> None:
    slower = Slower(usual("GET /") | usual("GET /rare", count=3))
    for _ in range(500):
        slower.see("GET /other", 60.0)
        slower.see("GET /rare", 60.0)
    assert slower.strength == 0
    assert slower.shown == (0.0, 0.0)


@pytest.mark.parametrize(
    ("was", "now", "slow_enough"), [(0.001, 0.05, False), (0.001, 0.06, True), (0.2, 0.38, False), (0.2, 0.5, True)]
)
def test_a_difference_that_nobody_notices_is_none(was: float, now: float, slow_enough: bool) -> None:
    slower = Slower(usual("GET /", seconds=was))
    for _ in range(300):
        slower.see("GET /", now)
    assert (slower.strength >= 1) is slow_enough
    assert slower.shown == pytest.approx((was, now), rel=0.11)


def test_one_slow_route_shows_among_many_quick_ones() -> None:
    slower = Slower(usual(*(f"GET /{number}" for number in range(3 * APART)), count=300) | usual("GET /slow"))
    for number in range(6000):
        if number % 20:
            slower.see(f"GET /{number % (3 * APART)}", 0.2)
        else:
            slower.see("GET /slow", 2.0)
    assert slower.strength >= 1


# --- a sample of the simulation; `python -m tests.simulation` has all of it


@pytest.mark.parametrize("known", [3600, 30])
def test_no_release_of_200_is_called_worse_for_nothing(known: int) -> None:
    assert failing.false_verdicts(2, 1, 200, known) == 0


@pytest.mark.parametrize(
    ("rate", "before", "least", "most"),
    [(1.0, 0.0, 2, 3), (1.0, 0.02, 2, 3), (0.2, 0.001, 4, 5), (0.2, 0.02, 5, 8), (0.05, 0.001, 8, 13),
     (0.05, 0.02, 24, 36)],
)  # fmt: skip
def test_a_release_that_fails_is_seen_after_so_many_failures(rate: float, before: float, least: int, most: int) -> None:
    found = failing.caught(2, rate, before, 100)
    assert len(found) == 100
    assert least <= sorted(one.hurt for one in found)[50] <= most


@pytest.mark.parametrize("kind", slow.KINDS)
def test_slowness_is_seen_and_a_release_as_fast_is_not_called_slow(kind: str) -> None:
    assert slow.false_verdicts(2, kind, 2, 20) == 0
    dice = failing.dice_of(2, kind)
    was = slow.before(dice, kind, 4000)
    found = slow.watch(dice, was, kind, Slowed(5), 500)
    assert found
    assert found.requests <= 120
