"""An app as its Compose file describes it: the settings as values, and the services as Compose spells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from bluegreen.domain.shape import shaped
from bluegreen.domain.words import NOTIFY

if TYPE_CHECKING:
    from bluegreen.domain.tls import Tls

EXPECTED_FILE = "expected.yaml"


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
    request_headers: Mapping[str, str] = field(default_factory=dict)  # sent; see asked.py


@dataclass(frozen=True)
class Route:
    """A place of a routed service: requests for `host` (None: any) under the prefix `path` go to `service:port`.

    A service has one for each of its hosts and paths. `strip`: the prefix is taken off on the way. An internal service
    has one without a path: it is checked like the others, and no request leads there. Without a port Docker's own
    health check decides alone.
    """

    service: str
    port: int
    path: str = "/"
    host: str | None = None
    health: Health = field(default_factory=Health)
    strip: bool = False
    buffering: bool = True  # whether nginx takes an answer in before the visitor has read it
    listen: tuple[str, ...] = ()  # [ADDRESS:]PORT of its own; empty: the listeners of all

    @property
    def public(self) -> bool:
        """Whether requests lead there."""
        return bool(self.path)

    def as_dict(self) -> dict[str, Any]:
        """As a document. Newer keys are left out by default: then it is what an older bluegreen wrote."""
        found = asdict(self)
        if not self.health.request_headers:
            del found["health"]["request_headers"]
        for name, usual in (("strip", False), ("buffering", True), ("listen", ())):
            if found[name] == usual:
                del found[name]
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Route:
        """The inverse of `as_dict`. Raises TypeError for a document of another shape."""
        return shaped(cls, data)


def by_service(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The first route of each service: what is asked of a service, and not of its places."""
    return tuple({route.service: route for route in reversed(tuple(routes))}.values())[::-1]


@dataclass(frozen=True)
class Listen:
    """An address of this machine (empty: all of them) and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.address else str(self.port)


@dataclass(frozen=True)
class Edge:
    """What `x-bluegreen.edge` says: an nginx of this machine in front of several apps."""

    name: str = "edge"
    listen: tuple[Listen, ...] = (Listen("", 80),)
    tls: tuple[Listen, ...] = (Listen("", 443),)
    image: str = ""  # empty: that of proxy.image, of the app that starts it
    state: str = ""  # its state folder on this machine


@dataclass(frozen=True)
class Bind:
    """A folder of this machine that nginx's container has."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True)
class FilesAt:
    """Requests under `prefix` get files: of a release's service below `path`, or of a volume."""

    prefix: str  # /static, without the last slash
    service: str = ""
    path: str = ""  # in the container
    volume: str = ""  # its key in the Compose file
    name: str = ""  # the volume's own name, as the Engine has it


@dataclass(frozen=True)
class ProxySettings:
    """What `x-bluegreen.proxy` says. Sizes in bytes, times in seconds."""

    image: str = "nginx:1.30-alpine"
    max_body: int = 100 * 1024 * 1024
    read_timeout: float = 60.0
    trust: tuple[str, ...] = ()
    include: str | None = None
    websocket_timeout: float = 3600.0
    max_request_headers: int = 64 * 1024  # of one line
    max_answer_headers: int = 64 * 1024  # of all lines together
    underscores: bool = False  # whether headers with an underscore in their names are passed on
    error_pages: str | None = None  # a folder with pages for 502, 503, 504
    labels: Mapping[str, str] = field(default_factory=dict)  # of the container, for a proxy in front
    networks: tuple[str, ...] = ()  # that exist, and that it joins


@dataclass(frozen=True)
class Canary:
    """What `x-bluegreen.canary` says: who counts as one visitor, and who may choose a color."""

    by: Literal["address", "cookie", "header"] = "address"
    name: str = ""  # of that cookie or header
    header: str = "X-Bluegreen"  # in which a tester asks for a color; empty: in none
    cookie: str = ""  # the same of a cookie
    secret: str = field(default="", repr=False)  # that has to come with it; empty: none
    pin: bool = False  # whether what a page asks for comes from the color of the page


