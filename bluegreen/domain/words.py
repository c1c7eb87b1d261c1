"""Phrases and names that several modules use. It imports nothing, because flip-back loads it."""

from __future__ import annotations

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")  # in Compose's order
OUTSIDE_DOCKER = "a process outside Docker"  # who holds a port, when no container does


NOTIFY = "notify"  # beside the names of hooks in the rendered file: this app has notices


def counted(number: int, word: str) -> str:
    """A number and its noun: 1 replica, 2 replicas."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def migration_stays(left: int, target: int) -> str:
    """For a flip-back over a migration: the numbers of the release that was left and of the one that is live again."""
    return (
        f"Release {left} ran a migration, and flip-back does not undo it: release {target} works on the migrated data."
    )


def signal_came(signal: str, verb: str, left_out: str = "") -> str:
    """For a signal that came too late to stop. `left_out`: steps that only wait."""
    more = f" (without waiting: {left_out})" if left_out else ""
    return f"{signal} came too late to stop safely, so {verb} went on to its end{more}."


def lasting(seconds: float) -> str:
    """How long something lasts, as a person says it: 3 d, 5 h, 12 min, 40 s."""
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds) // size} {word}"
    return f"{int(max(0.0, seconds))} s"
