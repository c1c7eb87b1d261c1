"""Which requests of visitors can be asked again, and a fair choice of them. Pure."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from bluegreen.domain.answers import SECRET
from bluegreen.domain.app import Route
from bluegreen.domain.traffic import OURS, UPGRADED, Seen

URI = re.compile(r"/[!-~]*")  # what can be written into the first line of a request
HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
LONGEST = 4000  # characters of a URI; nginx takes at least 4k
CHECK = "a check of bluegreen"
ODD = "cannot be written into a request again"
# What may not be asked of a replica again, in words that a summary counts.
OTHER_METHOD, OWN, LEFT_OUT, HAS_SECRET = "no GET", "nginx answered", "in leave_out", "a parameter that may be a secret"


@dataclass(frozen=True)
class Sample:
    """What is asked again, and why the rest is not. `read`: requests of the log that were looked at."""

    chosen: tuple[Seen, ...] = ()
    read: int = 0
    left: Counter[str] = field(default_factory=Counter)


def sample(requests: Sequence[Seen], most: int, leave_out: Sequence[str] = ()) -> Sample:
    """At most so many GETs: each URL once, newest first, the routes in turn.

    What visitors got an answer to comes before what was refused to them: scanners ask for much that is not there.
    """
    left: Counter[str] = Counter()
    found: dict[tuple[str, str], Seen] = {}
    for one in reversed(requests):
        if why := unfit(one, leave_out):
            left[why] += 1
        else:
            found.setdefault((one.host, one.uri), one)
    answered = _in_turn(one for one in found.values() if one.status < 400)
    refused = _in_turn(one for one in found.values() if one.status >= 400)
    return Sample((*answered, *refused)[:most], len(requests), left)


def unfit(one: Seen, leave_out: Sequence[str]) -> str:
    """Why a request is not asked again; empty: it can be."""
    if one.method == "GET" and (not one.upstream.strip("- ") or not one.service):
        return OWN
    if one.method == "GET" and one.agent == OURS:
        return CHECK
    return unfit_to_repeat(one, leave_out)


def unfit_to_repeat(one: Seen, leave_out: Sequence[str]) -> str:
    """Why a request may not be sent a second time, whoever answered it; empty: it may."""
    if one.method != "GET":
        return OTHER_METHOD
    fits = URI.fullmatch(one.uri) and HOST.fullmatch(one.host) and len(one.uri) <= LONGEST
    if not fits or one.status == UPGRADED:
        return ODD
    if any(below(one.uri, prefix) for prefix in leave_out):
        return LEFT_OUT
    query = one.uri.partition("?")[2]
    return HAS_SECRET if any(SECRET.search(name) for name, _ in parse_qsl(query, keep_blank_values=True)) else ""


def below(uri: str, prefix: str) -> bool:
    """Whether nginx and an application would see this path under the prefix, however it was written."""
    path = unquote(uri.partition("?")[0])
    path = posixpath.normpath(f"/{path.lstrip('/')}")
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def _in_turn(requests: Iterable[Seen]) -> list[Seen]:
    """One of each route, then the next of each; routes with more requests first."""
    routes: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in requests:
        routes[one.route].append(one)
    queues = sorted(routes.values(), key=len, reverse=True)
    longest = max(map(len, queues), default=0)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]


def asked_of(one: Seen, routes: Sequence[Route]) -> tuple[int, str] | None:
    """(port, what the replica itself is asked) for a request; None: no such place in this release."""
    path = one.uri.partition("?")[0]
    places = [it for it in routes if it.service == one.service and it.public and below(path, it.path)]
    if not places:
        return None
    route = max(places, key=lambda it: len(it.path))
    if not route.strip or route.path == "/":
        return route.port, one.uri
    for written in (route.path, quote(route.path)):
        if one.uri.startswith(written):
            rest = one.uri[len(written) :]
            return route.port, rest if rest.startswith("/") else f"/{rest}"
    return None


def shown_uri(uri: str) -> str:
    """A URI for people: the values of its parameters are the visitor's own."""
    path, sign, query = uri.partition("?")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    return f"{path}{sign}{'&'.join(f'{name}=…' for name in names)}" if sign else path
