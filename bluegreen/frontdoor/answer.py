"""What nginx says of itself, as a value."""

from __future__ import annotations

from bluegreen.domain.routing import ControlAnswer
from bluegreen.frontdoor import control


def ask(sockets: str) -> ControlAnswer | None:
    """The answer of one worker; None when nothing answers."""
    found = control.ask(sockets)
    return ControlAnswer(**found) if found else None
