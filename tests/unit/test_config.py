"""The rendered nginx file, as text; the real nginx reads it in tests/engine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bluegreen.domain.app import Health, Listen, ProxySettings, Route
from bluegreen.domain.paths import public_health
from bluegreen.domain.routing import Routing, Slot, too_old
from bluegreen.frontdoor import headers, text
from bluegreen.frontdoor import render as config
from bluegreen.frontdoor.files import read_routing
from bluegreen.frontdoor.places import servers
from bluegreen.shipped import shipped
from tests.unit.worlds import routing, slot

PROXY = config.ProxyConfig(
    (Listen("", 80), Listen("127.0.0.1", 8080)), Listen("127.0.0.1", 8081), (), ("172.20.0.0/17",)
)


def _render(routing: Routing, proxy: config.ProxyConfig = PROXY) -> str:
    return text.activate(config.render(routing, proxy, shipped("nginx")), 12, "2026-11-01T10:00:00+00:00")


def _routes(*routes: Route) -> Slot:
    return replace(slot("blue", 7), routes=routes)


def test_a_rendered_file_says_what_it_routes() -> None:
    wanted = routing("blue", blue=slot("blue", 7), green=slot("green", 6))
    found = read_routing(_render(wanted))
    assert found == replace(
        wanted,
        generation=12,
        since="2026-11-01T10:00:00+00:00",
        listen=("80", "127.0.0.1:8080"),
        preview="127.0.0.1:8081",
    )


def test_what_is_not_ours_is_not_read() -> None:
    assert read_routing("") is None
    assert read_routing("worker_processes 1;") is None
    assert read_routing(text.HEADER + "{}") is None
    assert read_routing(text.HEADER + "not json") is None


def test_activation_fills_in_every_mark() -> None:
    found = _render(routing("blue", blue=slot("blue", 7), green=slot("green", 6)))
    assert str(text.GENERATION_MARK) not in found
    assert text.SINCE_MARK not in found
    assert '"generation":12,"default":"blue","live":"$bg_color"' in found
    assert "/run/bluegreen/handed/12)" in found
    assert "listen unix:/run/bluegreen/public-12.sock" in found


def test_each_address_stands_twice_so_that_small_faults_stay_small() -> None:
    found = _render(routing("blue", blue=slot("blue", 7)))
    assert "server 172.20.0.16:8000 max_fails=1 fail_timeout=2s;" in found
    assert "server 172.20.0.16:8000 backup max_fails=0;" in found


def test_keepalive_min_timeout_is_there() -> None:
    wanted = routing("blue", blue=slot("blue", 7))
    assert "keepalive_min_timeout 10s;" in _render(wanted)


def _places(slot: Slot, server: int = 0) -> list[tuple[str, str]]:
    found = servers([slot])[server]
    return [(place.match, dict(place.choice)["blue"]) for place in found.locations]


def test_a_path_prefix_takes_itself_and_what_is_below_it_but_not_its_namesakes() -> None:
    assert _places(_routes(Route("web", 1), Route("api", 2, "/api"), Route("v2", 3, "/api/v2"))) == [
        ("= /api/v2", "v2"), ("/api/v2/", "v2"), ("= /api", "api"), ("/api/", "api"), ("/", "web"),
    ]  # fmt: skip


def test_a_named_host_gets_its_own_services_before_those_of_every_host() -> None:
    slot = _routes(Route("web", 1), Route("shop", 2, "/", "shop.example.com"), Route("api", 3, "/api"))
    default, shop = servers([slot])
    assert (default.default, shop.default, shop.name) == (True, False, "shop.example.com")
    assert [service for _, service in _places(slot, 1)] == ["api", "api", "shop"]
    assert [service for _, service in _places(slot)] == ["api", "api", "web"]


def test_when_every_service_names_a_host_nobody_else_is_served() -> None:
    slot = _routes(Route("web", 2, "/", "shop.example.com"))
    assert _places(slot) == [("/", "!421")]
    assert "return 421;" in _render(routing("blue", blue=slot))


def test_a_path_that_only_one_color_has_goes_in_the_other_where_that_one_would_take_it() -> None:
    blue = _routes(Route("web", 1), Route("old", 1, "/old"))
    green = replace(_routes(Route("site", 1), Route("api", 2, "/api")), color="green")
    (server,) = servers([blue, green])
    assert [(place.match, *(service for _, service in place.choice)) for place in server.locations] == [
        ("= /api", "web", "api"), ("/api/", "web", "api"), ("= /old", "old", "site"), ("/old/", "old", "site"),
        ("/", "web", "site"),
    ]  # fmt: skip


def test_a_host_that_only_one_color_has_is_for_the_other_a_host_like_any() -> None:
    blue = _routes(Route("web", 1), Route("wild", 1, "/", "*.example.com"))
    green = replace(_routes(Route("shop", 1, "/", "shop.example.com")), color="green")
    found = {server.name: dict(server.locations[-1].choice) for server in servers([blue, green])}
    assert found == {
        "_": {"blue": "web", "green": "!421"},
        "*.example.com": {"blue": "wild", "green": "!421"},
        "shop.example.com": {"blue": "wild", "green": "shop"},
    }


def test_until_the_seal_the_more_generous_limits_count() -> None:
    blue = replace(slot("blue", 7), max_body=1000, read_timeout=5.0)
    green = replace(slot("green", 8), max_body=0, read_timeout=2.0)
    both = _render(routing("blue", "prepared", blue=blue, green=green))
    assert both.count("client_max_body_size 0;") == both.count("proxy_read_timeout 5000ms;") == 2
    sealed = _render(routing("green", blue=blue, green=green))
    assert sealed.count("client_max_body_size 0;") == sealed.count("proxy_read_timeout 2000ms;") == 1


def test_only_a_color_that_has_served_answers_for_the_other() -> None:
    frame = replace(PROXY, failover=True)
    pair = {"blue": slot("blue", 7), "green": slot("green", 8)}
    prepared = _render(routing("blue", "prepared", **pair), frame)
    assert '"1:green:web" 1;' in prepared
    assert '"1:blue:web" 1;' not in prepared
    assert '"1:blue:web" 1;' in _render(routing("blue", **pair), frame)


def test_a_file_that_somebody_has_changed_is_told_from_the_one_that_was_written() -> None:
    written = _render(routing("blue", blue=slot("blue", 7)))
    assert not text.edited(written)
    assert text.edited(written.replace("server_tokens off", "server_tokens on"))
    assert text.edited(written + "# more\n")
    assert text.edited(written.rsplit("#", 1)[0])


def test_an_nginx_without_keepalive_min_timeout_is_too_old() -> None:
    assert [too_old(v) for v in ("1.27.3", "1.26.9", "", "x")] == [True] * 4
    assert [too_old(v) for v in ("1.27.4", "1.28.0", "1.30.6 (Debian)", "2.0.0")] == [False] * 4


def test_a_persons_own_header_stands_beside_ours_and_takes_the_place_of_the_same_one(tmp_path: Path) -> None:
    (tmp_path / "http").mkdir()
    (tmp_path / "a.conf").write_text(
        """# proxy_set_header X-Not this;
