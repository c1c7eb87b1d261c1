"""What every group of keys gives: a part of a create request. Durations, refusals, needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LATER = "this version of bluegreen does not know it"
NANOSECONDS = 1_000_000_000


DURATIONS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
}


Service = Mapping[str, Any]


@dataclass
class Part:
    """A piece of the create request: the container's config and its host config."""

    config: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A key of a service that a color cannot honour, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Need:
    """A key that an older Engine would ignore or misread: it needs this API version, so this Engine."""

    key: str
    api: str
    engine: str


def nanoseconds(text: Any) -> int:
    """A duration as Go's time package writes it ("1m30s", "500ms") in nanoseconds; a number is that already.

    Raises ValueError.
    """
    if isinstance(text, int | float):
        return int(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration: {text!r}")
    return round(sum(float(number) * DURATIONS[unit] for number, unit in parts))
