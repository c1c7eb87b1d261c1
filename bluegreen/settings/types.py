"""The types of values in the block: durations, sizes, addresses, paths; each with its pattern and its schema."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
)

from bluegreen.domain import app as model
from bluegreen.domain.asked import TOKEN
from bluegreen.domain.units import DURATION, SIZE, parse_duration, parse_size

# Deliberately narrower than RFC 3986: what is left out ($ ; { } quotes, space) is written as %24, %20 ...
_IN_PATH = r"(?:[A-Za-z0-9._~@:+-]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})+"
PATH = re.compile(rf"^(?!.*/\.\.?(?:/|$))(?!.*%2[Ff])/(?:{_IN_PATH}(?:/{_IN_PATH})*/?)?$")
HEALTH_PATH = re.compile(r"^/[!-~]*$")
HOST = re.compile(r"^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$")
SMALLEST_HEADERS, LARGEST_HEADERS = 4 * 1024, 1024 * 1024  # nginx keeps a buffer of this size for each request
LISTEN = re.compile(r"^(?:(?P<address>[0-9.]+|\[[0-9A-Fa-f:]+\]):)?(?P<port>\d+)$", re.ASCII)


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


def matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def path_prefix(value: str) -> str:
    """A path as nginx compares it: decoded, with each slash once and without . and .. Raises ValueError.

    Source: ngx_http_core_module, location ("matching is performed against a normalized URI").
    """
    if "%2f" in value.lower():
        raise ValueError(f"/ instead of %2F, such as {re.sub('%2[fF]', '/', value)}: nginx does not tell them apart")
    try:
        found = unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("UTF-8 after each %, such as /caf%C3%A9") from None
    if found.startswith("/") and ({".", ".."} & set(found.split("/")) or "//" in found):
        raise ValueError(
            f"{posixpath.normpath(found).replace('//', '/')}, as nginx reads it: . and .. are resolved, // is /"
        )
    if not PATH.fullmatch(value) or not found.isprintable():
        raise ValueError("a path such as / or /api (letters, digits and . _ ~ @ : + - /; write others as %20)")
    return found


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("an address or network, such as 10.0.0.0/8") from None


def _header_size(value: int) -> int:
    if not SMALLEST_HEADERS <= value <= LARGEST_HEADERS:
        raise ValueError("a size from 4k to 1m, such as 64k")
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None
    return value


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("a duration longer than 0")
    return value


_TEXT_DURATION = {"type": "string", "pattern": DURATION.pattern, "examples": ["500ms", "30s", "1m30s"]}
HEADERS_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": f"^{TOKEN.pattern}$"},
    "additionalProperties": {"type": "string", "minLength": 1},
    "examples": [{"Host": "shop.example.com", "Authorization": "Bearer ${TOKEN}"}],
}
PATH_SCHEMA = {"type": "string", "pattern": PATH.pattern}
HOST_SCHEMA = {"type": "string", "pattern": HOST.pattern.replace("a-z", "A-Za-z")}
LISTEN_SCHEMA = {
    "type": ["string", "integer"],
    "pattern": LISTEN.pattern.replace("?P<address>", "?:").replace("?P<port>", "?:"),
    "minimum": 1,
    "maximum": 65535,
}
DURATION_SCHEMA: dict[str, Any] = {"anyOf": [_TEXT_DURATION, {"type": "integer", "const": 0}]}
Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(DURATION_SCHEMA)]
PositiveDuration = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_positive), WithJsonSchema(_TEXT_DURATION)
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], "pattern": SIZE.pattern, "minimum": 0}),
]
HeaderSize = Annotated[
    int,
    BeforeValidator(parse_size),
    AfterValidator(_header_size),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": SIZE.pattern,
            "minimum": SMALLEST_HEADERS,
            "maximum": LARGEST_HEADERS,
        }
    ),
]
ListenAt = Annotated[model.Listen, BeforeValidator(parse_listen), WithJsonSchema(LISTEN_SCHEMA)]
Port = Annotated[int, Field(ge=1, le=65535)]
PathPrefix = Annotated[
    str,
    AfterValidator(path_prefix),
    WithJsonSchema(PATH_SCHEMA),
]
HealthPath = Annotated[
    str,
    matching(HEALTH_PATH, "a path such as /health, without spaces"),
    WithJsonSchema({"type": "string", "pattern": HEALTH_PATH.pattern}),
]
Host = Annotated[
    str,
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    matching(HOST, "a host name such as shop.example.com, or *.example.com"),
    WithJsonSchema(HOST_SCHEMA),
]


def listed(value: object) -> object:
    """One value counts as a list of it alone."""
    return value if isinstance(value, list) else [value]


def _once(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))


def one_or_several(schema: dict[str, Any]) -> WithJsonSchema:
    """The JSON Schema of one value or a list of them."""
    return WithJsonSchema({"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1, "uniqueItems": True}]})


Paths = Annotated[
    list[PathPrefix], BeforeValidator(listed), Field(min_length=1), AfterValidator(_once), one_or_several(PATH_SCHEMA)
]
Hosts = Annotated[
    list[Host], BeforeValidator(listed), Field(min_length=1), AfterValidator(_once), one_or_several(HOST_SCHEMA)
]
Listens = Annotated[list[ListenAt], BeforeValidator(listed), Field(min_length=1), one_or_several(LISTEN_SCHEMA)]


def _labels(value: object) -> object:
    """As Compose takes them: a mapping, whose values may be numbers, true and false."""
    if not isinstance(value, dict):
        raise ValueError("a mapping, such as traefik.enable: true")
    for name in value:
        if str(name).startswith(("bluegreen.", "com.docker.")):
            raise ValueError(f"no label {name}: bluegreen.* and com.docker.* are not yours to set")
    if wrong := next((name for name, it in value.items() if not isinstance(it, str | int | float)), None):
        raise ValueError(f"a text for {wrong}")
    return {str(name): str(it).lower() if isinstance(it, bool) else str(it) for name, it in value.items()}


Labels = Annotated[
    dict[str, str],
    BeforeValidator(_labels),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]
Cidr = Annotated[str, AfterValidator(_cidr)]
Regex = Annotated[str, AfterValidator(_regex)]
