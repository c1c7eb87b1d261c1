"""The x-bluegreen block, key by key.

The JSON Schema, the defaults and the table of the reference come from these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, field_validator
from pydantic_core import CoreSchema

from bluegreen.domain import app as model
from bluegreen.settings.canary import CanaryBlock
from bluegreen.settings.compare import CompareBlock, Urls
from bluegreen.settings.edge import EdgeBlock, PublicListens
from bluegreen.settings.strict import ARGUMENTS, Command, StrictBlock
from bluegreen.settings.tls import TlsBlock
from bluegreen.settings.types import (
    HEADERS_SCHEMA,
    HEALTH_PATH,
    LISTEN_SCHEMA,
    Cidr,
    Duration,
    HeaderSize,
    HealthPath,
    Host,
    Hosts,
    Labels,
    Listens,
    PathPrefix,
    Paths,
    Port,
    PositiveDuration,
    Regex,
    Size,
    parse_listen,
)
from bluegreen.settings.watch import WatchBlock, as_block

# Keys that a later version will have. Today they are refused, not ignored.
LATER = ("idle",)


class ExpectBlock(StrictBlock):
    """What a healthy answer looks like."""

    status: Annotated[int, Field(ge=100, le=599)] = 200
    """The status code."""
    json_: Any = Field(default=None, alias="json")
    """Keys and values that the JSON of the answer must contain; extra keys are allowed."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the answer must have, with these values."""
    body: Regex | None = None
    """A regular expression that must be found in the body."""


class HealthBlock(StrictBlock):
    """When a replica counts as healthy."""

    path: HealthPath = "/health"
    """The path that is requested."""
    headers: Annotated[Any, WithJsonSchema(HEADERS_SCHEMA)] = Field(default_factory=dict)
    """Request headers to send, such as Host or Authorization; a secret comes from a variable: "Bearer ${TOKEN}"."""
    expect: ExpectBlock = Field(default_factory=ExpectBlock)
    """What a healthy answer looks like."""
    successes: Annotated[int, Field(ge=1, le=100)] = 3
    """How many good answers in a row each replica must give."""
    interval: PositiveDuration = 0.5
    """The pause between two tries."""
    timeout: PositiveDuration = 60.0
    """How long a color may take to become healthy."""
    request_timeout: PositiveDuration = 5.0
    """How long one try may take."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": HEALTH_PATH.pattern}, handler(core_schema)]}

    def health(self) -> model.Health:
        expect = self.expect
        return model.Health(
            self.path, expect.status, expect.json_, expect.headers, expect.body,
            self.successes, self.interval, self.timeout, self.request_timeout, dict(self.headers or {}),
        )  # fmt: skip


def _health_block(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


HealthOrPath = Annotated[HealthBlock, BeforeValidator(_health_block)]


class ServiceBlock(StrictBlock):
    """One routed service."""

    port: Port
    """The port that the service listens on, inside its container."""
    path: Paths = Field(default=["/"], json_schema_extra={"default": "/"})
    """The path prefix that nginx sends to it, or a list of them. The longest match wins."""
    host: Hosts | None = None
    """The host name that nginx sends to it, or a list of them, such as `*.shop.example.com`; without one, any host."""
    strip: bool = False
    """Whether nginx removes the path prefix; the service gets it as X-Forwarded-Prefix."""
    listen: Listens | None = None
    """A port of its own, [ADDRESS:]PORT or a list: nginx serves only this service there, and there only."""
    buffering: bool = True
    """Whether nginx takes answers in, so that a slow visitor keeps no worker busy. Chunked ones pass as written."""
    health: HealthOrPath | None = None
    """Its own health check; without one, `health` of the block."""


class InternalBlock(StrictBlock):
    """A service of the release that gets no traffic from outside: the others find it by its name, in their color."""

    port: Port | None = None
    """The port that its health check asks; without one, Docker's own health check decides alone."""
    health: HealthOrPath | None = None
    """Its own health check; without one, `health` of the block."""


class FilesBlock(StrictBlock):
    """Files that nginx serves itself, under one prefix: of a service of the release, or of a volume."""

    service: str | None = None
    """The service whose container has them; they are copied out of each release once it is healthy."""
    path: Annotated[str, Field(pattern=r"^/[^\x00]+$")] | None = None
    """The folder in that container, such as /app/static."""
    volume: str | None = None
    """Or a volume of the Compose file; it is mounted read-only."""


