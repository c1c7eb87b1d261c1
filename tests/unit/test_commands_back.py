"""The way back, on a machine that is not real: the quick way, and what it leaves to the full story."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.cli import where
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import change
from bluegreen.state.journal import Journal
from tests.fakes.site import Site, Tell, at_once

QUICK = ["health", "route", "confirm", "seal", "record"]


@pytest.fixture
def two(shop: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Two releases without a job; nginx's master can be signalled without the Engine."""
    del shop.document["x-bluegreen"]["jobs"]
    del shop.document["services"]["worker"]
    shop.document["services"]["worker"] = {"image": "shop:1", "profiles": ["never"]}

    def make() -> None:
        assert shop.run("up", "--progress", "none") == 0
        shop.release("shop:2")
        assert shop.run("switch", "--progress", "none") == 0

    at_once(shop, "two without a job", make)
    shop.release("shop:2")
    comm, kill = Path("/proc/self/comm"), os.kill
    before = comm.read_text().strip()

    def signal(process: int, number: int) -> None:
        if (process, number) != (os.getpid(), 1):
            kill(process, number)
        elif shop.nginx:
            shop.nginx.reload()

    monkeypatch.setattr(os, "kill", signal)
    comm.write_text("nginx")
    yield shop
    comm.write_text(before)


@pytest.mark.whole
def test_the_quick_way_asks_the_engine_nothing(two: Site, tell: Tell) -> None:
    asked = len(two.engine.asked)
    code, found = tell("flip-back")
    assert (code, found["outcome"], found["warnings"], found["error"], found["next"]) == (
        0,
        "flipped-back",
        [],
        None,
        None,
    )
    assert (found["live"], found["previous"]) == (
        {"color": "blue", "release": 1}, {"color": "green", "release": 2},
    )  # fmt: skip
    assert [it["step"] for it in found["steps"]] == QUICK
    assert [it["phase"] for it in found["steps"]] == ["prepare", "cutover", "cutover", "settle", "settle"]
    assert [it["color"] for it in found["steps"]] == ["blue"] * 4 + [None]
    assert {it["outcome"] for it in found["steps"]} == {"done"}
    assert len(two.engine.asked) == asked
    assert two.nginx is not None
    assert (two.nginx.live, two.nginx.loaded.live) == ("blue", "blue")
    assert (two.state / "lock").read_text() == ""
    journal = Journal(two.state, lambda: "now", lambda _: None)
    assert journal.operations.unfinished() is None
    assert journal.operations.last_step_seconds("confirm") is not None
    journal.close()
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (0, 2), "and forth again"


