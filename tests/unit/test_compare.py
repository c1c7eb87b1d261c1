"""Recent requests asked of two releases: which ones, and what counts as a difference."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluegreen.cli.probes import Probes
from bluegreen.domain.answers import Answer
from bluegreen.domain.app import Compare, Route, Settings
from bluegreen.domain.comparison import Asked, compare, percentile
from bluegreen.domain.differing import covers, differences
from bluegreen.domain.learning import Identity
from bluegreen.domain.replay import (
    CHECK,
    HAS_SECRET,
    LEFT_OUT,
    ODD,
    OTHER_METHOD,
    OWN,
    asked_of,
    sample,
    shown_uri,
    unfit,
)
from bluegreen.domain.traffic import Seen
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow import compare as story
from bluegreen.flow.compare import ask_again, compare_idle, gate
from tests.fakes.noted import tools
from tests.fakes.site import Site, Tell
from tests.fakes.sockets import Pieces, Server, answer
from tests.unit.test_traffic import line
from tests.unit.worlds import PROXY, routing, slot

BLUE, GREEN = Identity("blue", 7), Identity("green", 8)
SEEN = Seen(1.0, 0.1, 200, "blue", 7, "web", "GET", "/items/7", "shop.example", "9.9.9.9", "a", upstream="1.2.3.4:80")


def seen(uri: str, **more: Any) -> Seen:
    return replace(SEEN, uri=uri, **more)


def page(value: Any, status: int = 200, **headers: str) -> Answer:
    found = {"content-type": "application/json", **{name.replace("_", "-"): it for name, it in headers.items()}}
    return Answer(status, found, value if isinstance(value, str) else json.dumps(value))


# -- which requests


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (seen("/items/7?page=2"), ""),
        (seen("/", method="POST"), OTHER_METHOD), (seen("/", method="HEAD"), OTHER_METHOD),
        (seen("/", upstream=""), OWN), (seen("/", upstream="-"), OWN), (seen("/", service=""), OWN),
        (seen("/health", agent="bluegreen"), CHECK), (seen("/a b"), ODD), (seen("/caf\u00e9"), ODD),
        (seen("http://x/y"), ODD), (seen("*"), ODD), (seen("/" + "a" * 5000), ODD), (seen("/", host="a\r\nb"), ODD),
        (seen("/", host=""), ODD), (seen("/ws", status=101), ODD), (seen("/admin/x"), LEFT_OUT),
        (seen("/admin"), LEFT_OUT), (seen("//admin/x"), LEFT_OUT), (seen("/x/../admin/"), LEFT_OUT),
        (seen("/%61dmin/x"), LEFT_OUT), (seen("/administrator"), ""), (seen("/x?token=1"), HAS_SECRET),
        (seen("/x?a=1&api_key="), HAS_SECRET), (seen("/token?a=1"), ""),
    ],
)  # fmt: skip
def test_what_must_not_be_asked_again_is_not(one: Seen, why: str) -> None:
    assert unfit(one, ("/admin/",)) == why


def test_each_url_once_newest_first_and_the_routes_in_turn() -> None:
    asked = [seen(f"/items/{number}") for number in range(10)] + [seen("/items/9"), seen("/"), seen("/about")]
    asked += [seen("/wp-login.php", status=404), seen("/", method="POST")]
    found = sample(asked, 5)
    assert [it.uri for it in found.chosen] == ["/items/9", "/about", "/", "/items/8", "/items/7"]
    assert (found.read, found.left) == (15, Counter({OTHER_METHOD: 1}))
    everything = [it.uri for it in sample(asked, 100).chosen]
    assert everything[-1] == "/wp-login.php", "what was refused comes last"
    assert len(everything) == len(set(everything)) == 13
    assert len(sample([seen("/", host="a"), seen("/", host="b")], 9).chosen) == 2


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 30)), max_size=60), st.integers(0, 20))
def test_no_route_has_two_more_than_another_that_has_some_left(drawn: list[tuple[str, int]], most: int) -> None:
    asked = [seen(f"/{name}/{number}") for name, number in drawn]
    chosen = sample(asked, most).chosen
    there = Counter(it.route for it in {it.uri: it for it in asked}.values())
    taken = Counter(it.route for it in chosen)
    assert len(chosen) == min(most, sum(there.values()))
    for route, count in taken.items():
        for other in there:
            assert count <= taken[other] + 1 or taken[other] == there[other], route


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("/", (8000, "/")), ("/x?a=1", (8000, "/x?a=1")), ("/api/x", (9000, "/api/x")), ("/cut/x?b", (8000, "/x?b")),
        ("/cut", (8000, "/")), ("/cut?a", (8000, "/?a")), ("/apis", (8000, "/apis")), ("/c%75t/x", None),
    ],
)  # fmt: skip
def test_a_replica_is_asked_what_nginx_would_have_asked_it(uri: str, found: Any) -> None:
    routes = (Route("web", 8000), Route("web", 8000, "/cut", strip=True), Route("web", 9000, "/api"), Route("x", 1))
    assert asked_of(seen(uri), routes) == found
    assert asked_of(seen(uri, service="gone"), routes) is None


def test_values_of_parameters_are_the_visitors_own() -> None:
    assert shown_uri("/find?q=Ada&page=2&flag") == "/find?q=…&page=…&flag=…"
    assert shown_uri("/find") == "/find"


# -- what differs


@pytest.mark.parametrize(
    ("live", "other", "found"),
    [
        (page({"a": 1}), page({"a": 1}), []),
        (page({"a": 1, "b": 2}), page({"a": 1}), [("missing", "b")]),
        (page({"a": 1}), page({"a": 1, "b": 2}), [("added", "b")]),
        (page({"a": {"b": 3.5}}), page({"a": {"b": "3.5"}}), [("type", "a.b")]),
        (page({"a": {"b": 3.5}}), page({"a": {"b": 4}}), [("value", "a.b")]),
        (page([{"b": 1}, {"b": 1}]), page([{}, {}]), [("missing", "[].b")]),
        (page({"a": [1, 2]}), page({"a": [1]}), [("length", "a")]),
        (page({"a": None}), page({"a": 1}), [("type", "a")]),
        (page({"by": {"17": {"x": 1}}}), page({"by": {"17": {}}}), [("missing", "by.*.x")]),
        (page(True), page(1), [("type", "")]), (page({}), page("<html>"), [("type", "")]),
        (page({}, 200), page({}, 500), [("status", "")]), (page({}), Answer(problem="timed out"), [("silent", "")]),
        (page({}), page({}, content_type="text/html"), [("header", "Content-Type")]),
        (page({}, content_type="a/b; charset=UTF-8"), page({}, content_type="a/b;charset=utf-8"), []),
        (page({}, location="/a"), page({}, location="/b"), [("header", "Location")]),
        (page({}, cache_control="no-store"), page({}), [("header", "Cache-Control")]),
        (page({}, date="1"), page({}, date="2"), []),
        (page("a" * 1000), page("b" * 1050), []), (page("a" * 1000), page("b" * 2000), [("size", "")]),
        (page("a" * 10), page(""), []),  # no JSON, and nearly of one size
        (page({"c": "blue"}), page({"c": "green"}), []), (page({"c": "blue"}), page({"c": "red"}), [("value", "c")]),
        (page({"release": 7}), page({"release": "8"}), [("type", "release")]),
        (page({"release": 7}), page({"release": 8}), []),
        (page({"count": 7}), page({"count": 8}), [("value", "count")]),
        (page({"t": "2026-11-01T10:00:00Z"}), page({"t": "2026-11-02T10:00:00Z"}), []),
        (page({"t": "2026-11-01T10:00:00Z"}), page({"t": "Monday"}), [("value", "t")]),
    ],
)  # fmt: skip
def test_each_kind_of_difference(live: Answer, other: Answer, found: list[tuple[str, str]]) -> None:
    assert sorted(key[:2] for key in differences(live, other, BLUE, GREEN)) == sorted(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, JSON)
def test_an_answer_differs_from_itself_nowhere_and_noise_covers_what_it_is(one: Any, other: Any) -> None:
    assert differences(page(one), page(one), BLUE, GREEN) == {}
    found = differences(page(one), page(other), BLUE, BLUE)
    assert bool(found) == (json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assert all(covers(found, it) for it in found.values())


def test_deep_and_large_answers_cost_no_stack() -> None:
    deep = "[" * 900 + "1" + "]" * 900
    assert [key[0] for key in differences(page(deep), page(deep.replace("1", "2")), BLUE, GREEN)] == ["value"]
    half = Answer(200, {"content-type": "application/json", "content-length": "90000"}, '{"a": ')
    assert differences(half, replace(half, body='{"b": '), BLUE, GREEN) == {}, "more than is read: its size alone"


# -- what is said of many


def three(uri: str, first: Answer, other: Answer, second: Answer | None = None, **more: Any) -> Asked:
    return Asked(seen(uri, **more), first, other, second or first, (0.01, 0.02, 0.03))


def test_some_items_that_lack_a_key_are_counted_by_route() -> None:
    asked = [
        three(f"/api/items/{number}", page({"id": number, "price": 1}), page({"id": number} if number % 4 else {}))
        for number in range(50)
    ]
    found = compare(asked, BLUE, GREEN)
    assert list(found.lines()) == ['GET /api/items/*: 50 of 50 lack "price"', 'GET /api/items/*: 13 of 50 lack "id"']
    assert (found.compared, found.differ, found.share) == (50, 50, 1.0)
    assert found.routes[0].found[1].example == "/api/items/0"
    (one,) = compare([three("/a", page({}), page({}, 404))], BLUE, GREEN).lines()
    assert one == "GET /a: 1 of 1 answers 404 instead of 200"


def test_what_varies_by_itself_is_no_difference() -> None:
    live = [page({"luck": number, "price": 1}) for number in range(3)]
    assert compare([three("/a", live[0], live[1], live[2])], BLUE, GREEN).differ == 0
    found = compare([three("/a", live[0], page({"luck": 7}), live[2])], BLUE, GREEN)
    assert list(found.lines()) == ['GET /a: 1 of 1 lacks "price"']
    growing = three("/a", page({"n": [1]}), page({"n": [1, {}]}), page({"n": [1, 2]}))
    assert compare([growing], BLUE, GREEN).differ == 0
    flapping = three("/a", page({}), page({"x": 1}), page({}, 503))
    assert compare([flapping], BLUE, GREEN).differ == 0, "what is to be learnt from a release that fails itself?"


def test_a_place_with_noise_counts_when_it_differs_much_more_often() -> None:
    varying = [three(f"/a/{n}", page({"x": n}), page({"x": 0}), page({"x": n + 1})) for n in range(1, 6)]
    seldom = [three(f"/a/{n}", page({"x": n}), page({"x": 0})) for n in range(10, 20)]
    assert compare(varying + seldom, BLUE, GREEN).differ == 0, "10 are not more than twice 5"
    one_more = three("/a/20", page({"x": 20}), page({"x": 0}))
    assert compare([*varying, *seldom, one_more], BLUE, GREEN).differ == 11


def test_what_was_not_reached_is_named_and_a_door_that_opens_is_a_difference() -> None:
    log_in = page("", 302, location="/login?next=/me")
    moved = page("", 301, location="/new")
    found = compare(
        [
            three("/account", page({}, 401), page({}, 401)), three("/admin/1", page({}, 403), page({}, 403)),
            three("/me", log_in, log_in), three("/old", moved, moved, status=301),
            three("/secret", page({}, 401), page({"all": 1})), three("/slow", Answer(problem="timed out"), page({})),
            three("/nonce", page({}, 401, www_authenticate="a"), page({}, 401, www_authenticate="b"), page({}, 401)),
        ], BLUE, GREEN,
    )  # fmt: skip
    assert found.not_reached == {
        "GET /account": "401", "GET /admin/*": "403", "GET /me": "302 to /login", "GET /slow": "live: timed out",
        "GET /nonce": "401",
    }  # fmt: skip
    assert list(found.lines()) == ["GET /secret: 1 of 1 answers 200 instead of 401"]
    assert found.compared == 2, "a redirect that the visitor got, too, is an answer"
    assert found.live_seconds == (0.01, 0.03) * 2


@pytest.mark.parametrize(("part", "found"), [(0.5, 2), (0.95, 4), (0.0, 1), (1.0, 4)])
def test_percentiles_are_values_that_were_seen(part: float, found: float) -> None:
    assert percentile([4, 1, 3, 2], part) == found
    assert percentile([], part) is None


# -- asking


def _replay(live: Any, other: Any) -> Any:
    """Blue answers `live`, green `other`, each given the URI."""

    def replay(address: str, port: int, one: Seen, target: str, timeout: float) -> tuple[Answer, float]:
        assert (port, timeout, one.host) == (8000, 5.0, "shop.example")
        return (other if address in ("172.20.0.32", "172.20.0.33") else live)(target), 0.01

    return replay


def test_live_is_asked_twice_by_two_replicas_and_never_faster_than_the_rate() -> None:
    it = tools(prober={"replay": _replay(lambda _: page({}), lambda _: page({}))})
    requests = [seen(f"/items/{number}") for number in range(60)]
    found, complete = ask_again(it, requests, slot("blue", 7), slot("green", 8))
    assert (len(found), complete) == (60, True)
    asked = Counter(call[1] for call in it.log if call[0] == "replay")
    assert asked == {f"172.20.0.{last}": count for last, count in ((16, 60), (17, 60), (32, 30), (33, 30))}
    assert it.told.now - 100.0 >= 59 * 2 / story.RATE - 1e-6
    assert story.RATE <= 20


def test_there_is_a_time_for_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "LONGEST", 1.0)
    it = tools(prober={"replay": _replay(lambda _: page({}), lambda _: page({}))})
    found, complete = ask_again(it, [seen(f"/{n}") for n in range(60)], slot("blue", 7), slot("green", 8))
    assert complete is False
    assert 9 <= len(found) <= 12


def test_at_a_signal_nothing_more_is_asked() -> None:
    asked = threading.Event()

    def replay(*_: Any) -> tuple[Answer, float]:
        asked.set()
        return page({}), 0.0

    it = tools(prober={"replay": replay})

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    it.sleep = sleep
    with pytest.raises(KeyboardInterrupt):
        ask_again(it, [seen("/1"), seen("/2"), seen("/3")], slot("blue", 7), slot("green", 8))
    assert asked.wait(1)
    assert len([call for call in it.log if call[0] == "replay"]) <= 3


def test_a_service_that_the_new_release_has_no_more_is_a_difference() -> None:
    it = tools(prober={"replay": _replay(lambda _: page({}), lambda _: page({}))})
    found, _ = ask_again(it, [SEEN], slot("blue", 7), replace(slot("green", 8), routes=()))
    assert found[0].other.problem == "release 8 has no such place"
    assert next(compare(found, BLUE, GREEN).lines()).endswith("does not answer (release 8 has no such place)")


@pytest.mark.parametrize(
    ("scheme", "given", "found"),
    [
        ("https", answer(200, "{}", Content_Type="application/json"), (200, "{}", "")),
        ("http", answer(503, "no"), (503, "no", "")), ("", answer(200, "x" * 70_000), (200, "x" * 65_536, "")),
        ("http", answer(502, "refused", X_Bluegreen_Probe="- - - -"), (0, "", "refused")),
        ("http", [], (0, "", "the connection ended before the headers did")),
    ],
)  # fmt: skip
def test_a_request_goes_through_the_probe_socket_as_the_visitor_asked(
    tmp_path: Path, scheme: str, given: Pieces, found: tuple[int, str, str]
) -> None:
    with Server(tmp_path / "probe.sock", lambda _: given) as server:
        got, seconds = Probes(tmp_path).replay("10.0.0.7", 8000, seen("/x?a=1", scheme=scheme), "/x?a=1", 2.0)
    assert (got.status, got.body, got.problem) == found
    assert 0 < seconds < 2
    (text,) = server.asked
    assert text.startswith("GET /probe/10.0.0.7/8000/x?a=1 HTTP/1.0\r\nHost: shop.example\r\n")
    assert "\r\nX-Bluegreen-Again: 1\r\n" in text
    assert ("\r\nX-Forwarded-Proto: https\r\n" in text) == (scheme == "https")
    assert not any(name in text.lower() for name in ("cookie", "authorization"))


# -- as a step, and as a verb


def _making(limit: float | None, differ: bool, lines: bytes | None = None) -> Any:
    log = lines if lines is not None else b"".join(
        b"2026 " + line(uri=f"/items/{number}", host="shop.example") + b"\n" for number in range(20)
    )  # fmt: skip
    other = page({"a": "s3cret"} if differ else {})
    it = tools(
        prober={"replay": _replay(lambda _: page({}), lambda _: other)},
        containers={"follow_log": lambda *_, **__: iter([log])},
    )
    settings = Settings((), compare=Compare(limit))
    world = World("shop", PROXY, None, routing("blue", blue=slot("blue", 7)), ())
    made = type("Making", (), {})()
    made.tools, made.world, made.stack = it, world, type("Stack", (), {"settings": settings})
    made.new, made.wish = type("New", (), {"slot": slot("green", 8)}), type("Wish", (), {"compare": 50})
    made.proxy = lambda: PROXY
    return made


def test_differences_are_shown_and_stop_nothing_unless_the_settings_say_so() -> None:
    it = _making(None, differ=True)
    assert gate(it) == '20 GETs of 1 route compared, 20 differ, GET /items/*: 20 of 20 also have "a"'
    assert it.tools.told.notices == [
        'GET /items/*: 20 of 20 also have "a"', "Answers took: blue 10 ms (95%: 10 ms), green 10 ms (95%: 10 ms)",
    ]  # fmt: skip
    assert gate(_making(0.01, differ=False)) == "20 GETs of 1 route compared, none differs"
    assert gate(_making(1.0, differ=True)).startswith("20 GETs")
    assert gate(_making(0.01, False, b"")) == "nothing compared: no recent GET in nginx's log"
    with pytest.raises(BluegreenError) as error:
        gate(_making(0.01, differ=True))
    assert (error.value.code, error.value.expected) == ("compare-differs", "at most 1% (x-bluegreen.compare.fail)")
    assert error.value.failed == "20 GETs of 1 route compared, 20 differ (100.0%)"
    assert "switch --compare 0" in error.value.next
    with pytest.raises(BluegreenError):
        gate(_making(0.0, differ=True))


def test_two_releases_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = World("shop", PROXY, None, routing("blue", None, blue=slot("blue", 7)), ())
    monkeypatch.setattr(story, "observe", lambda _: alone)
    with pytest.raises(BluegreenError) as error:
        compare_idle(tools(), Settings(()), 5)
    assert error.value.code == "color-empty"
    both = World("shop", PROXY, None, routing("blue", blue=slot("blue", 7), green=slot("green", 6)), ())
    monkeypatch.setattr(story, "observe", lambda _: both)
    with pytest.raises(BluegreenError) as error:
        compare_idle(tools(prober={"once": {"web-1": "answered s3cret"}}), Settings(()), 5)
    assert (error.value.code, error.value.failed) == ("target-not-healthy", "web-1 answered ***")


def _visited(it: Site) -> None:
    """nginx's log has requests, and release 2 answers some of them in another way."""
    lines = [line(uri=f"/items/{number}?q=canary-9", upstream="1.2.3.4:8000") for number in range(8)]
    it.engine.named("shop-proxy").output = b"".join(b"2026 " + each + b"\n" for each in lines)
    really = it.reply_of

    def reply(address: str, port: int, path: str) -> Any:
        if not path.startswith("/items"):
            return really(address, port, path)
        (here,) = [c for c in it.engine.containers.values() if c.address("shop_bluegreen") == address]
        lacks = here.labels["bluegreen.release"] != "1" and path.startswith("/items/4")
        return answer(200, json.dumps({"id": 4} if lacks else {"id": 4, "price": 3.5}), Content_Type="application/json")

    it.reply_of = reply  # type: ignore[method-assign]  # of this test


