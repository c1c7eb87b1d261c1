"""Many commands at once: one acts, the others say who does; the way back is never stuck behind a release."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.load import Load
from tests.support.project import Project

MIX = {"get": 8, "fresh": 2}
BRIEF = 4.0  # seconds: start-up of 20 commands at once on two cores, and nothing else


@pytest.fixture
def two(lean: Project) -> Project:
    """Blue idle, green live."""
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    lean.variables["GREETING"] = "two"
    return lean


def _start(
    project: Project,
    *arguments: str,
    cwd: Path | None = None,
    before: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*project.command, *before, *arguments], cwd=cwd or project.folder, env=project.environment(variables or {}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def _until_step(process: subprocess.Popen[str], step: str) -> None:
    """Reads `--progress json` until this step has begun."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith('{"event": "start"') and f'"{step}"' in line:
            return
    raise AssertionError(f"{step} was never begun")


@contextmanager
def _hanging_switch(project: Project, step: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    process = _start(project, "switch", "--progress", "json", variables=more)
    try:
        _until_step(process, step)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def _registry_that_never_answers() -> Iterator[str]:
    """A port of this machine that accepts and says nothing: a pull from there hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}/shop:1"


def test_of_20_commands_at_once_one_acts(two: Project, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(two.folder)
    below = two.folder / "src"
    below.mkdir()
    places: list[tuple[Path, tuple[str, ...]]] = [
        (two.folder, ()), (link, ()), (below, ()), (tmp_path, ("-f", str(link / "compose.yaml"))),
    ]  # fmt: skip
    verbs = [("switch",), ("flip-back",), ("up",)]
    # A replica that is never healthy keeps the first of them in prepare while the other 19 come.
    with (
        Load(two.port, MIX) as load,
        _hanging_switch(two, "health", BEHAVIOUR="elsewhere", HEALTH_TIMEOUT="14s") as first,
    ):
        others = []
        for number in range(19):
            cwd, before = places[number % len(places)]
            others.append((_start(two, *verbs[number % 3], cwd=cwd, before=before), time.monotonic()))
        ended = [(process, *process.communicate(timeout=30), time.monotonic() - began) for process, began in others]
        acting = first.poll() is None
        looked = [two.run(*verb) for verb in (("status",), ("switch", "--dry-run"), ("flip-back", "--dry-run"))]
        logs = two.run("logs", "green")
        _, err = first.communicate(timeout=60)
    assert acting, "the first one was still at work"
    assert [process.returncode for process, *_ in ended] == [75] * 19, ended
    for _, _, words, _ in ended:
        assert re.search(
            rf"Another bluegreen command is running for this app: switch, started by \w+\.\n"
            rf"  failed    the lock is held since \S+ by process {first.pid}\n",
            words,
        ), words
    print(f"\nslowest refusal after {max(seconds for *_, seconds in ended):.1f} s (20 start-ups at once)")
    assert [done.code for done in (*looked[:2], logs)] == [0, 0, 0], [str(done) for done in looked]
    assert all(done.seconds < BRIEF for done in (*looked, logs)), "they wait for nobody"
    assert first.returncode == 1, err
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"green"}
    two.ok("switch", GREETING="three")


@pytest.mark.long
def test_wait_waits_and_then_acts(two: Project) -> None:
    with _hanging_switch(two, "health", BEHAVIOUR="elsewhere", HEALTH_TIMEOUT="4s"):
        short = two.run("up", "--wait", "1s")
        done = two.ok("up", "--wait", "60s")
    assert short.code == 75
    assert 1.0 < short.seconds < 1.0 + BRIEF
    waiting = r"Note: Waiting up to 60 s for another bluegreen: switch, started by \w+ at \S+, process \d+\."
    assert re.search(waiting, done.err), done
    assert two.run("up", "--wait", "soon").code == 2


@pytest.mark.long
def test_the_lock_dies_with_its_holder(two: Project) -> None:
    with _hanging_switch(two, "health", BEHAVIOUR="elsewhere") as holder:
        holder.kill()
        holder.wait()
        done = two.ok("up")
    assert "An earlier switch" in done.err
    assert two.status()["unfinished"] is None


@pytest.mark.long
def test_a_lock_that_is_removed_ends_the_first_command_and_not_what_the_second_made(two: Project) -> None:
    with (
        Load(two.port, MIX) as load,
        _hanging_switch(two, "health", BEHAVIOUR="elsewhere", HEALTH_TIMEOUT="12s") as first,
    ):
        (two.state / "lock").unlink()
        done = two.ok("switch", GREETING="second", HEALTH_TIMEOUT="12s")
        color = two.color()
        assert first.wait(30) == 1, "it had not moved anything"
        assert two.color() == color
        time.sleep(0.3)
    assert load.tally.lost == [], load.tally.why()
    assert "An earlier switch" in done.err
    assert two.status()["live"]["color"] == color


@pytest.mark.long
def test_flip_back_now_takes_over_from_a_switch_that_hangs_in_prepare(two: Project) -> None:
    with _registry_that_never_answers() as image, Load(two.port, MIX) as load:
        with _hanging_switch(two, "image", WEB_IMAGE=image) as holder:
            refused = two.run("flip-back")
            assert refused.code == 75
            assert (
                "next      bluegreen flip-back --now (ends the switch, which still prepares, and acts)" in refused.err
            )
            done = two.ok("flip-back", "--now")
            assert holder.wait(5) == 130, "it was told to end, and did"
        time.sleep(0.3)
    assert f"process {holder.pid}. It is being ended." in done.err
    assert two.color() == "blue"
    assert load.tally.lost == [], load.tally.why()
    print(f"\nback after {done.seconds:.1f} s, beside a hanging pull")


@pytest.mark.long
def test_flip_back_now_kills_a_switch_that_does_not_react(two: Project) -> None:
    with (
        _registry_that_never_answers() as image,
        Load(two.port, MIX) as load,
        _hanging_switch(two, "image", WEB_IMAGE=image) as holder,
    ):
        os.kill(holder.pid, signal.SIGSTOP)
        done = two.ok("flip-back", "--now")
        assert holder.wait(5) == -signal.SIGKILL
    assert load.tally.lost == [], load.tally.why()
    assert f"process {holder.pid} is killed." in done.err
    assert "An earlier switch" in done.err
    assert two.color() == "blue"
    assert two.status()["unfinished"] is None


@pytest.mark.long
def test_flip_back_now_goes_back_although_the_hanging_switch_had_set_the_previous_release_aside(two: Project) -> None:
    with Load(two.port, MIX) as load, _hanging_switch(two, "health", BEHAVIOUR="elsewhere") as holder:
        done = two.ok("flip-back", "--now")
        assert holder.wait(30) == 130
    assert load.tally.lost == [], load.tally.why()
    assert "Flipped back: live is blue, release 1" in done.out
    assert two.color() == "blue"


@pytest.mark.long
def test_flip_back_now_never_kills_one_that_moves_traffic(shop: Project) -> None:
    """The switch waits for its drain: it is told to end, leaves the wait out, and is done."""
    shop.variables["DRAIN"] = "20s"
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    with Load(shop.port, {"get": 5, "events": 5}) as load, ThreadPoolExecutor() as pool:
        switch = _start(shop, "switch", "--progress", "json", variables={"GREETING": "three"})
        _until_step(switch, "health")
        slow = pool.submit(httpx.get, f"http://localhost:{shop.port}/slow?seconds=15", timeout=30)
        _until_step(switch, "drain")
        done = shop.ok("flip-back", "--now")
        out, err = switch.communicate(timeout=30)
        assert slow.result().json()["color"] == "green", "what the drain waited for is answered all the same"
    assert switch.returncode == 0, err
    assert "SIGTERM came too late to stop safely, so switch went on to its end" in out, (out, err)
    assert shop.color() == "green", done
    assert load.tally.lost == [], load.tally.why()
