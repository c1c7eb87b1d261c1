"""The Engine has no subnet left, as it says directly or through Compose."""

from __future__ import annotations

from bluegreen.errors import BluegreenError

SAID = "non-overlapping IPv4 address pool"


def none_left(text: str) -> BluegreenError | None:
    """The error, when this text says it."""
    line = next((line for line in text.splitlines() if SAID in line), None)
    if line is None:
        return None
    return BluegreenError(
        "The Engine has no subnet left for another network.", code="no-subnets", failed=" ".join(line.split())[:400],
        expected="a free one: fewer networks, or more of them (default-address-pools in daemon.json)",
        retry="safe, after the cause is fixed", next="docker network prune (removes networks that nobody uses)",
    )  # fmt: skip
