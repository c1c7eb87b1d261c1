"""nginx itself is replaced: by another image or other limits, under load, and whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.sockets import soon
from tests.support.load import Load
from tests.support.machine import THOROUGH, docker, images
from tests.support.project import Project

TIMES = 20 if THOROUGH else 3
CLIENTS, IDLE = (200, 1000) if THOROUGH else (60, 200)


@pytest.fixture
def named(lean: Project) -> Iterator[Project]:
    """An app whose proxy's image has a name of its own."""
    lean.variables["PROXY_IMAGE"] = f"{lean.name}-nginx"
    _image(lean, 0)
    yield lean
    lean.clean()
    subprocess.run(["docker", "rmi", "-f", f"{lean.name}-nginx"], capture_output=True, check=False)


def _image(project: Project, number: int) -> str:
    """Gives the name to an image that was not there before; returns its id."""
    text = f"FROM {images()['NGINX_IMAGE']}\nLABEL number={number}\n"
    subprocess.run(
        ["docker", "build", "-q", "-t", f"{project.name}-nginx", "-"], input=text.encode(), check=True,
        capture_output=True,
    )  # fmt: skip
    return docker("inspect", "-f", "{{.Id}}", f"{project.name}-nginx")


def _serving(project: Project) -> str:
    file = project.state / "nginx" / "serving"
    return file.read_text().strip() if file.exists() else f"{project.name}-proxy"


def _runs(project: Project) -> str:
    return docker("inspect", "-f", "{{.Image}}", _serving(project))


@contextmanager
def _idle(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections that ask once and then wait."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(count)]
        for it in found:
            it.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert it.recv(65536).startswith(b"HTTP/1.1 200")
        yield found


def test_a_new_image_takes_over_and_no_request_is_lost(named: Project) -> None:
    named.ok("up")
    named.ok("switch", GREETING="two")
    named.variables["GREETING"] = "two"
    with Load(named.port, {"get": CLIENTS, "fresh": 8}) as load:
        time.sleep(1)
        for number in range(1, TIMES + 1):
            image = _image(named, number)
            with _idle(named.port, IDLE // TIMES):
                done = named.ok("up")
                assert "took over, no request waited" in done.err
                assert _runs(named) == image
                assert named.color() == "green"
                assert named.status()["drift"] is None
            assert named.ok("up", "--json").json()["outcome"] == "unchanged"
        named.ok("flip-back")
        named.ok("switch", GREETING="three")
    form = "{{.HostConfig.CapDrop}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} {{.Config.User}}"
    limits = [docker("inspect", "-f", form, name) for name in (f"{named.name}-proxy", _serving(named))]
    assert limits[0] == limits[1] != "", limits
    assert limits[0].startswith("[ALL] true 1073741824"), limits
    print(f"\n{TIMES} replacements: {len(load.tally.lost)} of {len(load.tally.answers)} lost")
    assert load.tally.lost == [], load.tally.why()
    assert named.color() == "green"
    words = ("ps", "-q", "--filter", f"name={named.name}-proxy")
    assert soon(lambda: len(docker(*words).split()) == 2, 30), "who has been followed ends with its connections"
    named.ok("down", "--yes")
    assert docker("ps", "-aq", "--filter", f"label=bluegreen.app={named.name}") == ""


@pytest.mark.long
def test_either_of_the_two_may_die_alone(named: Project) -> None:
    named.ok("up")
    _image(named, 1)
    named.ok("up")
    for name in (_serving(named), f"{named.name}-proxy"):
        docker("kill", "-s", "KILL", name)
        if name == f"{named.name}-proxy":
            docker("start", name)  # a kill by hand is no end that the Engine mends
        elif docker("inspect", "-f", "{{.State.Running}}", name) == "false":
            docker("start", name)
        assert soon(named.answers, 15), name
    named.ok("switch", GREETING="two")
    assert json.loads(named.get("/")[1])["greeting"] == "two"
    named.ok("up")
    assert named.status()["drift"] is None
    assert named.ok("up", "--json").json()["outcome"] == "unchanged"
    named.ok("switch", GREETING="three")
    assert json.loads(named.get("/")[1])["greeting"] == "three"


@pytest.mark.long
def test_killed_at_any_moment_of_it(named: Project) -> None:
    """What is left serves, and the next command goes on with it; no request is lost."""
    named.ok("up")
    named.ok("switch", GREETING="start")
    _image(named, 1000)
    _, report = named.run_killed("up", at={}, GREETING="start")
    events = next(it["events"] for it in report if it["step"] == "proxy")
    step = 1 if THOROUGH else max(1, events // 2)
    for event in range(1, events + 1, step):
        _image(named, event)
        now = json.loads(named.get("/")[1])["greeting"]
        with Load(named.port, {"get": 20, "fresh": 4}) as load:
            time.sleep(0.3)
            at = {"step": "proxy", "moment": "middle", "signal": "SIGKILL", "event": event}
            named.run_killed("up", at=at, GREETING=now)
            assert named.status()["live"]["replicas"]["web"]["healthy"] == 1
            for words in (("flip-back",), ("switch", "--force"), ("up",)) if event % 2 else (("up",), ("switch",)):
                named.ok(*words, GREETING=f"{event} {words[0]}")
                if words[0] == "switch":
                    assert {json.loads(named.get("/")[1])["greeting"] for _ in range(12)} == {f"{event} switch"}
            time.sleep(0.3)
        print(f"event {event} of {events}: {len(load.tally.lost)} of {len(load.tally.answers)} lost", flush=True)
        assert load.tally.lost == [], (event, load.tally.why())
        assert named.status()["drift"] is None
        serving = docker("ps", "--filter", f"name={named.name}-proxy", "--format", "{{.Names}}").split()
        assert sorted(serving) == sorted({f"{named.name}-proxy", _serving(named)}), (event, serving)
