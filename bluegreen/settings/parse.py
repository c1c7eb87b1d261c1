"""The `x-bluegreen` block: validated whole, every problem in one report, turned into `model.Settings`.

The pydantic classes are the one source of the JSON Schema, of the defaults and of the README's table.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import CoreSchema

from bluegreen.domain import app as model
from bluegreen.domain.units import BYTES, DURATION, SIZE, parse_duration, parse_size

# Deliberately narrower than RFC 3986: what is left out ($ ; { } quotes, space) means something to nginx.
PATH = re.compile(r"^/(?:[A-Za-z0-9._~%@:+-]+/?)*$")
HEALTH_PATH = re.compile(r"^/[!-~]*$")
HOST = re.compile(r"^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$")
LISTEN = re.compile(r"^(?:(?P<address>[0-9.]+|\[[0-9A-Fa-f:]+\]):)?(?P<port>\d+)$", re.ASCII)

# Names of the design that a later version brings. Asked for today they are refused, not ignored.
LATER = ("watch", "idle")


def parse_listen(value: object) -> model.Listen:
    """`[ADDRESS:]PORT`. Raises ValueError."""
    match = LISTEN.fullmatch(str(value)) if not isinstance(value, bool) else None
    if not match or not 0 < int(match["port"]) < 65536:
        raise ValueError("[ADDRESS:]PORT with a port from 1 to 65535, such as 80 or 127.0.0.1:8080")
    address = match["address"] or ""
    if address:
        try:
            ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            raise ValueError("an IP address before the port, such as 127.0.0.1:8080") from None
    return model.Listen(address, int(match["port"]))


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("an address or network, such as 10.0.0.0/8") from None


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from None
    return value


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("a duration longer than 0")
    return value


_TEXT_DURATION = {"type": "string", "pattern": DURATION.pattern, "examples": ["500ms", "30s", "1m30s"]}
_LISTEN_SCHEMA = {
    "type": ["string", "integer"],
    "pattern": LISTEN.pattern.replace("?P<address>", "?:").replace("?P<port>", "?:"),
    "minimum": 1,
    "maximum": 65535,
}
Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"anyOf": [_TEXT_DURATION, {"type": "integer", "const": 0}]})
]
PositiveDuration = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_positive), WithJsonSchema(_TEXT_DURATION)
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": SIZE.pattern, "minimum": 0}),
]
ListenAt = Annotated[model.Listen, BeforeValidator(parse_listen), WithJsonSchema(_LISTEN_SCHEMA)]
Port = Annotated[int, Field(ge=1, le=65535)]
PathPrefix = Annotated[
    str,
    _matching(PATH, "a path such as / or /api (letters, digits and . _ ~ % @ : + - /)"),
    WithJsonSchema({"type": "string", "pattern": PATH.pattern}),
]
HealthPath = Annotated[
    str,
    _matching(HEALTH_PATH, "a path such as /health, without spaces"),
    WithJsonSchema({"type": "string", "pattern": HEALTH_PATH.pattern}),
]
Host = Annotated[
    str,
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    _matching(HOST, "a host name such as shop.example.com, or *.example.com"),
    WithJsonSchema({"type": "string", "pattern": HOST.pattern.replace("a-z", "A-Za-z")}),
]
Cidr = Annotated[str, AfterValidator(_cidr)]
Regex = Annotated[str, AfterValidator(_regex)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)


class ExpectBlock(_Block):
    """What a healthy answer looks like."""

    status: Annotated[int, Field(ge=100, le=599)] = 200
    """The status code."""
    json_: Any = Field(default=None, alias="json")
    """A subset that the JSON of the answer must contain."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the answer must carry, with these values."""
    body: Regex | None = None
    """A regular expression that must be found in the body."""


