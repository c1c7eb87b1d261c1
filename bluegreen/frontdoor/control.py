"""What the loaded nginx says of itself, on its control socket. Standard library only, and little of it."""

from __future__ import annotations

import json

from bluegreen.frontdoor.route import BUCKETS
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
    file is of a bluegreen that did not know that), `canary` (percent of visitors who get the other color).
    """
    return ask_at(f"{sockets}/{SOCKET}")


def ask_at(path: str) -> dict[str, Any] | None:
    """The same of one socket."""
    try:
        found = json.loads(_get(path, "/state"))
        generation, live = int(found["generation"]), _color(found["live"])
        first = _color(found.get("first", found["live"]))
        said = {
            "app": str(found["app"]), "generation": generation, "live": live,
            "default": _color(found.get("default", found["live"])),
            "nginx": str(found["nginx"]), "worker": int(found["worker"]),
            "closed": found["closed"] == "1" if "closed" in found else None,
            "canary": _canary(path, live) if live and first != live else 0,
        }  # fmt: skip
    except (NoAnswer, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return said if 0 <= generation < HIGHEST else None


def _canary(path: str, live: str) -> int:
    """How many buckets get the other color, by nginx's own test of each that is asked for.

    Bucket 0 does and 99 does not; the buckets of a share come first, so seven questions are enough.
    """
    low, high = 1, BUCKETS - 1
    while low < high:
        middle = (low + high) // 2
        if _color(_get(path, f"/bucket/{middle}").decode().strip()) == live:
            high = middle
        else:
            low = middle + 1
    return low


def _get(path: str, target: str) -> bytes:
    return get(path, target, "bluegreen", TIMEOUT, MOST)[2]


def _color(name: Any) -> str | None:
    return str(name) if name in ("blue", "green") else None
