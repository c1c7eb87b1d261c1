"""Headers that a health check sends: which are allowed, and how one with a secret is written down. Pure.

The rendered file and the journal keep the policy, because flip-back reads no Compose file. A secret is not written
there: in its place is the name of a variable of the container that has it, or nothing if no variable has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bluegreen.domain.app import Health, Route
from bluegreen.domain.harmless import harmless
from bluegreen.domain.secrets import looks_secret

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
HOST_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
LONGEST = 4000  # characters of a line; nginx takes at least 4k, whatever proxy.max_request_headers says
OF_THE_CONNECTION = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "http2-settings", "content-length", "expect",
})  # fmt: skip
# Headers that our nginx sets or empties: one that is sent here would not reach the service.
SET_BY_NGINX = frozenset({
    "x-real-ip", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-request-id",
    "x-bluegreen-port",
    "proxy", "forwarded", "x-forwarded-prefix", "x-forwarded-ssl", "x-forwarded-scheme", "x-forwarded-protocol",
    "x-forwarded-server", "x-forwarded-path", "x-forwarded-uri", "x-forwarded-method", "x-forwarded-user",
    "x-url-scheme", "x-scheme", "front-end-https", "x-original-url", "x-original-uri", "x-rewrite-url",
    "x-original-host", "x-original-for", "x-original-proto", "x-script-name", "client-ip", "x-client-ip",
    "x-cluster-client-ip", "true-client-ip",
})  # fmt: skip
SEALED = "\x00"  # in no value that may be sent
REFERENCE = re.compile(r"\x00env:([^\x00]*)\x00")
NOWHERE = f"{SEALED}env:{SEALED}"  # no variable of the container holds it: the Compose file alone has it

Interpolated = Callable[[], Mapping[str, str]]  # the variables that the Compose file takes from outside


# -- which there may be


def wrong(headers: object, underscores: bool) -> Iterator[tuple[str, str, str]]:
    """(header, what was found, what is expected) of each that cannot be sent. No value is ever quoted."""
    if not isinstance(headers, Mapping):
        found = "nothing" if headers is None else f"a {type(headers).__name__}"
        yield "", found, "a mapping of names and values, such as Host: shop.example.com"
        return
    seen: dict[str, str] = {}
    for name, value in headers.items():
        if fault := _wrong_name(str(name), underscores) or _wrong_value(str(name), value):
            yield str(name), *fault
        elif str(name).lower() in seen:
            yield str(name), f"the header {seen[str(name).lower()]} again", "each header once"
        seen[str(name).lower()] = str(name)


def _wrong_name(name: str, underscores: bool) -> tuple[str, str] | None:
    if not TOKEN.fullmatch(name):
        return "another name", "the name of a header: letters, digits and ! # $ % & ' * + . ^ _ ` | ~ -"
    if name.lower() in OF_THE_CONNECTION:
        return "a header of the connection", "another header: nginx and the service set this one"
    if name.lower().replace("_", "-") in SET_BY_NGINX:
        return "a header that nginx sets itself", "another header: the service gets nginx's own value"
    if "_" in name and not underscores:
        return "a name with an underscore", "proxy.underscores: true; without it nginx drops this header"
    return None


def _wrong_value(name: str, value: object) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return f"a {type(value).__name__}", "a text, in quotes"
    if not value.strip():
        return "an empty value", "a value; is its variable set?"
    if value != value.strip(" "):  # "Bearer ${TOKEN}" with an empty variable
        return "a value that begins or ends with a space", "a value without that space; is its variable set?"
    if not value.isprintable():
        return "a value with control characters", "one line of text"
    if len(name) + len(value) > LONGEST:
        return f"{len(value)} characters", f"at most {LONGEST}"
    if name.lower() == "host" and not HOST_VALUE.fullmatch(value):
        return "no host", "a host name such as shop.example.com, with or without :PORT"
    return None


def misrouted(routes: Sequence[Route]) -> Iterator[tuple[Route, str]]:
    """Routes whose check names a host at which nginx sends public traffic to another service."""
    for route in routes:
        host = header(route.health.request_headers, "host")
        if host is None:
            continue
        name = re.sub(r":\d+$", "", host).lower()
        if route.host is not None and not _serves(route.host, name):
            yield route, f"{route.host}, the host of {route.service}; nginx sends another host to another service"
        taken = [it.service for it in routes if route.host is None and it.host and _serves(it.host, name)]
        if taken:
            yield route, f"a host that is not routed to {taken[0]}"


def _serves(host: str, name: str) -> bool:
    return name.endswith(host[1:]) and name != host[2:] if host.startswith("*.") else host == name


def header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


# -- what is written down


def kept(
    routes: Sequence[Route], services: Mapping[str, Mapping[str, Any]], interpolated: Interpolated
) -> tuple[Route, ...]:
    """These routes without the secrets of their checks, as they are written down."""
    return tuple(_kept(route, services.get(route.service) or {}, interpolated) for route in routes)


def _kept(route: Route, service: Mapping[str, Any], interpolated: Interpolated) -> Route:
    if not route.health.request_headers:
        return route
    outside = [value for name, value in interpolated().items() if looks_secret(name, value)]
    given = {name: it for name, it in (service.get("environment") or {}).items() if isinstance(it, str)}
    headers = route.health.request_headers
    return with_headers(route, {name: _without(name, value, given, outside) for name, value in headers.items()})


def _without(name: str, value: str, given: Mapping[str, str], outside: Sequence[str]) -> str:
    """A value as it is; or, of a secret one, references to variables of the container; or nothing of it."""
    named = {it: variable for variable, it in given.items() if looks_secret(variable, it) and it in value}
    if not (looks_secret(name, value) or named or any(it in value for it in outside)):
        return value
    parts = named or {it: variable for variable, it in given.items() if len(it) * 2 > len(value) and it in value}
    referring = value
    for text in sorted(parts, key=len, reverse=True):
        referring = referring.replace(text, f"{SEALED}env:{parts[text]}{SEALED}")
    rest = REFERENCE.sub(" ", referring).strip(" =:;")  # Bearer, session=
    plain = harmless("", rest) and not any(it in rest for it in outside)
    return referring if parts and plain else NOWHERE


def with_headers(route: Route, headers: Mapping[str, str]) -> Route:
    return replace(route, health=replace(route.health, request_headers=headers))


# -- and read again


def sealed(policy: Health) -> list[str]:
    """The headers of a policy whose values are not written down."""
    return [name for name, value in policy.request_headers.items() if SEALED in value]


def unsealed(policy: Health, given: Mapping[str, str], today: Mapping[str, str]) -> Health:
    """The policy with its values again where they can be had: of the variables `given`, else of the headers of `today`.

    `sealed` says of the result what could not.
    """
    found = {name: _value(name, value, given, today) for name, value in policy.request_headers.items()}
    return replace(policy, request_headers=found)


def _value(name: str, value: str, given: Mapping[str, str], today: Mapping[str, str]) -> str:
    wanted = REFERENCE.findall(value)
    if wanted and all(variable in given for variable in wanted):
        return REFERENCE.sub(lambda match: given[match[1]], value)
    return (header(today, name.lower()) or value) if wanted else value
