"""One look at everything that runs, as values, and the questions asked of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bluegreen.domain.color import Color, Place, Role, other
from bluegreen.domain.routing import BUCKETS, ControlAnswer, Routing, Slot

SHOWN = 200  # characters of foreign output that a message quotes


@dataclass(frozen=True)
class Replica:
    """One container of a color, as the Engine reports it."""

    id: str
    name: str
    color: Color
    service: str
    number: int
    release: int
    role: Role
    state: str  # created, running, paused, restarting, exited, dead
    health: str | None  # Docker's own check: healthy, unhealthy, starting; None: it has none
    address: str | None  # on the app's network; None: it has none
    image_id: str
    definition: str
    status: str = ""  # the Engine's words: "Up 5 minutes (healthy)"
    restart: str = "always"  # the policy that its service asks for, as Compose spells it
    place: Place = "slot"

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def lost(self) -> bool:
        """Whether it can never run again: it is being removed, or its removal failed."""
        return self.state in ("dead", "removing")

    @property
    def off_network(self) -> bool:
        """Whether somebody has disconnected it from the app's network."""
        return self.address is None

    @property
    def exit_code(self) -> int | None:
        """How it last ended, if the Engine says so: "Restarting (7) 1 second ago"."""
        match = re.match(r"(?:Restarting|Exited) \((\d+)\)", self.status)
        return int(match[1]) if match else None

    @property
    def starting(self) -> bool:
        """Whether it has run for less than a minute, or Docker's own health check is still starting."""
        young = re.match(r"Up (?:Less than a second|\d+ seconds?)\b", self.status)
        return self.running and (self.health == "starting" or bool(young))

    @property
    def healthy(self) -> bool:
        """Running, and healthy by Docker's own health check, if it has one."""
        return self.running and self.health in (None, "healthy")


@dataclass(frozen=True)
class ProxyContainer:
    """The proxy as the Engine reports it."""

    id: str
    name: str
    state: str
    definition: str
    address: str | None
    published: bool = True  # whether it is on the public network, too
    stale: bool = False  # the folders that it has mounted were deleted
    listen: tuple[str, ...] | None = None  # where it is published; None: an older bluegreen made it
    preview: str | None = None
    tls: tuple[str, ...] = ()  # where it is published for HTTPS
    edge: str = ""  # the edge through which its visitors come, as domain/edge.py writes it; empty: none
    image: str = ""  # the id of the image that it runs from
    reference: str = ""  # the name that this image had when the proxy was made; empty: made by an older bluegreen
    ports: str = ""  # a fingerprint of what a successor cannot change; empty: it cannot have one
    serving: str = ""  # the name of the container whose nginx serves
    first_serves: bool = False  # whether that is the first one because the one that had taken over did not come back

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def speaker(self) -> str:
        """The name of the container whose nginx writes the log."""
        return self.serving or self.name


class NewNginx(Protocol):
    """A container whose nginx can take over: made by the place, named in the front door's files."""

    @property
    def name(self) -> str: ...
    def try_out(self, command: Sequence[str]) -> tuple[int, str]: ...
    def start(self) -> None: ...
    def keep(self) -> None: ...


@dataclass(frozen=True)
class PlainContainer:
    """A container that plain Compose made from a service of this app."""

    id: str
    name: str
    service: str
    running: bool
    definition: str = ""  # Compose's own hash of what it was made from


@dataclass(frozen=True)
class TaskContainer:
    """A container of a one-off run, as the Engine reports it."""

    id: str
    name: str
    release: int
    running: bool
    exit_code: int | None  # None: it runs


@dataclass(frozen=True)
class SharedState:
    """A shared service: its first container, as the Engine reports it."""

    container: str
    state: str
    health: str | None
    exit_code: int

    @property
    def ended_well(self) -> bool:
        return self.state == "exited" and self.exit_code == 0

    def lacks(self, condition: str) -> str:
        """Why a condition of depends_on is not met; empty: it is. As in Compose, exit code 0 meets each."""
        if condition == "service_completed_successfully":
            return "" if self.ended_well else f"is {self.state}, exit code {self.exit_code}"
        if condition == "service_healthy":
            return "" if self.health == "healthy" else f"is {self.health or self.state}"
        return "" if self.state in ("running", "restarting") or self.ended_well else f"is {self.state}"

    def asleep(self, condition: str) -> bool:
        """Whether it is not running, and waiting will not change that."""
        return self.state not in ("running", "restarting") and bool(self.lacks(condition))


