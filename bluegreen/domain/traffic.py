"""What visitors asked for and got, as nginx's log has it, a value for each request. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

UPGRADED = 101  # the status of a WebSocket: it lasts as long as the visitor stays
UNANSWERED = 499  # nginx's status for a visitor who left before there was an answer
PATIENCE = 5.0  # seconds after which leaving is no whim: the release has said nothing
OURS = "bluegreen"  # the agent of our own questions to a public listener
PREVIEW = "preview"  # the door of whoever looks at the idle color
PARTS = 4  # parts of a path that tell routes apart; deeper ones count as one
LONG = 200  # characters of a path or an agent that are kept
NUMBER = re.compile(
    r"\d+|[^/]*\d{3,}[^/]*|(?=[^/]*\d)[^/]*[0-9a-fA-F]{6,}[^/]*|[^/]{40,}"
)  # a part that names one thing


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that nginx has answered. Times in seconds; `ended`: since the epoch, by this machine's clock."""

    ended: float
    seconds: float
    status: int
    color: str
    release: int | None
    service: str
    method: str
    uri: str
    host: str
    client: str
    request_id: str
    agent: str = ""
    size: int = 0  # bytes of the body
    upstream: str = ""  # whom nginx asked, each try; empty: nginx answered itself
    upstream_status: str = ""
    connection: int = 0  # nginx's own count of connections
    nth: int = 0  # and of the requests on this one
    scheme: str = ""  # http or https, as the release was given it; empty: an older bluegreen's file
    door: str = "public"  # or `preview`; empty: refused before nginx knew
    routed: str = ""  # the color that the route has chosen; `color` may be the other one, whose file it is

    @property
    def began(self) -> float:
        return self.ended - self.seconds

    @property
    def failed(self) -> bool:
        """Whether the release is to blame for what the visitor got: 5xx, or nothing for so long that he left."""
        if self.status == UNANSWERED:
            return self.seconds >= PATIENCE and not self.upstream_status.strip("- ,")
        return self.status >= 500

    @property
    def of_visitor(self) -> bool:
        """Not of somebody who looks at the preview, and none of our own questions."""
        return self.door != PREVIEW and self.agent != OURS

    @property
    def visitor(self) -> str:
        """Who asked: an address and a program, as several people may share the first."""
        return f"{self.client} {self.agent[:LONG]}"

    @property
    def route(self) -> str:
        return route_of(self.method, self.uri)


def route_of(method: str, uri: str) -> str:
    """What requests have in common that one piece of an application answers: GET /items/* for /items/7?page=2."""
    path = uri.partition("?")[0]
    if "://" in path:
        path = urlsplit(path).path or "/"
    parts = path[:LONG].split("/")[1:]
    named = ["*" if NUMBER.fullmatch(part) else part for part in parts[:PARTS]]
    more = ["*"] if len(parts) > PARTS else []
    return f"{method} /{'/'.join([*named, *more])}"


def parse(line: bytes) -> Seen | None:
    """One line of nginx's log; None: it is something else, or of a file that an older bluegreen rendered."""
    if not line.startswith(b"{"):
        return None
    try:
        found = json.loads(line.decode(errors="replace"))  # visitors send any bytes
        release = found["release"]
        return Seen(
            float(found["ended"]), float(found["seconds"]), int(found["status"]), str(found["color"]),
            int(release) if release else None, str(found["service"]), str(found["method"]), str(found["uri"]),
            str(found["host"]), str(found["client"]), str(found["request_id"]), str(found["agent"]),
            int(found["bytes"]), str(found["upstream"]), str(found["upstream_status"]), int(found["connection"]),
            int(found["nth"]), str(found.get("scheme", "")),
            str(found.get("door", "public")), str(found.get("routed", found["color"])),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
