"""A report as one HTML file: facts in, text out. It loads nothing, runs nothing, and opens from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bluegreen import __version__
from bluegreen.domain.figures import Figures, Sums
from bluegreen.domain.judge import milliseconds
from bluegreen.domain.words import lasting
from bluegreen.features.report import charts
from bluegreen.features.report.facts import Facts

TEMPLATES = Path(__file__).parent / "templates"
OUTPUT = 4000  # characters of one text of others; of a migration's output the last ones
MUCH = 50  # lines of an error, images, keys, variables or runs that are listed
LONG = 400  # characters of one of them, of a step, and of the answer to one question


def page(facts: Facts, now: datetime) -> str:
    """All of the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=True, finalize=_shown,
    )  # fmt: skip
    environment.filters |= {
        "ms": lambda sums, q: milliseconds(sums.latency.quantile(q)) if sums.latency.count else "-",
        "share": lambda sums: f"{100 * sums.failed_share:.2f} %",
        "moment": lambda text: str(text)[:19].replace("T", " "),
        "bytes": _bytes, "lasting": lasting, "seconds": _seconds,
    }  # fmt: skip
    bars, begin = charts.strip(facts.lived, facts.colors, now.timestamp())
    release = facts.release
    return environment.get_template("report.html.j2").render(
        facts=facts, release=release, version=__version__, now=f"{now:%Y-%m-%d %H:%M}", chart=charts,
        verdict=_verdict(facts), evidence=list(_evidence(facts)), changed=_changed(release), much=MUCH, long=LONG,
        around=charts.all_around(facts.figures, facts.moves),
        strip=bars, begin=begin, by_release=_by_release(facts.figures), output=OUTPUT,
        longest=max((step["seconds"] for it in facts.operations for step in it["steps"]), default=0.0) or 1.0,
    )  # fmt: skip


def _verdict(facts: Facts) -> tuple[str, str]:
    """(a class of the page's style, what became of the release in a few words)."""
    it = facts.release
    if it["standing"] == "live":
        return "good", "live"
    if it["outcome"] != "live":
        kind = "plain" if it["outcome"] in ("started", "prepared") else "bad"
        return kind, str(it["standing"] or it["outcome"])
    if it["gone_back_from"]:
        return "bad", "somebody went back from it"
    return "plain", str(it["standing"] or "replaced")


def _evidence(facts: Facts) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
    """(what happened, what was seen while it was watched, the error) of each operation that moved it or failed."""
    for it in facts.operations:
        watched = next((step["detail"] for step in it["steps"] if step["step"] == "watch"), "")
        watched = "" if it["error"] else watched  # which says the same
        if watched or it["error"]:
            yield f"{it['verb']}: {it['outcome'] or 'never ended'}", watched, it["error"]


def _changed(release: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    names = {"images": "Images", "keys": "Keys of the Compose file", "environment": "Variables"}
    found = release["changed"] or {}
    return [(words, list(found[key])) for key, words in names.items() if found.get(key)]


def _by_release(figures: Figures) -> list[tuple[int, Sums]]:
    """The newest releases that have answered, and what the journal has counted of each."""
    return [(number, figures.total(number)) for number in reversed(figures.releases())][:MUCH]


def _shown(value: object) -> object:
    """What is no text in a browser is left out; one text cannot fill the page."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return "" if value is None else value
    kept = "".join(char if char.isprintable() or char in "\n\t" else " " for char in value[:OUTPUT])
    return kept.encode(errors="replace").decode()


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.01 else f"{1000 * value:.1f} ms"


def _bytes(count: float) -> str:
    for size, word in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {word}"
    return f"{count:.0f} B"