@pytest.mark.parametrize("words", [["-p", "shop"], ["-f", "compose.yaml"], ["-f", "compose.yaml", "-p", "shop"]])
def test_it_takes_the_options_that_name_an_app(two: Site, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    asked = len(two.engine.asked)
    assert two.run(*words, "flip-back") == 0
    assert f"To go back to release 2: bluegreen {' '.join(words)} flip-back" in capsys.readouterr().out
    assert len(two.engine.asked) == asked


def test_an_operation_that_never_ended_is_gone_on_with_by_the_full_story(two: Site, tell: Tell) -> None:
    journal = Journal(two.state, lambda: "then", lambda _: None)
    journal.operations.start("switch", 3, "blue")
    journal.close()
    asked = len(two.engine.asked)
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (0, 1), found
    assert len(two.engine.asked) > asked
    assert tell("status")[1]["unfinished"] is None


def test_a_seal_that_cannot_be_made_is_left_to_the_full_story(
    two: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "CONFIRM_TIMEOUT", 0.1)
    Path("/proc/self/comm").write_text("python")
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (0, 1), found
    assert two.engine.signals[-1] == ("shop-proxy", "HUP"), "by the Engine"
    assert two.nginx is not None
    assert two.nginx.live == "blue"


def test_texts_that_do_not_lie_ready_are_rendered_by_the_full_story(two: Site, tell: Tell) -> None:
    (two.state / "nginx" / "live-blue.conf").unlink()
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (0, 1), found


def test_a_state_that_others_may_read_is_for_the_full_story(two: Site, tell: Tell) -> None:
    two.state.chmod(0o755)
    assert tell("flip-back")[1]["live"]["release"] == 1
    assert two.state.stat().st_mode & 0o777 == 0o700


@pytest.mark.whole
def test_a_sick_color_is_not_gone_back_to_unless_it_is_forced(two: Site, tell: Tell) -> None:
    two.sick.add(1)
    code, found = tell("flip-back")
    assert (code, found["error"]["summary"]) == (1, "blue is not healthy, so traffic stays.")
    assert "answered 503: sick" in found["error"]["failed"]
    assert found["error"]["next"] == "bluegreen logs blue, or bluegreen flip-back --force"
    for it in two.replicas("blue"):
        it.state = "exited"
    assert tell("flip-back")[1]["error"]["next"] == "bluegreen logs blue, or bluegreen up (starts it)"
    for it in two.replicas("blue"):
        del two.engine.containers[it.id]
    assert tell("flip-back")[1]["error"]["next"] == "bluegreen switch (makes a new release)"
    assert two.nginx is not None
    assert two.nginx.live == "green"


def test_a_forced_flip_back_goes_to_a_sick_color(two: Site, tell: Tell) -> None:
    two.sick.add(1)
    code, found = tell("flip-back", "--force")
    assert (code, found["live"]["release"]) == (0, 1), found


def test_nginx_that_does_not_follow_a_quick_flip_back_is_turned_back(
    two: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "ROUTE_TIMEOUT", 0.1)
    two.stubborn = True
    code, found = tell("flip-back")
    assert (code, found["error"]["summary"]) == (4, "Traffic could not be moved to blue; it is back on green.")
    two.stubborn = False
    assert two.nginx is not None
    assert two.nginx.live == "green"


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("after", [0, 1])
def test_a_route_that_cannot_be_renamed(tell: Tell, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    rename, tried = os.rename, list[str]()

    def refuse(source: str, target: str) -> None:
        tried.append(str(target))
        if str(target).endswith("route/live") and len(tried) > after:
            raise OSError(30, "Read-only file system")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    code, found = tell("flip-back")
    if after == 0:
        assert (code, found["live"]["release"]) == (1, 2), found
        assert "Read-only file system" in found["error"]["failed"]
    else:
        assert code == 0


@pytest.mark.whole
def test_slow_replicas_are_probed_at_the_same_time(two: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = two.reply_of
    monkeypatch.setattr(two, "reply_of", lambda *words: [0.05, *reply(*words)])
    code, found = tell("flip-back")
    assert (code, found["steps"][0]["detail"]) == (0, "2 replicas")
    two.replicas("green")[1].state = "exited"
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (1, 1), "the second one counts as well"


# -- where an app is


def test_the_app_of_another_user_is_found_by_its_label(two: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert where.of_app("shop", Options(), {}) == two.state
    away = two.folder / "away"
    two.states.rename(away)
    monkeypatch.chdir(two.folder)
    assert where.of_app("shop", Options(), {}) == two.state, "as the label says"
    assert where.of_app("other", Options(), {}) is None
    proxy = two.engine.named("shop-proxy")
    proxy.labels["bluegreen.state"] = ""
    assert where.of_app("shop", Options(), {}) is None
    two.engine.refuse["GET /containers"] = (500, {"message": "no"})
    assert where.of_app("shop", Options(), {}) is None
    away.rename(two.states)


def test_whose_a_state_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 987654, 0)
        assert where.owner(tmp_path) == "uid 987654"
        os.chown(tmp_path, 0, 0)
        assert where.owner(tmp_path) == "root"
    assert where.owner(tmp_path / "none") == "somebody else"
    where.refuse_unreadable(tmp_path, "x")
    where.refuse_unreadable(tmp_path / "none", "x")
    stat, closed = Path.stat, tmp_path / "closed"

    def refuse(path: Path, **more: bool) -> os.stat_result:
        if path == closed:
            raise PermissionError
        return stat(path, **more)

    def denied(_: object) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(BluegreenError, match="this user may not read it") as error:
        where.refuse_unreadable(closed, "bluegreen status")
    assert error.value.next == "sudo bluegreen status"
    assert where.owner(closed) == where.owner(tmp_path)


def test_the_state_of_a_user_without_a_home_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 5)
    monkeypatch.setenv("HOME", "nowhere")
    with pytest.raises(BluegreenError, match="no folder for the state"):
        where.new("shop", {})
    assert where.new("shop", {"XDG_STATE_HOME": "/x"}) == Path("/x/bluegreen/shop")
    assert where.of_here(Options(), {where.STATE_VARIABLE: "/y"}) == Path("/y")


def test_sockets_with_a_long_path_get_a_short_name(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    assert str(where.short(long / "run")) == str(long / "run"), "it is not there"
    (long / "run").mkdir()
    found = where.short(long / "run")
    assert str(found).startswith("/proc/self/fd/")
    assert os.path.samefile(found, long / "run")
    os.close(int(found.name))
    assert where.short(Path("/tmp/run")) == Path("/tmp/run")  # noqa: S108 - no file is made
