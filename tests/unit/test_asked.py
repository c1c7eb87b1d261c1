"""Headers of a health check: which may be sent, what is written down of a secret one, and what comes of it again."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from bluegreen.domain import asked, secrets
from bluegreen.domain.app import Health, Route, Settings, Stack
from bluegreen.domain.record import restore, written_down
from bluegreen.domain.release import Image
from bluegreen.frontdoor import headers
from bluegreen.settings.parse import InvalidSettings, parse_settings
from bluegreen.settings.schema import json_schema

NAMES = ("web", "api")
SENT = {"Host": "shop.example.com", "Authorization": "Bearer canary-token-5f"}


def _problems(found: object, **more: Any) -> list[str]:
    with pytest.raises(InvalidSettings) as error:
        parse_settings({"service": "web", "port": 1, "health": {"headers": found}, **more}, NAMES)
    return [str(problem) for problem in error.value.problems]


# -- which there may be


def test_headers_are_read_for_the_block_and_for_a_service_of_its_own() -> None:
    services = {"web": {"port": 1}, "api": {"port": 2, "path": "/api", "health": {"headers": {"X-Probe": "api"}}}}
    web, api = parse_settings({"services": services, "health": {"headers": SENT}}, NAMES).routes
    assert (web.health.request_headers, api.health.request_headers) == (SENT, {"X-Probe": "api"})
    jsonschema.Draft202012Validator(json_schema()).validate({"services": services, "health": {"headers": SENT}})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"Bad Name": "x"}, "health.headers.Bad Name: found another name, expected the name of a header"),
        ({"": "x"}, "health.headers: found another name"),
        ({"X-A": "canary\r\nX-B: 1"}, "health.headers.X-A: found a value with control characters, expected one line"),
        ({"X-A": "canary\x00"}, "health.headers.X-A: found a value with control characters"),
        ({"X-A": ""}, "health.headers.X-A: found an empty value, expected a value; is its variable set"),
        ({"Authorization": "Bearer "}, "health.headers.Authorization: found a value that begins or ends with a space"),
        ({"X-A": 7}, "health.headers.X-A: found a int, expected a text, in quotes"),
        ({"X-A": "canary" * 1000}, "health.headers.X-A: found 6000 characters, expected at most 4000"),
        ({"Host": "canary host"}, "health.headers.Host: found no host, expected a host name"),
        ({"X_Probe": "canary"}, "health.headers.X_Probe: found a name with an underscore, expected proxy.underscores"),
        ({"Host": "a.example", "host": "b.example"}, "health.headers.host: found the header Host again, expected each"),
        (["Authorization: canary"], "health.headers: found a list, expected a mapping of names and values"),
        (None, "health.headers: found nothing, expected a mapping"),
        *(({name: "canary"}, f"health.headers.{name}: found a header of the connection") for name in (
            "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "transfer-encoding", "Content-Length",
            "Proxy-Authorization")),
        *(({name: "canary"}, f"health.headers.{name}: found a header that nginx sets itself") for name in (
            "X-Forwarded-Proto", "x-real-ip", "X_Forwarded_For", "Forwarded")),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_with_its_key_and_without_its_value(found: object, words: str) -> None:
    problems = _problems(found)
    assert len(problems) == 1
    assert problems[0].startswith(words)
    assert "canary" not in problems[0]


def test_a_problem_of_a_service_s_own_check_names_that() -> None:
    services = {"web": {"port": 1, "health": {"headers": {"TE": "x"}}}}
    with pytest.raises(InvalidSettings, match=r"services\.web\.health.headers\.TE: found a header of the connection"):
        parse_settings({"services": services}, NAMES)


def test_an_underscore_may_be_sent_where_nginx_passes_it_on() -> None:
    block = {"service": "web", "port": 1, "health": {"headers": {"X_Probe": "1"}}, "proxy": {"underscores": True}}
    assert parse_settings(block, NAMES).routes[0].health.request_headers == {"X_Probe": "1"}


def test_what_nginx_sets_is_known_here_as_it_is_there() -> None:
    theirs = {name.lower() for name, _ in headers.OURS} | {name.lower() for name in headers.BELIEVED}
    assert theirs - asked.OF_THE_CONNECTION - {"host"} == asked.SET_BY_NGINX


@pytest.mark.parametrize(
    ("web", "api", "words"),
    [
        ({"host": "a.example", "health": {"headers": {"Host": "a.example:8443"}}}, {}, ""),
        ({"host": "*.a.example", "health": {"headers": {"Host": "x.A.example"}}}, {}, ""),
        ({"health": {"headers": {"Host": "c.example"}}}, {"host": "b.example"}, ""),
        ({"host": "a.example", "health": {"headers": {"Host": "b.example"}}}, {}, "web.health.headers.Host: found b"),
        ({"health": {"headers": {"Host": "b.example"}}}, {"host": "b.example"}, "expected a host that is not routed"),
    ],
)
def test_a_host_that_nginx_sends_to_another_service_is_refused(
    web: dict[str, Any], api: dict[str, Any], words: str
) -> None:
    block = {"services": {"web": {"port": 1, **web}, "api": {"port": 2, "path": "/api", **api}}}
    if not words:
        parse_settings(block, NAMES)
        return
    with pytest.raises(InvalidSettings, match=words):
        parse_settings(block, NAMES)


# -- what is written down


def _route(**sent: str) -> Route:
    return Route("web", 8000, health=Health(request_headers=sent))


@pytest.mark.parametrize(
    ("sent", "environment", "outside", "kept"),
    [
        ({"Host": "shop.example.com"}, {}, {}, {"Host": "shop.example.com"}),
        ({"Accept": "application/json"}, {"API_TOKEN": "canary-t"}, {}, {"Accept": "application/json"}),
        (
            {"Authorization": "Bearer canary-t"}, {"API_TOKEN": "canary-t"}, {},
            {"Authorization": "Bearer \x00env:API_TOKEN\x00"},
        ),
        ({"Authorization": "Bearer canary-t"}, {"WORD": "canary-t"}, {}, {"Authorization": "Bearer \x00env:WORD\x00"}),
        ({"Authorization": "Bearer canary-t"}, {}, {}, {"Authorization": asked.NOWHERE}),
        ({"X-Probe": "canary-t"}, {}, {"PROBE_TOKEN": "canary-t"}, {"X-Probe": asked.NOWHERE}),
        ({"X-Probe": "canary-t"}, {"MY_TOKEN": "canary-t"}, {}, {"X-Probe": "\x00env:MY_TOKEN\x00"}),
        (
            {"Authorization": "Basic other-canary canary-t"}, {"API_TOKEN": "canary-t"}, {"THE_KEY": "other-canary"},
            {"Authorization": asked.NOWHERE},
        ),
        ({"Cookie": "session=canary-t"}, {"API_TOKEN": "canary-t"}, {}, {"Cookie": "session=\x00env:API_TOKEN\x00"}),
    ],
)  # fmt: skip
def test_a_secret_is_written_down_as_the_variable_that_holds_it_or_not_at_all(
    sent: dict[str, str], environment: dict[str, str], outside: dict[str, str], kept: dict[str, str]
) -> None:
    found = asked.kept((_route(**sent),), {"web": {"environment": environment}}, lambda: outside)[0]
    assert found.health.request_headers == kept
    whole = asked.unsealed(found.health, environment, {})
    assert asked.sealed(whole) == [name for name, value in kept.items() if value == asked.NOWHERE]
    assert asked.unsealed(found.health, environment, sent).request_headers == sent
    assert asked.unsealed(found.health, {}, {name.upper(): it for name, it in sent.items()}).request_headers == sent


def test_a_check_without_headers_is_written_down_as_by_a_bluegreen_that_knew_none() -> None:
    assert "request_headers" not in Route("web", 8000).as_dict()["health"]
    assert Route.from_dict(Route("web", 8000).as_dict()) == Route("web", 8000)
    route = _route(Host="a.example")
    assert Route.from_dict(route.as_dict()) == route


def _stack(token: str, environment: dict[str, str]) -> Stack:
    settings = Settings((_route(Authorization=f"Bearer {token}"),))
    return Stack("shop", settings, {"web": {"environment": environment}}, {}, {}, {}, {}, (), "/srv")


@pytest.mark.parametrize("given", [True, False])
def test_a_kept_release_comes_back_with_todays_secret(given: bool) -> None:
    then = _stack("canary-old", {"API_TOKEN": "canary-old"} if given else {})
    today = _stack("canary-new", {"API_TOKEN": "canary-new"} if given else {})
    services = written_down(then, ["web"], {"web": 1}, str.upper, {})
    assert "canary-old" not in str(services)
    images = {"web": {"ref": "a", "id": "b", "ours": False}}
    record = {"number": 1, "definition": "d", "services": services, "images": images}
    found = restore(record, today, str.upper, lambda _: "new", {})
    assert found.stack.settings.routes[0].health.request_headers == {"Authorization": "Bearer canary-new"}
    assert found.images["web"] == Image("a", "b")


@pytest.mark.parametrize(
    "block",
    [
        {"health": {"headers": {"Authorization": "Bearer canary-t9x"}}},
        {"services": {"web": {"health": {"headers": {"X-Key": "canary-t9x"}}}}},
    ],
)
def test_what_is_sent_is_masked_in_every_message(block: dict[str, Any]) -> None:
    secrets.forget()
    secrets.remember({"x-bluegreen": block})
    assert secrets.without_secrets("answered 401: canary-t9x is wrong") == f"answered 401: {secrets.MASK} is wrong"
    secrets.forget()


@pytest.mark.parametrize("block", [None, 3, [], {"health": "/up"}, {"health": {"headers": 3}}, {"services": [1]}])
def test_a_block_of_any_shape_is_looked_at(block: object) -> None:
    secrets.remember({"x-bluegreen": block})
