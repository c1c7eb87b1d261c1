"""Probes over real Unix sockets: what counts as an answer, as a healthy one, and as healthy for long enough."""

from __future__ import annotations

import http.server
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.domain.answers import Expectation
from bluegreen.domain.app import Health
from bluegreen.domain.verdict import Unreached
from bluegreen.probe import health, one
from bluegreen.probe.health import Prober, Tries, Unproven
from bluegreen.probe.load import Load
from bluegreen.probe.once import Target, once
from bluegreen.unix_http import NoAnswer, NotHttp, StillAnswering, TimedOut, get
from tests.fakes.sockets import Pieces, Server, answer, soon

QUICK = Health(timeout=0.2, interval=0.01, request_timeout=0.3, successes=1)


def _target(name: str = "web-1", address: str | None = "10.0.0.1", policy: Health = QUICK, **more: str) -> Target:
    return Target(name, address, 8000, None, policy, more.get("path"))


# -- one question


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nbody"], (200, {"a": "1"}, b"body")),
        ([b"HTTP/1.1 20", b"4 No\r\nA: 1\r\na:  2 \r\nB:\r\n", b"\r\n"], (204, {"a": "1, 2", "b": ""}, b"")),
        ([b"HTTP/1.0 503\r\n\r\n", b"a", 0.01, b"b"], (503, {}, b"ab")),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 30], (200, {}, b"x" * 10)),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10, 5.0], (200, {}, b"x" * 10)),
    ],
)
def test_an_answer_is_read_to_its_end_or_to_the_limit(tmp_path: Path, pieces: Pieces, found: object) -> None:
    with Server(tmp_path / "s", lambda _: pieces) as server:
        assert get(str(tmp_path / "s"), "/a?b=c", "shop", 1.0, 10) == found
    assert server.asked[0].splitlines()[:2] == ["GET /a?b=c HTTP/1.0", "Host: shop"]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], "the connection ended before the headers did"),
        ([b"HTTP/1.1 200 OK\r\nA: 1\r\n"], "the connection ended before the headers did"),
        ([b"HTTP/1.1 well\r\n\r\n"], "invalid literal"),
        ([b"HTTP/1.1 200 OK\r\n", 5.0], "timed out"),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 300_000], "the headers do not end"),
    ],
)
def test_what_is_no_answer_is_said(tmp_path: Path, pieces: Pieces, words: str) -> None:
    with Server(tmp_path / "s", lambda _: pieces), pytest.raises(NoAnswer, match=words) as error:
        get(str(tmp_path / "s"), "/", "shop", 0.3, 10)
    assert not isinstance(error.value, StillAnswering)
    assert isinstance(error.value, TimedOut) == (words == "timed out")


@pytest.mark.parametrize("pieces", [[b"hello there\r\n\r\n"], [b"HTTP/1.1\r\n\r\n"], [b"\x15\x03\x03\x00\x02\x02F"]])
def test_what_is_not_http_is_said_to_be_none(tmp_path: Path, pieces: Pieces) -> None:
    with Server(tmp_path / "s", lambda _: pieces), pytest.raises(NotHttp, match="what came is not HTTP"):
        get(str(tmp_path / "s"), "/", "shop", 0.3, 10)


def test_an_answer_that_goes_on_for_ever_is_another_case(tmp_path: Path) -> None:
    drops: Pieces = itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.cycle([b"x", 0.02]))
    began = time.monotonic()
    with Server(tmp_path / "s", lambda _: drops), pytest.raises(StillAnswering, match=r"after 0\.2 s"):
        get(str(tmp_path / "s"), "/", "shop", 0.2, 10_000)
    assert time.monotonic() - began < 2


def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="No such file"):
        get(str(tmp_path / "nobody"), "/", "shop", 0.2, 10)


# -- one probe


