"""The cutover is one rename: nothing of a reload happens while traffic moves, and everybody agrees at every moment."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from http.client import HTTPConnection

import pytest

from bluegreen.frontdoor import control, disk, route, seal
from bluegreen.frontdoor.text import GENERATION_MARK
from tests.support.load import Load, _echo
from tests.support.machine import docker
from tests.support.project import Project

TURNS = 40  # renames by hand under load
BEFORE_SEAL = {"step": "seal", "moment": "before", "signal": "SIGKILL"}


def _two(project: Project) -> tuple[str, str]:
    """The folders of nginx's files and of its sockets, of an app with two releases."""
    project.ok("up")
    project.ok("switch", GREETING="two")
    return str(project.state / "nginx"), str(project.state / "run")


def test_no_request_that_began_after_the_rename_is_answered_by_the_color_that_was_left(lean: Project) -> None:
    nginx, _ = _two(lean)
    spans: list[tuple[float, float, str]] = []
    seconds = []
    with Load(lean.port, {"get": 80, "fresh": 8}) as load:
        time.sleep(0.5)
        for turn in range(TURNS):
            color = "blue" if turn % 2 == 0 else "green"
            began = time.monotonic()
            route.turn(nginx, color)
            moved = time.monotonic()
            seconds.append(moved - began)
            time.sleep(0.2)
            spans.append((moved, time.monotonic(), color))
    assert load.tally.lost == [], load.tally.why()
    looked = [
        (it, color)
        for begin, end, color in spans
        for it in load.tally.sent_between(begin, end)
        if it.ended < end  # later ones may have met the next rename
    ]
    assert len(looked) > 1000, "enough requests began after a rename"
    assert [it for it, color in looked if it.color != color] == []
    print(f"\n{TURNS} renames, {len(looked)} requests begun after one, none answered by the color that was left")


def test_public_preview_control_and_file_agree_before_between_and_after(lean: Project) -> None:
    nginx, run = _two(lean)
    for color, idle in (("blue", "green"), ("green", "blue"), ("blue", "green")):
        route.turn(nginx, color)  # not sealed: the loaded file's own default may be the other one
        answer = control.ask(run)
        assert answer is not None
        assert (answer["live"], lean.color(), _preview(lean)) == (color, color, idle)
        assert lean.status()["live"]["color"] == color
    lean.ok("flip-back")
    time.sleep(1)
    answer = control.ask(run)
    assert answer is not None
    assert (answer["live"], answer["default"]) == ("green", "green"), "sealed"
    assert (lean.color(), _preview(lean)) == ("green", "blue")


def _preview(project: Project) -> str:
    status, body = project.get("/", preview=True)
    assert status == 200
    return str(json.loads(body)["color"])


def test_what_is_sealed_outlives_the_state_folder(lean: Project) -> None:
    _two(lean)
    lean.ok("flip-back")
    time.sleep(1)
    with Load(lean.port, {"get": 4}) as load:
        time.sleep(0.3)
        shutil.rmtree(lean.state)
        time.sleep(0.5)
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"blue"}, "the file's own default is what the route said"


def test_a_kill_between_rename_and_seal_is_mended_by_the_next_command(lean: Project) -> None:
    lean.ok("up")
    with Load(lean.port, {"get": 10, "fresh": 2}) as load:
        time.sleep(0.3)
        lean.run_killed("switch", at=BEFORE_SEAL, GREETING="two")
        assert lean.color() == "green"
        status = lean.status()
        assert (status["live"]["color"], status["idle"]["color"]) == ("green", "blue")
        assert "nginx's file does not yet" in status["drift"]
        assert status["flip_back"] == "bluegreen flip-back"
        done = lean.ok("switch", GREETING="three")
        assert "traffic had moved, so it is finished" in done.err
        assert lean.status()["drift"] is None
    assert load.tally.lost == [], load.tally.why()
    assert lean.color() == "blue"


@pytest.mark.long
def test_flip_back_after_a_kill_between_rename_and_seal(lean: Project) -> None:
    lean.ok("up")
    lean.run_killed("switch", at=BEFORE_SEAL, GREETING="two")
    done = lean.ok("flip-back")
    assert "never ended" in done.err
    assert lean.color() == "blue"
    assert lean.status()["drift"] is None
    assert lean.status()["unfinished"] is None


