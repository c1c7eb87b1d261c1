"""The x-bluegreen block: defaults, short forms, and every problem in one report."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from bluegreen.domain.app import Health, Listen, Route
from bluegreen.domain.units import nanoseconds, parse_duration, parse_size
from bluegreen.settings.parse import InvalidSettings, parse_settings
from bluegreen.settings.schema import json_schema
from bluegreen.settings.types import path_prefix

NAMES = ("web", "api", "worker")
FULL: dict[str, Any] = {
    "services": {
        "web": {"port": 8000, "host": "Shop.Example.com"},
        "api": {"port": "9000", "path": "/api/", "health": {"path": "/api/health", "timeout": "1m30s"}},
    },
    "jobs": ["worker"],
    "listen": ["80", "127.0.0.1:8080"],
    "preview": "off",
    "health": {"path": "/healthz", "expect": {"status": 204, "headers": {"x-a": "b"}, "body": "ok|fine"}},
    "drain": "500ms",
    "proxy": {"image": "nginx:1.30", "max_body": "2g", "read_timeout": "5m", "trust": ["10.0.0.0/8"], "include": "etc"},
}


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def _problems(block: object) -> list[str]:
    with pytest.raises(InvalidSettings) as error:
        parse_settings(block, NAMES)
    return [str(problem) for problem in error.value.problems]


def test_the_smallest_block_gets_a_careful_engineers_defaults() -> None:
    settings = parse_settings({"service": "web", "port": 8000}, NAMES)
    assert settings.routes == (Route("web", 8000, "/", None, Health()),)
    assert settings.listen == (Listen("", 80),)
    assert settings.preview == Listen("127.0.0.1", 8081)
    assert (settings.drain, settings.proxy.max_body, settings.proxy.read_timeout) == (30.0, 104_857_600, 60.0)


def test_the_full_block_is_understood() -> None:
    settings = parse_settings(FULL, NAMES)
    web, api = settings.routes
    assert (web.host, web.health.path, web.health.status) == ("shop.example.com", "/healthz", 204)
    assert (api.path, api.port, api.health.timeout, api.health.status) == ("/api", 9000, 90.0, 200)
    assert settings.preview is None
    assert settings.release_services() == ("web", "api", "worker")
    assert settings.proxy.max_body == 2 * 1024**3


def test_a_preview_without_an_address_stays_on_loopback() -> None:
    assert parse_settings({"service": "web", "port": 1, "preview": 9000}, NAMES).preview == Listen("127.0.0.1", 9000)


def test_every_problem_is_reported_at_once_with_its_key_path_and_the_nearest_key() -> None:
    found = _problems(
        {
            "servce": "web",
            "services": {"web": {"prot": 8000}, "api": {"port": 99999}},
            "health": {"interval": 5, "expect": {"statsu": 1}},
            "proxy": {"trust": ["nonsense"], "max_body": "much"},
        }
    )
    assert sorted(found) == sorted(
        [
            "services.web.port: found nothing, expected a value",
            "services.web.prot: found an unknown key, expected a known key; did you mean port?",
            "services.api.port: found 99999, expected less than or equal to 65535",
            "health.expect.statsu: found an unknown key, expected a known key; did you mean status?",
            "health.interval: found 5, expected a duration with its unit, such as 500ms, 30s or 1m30s",
            "proxy.max_body: found 'much', expected a size in bytes, such as 100m, 512k or 1g",
            "proxy.trust.0: found 'nonsense', expected an address or network, such as 10.0.0.0/8",
            "servce: found an unknown key, expected a known key; did you mean service?",
        ]
    )


@pytest.mark.parametrize(
    ("block", "start"),
    [
        (None, "x-bluegreen: found nothing"),
        ("web", "x-bluegreen: found 'web'"),
        ({}, "service: found nothing"),
        ({"service": "web"}, "port: found nothing"),
        ({"service": "wbe", "port": 1}, "service: found wbe, expected a service of the Compose file"),
        ({"service": "web", "port": 1, "services": {"api": {"port": 2}}}, "service: found web, expected either"),
        (
            {"services": {"web": {"port": 1}, "api": {"port": 2}}},
            "services.api.path: found /, expected another path",
        ),
        ({"service": "web", "port": 1, "jobs": ["web"]}, "jobs.web: found web, expected a service that gets no"),
        ({"service": "web", "port": 1, "listen": "8081"}, "preview: found 127.0.0.1:8081, expected a port that listen"),
        ({"service": "web", "port": 1, "idle": "paused"}, "idle: found 'paused', expected no such key in this version"),
        ({"service": "web", "port": 1, "health": {"interval": "0s"}}, "health.interval: found '0s'"),
        ({"services": {"web": {"port": 1, "path": "/a b"}}}, "services.web.path: found '/a b'"),
        ({"services": {"web": {"port": 1, "path": "/a;}"}}}, "services.web.path: found '/a;}'"),
        ({"services": {"web": {"port": 1, "path": "/a%2fb"}}}, "services.web.path: found '/a%2fb', expected / instead"),
        (
            {"services": {"web": {"port": 1, "path": "/%C3%A9"}, "api": {"port": 2, "path": "/é/"}}},
            "services.api.path: found /é, expected another path",
        ),
        ({"services": {"web": {"port": 1, "host": "a b"}}}, "services.web.host: found 'a b'"),
        ({"service": "web", "port": 1, "listen": "x:80"}, "listen: found 'x:80'"),
    ],
)
def test_a_wrong_block_is_refused_by_key(block: object, start: str) -> None:
    assert any(problem.startswith(start) for problem in _problems(block)), _problems(block)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/", "/"), ("/api/", "/api/"), ("/caf%C3%A9", "/café"), ("/caf%c3%a9", "/café"), ("/café", "/café"),
        ("/a%20b", "/a b"), ("/%41", "/A"), ("/100%25", "/100%"), ("/a%3Fb%23", "/a?b#"), ("/%7B%22%24%5C", '/{"$\\'),
        ("/.well-known", "/.well-known"), ("/..a", "/..a"), ("/%F0%9F%90%B3", "/\U0001f433"), ("/a+b", "/a+b"),
    ],
)  # fmt: skip
def test_a_path_is_what_nginx_compares(written: str, meant: str) -> None:
    """It decodes a request's address before it looks for the location."""
    assert path_prefix(written) == meant


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("/a%2Fb", "/ instead of %2F, such as /a/b"), ("/a//b", "^/a/b, as nginx reads it"), ("//", "^/, as nginx"),
        ("/a/../b", "^/b, as nginx reads it"), ("/a/%2e%2E/b", "^/b, as nginx"), ("/./", "^/, as nginx"),
        ("/%ff", "UTF-8"), ("/%00", "a path such as"), ("/%0a", "a path such as"), ("/%7f", "a path such as"),
        ("/a%zz", "a path such as"), ("/a%2", "a path such as"), ("/a b", "write others as %20"),
        ("/a?b", "a path such"),
        ("api", "a path such as"), ("/" + "a" * 5000 + ";", "a path such as"), ("", "a path such as"),
    ],
)  # fmt: skip
def test_a_path_that_could_never_match_is_refused_with_what_to_write(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        path_prefix(written)


LOOPBACK: dict[str, Any] = {"service": "web", "port": 8000, "listen": "127.0.0.1:80", "proxy": {"trust": ["127.0.0.1"]}}


@pytest.mark.parametrize(
    "change",
    [
        {}, {"listen": ["127.9.9.9:80", "[::1]:80"]}, {"preview": "off"}, {"preview": "[::1]:9"}, {"preview": "9"},
        {"proxy": {"trust": ["127.0.0.0/8", "::1"]}},
        {"listen": "80", "proxy": {"trust": ["0.0.0.0/0", "::/0", "10.0.0.1", "126.0.0.0/7"]}},
        {"listen": "80", "proxy": {}}, {"listen": "80", "proxy": {"underscores": True}},
    ],
    ids=str,
)  # fmt: skip
def test_this_machine_may_be_trusted_where_nobody_else_reaches_nginx(change: dict[str, Any]) -> None:
    parse_settings({**LOOPBACK, **change}, NAMES)


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (
            {"listen": "80"},
            "proxy.trust: found 127.0.0.1/32 (this machine) while listen is 80, expected listen on a loopback address",
        ),
        ({"listen": "0.0.0.0:80"}, "proxy.trust: found 127.0.0.1/32 (this machine) while listen is 0.0.0.0:80"),
        (
            {"listen": ["127.0.0.1:80", "[::]:81"]},
            "proxy.trust: found 127.0.0.1/32 (this machine) while listen is [::]",
        ),
        (
            {"preview": "0.0.0.0:9"},
            "proxy.trust: found 127.0.0.1/32 (this machine) while preview is 0.0.0.0:9, expected",
        ),
        ({"listen": "80", "proxy": {"trust": ["10.0.0.1", "::1"]}}, "proxy.trust: found ::1/128 (this machine) while"),
        ({"listen": "80", "proxy": {"trust": ["::ffff:127.0.0.1"]}}, "proxy.trust: found ::ffff:"),
        (
            {"listen": "80", "proxy": {"trust": ["127.1.0.0/16"]}},
            "proxy.trust: found 127.1.0.0/16 (this machine) while",
        ),
        ({"proxy": {"trust": ["10.0.0.1"], "underscores": True}}, "proxy.underscores: found true while proxy.trust is"),
        (
            {"proxy": {"max_answer_headers": "3k"}},
            "proxy.max_answer_headers: found '3k', expected a size from 4k to 1m",
        ),
        ({"proxy": {"max_request_headers": "2m"}}, "proxy.max_request_headers: found '2m', expected a size from 4k to"),
    ],
    ids=str,
)
def test_whom_nginx_cannot_tell_from_a_visitor_is_not_trusted(change: dict[str, Any], start: str) -> None:
    found = _problems({**LOOPBACK, **change})
    assert [it[: len(start)] for it in found] == [start]


