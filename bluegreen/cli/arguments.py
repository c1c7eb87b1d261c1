"""What a person typed, as values: options and arguments that need more than click's own types."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import click

from bluegreen.domain.answers import METHODS, Expectation
from bluegreen.domain.units import parse_duration

ALL = 100  # percent


class Seconds(click.ParamType[float]):
    """A duration as Compose writes it (60s, 1m30s); a plain number counts seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(f"{value}s" if str(value).isdecimal() else value)
        except ValueError as error:
            self.fail(f"{value!r} is not {error}", param, context)


class Share(click.ParamType[int]):
    """A share of visitors: 5% or 5."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _percent(str(value))
        if not 0 < found < ALL:
            self.fail(f"{value!r} is not a share from 1% to 99%", param, context)
        return found


class Shares(click.ParamType[tuple[int, ...]]):
    """Growing shares of visitors: 1,5,25,100."""

    name = "shares"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        found = tuple(_percent(part.strip()) for part in str(value).split(","))
        if not all(0 < part <= ALL for part in found) or list(found) != sorted(set(found)):
            self.fail(f"{value!r} is not a list of growing shares from 1 to 100, such as 1,5,25,100", param, context)
        return found


def _percent(text: str) -> int:
    """0: it is no percentage."""
    match = re.fullmatch(r"([0-9]{1,3})%?", text)
    return int(match[1]) if match else 0


class Moment(click.ParamType[float]):
    """A time of day (14:05, the last one), or a date and a time; without a zone that of this machine."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        now, words = datetime.now().astimezone(), str(value).strip()
        try:
            if len(words) <= len("14:05:30"):
                found = datetime.combine(now.date(), time.fromisoformat(words)).astimezone()
                return (found if found <= now else found - timedelta(days=1)).timestamp()
            return datetime.fromisoformat(words).astimezone().timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no time such as 14:05 or 2026-11-27T14:05", param, context)


def overrides(images: tuple[str, ...]) -> dict[str, str]:
    """`--image SERVICE=REF`, as often as it was typed."""
    pairs = [image.partition("=") for image in images]
    for name, equals, reference in pairs:
        if not (name and equals and reference):
            raise click.UsageError(f"--image takes SERVICE=REF, found {name}{equals}{reference}")
    return {name: reference for name, _, reference in pairs}


def requests(words: Sequence[str], headers: Sequence[str], data: str | None) -> list[Expectation]:
    """`METHOD PATH METHOD PATH …`, each with the same headers and body; a PATH alone is a GET."""
    found: list[tuple[str, str]] = []
    method = ""
    for word in words:
        if word.upper() in METHODS and not method:
            method = word.upper()
        elif re.fullmatch(r"/[!-~]*", word):
            found.append((method or "GET", word))
            method = ""
        else:
            raise click.UsageError(f"expected METHOD /path, such as GET /api/items; found {word!r}")
    if method or not found:
        raise click.UsageError(
            f"--record takes METHOD /path, such as GET /api/items{'; a path is missing' if method else ''}"
        )
    sent = dict(_header(text) for text in headers)
    if data is not None and _is_json(data) and not any(name.lower() == "content-type" for name in sent):
        sent["Content-Type"] = "application/json"
    return [Expectation(method, path, sent, data) for method, path in found]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not value.strip().isprintable():
        raise click.UsageError(f"--header takes NAME: VALUE, found {name!r}")
    return name, value.strip()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
