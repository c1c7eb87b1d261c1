"""python -m tests.simulation [--quick] [seed]: the tables of docs/explanation/verdict.md (minutes, or seconds)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from tests.simulation import blaming, failing, slow
from tests.simulation.failing import Verdict, baseline
from tests.simulation.slow import KINDS, Slowed

PROCESSES = 2
FEW = 30  # requests of a release before that has hardly been asked
FALSE_FAILING = {1: 4000, 10: 4000, 200: 4000}  # requests a second: releases
FALSE_SLOW = {1: 2000, 10: 600, 50: 200}
CAUGHT, CAUGHT_SLOW, DOUBTS = 2000, 60, 2000
QUICK = 20  # times fewer
SLOWED = {
    "twice as slow": Slowed(2), "three times": Slowed(3), "five times": Slowed(5),
    "`/items/*` alone, three times": Slowed(3, "GET /items/*"),
    "`/items/*` alone, five times": Slowed(5, "GET /items/*"),
    "`/report` alone, three times": Slowed(3, "GET /report"), "`/report` alone, five times": Slowed(5, "GET /report"),
}  # fmt: skip
BLAMED = {
    "both fail 5 %": (0.05, 0.05), "both fail 20 %": (0.2, 0.2), "both fail 50 %": (0.5, 0.5),
    "both always fail": (1.0, 1.0), "the new one fails 5 %": (0.05, 0.0), "the new one fails 20 %": (0.2, 0.0),
    "the new one always fails": (1.0, 0.0), "the new one fails 20 %, the other 2 %": (0.2, 0.02),
    "the new one fails 5 %, the other 1 %": (0.05, 0.01),
}  # fmt: skip
PACES = {
    "both equally slow": 1.0, "the new one half as slow again": 1.5, "twice": 2.0, "three times": 3.0, "five times": 5.0
}  # fmt: skip

Row = tuple[str, ...]
Run = Callable[..., "Future[Any]"]


def table(title: str, head: Row, rows: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    for row in (head, ("---",) * len(head), *rows):
        print(f"| {' | '.join(row)} |", flush=True)


def quantiles(values: list[int], of: int) -> str:
    """Median, 90 % and worst; and what was not seen."""
    if not values:
        return "never"
    values = sorted(values)
    missed = f" ({100 * (of - len(values)) / of:.0f} % not)" if len(values) < of else ""
    return f"{values[len(values) // 2]} / {values[int(0.9 * len(values))]} / {values[-1]}{missed}"


def hurt(found: list[Verdict]) -> list[int]:
    return [one.hurt for one in found]


def false_verdicts(run: Run, seed: int, part: int) -> None:
    waits = []
    for per_second, releases in FALSE_FAILING.items():
        count = releases // part
        known = (baseline(per_second), FEW)
        both = [run(failing.false_verdicts, seed, per_second, count, it) for it in known]
        waits.append((f"failures, {per_second} a second", count, both))
    for kind in KINDS:
        for per_second, releases in FALSE_SLOW.items():
            count = releases // part
            both = [run(slow.false_verdicts, seed, kind, per_second, count, it) for it in (0, FEW)]
            waits.append((f"slowness, {kind}, {per_second} a second", count, both))
    rows = [(what, f"{count:,}", *(str(it.result()) for it in both)) for what, count, both in waits]
    head = ("traffic of 60 s", "releases", "false verdicts", f"… if only {FEW} requests are known")
    table("Releases that are as good as the one before", head, rows)
    count = 4000 // part
    print(f"\nBursts that are nobody's fault: enough evidence in {failing.bursts(seed, 10, count)} of {count:,}.")


def caught(run: Run, seed: int, part: int) -> None:
    rates = {"always": 1.0, "20 %": 0.2, "5 %": 0.05}
    usual = {"0": 0.0, "0.1 %": 0.001, "2 %": 0.02}
    count = CAUGHT // part
    waits = {
        name: [run(failing.caught, seed, rate, it, count) for it in usual.values()] for name, rate in rates.items()
    }
    rows = [(name, *(quantiles(hurt(it.result()), count) for it in found)) for name, found in waits.items()]
    head = ("it fails", *(f"before: {it}" for it in usual))
    table("Requests that fail until the verdict: median / 90 % / worst", head, rows)
    count = CAUGHT_SLOW // min(part, 6)
    waits = {name: [run(slow.caught, seed, kind, it, count) for kind in KINDS] for name, it in SLOWED.items()}
    rows = [(name, *(quantiles(hurt(it.result()), count) for it in found)) for name, found in waits.items()]
    table("Requests until the verdict: median / 90 % / worst", ("it is", *KINDS), rows)


def blamed(run: Run, seed: int, part: int) -> None:
    count = DOUBTS // part
    waits = {name: run(blaming.failing, seed, *rates, count) for name, rates in BLAMED.items()}
    for name, factor in PACES.items():
        for how in ("exponential", "constant"):
            waits[f"{name}, {how}"] = run(blaming.slow, seed, factor, how == "constant", count)
    rows = []
    for name, wait in waits.items():
        found: blaming.Answers = wait.result()
        shares = (f"{100 * found.counts[it] / count:.1f} %" for it in ("new", "shared", "unknown"))
        rows.append((name, *shares, found.usual))
    head = ("asked again", "new", "shared", "unknown", "pairs until it is accused: median / most")
    table(f"Who is to blame, in {count:,} doubts each", head, rows)


def main(words: list[str]) -> None:
    part = QUICK if "--quick" in words else 1
    seed = next((int(word) for word in words if word.isdigit()), 1)
    os.nice(10)
    with ProcessPoolExecutor(PROCESSES) as pool:
        for each in (false_verdicts, caught, blamed):
            each(pool.submit, seed, part)


if __name__ == "__main__":
    main(sys.argv[1:])