def test_units_are_seconds_and_bytes() -> None:
    assert parse_duration("1h1m1.5s") == 3661.5
    assert parse_duration("250ms") == 0.25
    assert parse_duration("500us") == parse_duration("500\u00b5s") == parse_duration("500\u03bcs") == 0.0005
    assert (parse_duration("1.000000001s"), parse_duration("1d"), parse_duration("1w")) == (1.000000001, 86400, 604800)
    assert (nanoseconds("1ns"), nanoseconds("1.5us"), nanoseconds("1h0.5s")) == (1, 1500, 3600 * 10**9 + 5 * 10**8)
    assert parse_duration(0) == 0
    assert (parse_size("1k"), parse_size(5), parse_size("3GB")) == (1024, 5, 3 * 1024**3)
    for wrong in (
        "5",
        5,
        "s",
        "-1s",
        True,
        None,
        "1 s",
        "1.s",
        ".5s",
        "1ks",
        "4000d",
        "9" * 50 + "h",
        "1s\n",
        "\u0663s",
    ):
        with pytest.raises(ValueError, match="duration"):
            parse_duration(wrong)


def _each(key: str, *values: Any) -> list[dict[str, Any]]:
    return [{"service": "web", "port": 8000, key: value} for value in values]


WEB: dict[str, Any] = {"service": "web", "port": 8000}
GOOD: list[dict[str, Any]] = [
    WEB,
    {**FULL, "services": {"web": {"port": 8000, "host": "Shop.Example.com"}, "api": {"port": 9000, "path": "/api"}}},
    *_each("listen", 80, "80", "127.0.0.1:8080", ["80", "[::1]:80"], [8080]),
    *_each("preview", "off", False, 9000, "127.0.0.1:9000"),
    *_each("health", "/", "/health?deep=1", {"path": "/h"}, {"expect": {"status": 204}}),
    *({**WEB, "health": {"expect": value}} for value in ({"json": {"ok": True}}, {"json": [1]}, {"body": "^ok$"})),
    *({**WEB, "health": {key: "250ms"}} for key in ("interval", "timeout", "request_timeout")),
    *_each("drain", "0s", 0, "1m30s", "1.5s"),
    *_each("jobs", [], ["worker"], {"worker": {}}),
    *_each("proxy", {}, {"max_body": 1024}, {"max_body": "2g"}, {"trust": ["10.0.0.1"]}),
    *_each("proxy", {"max_request_headers": "4k", "max_answer_headers": "1m"}, {"max_answer_headers": 8192}),
    *_each("proxy", {"websocket_timeout": "1h"}, {"underscores": True}),
    *({"services": {"web": {"port": 1, "path": path}}} for path in ("/caf%C3%A9", "/é/ü", "/a%20b/", "/.well-known")),
    {"services": {"web": {"port": 1, "path": "/", "host": "*.example.com", "health": "/"}}},
    *_each("migrate", {"service": "web"}, {"service": "web", "command": ["a"], "timeout": "5m", "reversible": False}),
    *_each("hooks", {}, {"before_switch": ["./a", "b"]}, {"after_switch": [["a"], {"service": "web"}]}),
    *_each("hooks", {"on_failure": {"command": ["a"], "timeout": "5s"}}, {"after_flip_back": [{"command": ["a"]}]}),
    *_each("require", [], ["owner", "note"]),
    *_each("watch", 0, "90s", {}, {"for": "2m", "control": "5%"}, {"control": "50%", "expected": True}),
]
BAD: list[dict[str, Any]] = [
    {}, {"service": "web"}, {"port": 8000}, {"servce": "web", "port": 8000}, {**WEB, "services": {"web": {"port": 1}}},
    *_each("port", 0, 99999, "eighty", 80.5, None, [80]),
    *_each("listen", 0, 70000, "localhost:80", [], [["80"]], ["80", "80"], {"port": 80}),
    *_each("preview", "on", True, "localhost:1", 0),
    *_each("health", "health", "/a b", 5, {"pth": "/"}, {"successes": 0}, {"interval": 5}),
    *_each("health", {"interval": "5"}, {"interval": "5 s"}, {"interval": "fast"}, {"interval": -1}),
    *_each("health", {"expect": {"status": 99}}, {"expect": {"status": "ok"}}, {"expect": {"headers": "a"}}),
    *_each("drain", 30, "30", "half a minute", True),
    *_each("jobs", "worker", [1], {"worker": {"x": 1}}),
    *_each("proxy", "nginx", {"image": ""}, {"max_body": "lots"}, {"trust": "10.0.0.1"}),
    *_each("proxy", {"max_answer_headers": 4095}, {"max_request_headers": "a lot"}, {"underscores": "sometimes"}),
    *({"services": {"web": {"port": 1, "path": path}}} for path in ("/a/../b", "/a//b", "/a%2fb", "/a%z", "/.")),
    {"services": {"web": {}}}, {"services": {"web": {"port": 1, "path": "api"}}},
    {"services": {"web": {"port": 1, "host": "a b"}}},
    {"services": {"web": {"p": 1}}},
    *_each("watch", "soon", 5, {"for": "x"}, {"until": "5s"}, {"expected": "yes please"}),
    *_each("watch", *({"control": it} for it in ("0%", "51%", "5", 5, "5.5%", "05%", "\u0665%", ""))),
    *_each("migrate", "web", {}, {"service": "web", "command": "alembic upgrade"}, {"service": "web", "timeout": 5}),
    *_each("hooks", [], {"before": ["a"]}, {"before_switch": "a b"}, {"before_switch": []}, {"on_failure": [[]]}),
    *_each("hooks", {"after_switch": [{"comand": ["a"]}]}, {"after_switch": {"command": "a"}}),
    *_each("require", "owner", ["ownr"]),
]  # fmt: skip
INTERPOLATED: list[dict[str, Any]] = [
    {"service": "${SERVICE}", "port": "${PORT:-8000}"},
    {**WEB, "listen": "${LISTEN}", "preview": "${PREVIEW:-off}", "drain": "${DRAIN:-8s}", "health": "${HEALTH}"},
    {**WEB, "listen": ["$LISTEN", "80"], "proxy": {"image": "nginx:${TAG}", "max_body": "${MAX}"}},
    {"services": {"web": {"port": "$PORT", "path": "${P}", "health": {"successes": "${N}", "timeout": "${T}s"}}}},
]


