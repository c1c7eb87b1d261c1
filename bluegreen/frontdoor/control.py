"""What the loaded nginx says of itself, on its control socket. Standard library only, and little of it."""

from __future__ import annotations

import json

from bluegreen.unix_http import NoAnswer, get

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

SOCKET = "control.sock"
TIMEOUT = 2.0  # seconds for one answer; it is on this machine
MOST = 64 * 1024  # bytes of an answer


def ask(sockets: str) -> dict[str, Any] | None:
    """The answer of one worker; None when nothing answers. `sockets`: the folder of the sockets, by a short name.

    `app`, `generation`, `live` (by the route), `default` (of the loaded file), `nginx`, `worker`.
    """
    try:
        found = json.loads(get(f"{sockets}/{SOCKET}", "/state", "bluegreen", TIMEOUT, MOST)[2])
        return {
            "app": found["app"], "generation": int(found["generation"]), "live": _color(found["live"]),
            "default": _color(found.get("default", found["live"])), "nginx": found["nginx"], "worker": found["worker"],
        }  # fmt: skip
    except (NoAnswer, ValueError, KeyError, TypeError, RecursionError):
        return None


def _color(name: str) -> str | None:
    return name if name in ("blue", "green") else None
