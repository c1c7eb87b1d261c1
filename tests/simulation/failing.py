"""Releases that fail, and that do not."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from bluegreen.domain.evidence import Bets, allowed_rate
from bluegreen.flow.traffic import LATELY

WATCHED = 60  # seconds
HOUR = 3600
RATES = (0.0, 0.001, 0.01, 0.02, 0.05)  # what an application fails anyway
MOST = 50_000  # requests until which it is waited for a verdict

allowed = functools.cache(allowed_rate)


@dataclass(frozen=True)
class Verdict:
    """When the evidence was enough. `hurt`: how many requests had failed until then."""

    requests: int
    hurt: int


def dice_of(*name: object) -> random.Random:
    """Chance that is the same for the same name."""
    return random.Random("/".join(map(str, name)))  # noqa: S311 - nothing secret


def gaps(dice: random.Random, rate: float) -> Iterator[int]:
    """How many requests pass before each that fails."""
    while rate:
        yield 0 if rate >= 1 else int(math.log(1 - dice.random()) / math.log1p(-rate))


def failures(dice: random.Random, rate: float, requests: int) -> int:
    """How many of so many fail."""
    found, at = 0, 0
    for gap in gaps(dice, rate):
        at += gap + 1
        if at > requests:
            break
        found += 1
    return found


def watch(dice: random.Random, p0: float, rate: float, requests: int) -> Verdict | None:
    """The verdict over one release. Between two failures the evidence only sinks, so that is taken in together."""
    bets = Bets(p0)
    for gap in gaps(dice, rate):
        if bets.trials + gap >= requests:
            return None
        bets.see(failed=False, times=gap)
        bets.see(failed=True)
        if bets.strength >= 1:
            return Verdict(bets.trials, bets.failures)
    return None


def baseline(per_second: int) -> int:
    """Requests of an hour, as many of them as are read."""
    return min(LATELY, HOUR * per_second)


def false_verdicts(seed: int, per_second: int, releases: int, known: int) -> int:
    """Of so many releases that are as good as the one before, of which `known` requests are known."""
    dice, found = dice_of(seed, "false", per_second, known), 0
    for number in range(releases):
        rate = RATES[number % len(RATES)]
        p0 = allowed(failures(dice, rate, known), known)
        found += watch(dice, p0, rate, WATCHED * per_second) is not None
    return found


def caught(seed: int, rate: float, usual: float, releases: int, known: int = LATELY) -> list[Verdict]:
    """The verdicts over releases that fail at `rate` where the one before failed at `usual`."""
    dice = dice_of(seed, "caught", rate, usual, known)
    found = [watch(dice, allowed(failures(dice, usual, known), known), rate, MOST) for _ in range(releases)]
    return [it for it in found if it is not None]


def bursts(seed: int, per_second: int, releases: int) -> int:
    """How often a short trouble that both releases have (half of 5 seconds, once an hour) looks as the new one's."""
    dice, found = dice_of(seed, "bursts", per_second), 0
    for _ in range(releases):
        known = baseline(per_second)
        bets = Bets(allowed(min(known, failures(dice, 0.5, 5 * per_second)), known))
        quiet = 0 if dice.random() > WATCHED / HOUR else 5 * per_second
        bets.see(failed=False, times=WATCHED * per_second // 2)
        for _ in range(quiet):
            bets.see(failed=dice.random() < 0.5)
        found += bets.strength >= 1
    return found
