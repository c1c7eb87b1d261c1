"""What a comparison leaves out and when it stops a switch, and who gets a notice of what has happened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from bluegreen.domain import app as model
from bluegreen.settings.strict import StrictBlock
from bluegreen.settings.types import PathPrefix

PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
LONGEST_URL = 4000  # characters
MOST_URLS = 20


def _percent(value: object) -> object:
    match = PERCENT.fullmatch(value) if isinstance(value, str) else None
    if not match or float(match[1]) > 100:
        raise ValueError("a share of the compared requests, such as 1% or 0.5%")
    return float(match[1]) / 100


class CompareBlock(StrictBlock):
    """Recent requests that a switch asks of both releases before traffic moves."""

    fail: (
        Annotated[
            float,
            BeforeValidator(_percent),
            WithJsonSchema({"type": "string", "pattern": f"^{PERCENT.pattern}$", "examples": ["1%", "0.5%"]}),
        ]
        | None
    ) = None
    """If more of them differ, the switch stops: `1%`. Then each switch compares, 200 requests without --compare."""
    leave_out: list[PathPrefix] = Field(default_factory=list)
    """Prefixes of paths that are never asked again, such as /admin/."""

    def compare(self) -> model.Compare:
        return model.Compare(self.fail, tuple(self.leave_out))


# A URL is a secret, so no problem of it may quote it: it is looked at here, and not by pydantic.
Urls = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "maxItems": MOST_URLS},
            ],
            "examples": [["${SLACK_HOOK:-}"]],
        }
    ),
]


def urls(value: object) -> tuple[str, ...]:
    """Those that are set: a variable without a value means none."""
    return tuple(dict.fromkeys(it.strip() for it in _listed(value) if isinstance(it, str) and it.strip()))


def wrong_urls(value: object) -> Iterator[tuple[str, str, str]]:
    """(key, what was found, what is expected) of each that no notice can be sent to."""
    if not isinstance(value, str | list):
        yield "notify", f"a {type(value).__name__}", 'URLs, such as ["${SLACK_WEBHOOK}"]'
        return
    found = _listed(value)
    if len(found) > MOST_URLS:
        yield "notify", f"{len(found)} URLs", f"at most {MOST_URLS}"
    for number, it in enumerate(found):
        if not isinstance(it, str):
            yield f"notify.{number}", f"a {type(it).__name__}", "a URL, as a text"
        elif it.strip() and (fault := _fault(it.strip())):
            yield f"notify.{number}", fault, "an http or https URL, such as https://hooks.example.com/services/…"


def _fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "no URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "another text"
    if not re.fullmatch(r"[!-~]+", url) or len(url) > LONGEST_URL:
        return "a URL with spaces or other characters that belong encoded, or a very long one"
    return ""


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
