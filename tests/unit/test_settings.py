"""The x-bluegreen block: defaults, short forms, and every problem in one report."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from bluegreen.release.model import Health, Listen, Route
from bluegreen.release.settings import InvalidSettings, json_schema, parse_duration, parse_settings, parse_size

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
            "services.api.path: found /, expected a path of its own",
        ),
        ({"service": "web", "port": 1, "jobs": ["web"]}, "jobs.web: found web, expected a service that is not routed"),
        ({"service": "web", "port": 1, "listen": "8081"}, "preview: found 127.0.0.1:8081, expected a port that listen"),
        ({"service": "web", "port": 1, "failover": True}, "failover: found True, expected nothing yet"),
        ({"service": "web", "port": 1, "health": {"interval": "0s"}}, "health.interval: found '0s'"),
        ({"services": {"web": {"port": 1, "path": "/a b"}}}, "services.web.path: found '/a b'"),
        ({"services": {"web": {"port": 1, "path": "/a;}"}}}, "services.web.path: found '/a;}'"),
        ({"services": {"web": {"port": 1, "host": "a b"}}}, "services.web.host: found 'a b'"),
        ({"service": "web", "port": 1, "listen": "x:80"}, "listen.0: found 'x:80'"),
    ],
)
def test_a_wrong_block_is_refused_by_key(block: object, start: str) -> None:
    assert any(problem.startswith(start) for problem in _problems(block)), _problems(block)


def test_units_are_seconds_and_bytes() -> None:
    assert parse_duration("1h1m1.5s") == 3661.5
    assert parse_duration("250ms") == 0.25
    assert (parse_size("1k"), parse_size(5), parse_size("3GB")) == (1024, 5, 3 * 1024**3)
    for wrong in ("5", 5, "s", "-1s", True, None):
        with pytest.raises(ValueError, match="duration"):
            parse_duration(wrong)


def test_the_json_schema_accepts_good_blocks_and_refuses_bad_ones() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for good in ({"service": "web", "port": 8000}, {**FULL, "services": {"api": {"port": 9000}}}):
        jsonschema.validate(good, schema)
    for bad in ({"servce": "web"}, {"service": "web", "port": 99999}, {"health": {"interval": 5}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
