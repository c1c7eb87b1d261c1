"""What the loaded nginx says of itself, on its control socket. Standard library only."""

from __future__ import annotations

import json

from bluegreen.domain.routing import ControlAnswer
from bluegreen.unix_http import NoAnswer, get

SOCKET = "control.sock"
TIMEOUT = 2.0  # seconds for one answer; it is on this machine
MOST = 64 * 1024  # bytes of an answer


def ask(sockets: str) -> ControlAnswer | None:
    """The answer of one worker; None when nothing answers. `sockets`: the folder of the sockets, by a short name."""
    try:
        _, _, body = get(f"{sockets}/{SOCKET}", "/state", "bluegreen", TIMEOUT, MOST)
        data = json.loads(body)
        live, default = data["live"], data.get("default", data["live"])
        return ControlAnswer(
            data["app"], data["generation"], live if live != "none" else None, data["nginx"], data["worker"],
            default if default != "none" else None,
        )  # fmt: skip
    except (NoAnswer, ValueError, KeyError, TypeError):
        return None
