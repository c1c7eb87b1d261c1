"""The rendered nginx file, as text; the real nginx reads it in tests/engine."""

from __future__ import annotations

from dataclasses import replace

from bluegreen.domain.app import Listen, Route
from bluegreen.domain.routing import Routing, Slot
from bluegreen.frontdoor import render as config
from bluegreen.shipped import shipped
from tests.unit.worlds import routing, slot

FRAME = config.Frame((Listen("", 80), Listen("127.0.0.1", 8080)), Listen("127.0.0.1", 8081), (), ("172.20.0.0/17",))


def _render(routing: Routing, frame: config.Frame = FRAME) -> str:
    return config.activate(config.render(routing, frame, shipped("nginx")), 12, "2026-11-01T10:00:00+00:00")


def _routes(*routes: Route) -> Slot:
    return replace(slot("blue", 7), routes=routes)


def test_a_rendered_file_says_what_it_routes() -> None:
    wanted = routing("blue", blue=slot("blue", 7), green=slot("green", 6))
    found = config.read_routing(_render(wanted))
    assert found == replace(
        wanted,
        generation=12,
        since="2026-11-01T10:00:00+00:00",
        listen=("80", "127.0.0.1:8080"),
        preview="127.0.0.1:8081",
    )


def test_what_is_not_ours_is_not_read() -> None:
    assert config.read_routing("") is None
    assert config.read_routing("worker_processes 1;") is None
    assert config.read_routing(config.HEADER + "{}") is None
    assert config.read_routing(config.HEADER + "not json") is None


def test_activation_fills_in_every_mark() -> None:
    text = _render(routing("blue", blue=slot("blue", 7), green=slot("green", 6)))
    assert str(config.GENERATION_MARK) not in text
    assert config.SINCE_MARK not in text
    assert '"generation":12,"live":"blue"' in text
    assert "/run/bluegreen/handed/12)" in text


def test_the_way_back_differs_only_in_where_traffic_goes() -> None:
    there = routing("blue", blue=slot("blue", 7), green=slot("green", 6))
    back = config.turned(there)
    assert (back.live, back.standing, back.slots) == ("green", "previous", there.slots)
    assert '"live":"green"' in _render(back)


def test_each_address_stands_twice_so_that_small_faults_stay_small() -> None:
    text = _render(routing("blue", blue=slot("blue", 7)))
    assert "server 172.20.0.16:8000 max_fails=1 fail_timeout=2s;" in text
    assert "server 172.20.0.16:8000 backup max_fails=0;" in text


def test_keepalive_min_timeout_is_there() -> None:
    wanted = routing("blue", blue=slot("blue", 7))
    assert "keepalive_min_timeout 10s;" in _render(wanted)


def test_a_path_prefix_takes_itself_and_what_is_below_it_but_not_its_namesakes() -> None:
    (server,) = config.servers(_routes(Route("web", 1), Route("api", 2, "/api"), Route("v2", 3, "/api/v2")))
    assert [(place.match, place.service) for place in server.locations] == [
        ("= /api/v2", "v2"), ("/api/v2/", "v2"), ("= /api", "api"), ("/api/", "api"), ("/", "web"),
    ]  # fmt: skip


def test_a_named_host_gets_its_own_services_before_those_of_every_host() -> None:
    default, shop = config.servers(
        _routes(Route("web", 1), Route("shop", 2, "/", "shop.example.com"), Route("api", 3, "/api"))
    )
    assert default.default
    assert not shop.default
    assert shop.name == "shop.example.com"
    assert [place.service for place in shop.locations] == ["api", "api", "shop"]
    assert [place.service for place in default.locations] == ["api", "api", "web"]


def test_when_every_service_names_a_host_nobody_else_is_served() -> None:
    default, _ = config.servers(_routes(Route("shop", 2, "/", "shop.example.com")))
    assert default.locations == ()
    assert "return 421;" in _render(routing("blue", blue=_routes(Route("web", 2, "/", "shop.example.com"))))


def test_an_nginx_without_keepalive_min_timeout_is_too_old() -> None:
    assert [config.too_old(v) for v in ("1.27.3", "1.26.9", "", "x")] == [True] * 4
    assert [config.too_old(v) for v in ("1.27.4", "1.28.0", "1.30.6 (Debian)", "2.0.0")] == [False] * 4