def test_a_replica_is_probed_through_nginx_by_its_address_and_a_route_through_the_preview(tmp_path: Path) -> None:
    with Server(tmp_path / "probe.sock", lambda _: answer()) as probes, Server(
        tmp_path / "preview.sock", lambda _: answer(404, "gone")
    ) as previews:  # fmt: skip
        assert one.probe(str(tmp_path), ("10.0.0.1", 8000), None, QUICK, "/up") is None
        assert one.probe(str(tmp_path), None, "*.shop.example", QUICK, "/up") == "answered 404: gone"
    assert probes.asked[0].startswith("GET /probe/10.0.0.1/8000/up HTTP/1.0\r\nHost: localhost\r\n")
    assert previews.asked[0].startswith("GET /up HTTP/1.0\r\nHost: bluegreen.shop.example\r\n")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (answer(502, "connection refused", X_Bluegreen_Probe="silent"), "connection refused"),
        (answer(502, "answered too much", X_Bluegreen_Probe="502 0.000 17 0.001"), "answered too much"),
        (
            [b"\x15\x03\x03\x00\x02\x02F"],
            "speaks TLS on port 8000; nginx asks without it: let it listen without TLS there",
        ),
        ([], "did not answer (the connection ended before the headers did)"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", 5.0], "was still answering after 0.3 s"),
        (answer(500, "no"), "answered 500: no"),
    ],
)
def test_why_a_replica_is_not_healthy(tmp_path: Path, pieces: Pieces, words: str) -> None:
    with Server(tmp_path / "probe.sock", lambda _: pieces):
        found = one.probe(str(tmp_path), ("10.0.0.1", 8000), None, QUICK, "/up")
    assert found == words
    assert isinstance(found, Unreached) == (words == "connection refused")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("502 - 0 0.000", "refused the connection on port 8000: nothing listens there"),
        ("502 - - -", "refused the connection on port 8000: nothing listens there"),
        ("502 - 0 3.062", "cannot be reached on port 8000: its container is down, or not on the network"),
        ("502 0.001 0 0.002", "closed the connection on port 8000 without an answer"),
        ("504 - 0 1.001", "cannot be reached on port 8000: its container is down, or not on the network"),
        ("504 0.002 0 5.002", "took the connection on port 8000 and said nothing in time"),
        ("silent", "did not answer on port 8000"),  # of an nginx with a file of before
    ],
)
def test_why_there_was_no_answer_is_what_nginx_saw(tmp_path: Path, facts: str, words: str) -> None:
    said = answer(502, "did not answer on port 8000", X_Bluegreen_Probe=facts)
    with Server(tmp_path / "probe.sock", lambda _: said):
        found = one.probe(str(tmp_path), ("10.0.0.1", 8000), None, QUICK, "/up")
    assert found == words
    assert isinstance(found, Unreached)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b"\x15\x03\x03\x00\x02\x02\x46"], "speaks TLS on port 8000"),
        ([b"\x15\x03\x01\x00\x02\x02\x0a"], "speaks TLS on port 8000"),
        ([b"220 mail.example ESMTP\r\n"], "answered on port 8000 with something that is not HTTP: 220 mail.example"),
        ([5.0], "did not answer within 0.3 s, and took the connection"),
        (answer(301, "moved", Location="https://shop.example/up"), "answered 301 to https://shop.example/up"),
        (answer(307, "", Location="/login?next=%2Fup"), "answered 307 to /login?next=%2Fup"),
        (answer(400, "Invalid host header"), "answered 400: Invalid host header (it was asked with Host: localhost)"),
        (answer(403, "Blocked hosts: localhost"), "(it was asked with Host: localhost)"),
        (answer(404, "no such page"), "answered 404: no such page"),
    ],
)
def test_what_came_instead_is_told_as_what_it_is(tmp_path: Path, pieces: Pieces, words: str) -> None:
    with Server(tmp_path / "probe.sock", lambda _: pieces):
        found = one.probe(str(tmp_path), ("10.0.0.1", 8000), None, QUICK, "/up")
    assert found is not None
    assert words in found
    assert ("Host" in words) == ("Host" in found)


def test_a_status_that_is_wanted_has_no_word_about_the_host(tmp_path: Path) -> None:
    policy = Health(status=403, body="no", timeout=0.2, request_timeout=0.3)
    with Server(tmp_path / "probe.sock", lambda _: answer(403, "other")):
        assert (
            one.probe(str(tmp_path), ("10.0.0.1", 8000), None, policy, "/") == "answered 403 with another body: other"
        )


def _lines_of(text: str) -> list[str]:
    return sorted(text.partition("\r\n\r\n")[0].split("\r\n")[1:])


