"""Releases that are asked again, beside the one before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from bluegreen.domain.blame import Answered, Blame, Pair
from bluegreen.flow.doubt import PAIRS
from tests.simulation.failing import dice_of

TAKES = 0.2  # seconds that a request usually takes
ROUTES = ("GET /", "GET /items/*", "GET /report")


@dataclass
class Answers:
    """What came of several doubts, and how many pairs it took to accuse the new release."""

    counts: Counter[str] = field(default_factory=Counter)
    pairs: list[int] = field(default_factory=list)

    def take(self, blame: Blame) -> None:
        answer = blame.at_the_end()
        self.counts[answer] += 1
        if answer == "new":
            self.pairs.append(blame.pairs)

    @property
    def usual(self) -> str:
        """Pairs until the new one is accused: median and most."""
        return f"{median(self.pairs):.0f} / {max(self.pairs)}" if self.pairs else "-"


def failing(seed: int, new: float, old: float, doubts: int) -> Answers:
    """Both releases fail by chance at these rates; it is looked after each pair."""
    dice, found = dice_of(seed, "blame", new, old), Answers()
    for _ in range(doubts):
        blame = Blame(slow=False)
        for _ in range(PAIRS):
            answers = [Answered(500 if dice.random() < rate else 200, 0.01) for rate in (old, new)]
            blame.see(Pair(dice.choice(ROUTES), "/", *answers))
            if blame.answer != "unknown":
                break
        found.take(blame)
    return found


def slow(seed: int, factor: float, constant: bool, doubts: int) -> Answers:
    """The new release takes `factor` times as long: always the same (and a little noise), or exponential."""
    dice, found = dice_of(seed, "blame slow", factor, constant), Answers()
    for _ in range(doubts):
        blame = Blame(slow=True)
        for _ in range(PAIRS):
            took = [
                times * TAKES * (dice.uniform(0.9, 1.1) if constant else dice.expovariate(1)) for times in (1.0, factor)
            ]
            blame.see(Pair(dice.choice(ROUTES), "/", *(Answered(200, it) for it in took)))
            if blame.answer != "unknown":
                break
        found.take(blame)
    return found
