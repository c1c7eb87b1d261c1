"""Durations and sizes as people write them."""

from __future__ import annotations

import re

DURATION = re.compile(r"^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$", re.ASCII)
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SIZE = re.compile(r"^(\d+)([kKmMgG]?)[bB]?$", re.ASCII)
BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_duration(value: object) -> float:
    """Seconds from "0.5s", "1m30s", "250ms". Raises ValueError: a bare number has no unit."""
    if value == 0:
        return 0.0
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        raise ValueError("a duration with its unit, such as 500ms, 30s or 1m30s")
    return sum(float(number) * SECONDS[unit] for number, unit in DURATION_PART.findall(value))


def parse_size(value: object) -> int:
    """Bytes from "100m", "512k", 1048576. Raises ValueError."""
    match = SIZE.fullmatch(str(value)) if not isinstance(value, bool) else None
    if not match:
        raise ValueError("a size in bytes, such as 100m, 512k or 1g")
    return int(match[1]) * BYTES[match[2].lower()]