@dataclass(frozen=True)
class Task:
    """A command that runs once: on the host, or (with `service`) in a container of its own. `timeout` in seconds.

    An empty `command` is the service's own.
    """

    command: tuple[str, ...] = ()
    service: str | None = None
    timeout: float = 60.0


@dataclass(frozen=True)
class Migration:
    """What has to run once for each release, before it gets traffic."""

    run: Task
    reversible: bool = True  # whether the previous release works with the migrated data


@dataclass(frozen=True)
class Watch:
    """What `x-bluegreen.watch` says: how a switch looks at real traffic before it is settled."""

    seconds: float = 60.0  # 0: not at all
    control: int = 0  # percent of visitors who stay on the release before until the verdict
    expected: bool = False  # whether the recorded answers are asked for when there is too little traffic to tell


@dataclass(frozen=True)
class Compare:
    """What `x-bluegreen.compare` says. `fail`: the share of requests, 0 to 1, from which on a switch stops."""

    fail: float | None = None  # None: differences are shown, and stop nothing
    leave_out: tuple[str, ...] = ()  # prefixes of paths that are not asked again


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
    hooks: Mapping[HookName, tuple[Task, ...]] = field(default_factory=dict)
    require: tuple[str, ...] = ()  # of NOTED: what every release must say
    expected: str = EXPECTED_FILE  # recorded answers; relative to the project's folder
    keep: int = 5  # releases whose images stay
    redirect: Mapping[str, str] = field(default_factory=dict)  # host to the host that its visitors are sent to
    tls: Tls | None = None
    files: tuple[FilesAt, ...] = ()  # what nginx serves itself
    assets: tuple[str, ...] = ()  # prefixes whose 404 the other color is asked about
    edge: Edge | None = None  # None: visitors reach this app's nginx without one
    watch: Watch = field(default_factory=Watch)
    compare: Compare = field(default_factory=Compare)
    notify: tuple[str, ...] = field(default=(), repr=False)  # URLs, which are secrets
    canary: Canary = field(default_factory=Canary)

    @property
    def fronts(self) -> tuple[Route, ...]:
        """One route of each routed service."""
        return by_service(self.routes)

    def moments(self) -> tuple[str, ...]:
        """For whose sake flip-back reads the Compose file, once traffic is back: hooks by name, and notices."""
        return (*self.hooks, *([NOTIFY] if self.notify else []))

    def visited(self) -> tuple[Listen, ...]:
        """Where visitors without TLS come in: at this app's nginx, or at the edge."""
        return (*self.listen, *self.edge.listen) if self.edge else self.listen

    def listeners(self) -> tuple[Listen, ...]:
        """Everything that this app's nginx is published on: the public addresses and the preview."""
        secure = self.tls.listen if self.tls and not self.edge else ()
        found = (*self.listen, *secure, *self.own_listeners())
        return (*found, self.preview) if self.preview else found

    def own_listeners(self) -> tuple[Listen, ...]:
        """Those that one service alone has."""
        texts = dict.fromkeys(text for route in self.routes for text in route.listen)
        return tuple(Listen(address, int(port)) for address, _, port in (text.rpartition(":") for text in texts))

    def release_services(self) -> tuple[str, ...]:
        """The services that exist once for each color."""
        return tuple(dict.fromkeys([*(route.service for route in self.routes), *self.jobs]))

    def own_services(self) -> tuple[str, ...]:
        """The release services, and those that run once for a release: Compose does not start them."""
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
    binds: tuple[Bind, ...] = ()  # folders of this machine that nginx needs beside those of the state

    def builder(self, service_name: str) -> str | None:
        """The service whose build makes the image that this one only names; None: no service."""
        if self.services[service_name].get("build"):
            return None
        wanted, own = self.image_reference(service_name), self.settings.own_services()
        built = (name for name in own if self.services[name].get("build"))
        return next((name for name in built if self.image_reference(name) == wanted), None)

    def image_reference(self, service_name: str) -> str:
        """The name of a service's image. Without `image`, Compose calls it PROJECT-SERVICE."""
        return str(self.services[service_name].get("image") or f"{self.app}-{service_name}")
