"""Every verb, cut off at each call that it makes to the outside, by each way to be cut off; then the next verb.

What holds at every moment: visitors get answers of a color that is there and healthy. What holds after the next verb:
one live color, nginx, file and route say the same, jobs run in that color only, nothing is left over.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bluegreen.domain.color import other
from bluegreen.domain.record import gone_back_from
from bluegreen.errors import BluegreenError, Interrupted
from bluegreen.frontdoor import route
from bluegreen.plans.differences import drift
from tests.fakes.app import App, Cut
from tests.unit.worlds import replica

NEXT = ("switch", "flip-back", "up")
VERBS = ("switch", "flip-back", "up", "prepare", "give-up", "switch over a prepared one")


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk after a power cut is not asked here, and waiting for it takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(route, "BUCKETS", 1)


def _arranged(folder: Path, verb: str) -> App:
    """Two releases, the second live; for `up`, a live container is gone and another stopped."""
    app = App(folder)
    assert app.run("up") is not None
    app.content = "two"
    done = app.run("switch")
    assert done is not None
    assert done.outcome == "switched", done
    if verb == "up":
        live = next(it for it in app.machine.replicas.values() if it.color == "green" and it.service == "web")
        del app.machine.replicas[live.id]
    if verb in ("switch", "prepare", "give-up", "switch over a prepared one"):
        app.content = "three"
    if verb in ("give-up", "switch over a prepared one"):
        prepared = app.run("prepare")
        assert prepared is not None
        assert prepared.outcome == "prepared", prepared
    if verb == "switch over a prepared one":
        app.content = "four"
    return app


def _whole(app: App, where: str) -> None:
    it = app.machine
    answer, disk = it.answer(), it.files.routing()
    assert answer is not None, where
    assert disk is not None, where
    assert answer.live in ("blue", "green"), where
    assert it.served() == [], where
    assert (answer.live, answer.default, answer.generation) == (disk.live, disk.live, disk.generation), where
    assert disk.sealed, where
    jobs = {(replica.color, replica.running) for replica in it.replicas.values() if replica.role == "job"}
    assert (answer.live, True) in jobs, where
    assert (other(answer.live), True) not in jobs, where
    known = {(slot.color, slot.release) for slot in disk.slots.values()}
    left = [r.name for r in it.replicas.values() if r.running and (r.color, r.release) not in known]
    assert left == [], where
    aside = {(r.color, r.release) for r in it.replicas.values() if r.place == "aside"}
    kept = {(disk.aside.color, disk.aside.release)} if disk.aside else set()
    assert aside == kept, where
    damaged = where.startswith("up,")  # a color has lost a container, which a flip-back leaves behind
    assert damaged or disk.standing is not None, f"{where}: no way back, and nothing prepared"
    if disk.standing == "previous":
        idle = disk.slots[disk.idle]
        mine = (idle.color, idle.release, "slot", "routed")
        stands = [r for r in it.replicas.values() if (r.color, r.release, r.place, r.role) == mine]
        assert [r.running for r in stands] == [True, True], where
        assert all(it.policies[r.id] == "always" for r in stands), where
    tools = app.tools(Cut())
    assert tools.journal.operations.unfinished() is None, where
    from bluegreen.flow.observe import observe

    assert drift(observe(tools)) == "", where


def _calls(folder: Path, verb: str) -> list[str]:
    cut = Cut()
    app = _arranged(folder, verb)
    app.run(verb.partition(" ")[0], cut)
    return cut.log


def _run_again(app: App, verb: str, where: str) -> None:
    """The next verb, and what it says to type when it cannot go on by itself."""
    done = app.run(verb)
    assert done is not None
    if done.error is not None:
        assert done.error.next, where
        assert done.error.exit_code == 1, (where, done.error)
    if done.error is not None or done.warnings or verb == "flip-back":
        again = app.run("up")
        assert again is not None
        assert again.error is None, (where, again.error)


def _points(folder: Path, verb: str, how: str) -> Iterator[tuple[int, bool, str]]:
    calls = _calls(folder / "calls", verb)
    changing = [number for number, call in enumerate(calls, 1) if how == "SIGKILL" or number % 3 == 0]
    yield 1, False, calls[0]
    for number in changing:  # before the next call is the same moment
        yield number, True, calls[number - 1]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_cut_off_anywhere_hurts_nobody_and_the_next_one_makes_it_whole(
    tmp_path: Path, verb: str, how: str
) -> None:
    following = itertools.cycle(NEXT)
    count = 0
    for number, after, call in _points(tmp_path, verb, how):
        where = f"{verb}, {how} {'after' if after else 'before'} call {number}, {call}"
        app = _arranged(tmp_path / f"{number}{after}", verb)
        hurt: list[str] = []

        def look(app: App = app, hurt: list[str] = hurt) -> None:
            hurt += app.machine.served()

        cut = Cut(number, after, how, watch=look if verb != "up" else lambda: None)
        with contextlib.suppress(Interrupted):  # before there is an operation that could be recorded
            app.run(verb.partition(" ")[0], cut)
        _run_again(app, next(following), where)
        assert hurt == [], where
        _whole(app, where)
        count += 1
    assert count > 8


def test_a_release_that_is_sick_never_serves(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "switch")
    app.machine.sick.add("3")
    hurt: list[str] = []
    done = app.run("switch", Cut(watch=lambda: hurt.extend(app.machine.served())))
    assert done is not None
    assert done.outcome == "failed"
    assert done.error is not None
    assert "did not become healthy" in done.error.summary
    assert hurt == []
    answer = app.machine.answer()
    assert answer is not None
    assert answer.live == "green"
    assert not [it for it in app.machine.replicas.values() if it.release == 3 and it.running], "a failed one is stopped"


@pytest.mark.parametrize("verb", ["switch", "prepare"])
def test_a_release_that_fails_does_not_cost_the_way_back(tmp_path: Path, verb: str) -> None:
    """Whatever call it fails at: the release before stands by again, and flip-back goes to it."""
    for number, call in enumerate(_calls(tmp_path / "calls", verb), 1):
        if not call.startswith("Fake"):  # the journal raises nothing: it is history, never a condition
            continue
        app = _arranged(tmp_path / str(number), verb)
        done = None
        with contextlib.suppress(BluegreenError):  # before there is an operation that could be recorded
            done = app.run(verb, Cut(number, how="fails"))
            assert done is not None, (number, call)
            assert done.outcome in ("switched", "prepared", "failed", "moved-back", "unknown"), (number, call)
            if done.outcome == "prepared":
                continue
        if app.machine.answer().live == "blue":  # type: ignore[union-attr]  # nginx runs; what comes after is a warning
            assert done is None or done.outcome in ("switched", "unknown"), (number, call)
            continue
        back = app.run("flip-back")
        assert back is not None
        assert back.outcome == "flipped-back", (number, call, back.error)
        assert back.live == {"color": "blue", "release": 1}, (number, call)
        _whole(app, f"{verb}, failed at call {number}, {call}, then flip-back")


def test_a_killed_switch_does_not_cost_the_way_back(tmp_path: Path) -> None:
    """Killed at any call before traffic moves, the very next flip-back goes to the release before."""
    calls = _calls(tmp_path / "calls", "switch")
    moved = calls.index("FakeDoor.turn") + 1
    for number, call in enumerate(calls[:moved], 1):
        app = _arranged(tmp_path / str(number), "switch")
        assert app.run("switch", Cut(number)) is None
        back = app.run("flip-back")
        assert back is not None
        assert back.outcome == "flipped-back", (number, call, back.error)
        assert back.live == {"color": "blue", "release": 1}, (number, call)
        assert app.machine.served() == [], (number, call)
        app.run("up")
        _whole(app, f"killed at call {number}, {call}, then flip-back, then up")


def test_a_prepared_release_that_is_given_up_brings_the_one_before_it_back(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "give-up")
    refused = app.run("flip-back")
    assert refused is not None
    assert refused.error is not None
    assert "prepare --give-up (brings release 1 back), then" in refused.error.next
    done = app.run("give-up")
    assert done is not None
    assert (done.outcome, done.message) == ("given-up", "Release 1 is the way back again, on blue.")
    assert not [it for it in app.machine.replicas.values() if it.release == 3]
    again = app.run("give-up")
    assert again is not None
    assert (again.outcome, again.message) == ("unchanged", "no release is prepared")
    back = app.run("flip-back")
    assert back is not None
    assert back.live == {"color": "blue", "release": 1}


def test_a_switch_with_nothing_new_brings_back_what_a_killed_one_had_set_aside(tmp_path: Path) -> None:
    app = _arranged(tmp_path / "calls", "switch")
    cut = Cut()
    app.run("switch", cut)
    app = _arranged(tmp_path / "app", "switch")
    assert app.run("switch", Cut(cut.log.index("FakeColors.create") + 1)) is None
    app.content = "two"
    done = app.run("switch")
    assert done is not None
    assert done.outcome == "unchanged"
    assert done.previous == {"color": "blue", "release": 1}
    _whole(app, "a switch with nothing new")


def test_up_leaves_a_prepared_release_and_what_is_set_aside_for_it(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "give-up")
    before = {it.name: (it.release, it.running) for it in app.machine.replicas.values()}
    assert before["shop-blue-web-1"] == (3, True)
    assert before["shop-blue-web-1-aside"] == (1, False)
    done = app.run("up")
    assert done is not None
    assert done.outcome == "unchanged"
    assert {it.name: (it.release, it.running) for it in app.machine.replicas.values()} == before


def test_logs_of_a_release_that_failed_stay_until_the_next_one(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "switch")
    app.machine.sick.add("3")
    app.run("switch")
    left = [
        (it.name, it.running, app.machine.policies[it.id]) for it in app.machine.replicas.values() if it.release == 3
    ]
    assert left[0] == ("shop-blue-web-1-failed", False, "no")
    assert len(left) == 3
    app.content = "four"
    app.run("switch")
    assert not [it for it in app.machine.replicas.values() if it.release == 3]


def test_a_flip_back_waits_for_replicas_that_started_a_moment_ago(tmp_path: Path) -> None:
    """After a power cut: the way back answers 503 for some seconds."""
    app = _arranged(tmp_path, "flip-back")
    app.machine.sick.add("1")
    app.machine.wakes.add("1")
    for name, it in app.machine.replicas.items():
        if it.color == "blue" and it.role == "routed":
            app.machine.replicas[name] = replace(it, status="Up 4 seconds (health: starting)", health="starting")
    done = app.run("flip-back")
    assert done is not None
    assert done.outcome == "flipped-back"
    assert "Waiting for shop-blue-web-1, shop-blue-web-2, started a moment ago: 1 s at most" in app.shown.notices[0]


@pytest.mark.parametrize(
    ("status", "health", "starting"),
    [
        ("Up 4 seconds", None, True), ("Up Less than a second", None, True), ("Up 1 second", None, True),
        ("Up 5 minutes (health: starting)", "starting", True), ("Up About a minute", None, False),
        ("Up 5 minutes", None, False), ("Up 5 minutes (unhealthy)", "unhealthy", False),
    ],
)  # fmt: skip
def test_a_replica_that_started_a_moment_ago_is_known_by_the_engines_words(
    status: str, health: str | None, starting: bool
) -> None:
    assert replica("blue", 7, status=status, health=health).starting is starting
    assert not replica("blue", 7, status=status, health=health, state="exited").starting


def test_what_somebody_went_back_from_is_not_released_again_without_a_word(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "flip-back")
    assert app.run("flip-back") is not None
    refused = app.run("switch")
    assert refused is not None
    assert refused.error is not None
    assert refused.error.summary == "Somebody went back from release 2, and this release is the same."
    assert refused.error.next == "bluegreen switch --force"
    assert app.machine.answer().live == "blue"  # type: ignore[union-attr]  # nginx runs
    _whole(app, "a release that was refused")
    forced = app.run("switch", force=True)
    assert forced is not None
    assert forced.outcome == "switched"
    app.content = "three"
    other = app.run("switch")
    assert other is not None
    assert other.outcome == "switched"


@pytest.mark.parametrize(
    ("moves", "marked"),
    [
        ([], set()),
        ([("up", 1), ("switch", 2)], set()),
        ([("up", 1), ("switch", 2), ("flip-back", 1)], {2}),
        ([("up", 1), ("switch", 2), ("flip-back", 1), ("flip-back", 2)], set()),  # and forward again
        ([("up", 1), ("switch", 2), ("flip-back", 1), ("switch", 3), ("flip-back", 1)], {2, 3}),
        ([("up", 1), ("switch", 2), ("switch", 3), ("flip-back", 2), ("switch", 4)], {3}),
        ([("flip-back", 3)], set()),  # the journal was lost before
    ],
)
def test_which_releases_somebody_went_back_from(moves: list[tuple[str, int]], marked: set[int]) -> None:
    assert gone_back_from(moves) == marked


def test_a_flip_back_to_a_color_that_answers_503_stays(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "flip-back")
    app.machine.sick.add("1")
    done = app.run("flip-back")
    assert done is not None
    assert (done.outcome, app.machine.answer().live) == ("failed", "green")  # type: ignore[union-attr]  # nginx runs
    assert "answered 503" in done.error.failed  # type: ignore[union-attr]  # it has failed
    forced = app.run("flip-back", force=True)
    assert forced is not None
    assert forced.outcome == "flipped-back"


def test_a_flip_back_asks_the_engine_nothing_before_traffic_has_moved(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "flip-back")
    cut = Cut()
    app.run("flip-back", cut)
    before = cut.log[: cut.log.index("FakeDoor.confirm")]
    place = ("FakeEngine", "FakeContainers", "FakeImages", "FakeProxy", "FakeColors", "FakeCompose")
    history = ("Releases", "Operations", "Runs", "PendingImages")
    assert not [call for call in before if call.startswith((*place, *history))]
    assert "FakeProber.once" in before, "and it does probe"


def test_a_prepared_release_is_no_way_back_and_a_switch_goes_on_from_it(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "prepare")
    done = app.run("prepare")
    assert done is not None
    assert done.outcome == "prepared"
    back = app.run("flip-back")
    assert back is not None
    assert "has only a prepared one" in back.error.summary  # type: ignore[union-attr]  # it is refused
    cut = Cut()
    done = app.run("switch", cut)
    assert done is not None
    assert done.outcome == "switched"
    assert "FakeColors.create" not in cut.log
    _whole(app, "after a switch to what was prepared")


def test_down_ends_everything(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "down")
    done = app.run("down")
    assert done is not None
    assert done.outcome == "down"
    assert not app.machine.replicas
    assert app.machine.proxy is None


def test_a_switch_with_nothing_new_changes_nothing(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "flip-back")
    before = dict(app.machine.replicas)
    done = app.run("switch")
    assert done is not None
    assert done.outcome == "unchanged"
    assert app.machine.replicas == before
    assert isinstance(done.error, BluegreenError | None)


def test_a_switch_waits_for_dockers_own_health_check_and_heeds_it(tmp_path: Path) -> None:
    app = _arranged(tmp_path, "switch")
    app.machine.docker_says["3"] = "unhealthy"
    done = app.run("switch")
    assert done is not None
    assert done.outcome == "failed"
    assert done.error is not None
    assert "Docker's own health check of web-1 says unhealthy" in done.error.failed
    assert app.machine.answer().live == "green"  # type: ignore[union-attr]  # nginx runs
    app.machine.docker_says["4"] = "healthy"
    done = app.run("switch")
    assert done is not None
    assert done.outcome == "switched"