def test_the_headers_of_a_policy_are_sent_and_take_the_place_of_ours(tmp_path: Path) -> None:
    sent = {"Host": "shop.example:8443", "Authorization": "Bearer a b", "accept": "text/plain"}
    policy = Health(timeout=0.2, request_timeout=0.3, request_headers=sent)
    expected = ["Authorization: Bearer a b", "Host: shop.example:8443", "User-Agent: bluegreen", "accept: text/plain"]
    with Server(tmp_path / "probe.sock", lambda _: answer()) as probes, Server(
        tmp_path / "preview.sock", lambda _: answer(400, "no")
    ) as previews:  # fmt: skip
        assert one.probe(str(tmp_path), ("10.0.0.1", 8000), "*.shop.example", policy, "/up") is None
        found = one.probe(str(tmp_path), None, None, policy, "/up")
        assert once(str(tmp_path), [_target(policy=policy)])[0][1] is None
    assert found == "answered 400: no (it was asked with Host: shop.example:8443)"
    assert [_lines_of(text) for text in (*probes.asked, *previews.asked)] == [expected] * 3


@pytest.mark.parametrize("value", ["a\r\nX-Other: 1", "a\nX", "a\r\n\r\nGET / HTTP/1.0"])
def test_a_value_of_more_than_a_line_is_never_sent(tmp_path: Path, value: str) -> None:
    policy = Health(timeout=0.2, request_timeout=0.3, request_headers={"X-A": value})
    with Server(tmp_path / "probe.sock", lambda _: answer()) as server:
        found = one.probe(str(tmp_path), ("10.0.0.1", 8000), None, policy, "/up")
    assert (found, server.asked) == ("did not answer (a header of more than one line)", [])


def test_a_replica_whose_header_is_not_known_is_not_asked_without_it(tmp_path: Path) -> None:
    policy = Health(timeout=0.2, request_timeout=0.3, request_headers={"X-Key": "\x00env:\x00"})
    with Server(tmp_path / "probe.sock", lambda _: answer()) as server:
        found = one.probe(str(tmp_path), ("10.0.0.1", 8000), None, policy, "/up")
    assert found == "was not asked: the value of its header X-Key is a secret, and in the Compose file alone"
    assert server.asked == []


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_many_are_probed_at_the_same_time_and_each_gets_its_own_answer(tmp_path: Path, count: int) -> None:
    def reply(text: str) -> Pieces:
        return [0.05, *answer(200 if "/10.0.0.1/" in text else 500)]

    targets = [_target(f"web-{number}", f"10.0.0.{number % 3}") for number in range(count)]
    began = time.monotonic()
    with Server(tmp_path / "probe.sock", reply):
        found = once(str(tmp_path), targets)
    assert [target for target, _ in found] == targets
    assert [words is None for _, words in found] == [number % 3 == 1 for number in range(count)]
    assert time.monotonic() - began < 0.6


def test_a_target_may_name_a_path_of_its_own(tmp_path: Path) -> None:
    with Server(tmp_path / "probe.sock", lambda _: answer()) as server:
        once(str(tmp_path), [_target(path="/own")])
        once(str(tmp_path), [_target()])
    assert [text.split()[1].rpartition("/")[2] for text in server.asked] == ["own", QUICK.path.strip("/")]


# -- the wait


def _states(*codes: int) -> Iterator[int]:
    yield from codes
    yield from itertools.repeat(codes[-1])


def test_a_wait_ends_after_enough_good_probes_in_a_row(tmp_path: Path) -> None:
    codes, rounds = _states(503, 200, 503, 200, 200), list[int]()
    policy = Health(timeout=5, interval=0.001, successes=2)
    with Server(tmp_path / "probe.sock", lambda _: answer(next(codes))):
        (done,) = Prober(tmp_path).wait([_target(policy=policy)], lambda tries: rounds.append(tries[0].streak))
    assert (done.count, done.last, done.proven) == (5, "as expected", True)
    assert rounds == [0, 1, 0, 1, 2], "told after every round"


def test_who_is_proven_is_not_asked_again(tmp_path: Path) -> None:
    slow = _states(503, 503, 200)
    policy = Health(timeout=5, interval=0.001, successes=1)

    def reply(text: str) -> Pieces:
        return answer(next(slow) if "10.0.0.2" in text else 200)

    targets = [_target("a", "10.0.0.1", policy), _target("b", "10.0.0.2", policy)]
    with Server(tmp_path / "probe.sock", reply):
        assert [it.count for it in Prober(tmp_path).wait(targets)] == [1, 3]


