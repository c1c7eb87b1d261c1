"""The runbook as Markdown: facts in, text out. Every command on it can be typed as it is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bluegreen.cli.output import clean
from bluegreen.domain.app import HOOKS
from bluegreen.domain.paths import public_health
from bluegreen.domain.secrets import without_secrets
from bluegreen.look.runbook import Facts

TEMPLATES = Path(__file__).parent / "templates"
MOMENTS = {
    "before_switch": "before traffic moves; failing stops the release", "after_switch": "when traffic has moved",
    "after_flip_back": "when traffic is back", "on_failure": "when a release or a flip-back has failed",
}  # fmt: skip


def page(facts: Facts, now: datetime) -> str:
    """All of the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: "" if value is None else "\n".join(map(clean, str(value).split("\n"))),
        autoescape=False,  # noqa: S701 - the output is Markdown for a terminal or a file; `clean` takes what is not text
    )  # fmt: skip
    environment.filters |= {"quoted": shlex.quote, "cell": _cell}
    settings = facts.stack.settings
    text = environment.get_template("runbook.md.j2").render(
        facts=facts, settings=settings, command=facts.command, live=facts.state["live"],
        now=now.isoformat(timespec="minutes"), health_urls=list(_health_urls(facts)),
        said="".join(f' --{name} "…"' for name in settings.require),
        hooks=[
            {"what": hook.service or without_secrets(shlex.join(hook.command)), "moment": MOMENTS[name]}
            for name in HOOKS
            for hook in settings.hooks.get(name, ())
        ],
        kept=[it["release"] for it in facts.releases if it["kept"] and not it["standing"]],
    )  # fmt: skip
    return text.rstrip()


def _health_urls(facts: Facts) -> Iterator[str]:
    for url in facts.state["urls"]:
        for route in facts.stack.settings.routes:
            if route.host is None and (path := public_health(route)):
                yield f"{url.rstrip('/')}{path}"


def _cell(value: object) -> str:
    return clean(str(value or "")).replace("|", "\\|") or "-"
