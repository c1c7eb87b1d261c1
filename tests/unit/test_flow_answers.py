"""Recorded answers asked and held against; the routing that is made again; when the state folder of it is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.answers import Answer, Expectation
from bluegreen.domain.app import Listen, Route, Settings, Stack
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow import answers
from bluegreen.flow.answers import ask_color, compare, gate, load, record
from bluegreen.flow.observe import look_again, observe
from bluegreen.flow.rebuild import rebuild
from bluegreen.flow.shared import asleep
from tests.fakes.noted import done, tools
from tests.unit.worlds import PROXY, replica, slot

GET, POST = Expectation("GET", "/a"), Expectation("POST", "/b")


def _world(live: Any = "blue", idle: bool = True) -> World:
    slots: Any = {"blue": slot("blue", 1)} | ({"green": slot("green", 2)} if idle else {})
    return World("shop", PROXY, None, Routing("shop", 5, live, slots, "previous" if idle else None, None, 0.0), ())


def _tools(monkeypatch: pytest.MonkeyPatch, world: World | None = None, *bodies: Any, **more: Any) -> Any:
    """Tools whose prober gives these answers in turn, then the last of them again."""
    left = list(bodies) or [Answer(200, {}, "fine")]
    monkeypatch.setattr(answers, "observe", lambda _: world or _world())
    return tools(prober={"ask": lambda *_: left.pop(0) if len(left) > 1 else left[0]}, **more)


def _asked(it: Any) -> list[tuple[str, str]]:
    return [(call[1], call[2].request) for call in it.log if call[0] == "ask"]


# -- held against


FINE, WRONG = Expectation("GET", "/fine"), Expectation("GET", "/a", status=404)


def test_a_release_that_answers_otherwise_is_refused_with_where(monkeypatch: pytest.MonkeyPatch) -> None:
    it = _color_by_color(monkeypatch, public=404)
    assert gate(it, [FINE], "green", "/srv") == "1 recorded answer"
    assert {where for where, _ in _asked(it)} == {"preview"}, "live is asked only when something differs"
    with pytest.raises(BluegreenError, match="green does not answer as recorded") as error:
        gate(it, [FINE, WRONG, WRONG], "green", "/srv")
    assert error.value.failed == "2 of 3 recorded answers differ"
    assert len(error.value.lines) == 2
    assert all(line.startswith("GET /a: ") for line in error.value.lines)
    assert "fix the release" in error.value.next
    assert [where for where, _ in _asked(it)] == ["preview"] * 4 + ["public"] * 2, "live by what differs alone"
    assert it.told.progress == [*["expected: GET /fine"] * 2, *["expected: GET /a"] * 4]


def test_what_live_does_not_answer_either_is_recorded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BluegreenError) as error:
        gate(_tools(monkeypatch), [FINE, WRONG], "green", "/srv")
    assert error.value.failed == "1 of 2 recorded answers differ; live differs in the same way in 1 of them"
    assert error.value.lines[1:] == ["GET /a: live differs in the same way"]
    assert error.value.next.startswith("bluegreen -p shop expect --record GET /a")
    with pytest.raises(BluegreenError) as error:
        gate(_color_by_color(monkeypatch, public=500), [WRONG], "green", "/srv")
    assert error.value.failed == "1 of 1 recorded answer differ", "in another way"
    it = _tools(monkeypatch)
    with pytest.raises(BluegreenError) as error:
        gate(it, [WRONG, Expectation("POST", "/b", status=404)], "green", "/srv")
    assert _asked(it) == [("preview", "GET /a"), ("preview", "POST /b"), ("public", "GET /a")], "no data is changed"
    assert "fix the release" in error.value.next, "of one it is not known"


def _color_by_color(monkeypatch: pytest.MonkeyPatch, public: int) -> Any:
    """The idle color answers 200, and live what is given."""
    it = _tools(monkeypatch)
    it.prober._answers["ask"] = lambda where, _: Answer(public if where == "public" else 200, {}, "fine")
    return it


@pytest.mark.parametrize(("count", "lines", "more"), [(20, 20, ""), (21, 21, "and 1 more"), (29, 21, "and 9 more")])
def test_not_every_difference_is_shown(monkeypatch: pytest.MonkeyPatch, count: int, lines: int, more: str) -> None:
    with pytest.raises(BluegreenError) as error:
        gate(_color_by_color(monkeypatch, public=404), [WRONG] * count, "green", "/srv")
    assert len(error.value.lines) == lines
    assert error.value.lines[-1].startswith(more or "GET /a")


def test_differences_are_masked_and_variables_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Expectation("POST", "/${BG_A}", {"X": "${BG_B}"}, "${BG_A}!", text="s3cret")
    it = _tools(monkeypatch, compose={"variables": {"BG_A": "one", "BG_B": "two", "BG_C": None}})
    (found,) = compare(it, [wanted], "public", "/srv")
    assert "s3cret" not in str(found.differences)
    assert "***" in str(found.differences)
    sent = next(call[2] for call in it.log if call[0] == "ask")
    assert (sent.path, sent.headers, sent.body) == ("/one", {"X": "two"}, "one!")
    assert it.log[0] == ("variables", ["BG_A", "BG_B"], Path("/srv"))
    it.compose._answers["variables"] = {"BG_A": None}
    with pytest.raises(BluegreenError, match="BG_A is not set") as error:
        compare(it, [wanted], "public", "/srv")
    assert (error.value.failed.endswith("BG_A, BG_B"), error.value.exit_code) == (True, ExitCode.USAGE)


@pytest.mark.parametrize(
    ("color", "world", "where", "release"),
    [("live", _world(), "public", 1), ("idle", _world(), "preview", 2), ("live", _world("green"), "public", 2)],
)
def test_a_color_is_asked_where_it_answers(
    monkeypatch: pytest.MonkeyPatch, color: Any, world: World, where: str, release: int
) -> None:
    it = _tools(monkeypatch, world)
    found = ask_color(it, [GET, WRONG], color, "/srv")
    assert (found["release"], found["ok"], len(found["answers"])) == (release, False, 2)
    assert ask_color(it, [GET], color, "/srv")["ok"] is True
    assert {asked for asked, _ in _asked(it)} == {where}


@pytest.mark.parametrize(
    ("color", "world"), [("idle", _world(idle=False)), ("live", _world(live=None)), ("idle", _world(live=None))]
)
def test_a_color_that_is_not_there_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, color: Any, world: World) -> None:
    it = _tools(monkeypatch, world)
    with pytest.raises(BluegreenError, match=f"no {color} color"):
        ask_color(it, [GET], color, "/srv")
    with pytest.raises(BluegreenError, match="no recorded answers"):
        ask_color(it, [], color, "/srv")
    assert _asked(it) == []


def test_no_recorded_answers_are_fine_unless_their_file_was_named() -> None:
    settings = Settings((Route("web", 8000),))
    it = tools(expected=SimpleNamespace(read=lambda _: None))
    assert load(it, settings, "/srv") == ()
    with pytest.raises(BluegreenError) as error:
        load(it, replace(settings, expected="other.yaml"), "/srv")
    assert error.value.summary.startswith("other.yaml")
    it.expected.read = lambda path: (GET,) if path == Path("/srv/other.yaml") else None
    assert load(it, replace(settings, expected="other.yaml"), "/srv") == (GET,)


# -- recorded


def test_what_changes_nothing_is_asked_three_times_with_pauses_and_the_idle_color_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = _tools(monkeypatch)
    everything, said = record(it, [], [GET], "/srv")
    assert _asked(it) == [("public", "GET /a")] * 3 + [("preview", "GET /a")]
    assert (it.told.now, said) == (pytest.approx(100 + 2 * answers.PAUSE), [])
    assert [(wanted.request, wanted.status) for wanted in everything] == [("GET /a", 200)]
    alone = _tools(monkeypatch, _world(idle=False))
    record(alone, [], [GET], "/srv")
    assert [where for where, _ in _asked(alone)] == ["public"] * 3


def test_what_may_change_data_is_asked_once_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    it = _tools(monkeypatch)
    everything, said = record(it, [GET], [POST], "/srv")
    assert _asked(it) == [("public", "POST /b")]
    assert [wanted.request for wanted in everything] == ["GET /a", "POST /b"], "what was known stays"
    assert "POST /b may change data" in said[0]
    assert len(record(it, everything, [POST], "/srv")[0]) == 2, "in its place"


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ([Answer(500, {}, "")], "answered 500, 500, 500"), ([Answer(499, {}, "")], None),
        ([Answer(200, {}, ""), Answer(404, {}, "")], "answered 200, 404, 404"),
        ([Answer(200, {}, ""), Answer(0, {}, "", problem="it is silent")], "it is silent"),
    ],
)  # fmt: skip
def test_what_live_does_not_answer_alike_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, given: list[Answer], failed: str | None
) -> None:
    it = _tools(monkeypatch, _world(idle=False), *given)
    if failed is None:
        record(it, [], [GET], "/srv")
        return
    with pytest.raises(BluegreenError) as error:
        record(it, [], [GET], "/srv")
    assert (error.value.failed, error.value.next) == (failed, "bluegreen -p shop logs blue")


def test_an_idle_color_that_is_silent_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Answer(0, {}, "", problem="it is silent")
    it = _tools(monkeypatch, None, *[Answer(200, {}, "fine")] * 3, silent)
    (learned,), _ = record(it, [], [GET], "/srv")
    assert learned.status == 200


def test_nothing_live_cannot_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BluegreenError, match="Nothing is live yet"):
        record(_tools(monkeypatch, _world(live=None)), [], [GET], "/srv")


@pytest.mark.parametrize(
    ("wanted", "refused"),
    [
        (Expectation("GET", "/", {"Authorization": "Bearer x"}), "header Authorization"),
        (Expectation("GET", "/", {"Authorization": "${TOKEN}"}), None), (Expectation("GET", "/?a=b"), None),
        (Expectation("GET", "/?a=b&api_key=c"), "parameter api_key"), (Expectation("GET", "/?api_key=${KEY}"), None),
    ],
)  # fmt: skip
def test_a_secret_is_not_written_down(
    monkeypatch: pytest.MonkeyPatch, wanted: Expectation, refused: str | None
) -> None:
    it = _tools(monkeypatch, compose={"variables": {"TOKEN": "t", "KEY": "k"}})
    if refused is None:
        record(it, [], [wanted], "/srv")
        return
    with pytest.raises(BluegreenError) as error:
        record(it, [], [wanted], "/srv")
    assert error.value.failed == f"{refused} was given with its value"
    assert _asked(it) == [], "it was not even sent"


# -- the routing, made again


STACK = Stack(
    "shop", Settings((Route("web", 8000), Route("api", 9000)), ("worker",), (Listen("", 8080),), drain=7.0),
    {name: {} for name in ("web", "api", "worker", "db", "cache")}, {}, {}, {}, {}, ("db", "cache"), "/srv",
)  # fmt: skip


def _lost(*there: Any, answer: Any = "green", said: Any = None) -> Routing:
    """`answer`: the color that nginx answers; empty: none is live; None: it does not answer."""
    found = None if answer is None else ControlAnswer("shop", 9, answer or None, "1.30.6", 7, answer or None)
    return rebuild(tools(), STACK, World("shop", PROXY, found, None, there), said)


def test_the_routing_is_made_again_from_what_runs() -> None:
    found = _lost(
        replica("green", 3, number=2), replica("green", 3), replica("green", 3, "worker"),
        replica("green", 2, number=3), replica("green", 4, number=9, state="exited"), replica("blue", 1),
    )  # fmt: skip
    assert (found.live, found.generation, found.standing, found.drain, found.listen) == (
        "green", 9, "previous", 7.0, ("8080",),
    )  # fmt: skip
    assert found.preview == "127.0.0.1:8081"
    green = found.slots["green"]
    assert (green.release, green.definition, green.jobs, green.replicas) == (
        3,
        "old",
        ("worker",),
        {"web": 2, "worker": 1},
    )
    assert green.addresses == {"web": ("172.20.0.32", "172.20.0.33")}
    assert [route.service for route in green.routes] == ["web"], "nothing of api is there"
    assert green.images["web"].id == "sha256:1"
    assert found.slots["blue"].release == 1


def test_a_newer_release_on_the_other_color_has_never_served() -> None:
    assert _lost(replica("green", 1), replica("blue", 2)).standing == "prepared"
    assert _lost(replica("green", 1), replica("blue", 2, "worker")).standing is None, "a job alone is no color"


BOTH = (replica("green", 1), replica("blue", 2))
STOPPED = replica("blue", 2, state="exited")
START = "docker start shop-blue-web-1"
SILENT, NO_TRAFFIC = "nginx does not answer", "none while nginx does not answer"
TO_GREEN, TO_BLUE = (f"bluegreen -p shop up --live {it}" for it in ("green (release 1)", "blue (release 2)"))
ANEW = "docker ps -a; then bluegreen -p shop down and bluegreen -p shop up"


@pytest.mark.parametrize(
    ("there", "said", "live"),
    [
        (BOTH, "green", "green"), (BOTH, "blue", "blue"), ((replica("green", 1), STOPPED), "green", "green"),
        ((replica("green", 1), replace(STOPPED, place="aside")), None, "green"),
        ((replica("blue", 2), replica("green", 1, "worker")), None, "blue"),
    ],
)  # fmt: skip
def test_without_nginx_a_person_or_the_only_color_tells(there: Any, said: Any, live: str) -> None:
    found = _lost(*there, answer=None, said=said)
    assert (found.live, found.generation) == (live, 0)


def test_what_nginx_answers_counts_more_than_a_person() -> None:
    assert _lost(*BOTH, answer="green", said="blue").live == "green"


@pytest.mark.parametrize(
    ("there", "answer", "failed", "next_step"),
    [
        (BOTH, None, f"{SILENT}, and both colors have containers", f"{TO_BLUE} or {TO_GREEN}"),
        ((replica("green", 1), STOPPED), None, f"{SILENT}, and both colors have containers", TO_GREEN),
        ((), None, f"{SILENT}, and no color has containers", ANEW),
        ((replica("blue", 2, "worker"),), None, f"{SILENT}, and no color has containers", ANEW),
        ((replica("green", 1, state="exited"), STOPPED), None, f"{SILENT}, and both colors have containers",
         f"{START}; {TO_BLUE} or docker start shop-green-web-1; {TO_GREEN}"),
        ((STOPPED, replica("blue", 1, number=2, state="exited")), None, "blue has no running containers",
         f"{START}; {TO_BLUE}"),
        (BOTH, "", "nginx answers that no color is live", "bluegreen -p shop up"),
        ((replica("blue", 2),), "green", "green has no running containers", ANEW),
        ((replica("green", 1), STOPPED), "blue", "blue has no running containers",
         f"{START}; bluegreen -p shop up"),
    ],
)  # fmt: skip
def test_what_nothing_tells_is_not_guessed(there: Any, answer: Any, failed: str, next_step: str) -> None:
    with pytest.raises(BluegreenError) as error:
        _lost(*there, answer=answer)
    assert (error.value.failed, error.value.next) == (failed, next_step)
    traffic = NO_TRAFFIC if answer is None else "unknown; look now"
    assert (error.value.exit_code, error.value.traffic) == (ExitCode.UNKNOWN, traffic)


def test_a_person_does_not_make_a_color_live_in_which_nothing_runs() -> None:
    with pytest.raises(BluegreenError, match="nothing tells which color was live") as error:
        _lost(replica("green", 1), STOPPED, answer=None, said="blue")
    assert (error.value.failed, error.value.next) == ("blue has no running containers", TO_GREEN)


# -- a look


def _look(proxy: Any, answer: Any, intended: Any, thorough: bool = False) -> tuple[Any, World]:
    left = SimpleNamespace(verb="up", started="at noon", pid=7)
    journal = SimpleNamespace(operations=SimpleNamespace(unfinished=lambda: left if thorough else None))
    door = {"answer": answer, "intended": intended, "last_word": ("the last word", True), "edited": False}
    it = tools(journal=journal, proxy={"container": proxy}, door=door, containers={"replicas": ()})
    return it, observe(it, thorough)


@pytest.mark.parametrize(
    ("proxy", "answer", "intended", "thorough", "asked"),
    [
        (PROXY, "yes", "file", False, False), (PROXY, "yes", "file", True, True), (PROXY, None, "file", False, True),
        (PROXY, "yes", None, False, True), (None, None, "file", True, False),
        (replace(PROXY, state="exited"), None, "file", True, False),
    ],
)  # fmt: skip
def test_whether_nginx_sees_our_folders_is_asked_when_something_is_odd(
    proxy: Any, answer: Any, intended: Any, thorough: bool, asked: bool
) -> None:
    it, world = _look(proxy, answer, intended, thorough)
    assert ("last_word shop" in done(it)) is asked
    assert (bool(world.proxy and world.proxy.stale), str(world.answer) == "the last word") == (asked, asked)
    assert (("answer", True) in it.log) is bool(proxy and proxy.running)
    assert world.unfinished == ("up, started at noon by process 7" if thorough else None)
    assert world.unfinished_verb == ("up" if thorough else None)


def test_while_the_engine_does_not_answer_nginx_and_the_file_count() -> None:
    journal = SimpleNamespace(operations=SimpleNamespace(unfinished=lambda: None))
    it = tools(journal=journal, proxy={"container": BluegreenError("no")}, door={"answer": "yes", "intended": "file"})
    before = replace(_world(), replicas=(replica("blue", 1),))
    assert look_again(it, before) == replace(before, answer="yes", intended="file")  # type: ignore[arg-type]  # marks


def test_shared_services_that_the_release_waits_for_are_found_through_each_other() -> None:
    states = {"db": SimpleNamespace(asleep=lambda _: False), "cache": None}
    services: dict[str, Any] = {
        "web": {"depends_on": {"db": {"condition": "service_healthy"}, "api": {}}}, "db": {"depends_on": {"cache": {}}},
        "api": {"depends_on": {"db": {}}}, "worker": {}, "cache": {},
    }  # fmt: skip
    it = tools(colors={"dependency": states.get})
    assert asleep(it, replace(STACK, services=services)) == {"cache": "has no container"}
    assert sorted(set(done(it))) == ["dependency cache", "dependency db"]
    services["db"]["depends_on"]["cache"]["required"] = False
    assert asleep(it, replace(STACK, services=services)) == {}
    states["db"] = SimpleNamespace(asleep=lambda how: how == "service_healthy", lacks=lambda how: f"lacks {how}")
    assert asleep(it, replace(STACK, services=services)) == {"db": "lacks service_healthy"}