class ProxyBlock(StrictBlock):
    """The nginx in front of both colors."""

    image: Annotated[str, Field(min_length=1, pattern=r"^[^\s-][^\s]*$")] = model.ProxySettings.image
    """An nginx image, 1.27.4 or newer."""
    max_body: Size = model.ProxySettings.max_body
    """The largest request body. A larger one gets 413."""
    read_timeout: PositiveDuration = 60.0
    """How long nginx waits for the service: for an answer to begin, and between two parts of it."""
    websocket_timeout: PositiveDuration = model.ProxySettings.websocket_timeout
    """How long a WebSocket may be silent, if longer than read_timeout."""
    max_request_headers: HeaderSize = model.ProxySettings.max_request_headers
    """The longest request line or request header, such as a cookie. A longer one gets 400 or 414."""
    max_answer_headers: HeaderSize = model.ProxySettings.max_answer_headers
    """The largest size of all headers of an answer together. A larger one gets 502."""
    underscores: bool = model.ProxySettings.underscores
    """Whether request headers with an underscore in their names reach the service; not together with trust."""
    trust: list[Cidr] = Field(default_factory=list)
    """Proxies in front whose X-Forwarded-* and X-Request-ID are trusted, by address; 127.0.0.1: one on this machine."""
    error_pages: Annotated[str, Field(min_length=1)] | None = None
    """A folder with 502.html, 503.html or 504.html, for answers that nginx itself has to give."""
    include: Annotated[str, Field(min_length=1)] | None = None
    """A folder of your own nginx snippets: *.conf for each server block, http/*.conf for the http block."""
    labels: Labels = Field(default_factory=dict)
    """Labels of nginx's container, by which a proxy in front finds it, such as `traefik.enable: true`."""
    networks: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Networks that exist already, and that nginx joins: where a proxy in front reaches it."""


class MigrateBlock(StrictBlock):
    """The migration: once for each release, from its image, before traffic."""

    service: str
    """The service whose image, networks, volumes and secrets it runs with."""
    command: Command | None = None
    """Its command, a list of arguments; without one, the service's own."""
    timeout: PositiveDuration = 600.0
    """How long it may take."""
    reversible: bool = True
    """Whether the previous release works with the migrated data. If not, flip-back needs --force."""


class HookBlock(StrictBlock):
    """A command at a named moment: on this machine, or in a container of a service."""

    command: Command | None = None
    """A list of arguments. Without it, the service's own command; on this machine it is required."""
    service: str | None = None
    """The service whose container runs it; without one, it runs on this machine, in the folder of the Compose file."""
    timeout: PositiveDuration = 60.0
    """How long it may take."""


def _hook_list(value: object) -> object:
    """`[./tell.sh, moved]` is one command; otherwise a hook, or a list of them."""
    if isinstance(value, list) and value and not all(isinstance(part, str) for part in value):
        return [_hook_block(part) for part in value]
    return [_hook_block(value)]


def _hook_block(value: object) -> object:
    if not isinstance(value, list | Mapping):
        raise ValueError(f"{ARGUMENTS}; or a mapping with command, service, timeout")
    return {"command": value} if isinstance(value, list) else value


_COMMAND_SCHEMA = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}


class _HookList:
    """For the schema: a command, a hook, or a list of both."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        one = {"anyOf": [_COMMAND_SCHEMA, handler(core_schema)["items"]]}
        return {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 1}]}


HookList = Annotated[list[HookBlock], BeforeValidator(_hook_list), Field(min_length=1), _HookList]


def _job_names(value: object) -> object:
    """A list of names is the short form."""
    if isinstance(value, list) and not all(isinstance(name, str) for name in value):
        raise ValueError("names of services, such as [worker]")
    return {name: {} for name in value} if isinstance(value, list) else value


class _ByName:
    """For the schema: a list of names is the short form."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, handler(core_schema)]}


class HooksBlock(StrictBlock):
    """Commands at named moments. A hook that fails is a warning; before_switch stops the switch."""

    before_switch: HookList | None = None
    """After the new color has passed its checks, before traffic moves. If it fails, the switch stops."""
    after_switch: HookList | None = None
    """After traffic has moved."""
    after_flip_back: HookList | None = None
    """After traffic has moved back."""
    on_failure: HookList | None = None
    """After a switch or a flip-back has failed."""

    def hooks(self) -> dict[model.HookName, tuple[model.Task, ...]]:
        found: dict[model.HookName, tuple[model.Task, ...]] = {}
        for name in model.HOOKS:
            blocks: list[HookBlock] = getattr(self, name) or []
            if blocks:
                found[name] = tuple(model.Task(tuple(it.command or ()), it.service, it.timeout) for it in blocks)
        return found


