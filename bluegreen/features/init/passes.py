"""What a reverse proxy does, as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Passed:
    """One place that requests are passed on to."""

    service: str
    port: int | None = None
    path: str = "/"
    host: str | None = None
    stripped: bool = False  # whether the service gets another path than the visitor asked for


@dataclass(frozen=True)
class Does:
    """What one proxy does. `own`: what it does beside passing on, in words; empty: nothing that is known."""

    kind: str = "nginx"
    own: tuple[str, ...] = ()
    passed: tuple[Passed, ...] = ()
    read: bool = False  # whether its configuration was read

    def and_also(self, other: Does) -> Does:
        own = tuple(dict.fromkeys([*self.own, *other.own]))
        return replace(
            self, own=own, passed=tuple(dict.fromkeys([*self.passed, *other.passed])), read=self.read or other.read
        )


def path_of(text: str) -> str:
    """A path as `x-bluegreen` spells a prefix: /api for /api/, /api* and /api/*."""
    return "/" + text.strip().rstrip("*").strip("/")