@dataclass(frozen=True)
class DockerHealth:
    """Docker's own health check of a container: how long it may take from the start, and its last output."""

    patience: float  # seconds: start_period, and one try more
    code: int | None = None
    output: str = ""

    @property
    def words(self) -> str:
        said = [line.strip() for line in self.output.splitlines() if line.strip()]
        return f", its last try ended with {self.code}{f': {said[-1][:SHOWN]}' if said else ''}" if self.code else ""


@dataclass(frozen=True)
class EngineFacts:
    """What the Engine says of itself. `root`: the folder of its images and volumes."""

    version: str
    api: str
    root: str


@dataclass(frozen=True)
class ImageFacts:
    """`size` in bytes, with every layer; `user` as the image names it, empty for root.

    `nginx`: its version, as images of nginx say it in a variable; empty: it says none.
    """

    size: int
    user: str
    nginx: str = ""


@dataclass(frozen=True)
class World:
    """Everything that runs, seen once: decisions are made from it."""

    app: str
    proxy: ProxyContainer | None
    answer: ControlAnswer | None  # the truth about traffic; None: nginx does not answer
    intended: Routing | None  # the rendered file; None: absent or not ours
    replicas: tuple[Replica, ...]
    unfinished: str | None = None  # an operation that never ended, in words
    unfinished_verb: str | None = None
    edited: bool = False  # the rendered file was changed by hand

    @property
    def live(self) -> Color | None:
        """The color that nginx answers; if nginx does not answer, the color of the file that it would load."""
        if self.answer:
            return self.answer.live
        return self.intended.live if self.intended else None

    @property
    def idle(self) -> Color:
        return other(self.live) if self.live else "blue"

    def in_color(self, color: Color) -> tuple[Replica, ...]:
        """What is in a color's slot."""
        return tuple(it for it in self.replicas if it.color == color and it.place == "slot")

    def elsewhere(self) -> tuple[Replica, ...]:
        """What is in no slot: set aside, or kept for its logs by a release that failed."""
        return tuple(it for it in self.replicas if it.place != "slot")

    @property
    def idle_slot(self) -> Slot | None:
        return self.slot(self.idle)

    def slot(self, color: Color) -> Slot | None:
        return self.intended.slots.get(color) if self.intended else None

    @property
    def newest_release(self) -> int:
        """The highest release number that any label or file mentions; 0: none."""
        known = [replica.release for replica in self.replicas]
        known += [slot.release for slot in self.intended.slots.values()] if self.intended else []
        return max(known, default=0)

    @property
    def canary(self) -> int:
        """Percent of visitors who get the idle color, as nginx answers; if it does not, as the route says."""
        if self.answer:
            return self.answer.canary
        return self.intended.canary if self.intended else 0

    @property
    def shares(self) -> dict[Color, int] | None:
        """Percent of visitors of each color that has some; None: no color is live."""
        if self.live is None:
            return None
        found: dict[Color, int] = {self.live: BUCKETS - self.canary}
        return found | ({self.idle: self.canary} if self.canary else {})

    def traffic(self, how: str = "unchanged") -> str:
        """In words, for an error: where public traffic goes now."""
        if self.live is None:
            return "none yet"
        return f"{self.visited()} ({how})"

    def visited(self) -> str:
        """Which release visitors get; during a canary, which shares of them."""
        if not self.canary:
            return self._named(self.live)
        return f"{BUCKETS - self.canary} % {self._named(self.live)}; {self.canary} % {self._named(self.idle)}"

    def _named(self, color: Color | None) -> str:
        slot = self.slot(color) if color else None
        return f"{color}, release {slot.release}" if slot else str(color)