class Block(StrictBlock):
    """The top-level key `x-bluegreen` of a Compose file."""

    service: str | None = None
    """The one routed service; short form of `services`."""
    port: Port | None = None
    """Its port."""
    services: dict[str, ServiceBlock] = Field(default_factory=dict)
    """The routed services, by their names in the Compose file."""
    redirect: dict[Host, Host] = Field(default_factory=dict)
    """Hosts whose visitors are sent to another one (308, same path and query), such as `www.a.example: a.example`."""
    listen: PublicListens = Field(default_factory=lambda: [model.Listen("", 80)], json_schema_extra={"default": "80"})
    """Where nginx is published: [ADDRESS:]PORT, edge (one nginx in front of several apps), or a list of them."""
    edge: EdgeBlock = Field(default_factory=EdgeBlock)
    """What `listen: edge` means on this machine."""
    preview: Annotated[
        model.Listen | None,
        BeforeValidator(lambda value: None if value is False or value == "off" else parse_listen(value)),
        WithJsonSchema({"anyOf": [LISTEN_SCHEMA, {"enum": ["off", False]}]}),
    ] = Field(default=model.Listen("127.0.0.1", 8081), json_schema_extra={"default": "127.0.0.1:8081"})
    """Where nginx publishes the idle color, or off. Without an address: loopback. If not set: 8081 or a free port."""
    health: HealthOrPath = Field(default_factory=HealthBlock)
    """The health check of services that have none of their own; a path, or all its keys."""
    jobs: Annotated[
        dict[str, dict[str, Any]],
        BeforeValidator(lambda value: _job_names(value)),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
                ]
            }
        ),
    ] = Field(default_factory=dict)
    """Services that run in the live color only: workers, schedulers."""
    internal: Annotated[
        dict[str, InternalBlock],
        BeforeValidator(lambda value: _job_names(value)),
        _ByName,
    ] = Field(default_factory=dict)
    """Services of the release that only its other services call: one per color, healthy before traffic moves."""
    drain: Duration = 30.0
    """How long running requests may take after traffic has moved."""
    watch: Annotated[WatchBlock, BeforeValidator(as_block)] = Field(
        default_factory=WatchBlock, json_schema_extra={"default": "60s"}
    )
    """How long a switch watches real traffic before it is settled, such as 60s; 0s: not at all."""
    canary: CanaryBlock = Field(default_factory=CanaryBlock)
    """Shares of visitors: by, header, cookie, secret, pin."""
    failover: bool = False
    """Whether nginx asks the previous release while it cannot reach the live one."""
    migrate: MigrateBlock | None = None
    """What runs once for each release, before it gets traffic: service, and command, timeout, reversible."""
    hooks: HooksBlock = Field(default_factory=HooksBlock)
    """Commands at named moments."""
    require: list[Literal["owner", "expect", "note", "revision"]] = Field(default_factory=list)
    """Options that every release must have: owner, expect, note, revision."""
    expected: Annotated[str, Field(min_length=1)] = model.EXPECTED_FILE
    """The file of recorded requests and the answers that a release must give; without it, nothing is compared."""
    compare: CompareBlock = Field(default_factory=CompareBlock)
    """Recent requests of visitors that are asked of both releases before traffic moves."""
    notify: Urls = Field(default_factory=list)
    """URLs that get a notice, in Slack's form, when traffic has moved or a switch has failed: `["${SLACK_HOOK:-}"]`."""
    keep: Annotated[int, Field(ge=1)] = 5
    """How many releases are kept for switch --to. Images of older ones that bluegreen built or pulled are removed."""
    files: dict[PathPrefix, FilesBlock] = Field(default_factory=dict)
    """Files that nginx serves itself, by prefix: `/static/: {service: web, path: /app/static}`."""
    assets: list[PathPrefix] = Field(default_factory=list)
    """Prefixes of files that change names with each release: a 404 there is asked of the other release, too."""
    tls: TlsBlock | None = None
    """Certificates: email, for those of a CA, or files."""
    proxy: ProxyBlock = Field(default_factory=ProxyBlock)
    """The nginx in front of both colors."""

    @field_validator("preview")
    @classmethod
    def _preview_on_loopback(cls, value: model.Listen | None) -> model.Listen | None:
        return model.Listen("127.0.0.1", value.port) if value and not value.address else value
