"""The words of the project as values: colors, replicas, slots, the observed world.

Everything here is frozen and cheap to import: flip-back loads this module and no settings library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Color = Literal["blue", "green"]
COLORS: tuple[Color, ...] = get_args(Color)
Role = Literal["routed", "job", "proxy"]
OnceRole = Literal["migration", "once"]
EXPECTED_FILE = "expected.yaml"

LABEL_APP = "bluegreen.app"
LABEL_COLOR = "bluegreen.color"
LABEL_SERVICE = "bluegreen.service"
LABEL_RELEASE = "bluegreen.release"
LABEL_ROLE = "bluegreen.role"
LABEL_NUMBER = "bluegreen.number"
LABEL_DEFINITION = "bluegreen.definition"
LABEL_RESTART = "bluegreen.restart"  # the policy that the service asks for, while another one is set


def other(color: Color) -> Color:
    """The color across from this one."""
    return "green" if color == "blue" else "blue"


def counted(number: int, word: str) -> str:
    """A number and its noun: 1 replica, 2 replicas."""
    return f"{number} {word}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Health:
    """A health policy: which answer counts, how often, how long. Times in seconds."""

    path: str = "/health"
    status: int = 200
    json: Any = None  # a subset that the answer's JSON must contain; None: not looked at
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None  # a regular expression
    successes: int = 3
    interval: float = 0.5
    timeout: float = 60.0
    request_timeout: float = 5.0


@dataclass(frozen=True)
class Route:
    """A routed service: requests for `host` (None: any) under the prefix `path` go to `service:port`."""

    service: str
    port: int
    path: str = "/"
    host: str | None = None
    health: Health = field(default_factory=Health)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Route:
        """The inverse of `asdict`."""
        return cls(**{**data, "health": Health(**data["health"])})


@dataclass(frozen=True)
class Listen:
    """An address of this machine (empty: all of them) and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.address else str(self.port)


@dataclass(frozen=True)
class ProxySettings:
    """What `x-bluegreen.proxy` says. `max_body` in bytes, `read_timeout` in seconds."""

    image: str = "nginx:1.30-alpine"
    max_body: int = 100 * 1024 * 1024
    read_timeout: float = 60.0
    trust: tuple[str, ...] = ()
    include: str | None = None


@dataclass(frozen=True)
class OneOff:
    """A command that runs once: on the host, or (with `service`) in a container of its own. `timeout` in seconds.

    An empty `command` is the service's own.
    """

    command: tuple[str, ...] = ()
    service: str | None = None
    timeout: float = 60.0


@dataclass(frozen=True)
class Migration:
    """What has to run once for each release, before it gets traffic."""

    run: OneOff
    reversible: bool = True  # whether the release before it works with what the migration leaves


HookName = Literal["before_switch", "after_switch", "after_flip_back", "on_failure"]
HOOKS: tuple[HookName, ...] = get_args(HookName)


@dataclass(frozen=True)
class Settings:
    """The `x-bluegreen` block after validation. Times in seconds."""

    routes: tuple[Route, ...]
    jobs: tuple[str, ...] = ()
    listen: tuple[Listen, ...] = (Listen("", 80),)
    preview: Listen | None = Listen("127.0.0.1", 8081)
    drain: float = 30.0
    failover: bool = False
    proxy: ProxySettings = field(default_factory=ProxySettings)
    migrate: Migration | None = None
    hooks: Mapping[HookName, tuple[OneOff, ...]] = field(default_factory=dict)
    require: tuple[str, ...] = ()  # of NOTED: what every release must say
    expected: str = EXPECTED_FILE  # recorded answers; relative to the project's folder
    keep: int = 5  # releases whose images stay

    def listeners(self) -> tuple[Listen, ...]:
        """Everything that nginx is published on: the public addresses and the preview."""
        return (*self.listen, self.preview) if self.preview else self.listen

    def release_services(self) -> tuple[str, ...]:
        """The services that exist once for each color."""
        return tuple(dict.fromkeys([*(route.service for route in self.routes), *self.jobs]))

    def own_services(self) -> tuple[str, ...]:
        """The release services, and those that only run once for a release: neither is Compose's to start."""
        hooks = [hook for name in HOOKS for hook in self.hooks.get(name, ())]
        once = [self.migrate.run, *hooks] if self.migrate else hooks
        return tuple(dict.fromkeys([*self.release_services(), *(it.service for it in once if it.service)]))


@dataclass(frozen=True)
class Stack:
    """The app as Compose resolved it: settings, and services as Compose's own document spells them."""

    app: str
    settings: Settings
    services: Mapping[str, Mapping[str, Any]]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, Mapping[str, Any]]
    configs: Mapping[str, Mapping[str, Any]]
    shared: tuple[str, ...]  # service names that Compose itself would start
    project_directory: str
    notices: tuple[str, ...] = ()
    together: tuple[str, ...] = ()  # what both colors use at the same time, for --dry-run

    def image_reference(self, service_name: str) -> str:
        """The name of a service's image; Compose gives one that is only built the name PROJECT-SERVICE."""
        return str(self.services[service_name].get("image") or f"{self.app}-{service_name}")