def test_a_wait_that_is_over_says_what_it_saw(tmp_path: Path) -> None:
    began = time.monotonic()
    with Server(tmp_path / "probe.sock", lambda _: answer(503, "no")), pytest.raises(Unproven) as error:
        Prober(tmp_path).wait([_target()])
    (tries,) = error.value.tries
    assert tries.last == "answered 503: no"
    assert tries.count > 1
    assert not tries.proven
    assert 0.1 < time.monotonic() - began < 2


def test_each_is_asked_at_its_own_interval_and_has_its_own_time(tmp_path: Path) -> None:
    def reply(text: str) -> Pieces:
        return answer(200 if "10.0.0.2" in text else 503)

    seldom = Health(timeout=5, interval=0.2, successes=3)
    often = Health(timeout=0.35, interval=0.01, successes=1)
    began = time.monotonic()
    with Server(tmp_path / "probe.sock", reply), pytest.raises(Unproven) as error:
        Prober(tmp_path).wait([_target("slow", "10.0.0.2", seldom), _target("short", "10.0.0.1", often)])
    assert time.monotonic() - began < 2, "its own time is over, whatever the other has"
    first, second = error.value.tries
    assert (first.target.name, second.target.name) == ("short", "slow")
    assert second.count <= 2 < first.count


def test_a_wait_for_nobody_and_tries_that_begin() -> None:
    assert Prober(Path("/nowhere")).wait([]) == []
    fresh = Tries(_target())
    assert (fresh.last, fresh.proven) == ("not tried yet", False)


# -- recorded requests


def test_a_recorded_request_is_sent_as_it_was_recorded(tmp_path: Path) -> None:
    prober = Prober(tmp_path)
    with Server(tmp_path / "public.sock", lambda _: answer(201, "é", X_A="1")) as server:
        got = prober.ask("public.sock", Expectation("POST", "/a", headers={"host": "shop", "X-B": "2"}, body="{}"))
        prober.ask("public.sock", Expectation("GET", "/b"))
        prober.close()
    assert (got.status, got.headers["x-a"], got.body, got.problem) == (201, "1", "é", "")
    first, second = ({it.lower() for it in text.splitlines()} for text in server.asked)
    assert {"post /a http/1.1", "host: shop", "x-b: 2", "accept-encoding: identity"} <= first
    assert "host: localhost" not in first
    assert "content-length: 2" in first
    assert {"get /b http/1.1", "host: localhost", "user-agent: bluegreen"} <= second


def test_what_is_no_recorded_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(health, "MAX_ANSWER", 10)
    drops = itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.cycle([b"", 0.02]))
    for pieces, words in (
        (answer(200, "x" * 10), None), (answer(200, "x" * 11), "answered more than 10 bytes"),
        ([], "did not answer"), (drops, "did not answer completely within 0.2 s"),
    ):  # fmt: skip
        path = tmp_path / "public.sock"
        with Server(path, lambda _, pieces=pieces: pieces):  # type: ignore[misc]  # bound on purpose
            problem = Prober(tmp_path).ask("public.sock", Expectation("GET", "/")).problem
        path.unlink()
        assert (problem or "").startswith(words or "") and bool(problem) == bool(words), problem  # noqa: PT018 - one fact


# -- the load of a rehearsal


class _Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hosts: set[str] = set()  # noqa: RUF012 - read by the test

    def do_GET(self) -> None:
        self.hosts.add(self.headers["Host"])
        if self.path == "/gone":
            self.close_connection = True
            return
        self.send_response({"/away": 503, "/wrong": 500}.get(self.path, 200))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
        pass


def test_the_load_counts_what_was_answered_and_what_was_lost() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    load = Load(server.server_address[1], ["/", "/wrong", "/away", "/gone"], "shop.example")
    load.start()
    assert soon(lambda: load.answered >= 4 and len(load.lost) == 2)
    load.stop()
    seen = load.answered, load.lost.copy()
    time.sleep(0.1)
    assert (load.answered, load.lost) == seen, "it has stopped"
    server.shutdown()
    server.server_close()
    assert set(load.lost) == {"/away answered 503", "/gone: RemoteDisconnected"}
    assert _Shop.hosts == {"shop.example"}
