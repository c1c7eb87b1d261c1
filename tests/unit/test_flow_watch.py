"""The watch of a release, on ports in memory: when it goes back, when it stays, and what it says when it cannot see."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.answers import Answer, Expectation
from bluegreen.domain.app import Watch as WatchSettings
from bluegreen.errors import BluegreenError
from bluegreen.flow import doubt, signs, watch
from bluegreen.flow.watch import Watch, Worse
from tests.fakes.noted import tools
from tests.unit.test_traffic import line
from tests.unit.worlds import replica, slot

OLD, NEW = slot("blue", 1), slot("green", 2)
REFUSED = BluegreenError("No.", failed="the Engine is gone", expected="an Engine")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LATE", 0.05)
    monkeypatch.setattr(watch, "AGAIN", 0.1)
    monkeypatch.setattr(signs, "PAUSE", 0.02)
    monkeypatch.setattr(doubt, "SECONDS", 0.2)


def _requests(release: int, **fields: Any) -> Iterator[bytes]:
    for number in itertools.count():
        uri = fields.get("uri", f"/items/{number}")
        given = {"service": "web", "client": f"203.0.113.{number % 50}", "ended": 1005.0 - number, "nth": number}
        yield b"2026-11-27T14:10:27Z " + line(release=str(release), **{**given, **fields, "uri": uri}) + b"\n"


class Log:
    """What nginx has written before, and what it writes while it is watched."""

    def __init__(self, before: Any, now: list[bytes], ends: bool = False) -> None:
        self.before, self.now, self.ends = before, now, ends
        self.over = threading.Event()

    def __call__(self, _: str, tail: int | None, follow: bool, since: Any = None) -> Iterator[bytes]:  # noqa: ARG002
        if not follow:
            if isinstance(self.before, Exception):
                raise self.before
            yield from self.before
            return
        yield from self.now
        self.now = []
        if not self.ends:
            self.over.wait(5)


def _watch(
    log: Log, answers: dict[str, int], seconds: float = 0.4, leave_out: tuple[str, ...] = (), **prober: Any
) -> str:
    """`answers`: what a release says when it is asked again, by its color."""
    mine = {ip: color for color, it in (("blue", OLD), ("green", NEW)) for ips in it.addresses.values() for ip in ips}

    def replay(address: str, *_: Any) -> tuple[Answer, float]:
        return Answer(answers[mine[address]]), 0.001

    it = tools(
        containers={"follow_log": log, "replicas": ()}, prober={"once": {}, "replay": replay, **prober},
    )  # fmt: skip
    it.clock, it.sleep = time.monotonic, time.sleep
    try:
        return Watch(it, "proxy", OLD, NEW, leave_out=leave_out).run(seconds)
    finally:
        log.over.set()


def _some(count: int, release: int, **fields: Any) -> list[bytes]:
    return list(itertools.islice(_requests(release, **fields), count))


def test_a_release_that_fails_where_the_one_before_does_not_goes() -> None:
    log = Log(_some(300, 1), _some(30, 2, status=500))
    with pytest.raises(Worse) as worse:
        _watch(log, {"blue": 200, "green": 500})
    assert "requests failed: GET /items/* 500" in worse.value.evidence
    assert "gives 500, and 200 before" in worse.value.evidence
    assert worse.value.evidence.count("0 of 300 before") == 1
    assert worse.value.hurt[-1].split()[1:4] == ["GET", "/items/29", "500"]


def test_what_both_fail_at_is_said_and_the_release_stays() -> None:
    said = _watch(Log(_some(300, 1), _some(30, 2, status=500)), {"blue": 500, "green": 500})
    assert "GET /items/* fails with release 1, too" in said


def test_what_cannot_be_asked_again_is_weighed_by_how_many_it_met() -> None:
    many = Log(_some(300, 1), _some(30, 2, status=500, method="POST"))
    with pytest.raises(Worse):
        _watch(many, {"blue": 200, "green": 200})
    one = [*_some(100, 2), *_some(30, 2, status=500, method="POST", uri="/orders", client="203.0.113.99")]
    assert "23.1 % failed" in _watch(Log(_some(300, 1), one), {"blue": 200, "green": 200})


def test_a_way_to_the_login_proves_nothing() -> None:
    one = [*_some(100, 2), *_some(9, 2, status=500, uri="/account", client="203.0.113.99")]
    said = _watch(Log(_some(300, 1), one), {"blue": 302, "green": 302})
    assert said.startswith("109 requests")


def test_without_a_way_back_it_stays_and_says_so() -> None:
    wrong = {f"web-{number}": "answered 503" for number in (1, 2)}
    log = Log(_some(300, 1), _some(30, 2, status=500))
    sick: Any = {"once": lambda checks: {} if checks[0].address in NEW.addresses["web"] else wrong}
    said = _watch(log, {"blue": 200, "green": 500}, **sick)
    assert "release 1 is no way back: web-1 answered 503" in said


def test_a_release_that_is_not_healthy_any_more_goes() -> None:
    wrong = {f"web-{number}": "did not answer within 1 s" for number in (1, 2)}
    sick: Any = {"once": lambda checks: wrong if checks[0].address in NEW.addresses["web"] else {}}
    with pytest.raises(Worse, match="no replica of web is healthy any more"):
        _watch(Log([], []), {}, **sick)


def test_a_trouble_that_visitors_who_stayed_have_too_clears_what_cannot_be_asked_again() -> None:
    pairs = zip(_some(40, 1, status=500, method="POST"), _some(40, 2, status=500, method="POST"), strict=True)
    now = [line for pair in pairs for line in pair]
    said = _watch(Log(_some(300, 1), now), {"blue": 200, "green": 200})
    assert "POST /items/* fails for visitors still on release 1, too" in said


def test_paths_that_compare_leaves_out_are_not_asked_again() -> None:
    log = Log(_some(300, 1), _some(30, 2, status=500))
    with pytest.raises(Worse) as worse:
        _watch(log, {}, leave_out=("/items/",))  # whom it would ask has no answer
    assert "asked again" not in worse.value.evidence


def test_memory_that_only_grows_is_said() -> None:
    sizes = iter(range(10**8, 10**10, 10**8))
    it = tools(containers={
        "follow_log": Log([], []), "replicas": [replica("green", 2)], "exit_of": (0, 0, ""),
        "memory": lambda _: next(sizes),
    }, prober={"once": {}})  # fmt: skip
    it.clock, it.sleep = time.monotonic, time.sleep
    said = Watch(it, "proxy", OLD, NEW).run(0.9)
    assert "; memory of its largest container only grows: 286 MB, then " in said


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([1, 2, 100, 120, 140, 160, 180, 200], True), ([1, 2, 100, 120, 140, 130, 180, 200], False),
        ([100, 120, 140, 160, 180, 200], False), ([1, 2, 100, 101, 102, 103, 104, 105], False),
        ([1, 2, 10, 12, 14, 16, 18, 20], False), ([1, 2, 100, 110, 120, 130, 140, 149], False),
    ],
)  # fmt: skip
def test_when_memory_has_only_grown(samples: list[int], expected: bool) -> None:
    assert signs.grows([it * 1024 * 1024 for it in samples]) is expected


def _release(percent: int, expected: bool, wrong: list[str], few: bool = True) -> tuple[Any, Any, list[Any]]:
    asked: list[Any] = []

    def ask(where: str, wanted: Any) -> Answer:
        asked.append((where, wanted.method))
        return Answer(500 if wanted.path in wrong else 200)

    it: Any = SimpleNamespace(
        tools=tools(prober={"ask": ask}), cutover=SimpleNamespace(percent=percent),
        stack=SimpleNamespace(project_directory="/", settings=SimpleNamespace(watch=WatchSettings(60, 0, expected))),
        wish=SimpleNamespace(expected=[Expectation(method, path, status=200) for method, path in RECORDED]),
    )  # fmt: skip
    return it, SimpleNamespace(few=few, run=lambda _: "no requests"), asked


RECORDED = (("GET", "/"), ("GET", "/b"), ("POST", "/orders"))


@pytest.mark.parametrize(("percent", "where"), [(100, "public"), (5, "preview")])
def test_with_too_little_traffic_the_recorded_answers_tell(percent: int, where: str) -> None:
    it, watching, asked = _release(percent, True, [])
    assert watch.watched(it, watching, 1.0) == "no requests; 2 recorded answers as recorded"
    assert asked == [(where, "GET"), (where, "GET")]  # what may change data is not sent again
    it, watching, _ = _release(percent, True, ["/b"])
    with pytest.raises(Worse) as worse:
        watch.watched(it, watching, 1.0)
    assert worse.value.evidence == "1 of 2 recorded answers differ"
    assert worse.value.hurt[0].startswith("GET /b: ")


def test_nobody_asks_without_need() -> None:
    for expected, few in ((False, True), (True, False)):
        it, watching, asked = _release(100, expected, ["/"], few)
        assert (watch.watched(it, watching, 1.0), asked) == ("no requests", [])


def test_what_cannot_be_seen_is_said() -> None:
    said = _watch(Log(REFUSED, [], ends=True), {}, seconds=0.2)
    assert said.startswith("too few requests to tell; no requests; before: no requests")
    assert "what is usual is not known: No." in said
    assert "nginx's log has ended" in said


def test_a_signal_ends_the_watch_and_the_release_stays() -> None:
    it = tools(containers={"follow_log": Log([], []), "replicas": ()}, prober={"once": {}})
    it.clock, it.sleep = time.monotonic, time.sleep
    it.signals.asked = "SIGINT"
    began = time.monotonic()
    assert Watch(it, "proxy", OLD, NEW).run(60.0).startswith("ended by SIGINT after 0 s: ")
    assert time.monotonic() - began < 5
