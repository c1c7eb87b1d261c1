"""What nginx routes: the two slots, the routing in a rendered file, and the answer of the loaded file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bluegreen.domain.app import FilesAt, Route, by_service
from bluegreen.domain.color import Color, other
from bluegreen.domain.release import Image
from bluegreen.domain.shape import shaped

BUCKETS = 100  # parts into which visitors are divided: percent
OLDEST_NGINX = (1, 27, 4)  # the first with keepalive_min_timeout


@dataclass(frozen=True)
class Slot:
    """A color's place and the release in it: all that nginx and flip-back must know about it."""

    color: Color
    release: int
    definition: str  # a keyed hash of the resolved services; never their values
    routes: tuple[Route, ...]
    addresses: Mapping[str, tuple[str, ...]]  # routed service -> addresses of its replicas
    images: Mapping[str, Image]
    replicas: Mapping[str, int]  # service -> how many are wanted, jobs included
    jobs: tuple[str, ...] = ()
    max_body: int = 100 * 1024 * 1024
    read_timeout: float = 60.0
    migrated: bool = False  # whether a migration ran for it
    reversible: bool = True  # whether the release before it works with what that left
    redirect: Mapping[str, str] = field(default_factory=dict)  # host to the host that its visitors are sent to
    files: tuple[FilesAt, ...] = ()  # what nginx serves itself
    assets: tuple[str, ...] = ()  # prefixes whose 404 the other color is asked about

    @property
    def fronts(self) -> tuple[Route, ...]:
        """One route of each routed service."""
        return by_service(self.routes)

    def as_dict(self) -> dict[str, Any]:
        found = {**asdict(self), "routes": tuple(route.as_dict() for route in self.routes)}
        for name in ("redirect", "files", "assets"):
            if not found[name]:  # as of a bluegreen that did not know it
                del found[name]
        return found


Standing = Literal["previous", "prepared"]


@dataclass(frozen=True)
class Routing:
    """What one rendered file routes: which color is live, and what is in both slots.

    `generation` counts rendered files: no two files that nginx ever loaded have the same.
    `standing` says what the idle slot is: the previous release, or one that is only prepared.
    """

    app: str
    generation: int
    live: Color | None
    slots: Mapping[Color, Slot]
    standing: Standing | None
    since: str | None  # when `live` became live; ISO 8601, UTC
    drain: float
    listen: tuple[str, ...] = ()  # where nginx is published, for people
    preview: str | None = None
    failover: bool = False  # whether nginx asks the previous release when the live one cannot be reached
    hooks: tuple[str, ...] = ()  # names of the hooks that the settings have; flip-back reads no settings
    aside: Slot | None = None  # the release that was set aside for one that is only prepared
    edge: str = ""  # the one through which visitors come; empty: none
    own: Routing | None = None  # what the file says by itself, when the route says something else
    canary: int = 0  # percent of visitors whom the route sends to the idle color; never in the file

    def releases(self) -> tuple[int, ...]:
        """The numbers of the releases that are in a slot or set aside."""
        return tuple(slot.release for slot in (*self.slots.values(), self.aside) if slot)

    @property
    def sealed(self) -> bool:
        """Whether the file's own default is what the route says."""
        return self.own is None

    @property
    def live_slot(self) -> Slot | None:
        return self.slots.get(self.live) if self.live else None

    @property
    def idle(self) -> Color:
        return other(self.live) if self.live else "blue"

    @property
    def idle_slot(self) -> Slot | None:
        return self.slots.get(self.idle)

    def turned_to(self, color: Color | None, since: str | None) -> Routing:
        """The routing when the route names `color`: then the other slot is the previous release."""
        if color == self.live:
            return self
        standing: Standing | None = "previous" if color and other(color) in self.slots and self.live else None
        return replace(self, live=color, standing=standing, since=since, aside=None, own=self)

    def as_dict(self) -> dict[str, Any]:
        return {
            "app": self.app,
            "generation": self.generation,
            "live": self.live,
            "slots": {color: slot.as_dict() for color, slot in self.slots.items()},
            "standing": self.standing,
            "since": self.since,
            "drain": self.drain,
            "listen": list(self.listen),
            "preview": self.preview,
            "failover": self.failover,
            "hooks": list(self.hooks),
            "aside": self.aside.as_dict() if self.aside else None,
            **({"edge": self.edge} if self.edge else {}),  # else as of a bluegreen that did not know it
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Routing:
        """The inverse of `as_dict`. Raises TypeError for a document of another shape."""
        found = shaped(cls, data)
        if any(color != slot.color for color, slot in found.slots.items()):
            raise TypeError("a slot of another color")
        return found


@dataclass(frozen=True)
class ControlAnswer:
    """What the loaded nginx says about itself on its control socket.

    `live` comes from the test of the route that it makes for each request; `default` is the loaded file's own color.
    """

    app: str
    generation: int
    live: Color | None
    nginx: str
    worker: int  # process id of the worker that answered, in the proxy's own numbering
    default: Color | None = None
    closed: bool | None = None  # for maintenance; None: the loaded file does not look
    canary: int = 0  # percent of visitors who get the other color, by the same test

    def sends(self, color: Color | None, percent: int) -> bool:
        """Whether so many percent of visitors get this color, and all others the other one."""
        if color is None or percent == BUCKETS:
            return (self.live, self.canary) == (color, 0)
        return (self.live, self.canary) == (other(color), percent)

    def words(self) -> str:
        """What it answers, for an error."""
        if self.live and self.canary:
            return f"{BUCKETS - self.canary} % {self.live}, {self.canary} % {other(self.live)}"
        return self.live or "no color"


def too_old(version: str) -> bool:
    """Whether this nginx lacks keepalive_min_timeout. An unreadable version counts as too old."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return not match or tuple(map(int, match.groups())) < OLDEST_NGINX