proxy_set_header X-Tenant "a;{b}"; location /own { proxy_set_header X-Inside 1; }
proxy_set_header 'host' ${bg_host}:81;
"""
    )
    (tmp_path / "http" / "b.conf").write_text("proxy_set_header X-Around 1; proxy_set_header X-Tenant other;\n")
    own = headers.Lines(tmp_path)
    assert own.server == [
        ["proxy_set_header", "X-Tenant", '"a;{b}"'], ["proxy_set_header", "'host'", "${bg_host}:81"],
    ]  # fmt: skip
    assert own.names == ["X-Tenant", "host", "X-Around", "X-Tenant"]
    assert own.repeated == ["proxy_set_header X-Around 1"]
    found = _render(routing("blue", blue=slot("blue", 7)), replace(PROXY, snippets="/s", own=own))
    server = found.split("include /s/*.conf;")[1].split("location")[0]
    assert "proxy_set_header X-Forwarded-For $bg_client;" in server
    assert "proxy_set_header X-Around 1;" in server
    assert "proxy_set_header Host" not in server


def test_a_snippet_of_any_shape_ends_no_reading(tmp_path: Path) -> None:
    for text_ in (
        "",
        "}}}",
        "{",
        "proxy_set_header",
        "proxy_set_header a b c;",
        "a 'b",
        "a \\",
        "# no end",
        "${",
        "x ${y",
    ):
        (tmp_path / "a.conf").write_text(text_)
        assert headers.Lines(tmp_path).names == [], text_


def test_a_websocket_waits_longer_in_every_place_that_it_can_come_to_and_never_shorter_than_all_else() -> None:
    pair = {"blue": replace(slot("blue", 7), read_timeout=5.0), "green": slot("green", 8)}
    frame = replace(PROXY, failover=True, limits=ProxySettings(websocket_timeout=90.0))
    found = _render(routing("blue", **pair), frame)
    waits = {
        name: "proxy_read_timeout 90000ms;" in text
        for name, text in re.findall(
            r"location (@bg_(?:upgraded|again|failover|once)\S*) \{(.*?)\n        \}", found, re.DOTALL
        )
    }
    assert waits == {name: "upgraded" in name for name in waits}
    assert {"@bg_upgraded_0", "@bg_again_1_0_upgraded", "@bg_again_2_0_upgraded", "@bg_failover_upgraded"} <= set(waits)
    assert (
        "proxy_read_timeout 7000ms;"
        in _render(
            routing("blue", blue=replace(slot("blue", 7), read_timeout=7.0)),
            replace(PROXY, limits=ProxySettings(websocket_timeout=1.0)),
        ).split("location @bg_upgraded_0")[1]
    )


@pytest.mark.parametrize(
    ("size", "buffers"), [(4096, (4, 32)), (16 * 1024, (4, 32)), (64 * 1024, (6, 64)), (65 * 1024, (7, 80))]
)
def test_the_buffers_that_are_busy_hold_the_largest_head_and_are_fewer_than_all(
    size: int, buffers: tuple[int, int]
) -> None:
    found = _render(
        routing("blue", blue=slot("blue", 7)), replace(PROXY, limits=ProxySettings(max_answer_headers=size))
    )
    assert f"proxy_buffer_size {size};" in found
    assert f"proxy_buffers {buffers[0]} 16k;" in found
    assert f"proxy_busy_buffers_size {buffers[1]}k;" in found
    assert size <= buffers[1] * 1024 <= (buffers[0] - 1) * 16 * 1024


def test_only_a_preview_on_loopback_is_closed_to_the_apps_own_network() -> None:
    wanted = routing("blue", blue=slot("blue", 7))
    closed = "if ($bg_from_inside) {"
    inside = replace(PROXY, inside=("172.20.0.0/16",))
    assert _render(wanted, inside).count(closed) == 1
    assert "    172.20.0.0/16 1;" in _render(wanted, inside)
    for preview in (Listen("", 8081), Listen("10.0.0.1", 8081), None):
        assert closed not in _render(wanted, replace(inside, preview=preview))
    assert closed in _render(wanted, replace(inside, preview=Listen("[::1]", 8081)))


def test_with_underscores_no_other_spelling_of_a_header_of_ours_passes() -> None:
    assert headers.spellings("X-A-B") == ["X-A_B", "X_A-B", "X_A_B"]
    assert headers.spellings("Host") == []
    plain, underscored = dict(headers.sent(["X-Mine-Too"])), dict(headers.sent(["X-Mine-Too"], underscores=True))
    assert not [name for name in plain if "_" in name]
    assert {underscored[name] for name in underscored if "_" in name} == {'""'}
    assert {"X_Forwarded_For", "X-Forwarded_For", "X_Mine_Too", "X_Request_ID", "SCRIPT_NAME"} <= set(underscored)
    assert "X-Mine-Too" not in underscored, "the person's own line is beside them"
    frame = replace(PROXY, limits=ProxySettings(underscores=True))
    assert "underscores_in_headers on;" in _render(routing("blue", blue=slot("blue", 7)), frame)


def test_a_path_is_written_so_that_nginx_reads_it_back() -> None:
    slot = _routes(Route("web", 1), Route("odd", 2, '/a b/{;"\\$}'), Route("cafe", 3, "/caf\u00e9"))
    assert [match for match, _ in _places(slot)] == [
        '= "/a b/{;\\"\\\\$}"', '"/a b/{;\\"\\\\$}/"', '= "/caf\u00e9"', '"/caf\u00e9/"', "/",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "health", "leads"),
    [
        ("/", "/health", True), ("/caf\u00e9", "/caf%C3%A9/health?x=/", True), ("/caf\u00e9", "/caf%C3%A9", True),
        ("/api", "/apiary", False), ("/api", "/health?/api/", False), ("/a b", "/a%20b/up", True),
    ],
)  # fmt: skip
def test_a_health_path_is_compared_as_nginx_does_it(path: str, health: str, leads: bool) -> None:
    assert (public_health(Route("web", 1, path, None, Health(health))) is not None) is leads