class HealthBlock(_Block):
    """When a replica counts as healthy."""

    path: HealthPath = "/health"
    """What to ask for."""
    expect: ExpectBlock = Field(default_factory=ExpectBlock)
    """What a healthy answer looks like."""
    successes: Annotated[int, Field(ge=1, le=100)] = 3
    """How many good answers in a row each replica must give."""
    interval: PositiveDuration = 0.5
    """Pause between two tries."""
    timeout: PositiveDuration = 60.0
    """How long a color may take to become healthy."""
    request_timeout: PositiveDuration = 5.0
    """How long one answer may take."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": HEALTH_PATH.pattern}, handler(core_schema)]}

    def health(self) -> model.Health:
        expect = self.expect
        return model.Health(
            self.path, expect.status, expect.json_, expect.headers, expect.body,
            self.successes, self.interval, self.timeout, self.request_timeout,
        )  # fmt: skip


def _health_block(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


HealthOrPath = Annotated[HealthBlock, BeforeValidator(_health_block)]


class ServiceBlock(_Block):
    """One routed service."""

    port: Port
    """The port that the service listens on, inside its container."""
    path: PathPrefix = "/"
    """The path prefix that is routed to it; the longest match wins; it is passed on unstripped."""
    host: Host | None = None
    """The host name that it answers to; without one, any."""
    health: HealthOrPath | None = None
    """Its own health check; without one, that of the block."""


class ProxyBlock(_Block):
    """The nginx in front."""

    image: Annotated[str, Field(min_length=1, pattern=r"^[^\s-][^\s]*$")] = model.ProxySettings.image
    """An nginx image, 1.27.4 or newer."""
    max_body: Size = model.ProxySettings.max_body
    """The largest request body; more is answered 413."""
    read_timeout: PositiveDuration = 60.0
    """How long nginx waits for the service between two reads of an answer."""
    trust: list[Cidr] = Field(default_factory=list)
    """Addresses of proxies in front whose X-Forwarded-* and X-Request-ID are believed."""
    include: Annotated[str, Field(min_length=1)] | None = None
    """A folder of your own snippets: *.conf inside each server, http/*.conf around them."""


ARGUMENTS = "a list of arguments, such as [alembic, upgrade, head]; no shell reads it"
Command = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(lambda value: _argument_list(value)),
    Field(min_length=1),
]


def _argument_list(value: object) -> object:
    if not isinstance(value, list) or not value:
        raise ValueError(ARGUMENTS)
    return value


class MigrateBlock(_Block):
    """The migration: once for each release, from its image, before traffic."""

    service: str
    """The service whose image, networks, volumes and secrets it runs with."""
    command: Command | None = None
    """Its command, a list of arguments; without one, the service's own."""
    timeout: PositiveDuration = 600.0
    """How long it may take."""
    reversible: bool = True
    """Whether the release before it works with the migrated data; false: flip-back over it asks for --force."""


class HookBlock(_Block):
    """A command at a named moment: on this machine, or in a container of a service."""

    command: Command | None = None
    """A list of arguments; needed on this machine, otherwise the service's own."""
    service: str | None = None
    """The service to run it in, once; without one, it runs on this machine, in the folder of the Compose file."""
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


class HooksBlock(_Block):
    """Commands at named moments. One that fails is a warning, except before_switch: it may veto."""

    before_switch: HookList | None = None
    """When the new color is proven, before traffic moves; failing stops the switch."""
    after_switch: HookList | None = None
    """When traffic has moved."""
    after_flip_back: HookList | None = None
    """When traffic is back."""
    on_failure: HookList | None = None
    """When a switch or a flip-back has failed."""

    def hooks(self) -> dict[model.HookName, tuple[model.OneOff, ...]]:
        found: dict[model.HookName, tuple[model.OneOff, ...]] = {}
        for name in model.HOOKS:
            blocks: list[HookBlock] = getattr(self, name) or []
            if blocks:
                found[name] = tuple(model.OneOff(tuple(it.command or ()), it.service, it.timeout) for it in blocks)
        return found


class Block(_Block):
    """The top-level key `x-bluegreen` of a Compose file."""

    service: str | None = None
    """The one routed service; short form of `services`."""
    port: Port | None = None
    """Its port."""
    services: dict[str, ServiceBlock] = Field(default_factory=dict)
    """The routed services, by their names in the Compose file."""
    listen: Annotated[
        list[ListenAt],
        BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
        Field(min_length=1),
        WithJsonSchema(
            {
                "anyOf": [
                    _LISTEN_SCHEMA,
                    {"type": "array", "items": _LISTEN_SCHEMA, "minItems": 1, "uniqueItems": True},
                ]
            }
        ),
    ] = Field(default_factory=lambda: [model.Listen("", 80)], json_schema_extra={"default": "80"})
    """Where nginx is published: [ADDRESS:]PORT, or a list of them."""
    preview: Annotated[
        model.Listen | None,
        BeforeValidator(lambda value: None if value is False or value == "off" else parse_listen(value)),
        WithJsonSchema({"anyOf": [_LISTEN_SCHEMA, {"enum": ["off", False]}]}),
    ] = Field(default=model.Listen("127.0.0.1", 8081), json_schema_extra={"default": "127.0.0.1:8081"})
    """The listener that always routes to the idle color, or off. Loopback unless an address is named."""
    health: HealthOrPath = Field(default_factory=HealthBlock)
    """The health check of services that have none of their own; a path, or a whole policy."""
    jobs: Annotated[
        dict[str, dict[str, Any]],
        BeforeValidator(lambda value: {name: {} for name in value} if isinstance(value, list) else value),
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
    drain: Duration = 30.0
    """How long requests in flight may take after a shift."""
    failover: bool = False
    """Whether the previous release answers what the live one cannot be reached for."""
    migrate: MigrateBlock | None = None
    """What runs once for each release, before it gets traffic: service, and command, timeout, reversible."""
    hooks: HooksBlock = Field(default_factory=HooksBlock)
    """Commands at named moments."""
    require: list[Literal["owner", "expect", "note", "revision"]] = Field(default_factory=list)
    """What a release must say of itself: owner, expect, note, revision."""
    expected: Annotated[str, Field(min_length=1)] = model.EXPECTED_FILE
    """Recorded requests and the answers that a release must give; without the file, none are asked."""
    keep: Annotated[int, Field(ge=1)] = 5
    """How many releases stay on the machine, for switch --to; older images of ours are removed."""
    proxy: ProxyBlock = Field(default_factory=ProxyBlock)
    """The nginx in front."""

    @field_validator("preview")
    @classmethod
    def _preview_on_loopback(cls, value: model.Listen | None) -> model.Listen | None:
        return model.Listen("127.0.0.1", value.port) if value and not value.address else value


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what was found, what is expected."""

    path: str
    found: str
    expected: str
    nearest: str = ""

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.path}: found {self.found}, expected {self.expected}{hint}"


class InvalidSettings(Exception):
    """Carries every problem of a block."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def parse_settings(block: object, service_names: Iterable[str]) -> model.Settings:
    """Settings from the resolved `x-bluegreen` block of an app with these services.

    Raises InvalidSettings with all problems at once.
    """
    names = tuple(service_names)
    try:
        parsed = Block.model_validate(block if isinstance(block, Mapping) else {"": block})
    except ValidationError as error:
        raise InvalidSettings(_problem(entry, block) for entry in error.errors()) from None
    problems = [*_service_problems(parsed, names), *_listen_problems(parsed)]
    if problems:
        raise InvalidSettings(problems)
    return model.Settings(
        routes=_routes(parsed),
        jobs=tuple(parsed.jobs),
        listen=tuple(parsed.listen),
        preview=parsed.preview,
        drain=parsed.drain,
        failover=parsed.failover,
        proxy=model.ProxySettings(
            parsed.proxy.image, parsed.proxy.max_body, parsed.proxy.read_timeout,
            tuple(parsed.proxy.trust), parsed.proxy.include,
        ),
        migrate=_migration(parsed.migrate),
        hooks=parsed.hooks.hooks(),
        require=tuple(dict.fromkeys(parsed.require)),
        expected=parsed.expected,
        keep=parsed.keep,
    )  # fmt: skip


def _migration(block: MigrateBlock | None) -> model.Migration | None:
    if block is None:
        return None
    return model.Migration(model.OneOff(tuple(block.command or ()), block.service, block.timeout), block.reversible)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the block, for editors: they see it before Compose interpolates it."""
    schema: dict[str, Any] = _for_editors(Block.model_json_schema(by_alias=True))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "x-bluegreen"
    long = {"required": ["services"]}
    short: dict[str, Any] = {"required": ["service", "port"], "not": long}
    none_of_the_short = {"anyOf": [{"required": ["service"]}, {"required": ["port"]}]}
    schema["anyOf"] = [short, {**long, "not": none_of_the_short}]
    return schema


INTERPOLATED = {"type": "string", "pattern": r"\$\{?[A-Za-z_]"}  # ${TAG}, $TAG, ${PORT:-8000}: any type comes of it
NOTES = ("title", "description", "default", "examples")


def _for_editors(node: Any) -> Any:
    """Takes what Compose would interpolate for any value, and shows defaults as a person writes them."""
    if isinstance(node, list):
        return [_for_editors(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    found = {key: _for_editors(entry) for key, entry in node.items()}
    patterns = [option.get("pattern") for option in (node, *node.get("anyOf", [])) if isinstance(option, dict)]
    if DURATION.pattern in patterns and isinstance(node.get("default"), float):
        found["default"] = f"{node['default']:g}s"
    if SIZE.pattern in patterns and isinstance(node.get("default"), int):
        found["default"] = f"{node['default'] // BYTES['m']}m"
    if {"type": "null"} in found.get("anyOf", []):  # a key that is there has a value
        found["anyOf"] = [option for option in found["anyOf"] if option != {"type": "null"}]
        found.pop("default", None)
    kinds = found.get("type", [])
    if {"integer", "number", "boolean", "string"} & set([kinds] if isinstance(kinds, str) else kinds):
        notes = {key: found.pop(key) for key in NOTES if key in found}
        return {"anyOf": [found, INTERPOLATED], **notes}
    return found


def _routes(parsed: Block) -> tuple[model.Route, ...]:
    services = dict(parsed.services)
    if parsed.service and parsed.port:
        services[parsed.service] = ServiceBlock(port=parsed.port)
    default = parsed.health.health()
    return tuple(
        model.Route(
            name,
            block.port,
            _prefix(block.path),
            block.host,
            block.health.health() if block.health else default,
        )
        for name, block in services.items()
    )


def _prefix(path: str) -> str:
    return path.rstrip("/") or "/"


def _service_problems(parsed: Block, names: tuple[str, ...]) -> Iterable[Problem]:
    if parsed.service and parsed.services:
        yield Problem("service", parsed.service, "either service and port, or services")
    elif parsed.service and not parsed.port:
        yield Problem("port", "nothing", "the port that the service listens on, such as 8000")
    elif not parsed.service and not parsed.services:
        yield Problem("service", "nothing", "the service that gets traffic: service and port, or services")
    elif parsed.port and not parsed.service:
        yield Problem("port", str(parsed.port), "service beside it; within services each has a port of its own")
    named = [("service", parsed.service)] if parsed.service else []
    named += [(f"services.{name}", name) for name in parsed.services] + [(f"jobs.{name}", name) for name in parsed.jobs]
    named += [("migrate.service", parsed.migrate.service)] if parsed.migrate else []
    named += [(f"hooks.{name}.service", hook.service) for name, hook in _hooks(parsed) if hook.service]
    for path, name in named:
        if name not in names:
            yield Problem(
                path,
                name or "nothing",
                f"a service of the Compose file ({', '.join(names)})",
                _nearest(name or "", names),
            )
    for name, options in parsed.jobs.items():
        if options:
            yield Problem(f"jobs.{name}", ", ".join(options), "no options in this version")
        if name == parsed.service or name in parsed.services:
            yield Problem(f"jobs.{name}", name, "a service that is not routed as well")
    yield from _hook_problems(parsed)
    yield from _clashes(parsed)


def _hooks(parsed: Block) -> list[tuple[str, model.OneOff]]:
    return [(name, hook) for name, all_of_it in parsed.hooks.hooks().items() for hook in all_of_it]


def _hook_problems(parsed: Block) -> Iterable[Problem]:
    for name, hook in _hooks(parsed):
        if not hook.service and not hook.command:
            yield Problem(f"hooks.{name}", "neither command nor service", "a command, or a service to run it in")


def _clashes(parsed: Block) -> Iterable[Problem]:
    seen: dict[tuple[str | None, str], str] = {}
    for name, block in parsed.services.items():
        key = (block.host, _prefix(block.path))
        if key in seen:
            yield Problem(f"services.{name}.path", block.path, f"a path of its own (services.{seen[key]} has it)")
        seen[key] = name


def _listen_problems(parsed: Block) -> Iterable[Problem]:
    ports = {listen.port for listen in parsed.listen}
    if len(set(parsed.listen)) < len(parsed.listen):
        yield Problem("listen", ", ".join(map(str, parsed.listen)), "each address once")
    if parsed.preview and parsed.preview.port in ports:
        yield Problem("preview", str(parsed.preview), "a port that listen does not use")


def _problem(entry: Any, block: object) -> Problem:
    where = [str(part) for part in entry["loc"] if part != ""]
    path = ".".join(where) or "x-bluegreen"
    kind, found = entry["type"], _shown(entry["input"])
    if kind == "extra_forbidden":
        if len(where) == 1 and where[0] in LATER:
            return Problem(path, found, "nothing yet: this version does not have it")
        if not isinstance(block, Mapping):
            return Problem("x-bluegreen", _shown(block), "a mapping with at least service and port")
        return Problem(path, "an unknown key", "a known key", _nearest(where[-1], _known_keys(where)))
    if kind == "missing":
        return Problem(path, "nothing", "a value")
    message = str(entry.get("ctx", {}).get("error", "")) or entry["msg"]
    return Problem(path, found, re.sub(r"^Input should be ", "", message))


def _known_keys(where: list[str]) -> list[str]:
    blocks: dict[str, type[_Block]] = {
        "health": HealthBlock, "expect": ExpectBlock, "proxy": ProxyBlock, "migrate": MigrateBlock, "hooks": HooksBlock,
        **dict.fromkeys(model.HOOKS, HookBlock),
    }  # fmt: skip
    where = [part for part in where if not part.isdecimal()]
    parent = where[-2] if len(where) > 1 else ""
    block: type[_Block] = Block
    if parent:
        block = ServiceBlock if where[0] == "services" and len(where) == 3 else blocks.get(parent, Block)
    return [field.alias or name for name, field in block.model_fields.items()]


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), "")


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
