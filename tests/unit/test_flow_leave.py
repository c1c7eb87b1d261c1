"""`down --to-compose`: somebody serves at every moment, and what fails before nginx stops changes nothing.

Each call to the outside fails, is interrupted and is the last one; then the same command again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain.app import Route
from bluegreen.errors import BluegreenError, Interrupted
from bluegreen.frontdoor import route
from bluegreen.plans.leave import plan_leave
from tests.fakes.app import App, Cut
from tests.unit.worlds import PROXY, routing, slot, world

pytestmark = pytest.mark.whole


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(route, "BUCKETS", 1)
    connect = sqlite3.connect

    def hasty(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **named)
        connection.execute("pragma synchronous = off")
        return connection

    monkeypatch.setattr(sqlite3, "connect", hasty)


def _arranged(folder: Path) -> App:
    """Two releases, the second live."""
    app = App(folder)
    for verb, content in (("up", "one"), ("switch", "two")):
        app.content = content
        done = app.run(verb)
        assert done is not None
        assert done.error is None, done.error
    return app


def _calls(folder: Path) -> list[str]:
    cut = Cut()
    _arranged(folder).run("leave", cut)
    return cut.log


def _ours_serves(app: App, where: str) -> None:
    it = app.machine
    answer = it.answer()
    assert answer is not None, where
    assert (answer.live, it.served()) == ("green", []), where


def _plain_serves(app: App, where: str) -> None:
    it = app.machine
    assert (it.proxy, it.replicas) == (None, {}), where
    assert it.open(), where
    assert {found.service for found in it.plain.values() if found.running} == {"web", "worker"}, where
    assert len(it.plain) == 2, where


def _jobs(app: App) -> int:
    ours = [it for it in app.machine.replicas.values() if it.role == "job" and it.running]
    return len(ours) + sum(it.service == "worker" and it.running for it in app.machine.plain.values())


def test_plain_compose_is_proven_and_takes_the_port(tmp_path: Path) -> None:
    app = _arranged(tmp_path)
    done = app.run("leave")
    assert done is not None
    assert done.error is None, done.error
    assert [it.step.name for it in done.steps] == [
        "beside", "health", "publish", "leave", "stop", "remove", "shared",
    ]  # fmt: skip
    _plain_serves(app, "left")
    assert app.machine.shared == {"db"}, "shared services run on"
    assert done.message.startswith("Plain Compose serves release 2.")
    assert "Requests failed for at most" in done.message
    assert app.shown.notices[0].startswith("worker must not run twice")
    assert app.shown.notices[1].startswith("Plain Compose cannot publish 2 containers of web")


def test_between_two_calls_somebody_serves_but_while_the_one_starts(tmp_path: Path) -> None:
    app = _arranged(tmp_path)
    closed: list[str] = []
    twice: list[str] = []
    cut = Cut()

    def look() -> None:
        if not app.machine.open():
            closed.append(cut.log[-1])
        if _jobs(app) > 1:
            twice.append(cut.log[-1])

    cut.watch = look
    app.run("leave", cut)
    assert set(closed) == {"FakeContainers.stop", "FakeEngine.plain_containers"}, "from nginx's stop to the start"
    assert twice == []


@pytest.mark.parametrize("how", ["fails", "SIGKILL", "SIGINT"])
def test_cut_off_anywhere_ours_or_plain_serves_and_the_same_command_goes_on(tmp_path: Path, how: str) -> None:
    count = 0
    for number, call in enumerate(_calls(tmp_path / "calls"), 1):
        if how == "fails" and not call.startswith("Fake"):
            continue
        where = f"{how} at call {number}, {call}"
        app = _arranged(tmp_path / str(number))
        twice: list[str] = []

        def look(app: App = app, twice: list[str] = twice, where: str = where) -> None:
            if _jobs(app) > 1:
                twice.append(where)

        done = None
        with contextlib.suppress(BluegreenError, Interrupted):  # before there is an operation
            done = app.run("leave", Cut(number, how=how, watch=look))
        assert twice == []
        if done is not None and done.error is not None:
            _ours_serves(app, where)
            assert not any(it.running for it in app.machine.plain.values()), where
            assert done.error.exit_code in ((130, 1) if how == "SIGINT" else (1, 4)), where
        if how != "SIGKILL" and done is None:
            _ours_serves(app, where)
        again = app.run("leave") if app.machine.replicas else done
        assert again is None or again.error is None, (where, again.error)
        if again is not None:
            left = [it.step.name for it in again.steps if it.outcome == "warning"]
            assert app.machine.open(), where
            assert bool(again.next) == ("shared" in left), where
            if not left:
                _plain_serves(app, where)
        count += 1
    assert count > 15


@pytest.mark.parametrize("unreached", [False, True])
def test_what_is_not_healthy_takes_nothing_over(tmp_path: Path, unreached: bool) -> None:
    app = _arranged(tmp_path)
    if unreached:  # it answers the probe, and nobody on the port
        app.machine.unreached.add("80")
    else:
        app.machine.plain_sick = True
    done = app.run("leave")
    assert done is not None
    assert done.error is not None
    if unreached:
        assert (done.error.exit_code, done.error.code) == (5, "plain-not-serving"), "ours is not reached either"
        return
    assert (done.error.exit_code, done.error.code) == (1, "plain-not-healthy")
    assert "shop-web-1 answered 503" in done.error.failed
    assert done.error.traffic == "green, release 2 (unchanged)"
    assert app.machine.plain == {}
    _ours_serves(app, "not healthy")


def test_nginx_serves_again_when_plain_compose_does_not_answer(tmp_path: Path) -> None:
    app = _arranged(tmp_path)
    calls = _calls(tmp_path / "calls")
    health = calls.index("FakeProber.wait") + 1
    cut = Cut()

    def look() -> None:
        app.machine.plain_sick = cut.calls > health

    cut.watch = look
    done = app.run("leave", cut)
    assert done is not None
    assert done.error is not None
    assert (done.error.exit_code, done.error.code) == (4, "plain-not-serving")
    assert done.error.traffic == "green, release 2 (nginx again, confirmed)"
    _ours_serves(app, "moved back")
    assert app.machine.plain == {}


def test_nothing_live_is_nothing_to_leave(tmp_path: Path) -> None:
    app = App(tmp_path)
    with pytest.raises(BluegreenError) as error:
        app.run("leave")
    assert error.value.code == "nothing-to-leave"


def test_the_plan_says_what_is_proven_and_what_follows() -> None:
    left = replace(slot("blue", 7), routes=(Route("web", 8000), Route("api", 9000, "/api")))
    both = plan_leave(world(intended=routing("blue", blue=left)), left, "web")
    assert both.lines()[3:6] == [
        "  beside    Compose starts web, api of release 7 without a port",
        "  health    each must pass its health check, sent through nginx",
        "  publish   Compose creates web with its port; it starts once nginx has stopped",
    ]
    stopped = world(intended=routing("blue", blue=left), proxy=replace(PROXY, state="exited"))
    assert [step.name for step in plan_leave(stopped, left, "web").steps] == [
        "publish", "leave", "stop", "remove", "shared",
    ]  # fmt: skip


def test_once_plain_compose_serves_the_same_command_has_nothing_to_do(tmp_path: Path) -> None:
    """Ended by a signal, it was complete all the same; whoever types it again learns that."""
    app = _arranged(tmp_path)
    app.run("leave")
    done = app.run("leave")
    assert done is not None
    assert (done.error, done.outcome, done.steps) == (None, "unchanged", [])
    assert done.message.startswith("Plain Compose serves already: ")