@pytest.mark.long
def test_websockets_and_long_answers_are_not_touched_by_a_flip_back(shop: Project) -> None:
    shop.ok("up")
    shop.ok("switch", GREETING="two")

    async def watch() -> tuple[dict[str, str], list[str]]:
        said: list[str] = []
        talking = asyncio.create_task(_echo(shop.port, 30, 0.1))
        await asyncio.sleep(0.5)
        done = await asyncio.to_thread(shop.ok, "flip-back")
        said.append(done.out)
        return dict(await talking), said

    found, said = asyncio.run(watch())
    assert "Flipped back: live is blue" in said[0]
    assert found["color"] == "green", "the connection stayed where it was opened, through rename and seal"
    assert found["echo"] == "29"
    assert shop.color() == "blue"


@pytest.mark.long
def test_a_snippet_cannot_make_nginx_look_at_the_route_from_a_cache(lean: Project) -> None:
    """open_file_cache would answer from the left color for as long as an entry is believed."""
    (lean.folder / "snippets" / "http").mkdir(parents=True)
    (lean.folder / "snippets" / "http" / "cache.conf").write_text(
        "open_file_cache max=100 inactive=60s;\nopen_file_cache_valid 60s;\nopen_file_cache_errors on;\n"
    )
    lean.write(lean.compose.replace("proxy: {", "proxy: {include: snippets, "))
    lean.ok("up")
    assert "open_file_cache max=100" in docker("exec", f"{lean.name}-proxy", "nginx", "-T", "-c", _loaded())
    lean.ok("switch", GREETING="two")
    assert lean.color() == "green"
    lean.ok("flip-back")
    assert lean.color() == "blue"


def _loaded() -> str:
    return "/etc/bluegreen/nginx.conf"


@pytest.mark.long
def test_a_route_whose_folders_lost_files_is_drift_and_is_made_again(lean: Project) -> None:
    _two(lean)
    route_folder = lean.state / "nginx" / "route"
    route.turn(str(lean.state / "nginx"), "blue")
    shutil.rmtree(route_folder / "blue" / "blue")
    assert lean.color() == "green", "nobody is named any more: the file's own default counts"
    assert "nginx answers green" in str(lean.status()["drift"])
    lean.ok("up", GREETING="two")
    assert lean.status()["drift"] is None
    assert lean.color() == "green"
    lean.ok("flip-back")
    assert lean.color() == "blue"
    subprocess.run(["test", "-e", str(route_folder / "live" / "blue" / "99")], check=True)


@pytest.mark.long
def test_a_worker_that_has_not_read_that_it_is_left_answers_nothing_by_itself(lean: Project) -> None:
    """On a busy machine it still accepts long after its successors do: nginx's master is held before it tells it."""
    nginx, run = _two(lean)
    stored = disk.read(nginx, disk.stored_name("green"))
    assert stored
    marked = stored.replace("server_tokens off;", f"server_tokens off;\n    add_header X-By {GENERATION_MARK} always;")
    assert marked != stored
    master, generation = _held_after_a_reload(nginx, run, marked)
    try:
        before = _by(lean, 20)
        assert None in before, "workers of both generations accept"
        seal.name_successor(nginx, generation)
        seal.hand_over(f"{run}/handed", generation - 1)
        assert _by(lean, 100) == {str(generation)}
    finally:
        os.kill(master, signal.SIGCONT)
    assert lean.color() == "green"


def _held_after_a_reload(nginx: str, run: str, text: str) -> tuple[int, int]:
    """(nginx's master, stopped when it had begun new workers and not told the old ones; the new generation)."""
    for _ in range(20):
        master = seal.master(run)
        assert master is not None
        generation, _left = seal.write(nginx, run, text, "2026-11-01T10:00:00+00:00")
        seal.name_successor(nginx, None)
        os.kill(master, signal.SIGHUP)
        deadline = time.monotonic() + 5
        while (control.ask(run) or {}).get("generation") != generation and time.monotonic() < deadline:
            pass
        os.kill(master, signal.SIGSTOP)
        seen = {(control.ask(run) or {}).get("generation") for _ in range(200)}
        if generation - 1 in seen and generation in seen:
            return master, generation
        os.kill(master, signal.SIGCONT)
        time.sleep(0.5)
    raise AssertionError("nginx told its old workers sooner each time")


def _by(project: Project, count: int) -> set[str | None]:
    """The generations that answered this many fresh connections to both listeners."""
    found: set[str | None] = set()
    for port in (project.port, project.preview_port):
        for _ in range(count):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.status == 200
            response.read()
            found.add(response.getheader("X-By"))
            connection.close()
    return found