@pytest.mark.parametrize("block", GOOD, ids=str)
def test_the_json_schema_and_the_program_accept_the_same_good_blocks(block: dict[str, Any]) -> None:
    parse_settings(block, NAMES)
    VALIDATOR.validate(block)


@pytest.mark.parametrize("block", BAD, ids=str)
def test_the_json_schema_and_the_program_refuse_the_same_bad_blocks(block: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        parse_settings(block, NAMES)
    assert not VALIDATOR.is_valid(block)


@pytest.mark.parametrize("block", INTERPOLATED, ids=str)
def test_an_editor_takes_what_compose_will_interpolate(block: dict[str, Any]) -> None:
    VALIDATOR.validate(block)


def test_the_json_schema_is_one_and_shows_defaults_as_a_person_writes_them() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    properties, health = schema["properties"], schema["$defs"]["HealthBlock"]["anyOf"][1]["properties"]
    assert (properties["listen"]["default"], properties["drain"]["default"]) == ("80", "30s")
    assert (health["interval"]["default"], health["timeout"]["default"]) == ("0.5s", "60s")
    assert schema["$defs"]["ProxyBlock"]["properties"]["max_body"]["default"] == "100m"
    described = [entry.get("description") or entry.get("$ref") for entry in properties.values()]
    assert all(described), "an editor shows what a key means"
