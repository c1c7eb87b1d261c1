"""nginx's log as values: what failed, for whom, where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bluegreen.domain.traffic import Seen, parse, route_of
from bluegreen.flow.traffic import Following, recent, seen

FIELDS: dict[str, Any] = {
    "time": "2026-11-27T14:10:27+00:00", "color": "blue", "release": "32", "service": "web", "status": 200,
    "seconds": 0.25, "upstream_seconds": "0.001", "upstream": "192.168.66.16:8000", "upstream_status": "200",
    "method": "GET", "host": "shop.example.com", "uri": "/items/7?x=1", "bytes": 12, "client": "203.0.113.7",
    "request_id": "07a3", "agent": "Firefox", "ended": 1000.5, "connection": 4, "nth": 3,
}  # fmt: skip


def line(**fields: Any) -> bytes:
    return json.dumps({**FIELDS, **fields}).encode()


def test_a_line_is_a_request() -> None:
    one = parse(line())
    assert one
    assert (one.began, one.release, one.route, one.visitor) == (1000.25, 32, "GET /items/*", "203.0.113.7 Firefox")
    assert (one.connection, one.nth, one.failed) == (4, 3, False)
    assert parse(line(release="")).release is None  # type: ignore[union-attr]  # it is a line


@pytest.mark.parametrize(
    "text", [b"", b"nginx: [emerg] no", b"{", b"[]", b"{}", line(seconds="x"), line(status=None), b"{" * 5000]
)
def test_what_is_no_request_is_none(text: bytes) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"status": 500}, True), ({"status": 502, "upstream_status": "502"}, True), ({"status": 404}, False),
        ({"status": 499, "seconds": 1.0, "upstream_status": "-"}, False),
        ({"status": 499, "seconds": 9.0, "upstream_status": "-"}, True),
        ({"status": 499, "seconds": 9.0, "upstream_status": "200"}, False), ({"status": 101, "seconds": 900.0}, False),
    ],
)  # fmt: skip
def test_what_counts_as_failed(fields: dict[str, Any], failed: bool) -> None:
    one = parse(line(**fields))
    assert one
    assert one.failed is failed


@pytest.mark.parametrize(
    ("uri", "route"),
    [
        ("/", "GET /"), ("/items/7", "GET /items/*"), ("/items/7/", "GET /items/*/"),
        ("/a/b/c/d/e/f", "GET /a/b/c/d/*"), ("/feedback/facade", "GET /feedback/facade"),
        ("/o/0b7c7f1e-8d5e-4d5f-9f44-0c2e6f0d8a11?x", "GET /o/*"), ("http://shop.example.com/x?y", "GET /x"),
        ("/static/app.3f2a91.js", "GET /static/*"), ("/api/v1/items", "GET /api/v1/items"),
    ],
)  # fmt: skip
def test_requests_of_one_route_have_one_name(uri: str, route: str) -> None:
    assert route_of("GET", uri) == route


def test_bytes_that_are_no_text_make_no_request_vanish() -> None:
    one = parse(line(agent="AGENT").replace(b"AGENT", b"\xff\xfe"))
    assert one
    assert one.agent == "\ufffd\ufffd"


class Containers:
    """What the Engine gives of a log, in pieces that end anywhere."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks, self.asked = chunks, ()

    def follow_log(self, *given: Any, **named: Any) -> Any:
        self.asked = (*given, *named.items())
        return iter(self.chunks)


def _log(count: int) -> bytes:
    return b"".join(b"2026-11-27T14:10:27.123456789Z " + line(nth=number) + b"\n" for number in range(count))


@pytest.mark.parametrize("size", [1, 7, 400, 100_000])
def test_pieces_of_any_size_give_each_request_once(size: int) -> None:
    text = _log(5)
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert [one.nth for one in seen(chunks)] == [0, 1, 2, 3, 4]
    containers: Any = Containers(chunks)
    assert len(list(recent(containers, "proxy", 10, 5.0))) == 5
    assert containers.asked == ("proxy", 10, ("follow", False), ("since", 5.0))


def test_what_comes_is_taken_and_the_end_of_a_log_is_said() -> None:
    containers: Any = Containers([_log(3)])
    following = Following(containers, "proxy")
    found: list[Seen] = []
    while len(found) < 3:
        found += following.take(5)
    following._thread.join(5)
    assert following.ended == "nginx's log has ended"
    following.leave()
