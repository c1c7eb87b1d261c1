"""Releases that are slow, and that are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bluegreen.domain.evidence import Histogram, Slower
from bluegreen.domain.judge import SETTLING
from bluegreen.flow.traffic import LATELY
from tests.simulation.failing import WATCHED, Verdict, baseline, dice_of

# Routes, each with its share of the requests and its usual latency in seconds.
ROUTES = (("GET /", 0.6, 0.012), ("GET /items/*", 0.3, 0.09), ("GET /report", 0.1, 0.9))
NAMES = [name for name, _, _ in ROUTES]
SHARES = [share for _, share, _ in ROUTES]
USUAL = {name: seconds for name, _, seconds in ROUTES}
TOGETHER = 20  # releases that are compared with one release before: to make that takes long
LONGEST = 4000  # requests until which it is waited for a verdict

Latency = Callable[[random.Random], float]


def log_normal(dice: random.Random) -> float:
    return dice.lognormvariate(0.0, 0.6)


def bimodal(dice: random.Random) -> float:
    """From a cache, or ten times as long."""
    return dice.lognormvariate(0.0, 0.3) * (1.0 if dice.random() < 0.7 else 10.0)


def heavy(dice: random.Random) -> float:
    """Of a Pareto distribution that has no variance."""
    return dice.paretovariate(1.5)


KINDS: dict[str, Latency] = {"log-normal": log_normal, "cache": bimodal, "heavy tail": heavy}


def before(dice: random.Random, kind: str, requests: int) -> dict[str, Histogram]:
    """What is known of the release before."""
    found = {name: Histogram() for name in NAMES}
    latency = KINDS[kind]
    for name in dice.choices(NAMES, SHARES, k=requests):
        found[name].add(USUAL[name] * latency(dice))
    return found


@dataclass(frozen=True)
class Slowed:
    """A release that takes `factor` times as long, on one route or (empty) on all of them."""

    factor: float = 1.0
    route: str = ""

    def times(self, route: str) -> float:
        return self.factor if self.route in ("", route) else 1.0


def watch(dice: random.Random, known: dict[str, Histogram], kind: str, slowed: Slowed, requests: int) -> Verdict | None:
    """The verdict over one release."""
    slower, latency = Slower(known), KINDS[kind]
    for number, name in enumerate(dice.choices(NAMES, SHARES, k=requests), 1):
        slower.see(name, slowed.times(name) * USUAL[name] * latency(dice))
        if slower.strength >= 1:
            return Verdict(number, number)
    return None


def false_verdicts(seed: int, kind: str, per_second: int, releases: int, known: int = 0) -> int:
    """Of so many releases that are as fast as the one before, of which `known` requests are known (0: an hour)."""
    dice, found = dice_of(seed, "not slow", kind, per_second, known), 0
    requests = round((WATCHED - SETTLING) * per_second)
    for number in range(releases):
        if number % (1 if known else TOGETHER) == 0:
            was = before(dice, kind, known or baseline(per_second))
        found += watch(dice, was, kind, Slowed(), requests) is not None
    return found


def caught(seed: int, kind: str, slowed: Slowed, releases: int) -> list[Verdict]:
    """The verdicts over releases that are slow."""
    dice = dice_of(seed, "slow", kind, slowed.factor, slowed.route)
    found = []
    for number in range(releases):
        if number % TOGETHER == 0:
            was = before(dice, kind, LATELY)
        found.append(watch(dice, was, kind, slowed, LONGEST))
    return [it for it in found if it is not None]
