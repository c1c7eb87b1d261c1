"""What every group of keys gives: a part of a create request. Durations, refusals, needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bluegreen.domain import units

LATER = "this version of bluegreen does not know it"


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


def nanoseconds(value: Any) -> int:
    """A duration in nanoseconds; a number is that already. Raises ValueError."""
    return int(value) if isinstance(value, int | float) else units.nanoseconds(value)
