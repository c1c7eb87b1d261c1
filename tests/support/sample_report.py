"""A report of an app that is not real: for tests of the page, and for the picture in the documentation.

`python -m tests.support.sample_report` writes docs/report.png.
"""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bluegreen.domain.figures import MINUTE, Figures, Key, Sums
from bluegreen.domain.receipt import Books, Move, in_words
from bluegreen.domain.timeline import Lived
from bluegreen.domain.traffic import Seen
from bluegreen.features.report.facts import Facts, Log
from bluegreen.features.report.page import page
from tests.support.machine import ROOT

NOW = datetime(2026, 11, 27, 14, 24, tzinfo=UTC)
MOVED = datetime(2026, 11, 27, 14, 5, 12, tzinfo=UTC).timestamp()
SPREAD = 0x1F83D9ABFB41BD6B5BE0CD19137E2179  # makes ids of small numbers
BACK = MOVED + 4.2
LINE: dict[str, Any] = {
    "color": "blue", "outcome": "live", "standing": None, "kept": True, "owner": "dana", "restores": None,
    "expect": "", "note": "", "previous": None, "previous_revision": None, "changed": None, "gone_back_from": False,
}  # fmt: skip


def releases(count: int, **texts: str) -> list[dict[str, Any]]:
    """The newest first; the newest was taken back."""
    found = []
    for number in range(count, 0, -1):
        more = {"release": number, "created": f"2026-11-{1 + number % 27:02d}T14:04:40+00:00",
                "color": ("green", "blue")[number % 2], "revision": f"{number * 7919:07x}",
                "seconds": 31.0 + number % 7,
                "subject": f"Faster basket, part {number}", **texts}  # fmt: skip
        found.append(LINE | more)
    found[0] |= {"outcome": "moved back", "created": "2026-11-27T14:04:40+00:00", "standing": None}
    if count > 1:
        found[1] |= {"standing": "live"}
    return found


def move(verb: str, left: str, color: str, ended: float, previous: int) -> Move:
    release = previous - 1 if verb == "moved back" else previous + 1
    return Move(verb, left, color, ended - 0.0002, ended, previous, release)


def figures(release: int) -> Figures:
    """Forty minutes of traffic; the release that failed had a few seconds of it."""
    found, dice = Figures(), random.Random(7)  # noqa: S311 - a picture needs no secret
    start = int(MOVED - MOVED % MINUTE)
    for minute in range(-20, 19):
        sums = Sums()
        for _ in range(dice.randint(180, 260)):
            sums.see(_seen(start + 60 * minute, dice.lognormvariate(-4.2, 0.6), 200))
        found.minutes[Key(start + 60 * minute, MINUTE, release - 1, "blue")] = sums
    bad = Sums()
    for number in range(16):
        bad.see(_seen(MOVED, dice.lognormvariate(-3.6, 0.5), 500 if number % 3 == 0 else 200))
    found.minutes[Key(start, MINUTE, release, "green")] = bad
    return found


def _seen(ended: float, seconds: float, status: int) -> Seen:
    return Seen(ended, seconds, status, "blue", 1, "web", "GET", "/", "h", "c", "id", size=1800)


def receipt(it: Move) -> dict[str, Any]:
    found = Books(it)
    found.see(_seen(it.began - 1, 0.01, 200))
    return found.receipt() | {"words": in_words(found.receipt())}


def sample(count: int = 42, log: list[str] | None = None, **texts: str) -> Facts:
    """Facts of release `count`, which was taken back. `texts`: instead of what people wrote."""
    listed = releases(count, **texts)
    moves = [move("switch", "blue", "green", MOVED, count - 1), move("moved back", "green", "blue", BACK, count)]
    failed = (
        texts.get("subject")
        or "6 of 16 requests failed: POST /orders 500 (4 x), GET /basket 500 (2 x); 0 of 391 before"
    )
    error = {
        "summary": f"Release {count} got worse answers for visitors than the one before; traffic is back on blue.",
        "failed": failed, "expected": f"as few failures, and as fast, as release {count - 1}", "retry": "",
        "traffic": "blue (moved back, confirmed)", "next": "bluegreen logs green", "code": "release-taken-back",
        "lines": log or [f"14:05:1{n} POST /orders 500 {n * SPREAD % 2**128:032x}" for n in range(3, 7)],
    }  # fmt: skip
    names = ("image 6.10", "migrate 1.84", "create 0.42", "start 0.31", "health 2.75", "preview 0.05", "check 0.12",
             "route 0.001", "confirm 0.002", "watch 4.20")  # fmt: skip
    steps = [
        {"phase": "prepare", "step": name, "color": "green", "ended": "", "seconds": float(seconds),
         "outcome": "failed" if name == "watch" else "done", "detail": failed if name == "watch" else "web, worker"}
        for name, seconds in (it.split() for it in names)
    ]  # fmt: skip
    operation = {"verb": "switch", "target": "green", "started": "2026-11-27T14:04:40+00:00", "ended": "",
                 "outcome": "moved-back", "error": error, "steps": steps}  # fmt: skip
    text = texts.get("note", "")
    release = listed[0] | {
        "expect": text or "Orders per hour rise by 2 %", "note": text or "Old baskets are kept in the session",
        "previous": count - 1, "receipts": [], "figures": {}, "seconds": 36.9, "previous_revision": "4cc1d",
        "changed": {"images": [text or "web", "worker"], "keys": ["web.healthcheck"],
                    "environment": ["web.BASKET_CACHE+", "web.TOKEN"]},
        "images": {"web": {"ref": text or "registry.example/shop:42", "id": "sha256:0b51c9f0aa12ff"}},
        "runs": [{"kind": "migrate", "name": "migrate", "started": "", "ended": "", "outcome": "done", "code": 0,
                  "output": text or "0042_basket.sql: applied in 1.7 s"}],
    }  # fmt: skip
    lived = [Lived(it["created"], it["release"], "switch") for it in reversed(listed[1:]) if it["release"] > count - 27]
    lived = sorted(lived, key=lambda it: it.since)
    lines = log or ["Traceback (most recent call last):", "KeyError: 'basket'", "POST /orders 500"]
    return Facts(
        "shop", "bluegreen", release, listed[:50], count, {it["release"]: it["color"] for it in listed}, [operation],
        [receipt(it) for it in moves], moves, figures(count), lived, [Log("shop-green-web-1", "running", lines)],
    )  # fmt: skip


def main() -> None:
    from tests.support.browser import browser

    with tempfile.TemporaryDirectory() as name, browser() as tab:
        file = Path(name, "report.html")
        file.write_text(page(sample(), NOW))
        tab.open(file, 1000)
        print(tab.picture(ROOT / "docs" / "report.png", 1000))


if __name__ == "__main__":
    main()