@pytest.mark.whole
def test_a_switch_shows_and_a_gate_stops(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    _visited(live)
    live.document["x-bluegreen"]["compare"] = {"fail": "1%"}
    live.release("shop:2")
    code, found = tell("switch")
    assert (code, found["error"]["code"], found["live"]["release"]) == (1, "compare-differs", 1), found
    assert found["error"]["lines"] == ['GET /items/*: 1 of 8 lacks "price"']
    assert found["error"]["traffic"] == "blue, release 1 (unchanged)"
    assert live.nginx
    assert live.nginx.live == "blue"
    assert live.run("switch", "--dry-run", "--compare", "5") == 0
    assert "compare   at most 5 recent GETs of visitors are asked of both colors" in capsys.readouterr().out
    del live.document["x-bluegreen"]["compare"]
    code, found = tell("switch", "--compare", "50", "--progress", "plain")
    assert (code, found["outcome"]) == (0, "switched")
    (step,) = [it for it in found["steps"] if it["step"] == "compare"]
    assert step["detail"] == '8 GETs of 1 route compared, 1 differs, GET /items/*: 1 of 8 lacks "price"'


@pytest.mark.whole
def test_the_verb_says_which_releases_it_compares(two: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    _visited(two)
    code, found = tell("compare", "-n", "8")
    assert (code, found["standing"], found["ok"], found["differ"]) == (0, "previous", True, 1)
    assert found["routes"][0]["differences"] == [
        {"kind": "added", "where": "price", "count": 1, "words": 'also has "price"', "example": "/items/4?q=…"}
    ]
    assert two.run("compare", "--progress", "none") == 0
    said = capsys.readouterr().out
    assert "idle    blue, release 1 (the previous release)" in said
    assert 'GET /items/*: 1 of 8 also has "price"\n        such as /items/4?q=…' in said
    assert "canary" not in said
    two.document["x-bluegreen"]["compare"] = {"fail": "1%"}
    assert two.run("compare", "--progress", "none") == 1


def test_a_signal_while_it_compares_ends_the_switch_before_traffic_moves(live: Site, tell: Tell) -> None:
    _visited(live)
    reply = live.reply_of

    def interrupted(address: str, port: int, path: str) -> Any:
        if path.startswith("/items/5"):
            os.kill(os.getpid(), signal.SIGINT)
        return reply(address, port, path)

    live.reply_of = interrupted  # type: ignore[method-assign]  # of this test
    live.release("shop:2")
    code, found = tell("switch", "--compare", "50")
    assert (code, found["error"]["exit_code"], found["live"]["release"]) == (130, 130, 1), found
    assert live.nginx
    assert live.nginx.live == "blue"
    assert live.running("green") == 0
