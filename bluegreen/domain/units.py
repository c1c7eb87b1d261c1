"""Durations and sizes as people write them."""

from __future__ import annotations

import re

SECOND = 1_000_000_000  # nanoseconds
NANOSECONDS = {
    "ns": 1, "us": 1_000, "\u00b5s": 1_000, "\u03bcs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND,
    "h": 3600 * SECOND, "d": 24 * 3600 * SECOND, "w": 7 * 24 * 3600 * SECOND,
}  # fmt: skip
# As Compose reads them. Source: Go's time.ParseDuration, and days and weeks as compose-go adds them.
DURATION = re.compile(rf"^(?:\d+(?:\.\d+)?(?:{'|'.join(NANOSECONDS)}))+$", re.ASCII)
DURATION_PART = re.compile(rf"(\d+)(?:\.(\d+))?({'|'.join(NANOSECONDS)})", re.ASCII)
LONGEST = 3650 * NANOSECONDS["d"]  # what a clock, a socket and nginx take without an overflow
SIZE = re.compile(r"^(\d+)([kKmMgG]?)[bB]?$", re.ASCII)
BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def nanoseconds(text: object) -> int:
    """Nanoseconds of "0.5s", "1m30s", "500us". The one parser of durations. Raises ValueError for anything else."""
    if not isinstance(text, str) or len(text) > 100 or not DURATION.fullmatch(text):
        raise ValueError("a duration with its unit, such as 500ms, 30s or 1m30s")
    parts = DURATION_PART.findall(text)
    return sum(int(f"{units}{part}") * NANOSECONDS[unit] // 10 ** len(part) for units, part, unit in parts)


def parse_duration(value: object) -> float:
    """Seconds from "0.5s", "1m30s", "250ms". Raises ValueError: a bare number has no unit."""
    if value == 0:
        return 0.0
    found = nanoseconds(value)
    if found > LONGEST:
        raise ValueError("a duration of at most ten years")
    return found / SECOND


def parse_size(value: object) -> int:
    """Bytes from "100m", "512k", 1048576. Raises ValueError."""
    match = SIZE.fullmatch(str(value)) if not isinstance(value, bool) else None
    if not match:
        raise ValueError("a size in bytes, such as 100m, 512k or 1g")
    return int(match[1]) * BYTES[match[2].lower()]
