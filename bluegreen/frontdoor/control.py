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
HIGHEST = 2**53  # generations are counted by ones


def ask(sockets: str) -> dict[str, Any] | None:
    """The answer of one worker; None when nothing answers. `sockets`: the folder of the sockets, by a short name.

    `app`, `generation`, `live` (by the route), `default` (of the loaded file), `nginx`, `worker`, `closed` (None: its
    file is of a bluegreen that did not know that).
    """
    return ask_at(f"{sockets}/{SOCKET}")


def ask_at(path: str) -> dict[str, Any] | None:
    """The same of one socket."""
    try:
        found = json.loads(get(path, "/state", "bluegreen", TIMEOUT, MOST)[2])
        generation = int(found["generation"])
        said = {
            "app": str(found["app"]), "generation": generation, "live": _color(found["live"]),
            "default": _color(found.get("default", found["live"])),
            "nginx": str(found["nginx"]), "worker": int(found["worker"]),
            "closed": found["closed"] == "1" if "closed" in found else None,
        }  # fmt: skip
    except (NoAnswer, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return said if 0 <= generation < HIGHEST else None


def _color(name: Any) -> str | None:
    return str(name) if name in ("blue", "green") else None