@dataclass(frozen=True)
class Image:
    """What a service was told to run (`ref`) and what that was at that moment (`id`).

    `ours`: built or pulled by a release of this app, so that a prune may take it away again.
    """

    ref: str
    id: str
    ours: bool = False


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
    address: str | None  # on the app's network; None while the container was never given one
    image_id: str
    definition: str
    status: str = ""  # the Engine's words: "Up 5 minutes (healthy)"
    restart: str = "always"  # the policy that its service asks for, as Compose spells it

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def off_network(self) -> bool:
        """Whether somebody has disconnected it from the app's network."""
        return self.address is None

    @property
    def exit_code(self) -> int | None:
        """How it last ended, if the Engine's words tell: "Restarting (7) 1 second ago"."""
        match = re.match(r"(?:Restarting|Exited) \((\d+)\)", self.status)
        return int(match[1]) if match else None

    @property
    def well(self) -> bool:
        """Running, and Docker's own health check, where there is one, has nothing against it."""
        return self.running and self.health in (None, "healthy")


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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Slot:
        """The inverse of `as_dict`. Raises KeyError or TypeError for a document of another shape."""
        routes = tuple(map(Route.from_dict, data["routes"]))
        return cls(
            color=data["color"],
            release=data["release"],
            definition=data["definition"],
            routes=routes,
            addresses={name: tuple(ips) for name, ips in data["addresses"].items()},
            images={name: Image(**image) for name, image in data["images"].items()},
            replicas=dict(data["replicas"]),
            jobs=tuple(data["jobs"]),
            max_body=data["max_body"],
            read_timeout=data["read_timeout"],
            migrated=data.get("migrated", False),
            reversible=data.get("reversible", True),
        )


@dataclass(frozen=True)
class Note:
    """What a person says of a release. Empty: nothing was said."""

    owner: str = ""
    expect: str = ""  # the result that is expected of it
    note: str = ""  # for the one who has to go back
    revision: str = ""
    subject: str = ""  # of that revision


NOTED = ("owner", "expect", "note", "revision")


@dataclass(frozen=True)
class Begun:
    """A release whose images are there and nothing else of it, as the journal keeps it."""

    number: int
    color: Color
    definition: str
    images: Mapping[str, Image] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)  # holds no value of a variable
    note: Note = field(default_factory=Note)
    previous: int | None = None  # the release that was live
    restores: int | None = None  # the release that it brings back


Standing = Literal["previous", "prepared"]


@dataclass(frozen=True)
class Routing:
    """What one rendered file routes: which color is live, and what is in both slots.

    `generation` counts rendered files: no two files that nginx was ever told to load share one.
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

    @property
    def live_slot(self) -> Slot | None:
        return self.slots.get(self.live) if self.live else None

    @property
    def idle(self) -> Color:
        return other(self.live) if self.live else "blue"

    @property
    def idle_slot(self) -> Slot | None:
        return self.slots.get(self.idle)

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
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Routing:
        return cls(
            app=data["app"],
            generation=data["generation"],
            live=data["live"],
            slots={color: Slot.from_dict(slot) for color, slot in data["slots"].items()},
            standing=data["standing"],
            since=data["since"],
            drain=data["drain"],
            listen=tuple(data["listen"]),
            preview=data["preview"],
            failover=data.get("failover", False),
            hooks=tuple(data.get("hooks", ())),
        )


@dataclass(frozen=True)
class ControlAnswer:
    """What the loaded nginx says about itself on its control socket."""

    app: str
    generation: int
    live: Color | None
    nginx: str
    worker: int  # process id of the worker that answered, in the proxy's own numbering


@dataclass(frozen=True)
class ProxyContainer:
    """The proxy as the Engine reports it."""

    id: str
    name: str
    state: str
    definition: str
    address: str | None
    published: bool = True  # whether it stands on the public network, too
    stale: bool = False  # it has mounted folders that are gone

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True)
class PlainContainer:
    """A container that plain Compose made of a service of this app."""

    id: str
    name: str
    service: str
    running: bool


@dataclass(frozen=True)
class OnceContainer:
    """A container of a one-off run, as the Engine reports it."""

    id: str
    name: str
    release: int
    running: bool
    exit_code: int | None  # None: it runs


@dataclass(frozen=True)
class EngineFacts:
    """What the Engine says of itself. `root`: the folder of its images and volumes."""

    version: str
    api: str
    root: str


@dataclass(frozen=True)
class ImageFacts:
    """`size` in bytes, with every layer; `user` as the image names it, empty for root."""

    size: int
    user: str


@dataclass(frozen=True)
class World:
    """One look at everything: what decisions are made from."""

    app: str
    proxy: ProxyContainer | None
    answer: ControlAnswer | None  # the truth about traffic; None: nginx does not answer
    intended: Routing | None  # the rendered file; None: absent or not ours
    replicas: tuple[Replica, ...]
    unfinished: str | None = None  # an operation that never ended, in words
    unfinished_verb: str | None = None
    edited: bool = False  # somebody else wrote into the rendered file

    @property
    def live(self) -> Color | None:
        """What nginx answers; while nothing answers, what the file that it would load says."""
        if self.answer:
            return self.answer.live
        return self.intended.live if self.intended else None

    @property
    def idle(self) -> Color:
        return other(self.live) if self.live else "blue"

    def in_color(self, color: Color) -> tuple[Replica, ...]:
        return tuple(replica for replica in self.replicas if replica.color == color)

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

    def traffic(self) -> str:
        """In words, for an error: where public traffic goes now."""
        if self.live is None:
            return "none yet"
        slot = self.slot(self.live)
        release = f", release {slot.release}" if slot else ""
        return f"{self.live}{release} (unchanged)"
