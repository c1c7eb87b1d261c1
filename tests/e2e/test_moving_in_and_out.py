"""From plain Compose to bluegreen and back: who holds the port, `up --adopt`, and what `down` prints."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import docker, images
from tests.support.project import Project

# As people have it before they hear of bluegreen: published by itself, with data and a worker.
PLAIN = (
    LEAN.replace("    profiles: [release]\n", '    ports: ["127.0.0.1:${PUBLIC}:8000"]\n    restart: unless-stopped\n')
    .replace('"./server.py:/srv/server.py:ro"]', '"./server.py:/srv/server.py:ro", "data:/data"]')
    .replace("  drain: 2s\n", "  drain: 2s\n  jobs: [worker]\n")
    + """  worker:
    image: ${PYTHON_IMAGE}
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: ["data:/data"]
volumes: {data: {}}
"""
)


@pytest.fixture
def plain(make_project: Make) -> Project:
    """Served by plain Compose on the public port, with a word in its data volume."""
    project = make_project(PLAIN)
    project.variables["PUBLIC"] = str(project.port)
    _compose(project, "up", "-d")
    _wait_for(project)
    docker("exec", f"{project.name}-web-1", "sh", "-c", "echo kept >/data/word")
    return project


def _compose(project: Project, *arguments: str) -> str:
    done = subprocess.run(
        ["docker-compose", *arguments], cwd=project.folder, env=project.environment({}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _wait_for(project: Project) -> None:
    deadline = time.monotonic() + 20
    while not _answers(project.port):
        assert time.monotonic() < deadline, project.logs()
        time.sleep(0.05)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.3)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Watched:
    """Asks the public port every few milliseconds; `gap` is the longest time without an answer, in seconds."""

    def __init__(self, port: int) -> None:
        self._port, self._stop = port, threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.gap = 0.0

    def _ask(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.005):
            if _answers(self._port):
                self.gap, last = max(self.gap, time.monotonic() - last), time.monotonic()

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _containers(project: Project) -> dict[str, str]:
    """Name and state of all that plain Compose runs of the project."""
    label = f"label=com.docker.compose.project={project.name}"
    listing = docker("ps", "-a", "--filter", label, "--format", "{{.Names}} {{.State}}")
    return dict(line.split() for line in listing.splitlines())


def test_a_dry_run_before_the_first_up_leaves_no_trace(lean: Project) -> None:
    lean.write(lean.file.read_text().replace('ro"]', 'ro", "data:/data", /scratch]') + "volumes: {data: {}}\n")
    before = sorted(path.name for path in lean.folder.iterdir())
    done = lean.ok("up", "--dry-run")
    assert "network   the app has a network of its own" in done.out
    assert "web: both colors write to data while both run." in done.out
    assert "web: /scratch is an anonymous volume: every release starts with a new one." in done.out
    assert sorted(path.name for path in lean.folder.iterdir()) == before
    assert lean.containers() == []


def test_up_says_who_holds_the_port_and_touches_nothing(plain: Project) -> None:
    before = _containers(plain)
    done = plain.run("up")
    assert done.code == 1, done
    assert f"Port 127.0.0.1:{plain.port} is held by {plain.name}-web-1, which plain Compose runs." in done.err
    assert f"traffic   {plain.name}-web-1 (unchanged)" in done.err
    assert "next      bluegreen up --adopt" in done.err
    assert (_containers(plain), plain.containers()) == (before, [])


def test_up_names_another_container_or_process_that_holds_the_port(lean: Project) -> None:
    name = f"{lean.name}-other"
    docker(
        "run", "-d", "--name", name, "--label", f"bluegreen.app={lean.name}-other",
        "-p", f"127.0.0.1:{lean.port}:1", images()["PYTHON_IMAGE"], "sleep", "60",
    )  # fmt: skip
    try:
        done = lean.run("up", "--adopt")
        assert done.code == 1
        assert f"Port 127.0.0.1:{lean.port} is held by {name}, a container of the app {name}." in done.err
        assert docker("inspect", "-f", "{{.State.Running}}", name) == "true"
    finally:
        docker("rm", "-f", name)
    with socket.create_server(("127.0.0.1", lean.preview_port)):
        done = lean.run("up")
    assert done.code == 1
    assert f"Port 127.0.0.1:{lean.preview_port} is held by a process outside Docker." in done.err
    assert "next      ss -ltnp" in done.err
    lean.ok("up")


@pytest.mark.alone
def test_adopt_takes_over_with_a_measured_gap_and_the_same_data(plain: Project) -> None:
    plan = plain.ok("up", "--adopt", "--dry-run").out
    assert f"stop {plain.name}-web-1, {plain.name}-worker-1; nginx takes the ports" in plan
    with Watched(plain.port) as watched:
        done = plain.ok("up", "--adopt")
    said = re.search(r"Taken over from (\S+), (\S+)\. Requests failed for at most (\d+) ms\.", done.out)
    assert said, done
    assert said[1] == f"{plain.name}-web-1"
    assert 0.02 < watched.gap <= int(said[3]) / 1000 + 0.3, (watched.gap, said[3])
    assert plain.color() == "blue"
    assert docker("exec", f"{plain.name}-blue-web-1", "cat", "/data/word") == "kept"
    assert _containers(plain) == {}, "the worker does not run twice"
    assert plain.containers() == [f"{plain.name}-{end}" for end in ("blue-web-1", "blue-worker-1", "proxy")]
    assert docker("inspect", "-f", "{{.State.Running}}", f"{plain.name}-blue-worker-1") == "true"
    plain.ok("switch", GREETING="two")
    assert plain.color() == "green"
    assert plain.ok("up", "--adopt", GREETING="two").code == 0, "there is nothing left to adopt"


@pytest.mark.long
def test_the_old_container_is_back_when_nginx_cannot_be_published(plain: Project) -> None:
    """Somebody takes the port of the preview listener after it was found to be free."""
    command = subprocess.Popen(
        [*plain.command, "up", "--adopt", "--json", "--progress", "json"], cwd=plain.folder,
        env=plain.environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with command, Watched(plain.port) as watched:
        for line in command.stderr or ():
            if line.startswith('{"event": "start"') and '"health"' in line:
                taken = socket.create_server(("127.0.0.1", plain.preview_port))
                break
        out, err = command.communicate(timeout=60)
        time.sleep(0.5)
    taken.close()
    assert command.returncode == 4, (out, err)
    error = json.loads(out)["error"]
    assert "A port that nginx must be published on is taken." in error["failed"]
    assert error["traffic"] == f"{plain.name}-web-1 of plain Compose (started again)"
    assert set(_containers(plain).values()) == {"running"}
    assert json.loads(plain.get("/")[1])["color"] is None, "plain Compose answers again"
    assert 0 < watched.gap < 3.0
    plain.ok("up", "--adopt")
    assert plain.color() == "blue"
    assert plain.get("/", preview=True)[0] == 503, "the preview listener is published as well"


@pytest.mark.long
def test_a_reverse_proxy_that_was_taken_out_of_the_file_is_taken_over_as_well(plain: Project) -> None:
    """The public port was held by a front of the file's own, which bluegreen's nginx replaces."""
    _compose(plain, "down")
    front = "  front: {image: '${PYTHON_IMAGE}', command: [python3, /srv/server.py], stop_grace_period: 1s, volumes: "
    front += "['./server.py:/srv/server.py:ro'], ports: ['127.0.0.1:${PUBLIC}:8000']}\n"
    text = plain.file.read_text()
    own = '    ports: ["127.0.0.1:${PUBLIC}:8000"]\n'
    plain.write(text.replace(own, "").replace("volumes: {data: {}}\n", f"{front}volumes: {{data: {{}}}}\n"))
    _compose(plain, "up", "-d")
    _wait_for(plain)
    done = plain.run("up")
    assert done.code == 1
    assert f"is held by {plain.name}-front-1, front of the Compose project {plain.name}" in done.err, (
        "it is in the file, so it would come back"
    )
    assert "next      take front out of the Compose file, then bluegreen up --adopt; or another listen" in done.err
    plain.write(text.replace(own, ""))
    done = plain.run("up")
    assert f"is held by {plain.name}-front-1, which plain Compose runs." in done.err, done
    plain.ok("up", "--adopt")
    assert plain.color() == "blue"
    assert _containers(plain) == {}


def test_a_color_that_is_not_healthy_takes_nothing_over(plain: Project) -> None:
    before = _containers(plain)
    done = plain.run("up", "--adopt", "--json", BEHAVIOUR="sick", HEALTH_TIMEOUT="1s")
    assert done.code == 1, done
    assert done.json()["error"]["traffic"] == f"{plain.name}-web-1 of plain Compose (unchanged)"
    assert _containers(plain) == before
    assert json.loads(plain.get("/")[1])["color"] is None
    plain.ok("up", "--adopt")
    assert plain.color() == "blue"


@pytest.mark.parametrize("moment", [0.15, *(pytest.param(it, marks=pytest.mark.long) for it in (0.0, 0.3))])
def test_a_take_over_that_was_killed_is_finished_by_the_next_up(plain: Project, moment: float) -> None:
    command = subprocess.Popen(
        [*plain.command, "up", "--adopt", "--progress", "json"], cwd=plain.folder, env=plain.environment({}),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with command:
        for line in command.stderr or ():
            if line.startswith('{"event": "start"') and '"adopt"' in line:
                time.sleep(moment)
                command.kill()
    assert command.returncode == -signal.SIGKILL
    done = plain.run("up")
    assert plain.status()["drift"] in (
        None, "nginx does not have its ports yet: a take-over was not finished",
        "the route names blue as live, and nginx's file does not yet",
    )  # fmt: skip
    if _running(plain):
        assert done.code == 1, done
        assert "next      bluegreen up --adopt" in done.err
    plain.ok("up", "--adopt")
    assert plain.color() == "blue"
    assert _containers(plain) == {}, "nothing of plain Compose is left, so no job runs twice, now or after a restart"
    assert docker("inspect", "-f", "{{.State.Running}}", f"{plain.name}-blue-worker-1") == "true"


def _running(project: Project) -> list[str]:
    return [name for name, state in _containers(project).items() if state == "running"]


def test_down_prints_the_command_that_serves_the_same_release_with_plain_compose(plain: Project) -> None:
    other = f"bgt-other/{plain.name}"
    docker("tag", images()["PYTHON_IMAGE"], other)
    try:
        plain.ok("up", "--adopt")
        plain.ok("switch", GREETING="two", WEB_IMAGE=other)
        done = plain.ok("down", "--yes", GREETING="two")
    finally:
        subprocess.run(["docker", "rmi", other], capture_output=True, check=True)
    said = re.search(r"To serve release 2 with plain Compose: docker[ -]compose (.*)", done.out)
    assert said, done
    assert not _answers(plain.port)
    plain.variables["GREETING"] = "two"
    _compose(plain, *shlex.split(said[1]))
    _wait_for(plain)
    answer = json.loads(plain.get("/")[1])
    assert (answer["color"], answer["greeting"]) == (None, "two")
    assert docker("exec", f"{plain.name}-web-1", "cat", "/data/word") == "kept"
    assert set(_containers(plain)) == {f"{plain.name}-web-1", f"{plain.name}-worker-1"}
    plain.ok("up", "--adopt")  # and back again
    assert plain.color() == "blue"


@pytest.mark.long
@pytest.mark.alone
def test_leaving_proves_plain_compose_before_nginx_stops(plain: Project) -> None:
    """The mirror of up --adopt: a measured gap, the release that was live, the same data; and back again."""
    plain.ok("up", "--adopt")
    plain.ok("switch", GREETING="two")
    dry = plain.ok("down", "--to-compose", "--dry-run", GREETING="two").out
    assert "beside    Compose starts web of release 2 without a port" in dry
    sick = plain.run("down", "--to-compose", "--yes", BEHAVIOUR="sick", GREETING="two", HEALTH_TIMEOUT="1s")
    assert sick.code == 1, sick
    assert "Plain Compose does not serve this release as it should." in sick.err
    assert plain.color() == "green"
    assert _containers(plain) == {}, "what was started beside is gone"
    with Watched(plain.port) as watched:
        done = plain.ok("down", "--to-compose", "--yes", GREETING="two")
    said = re.search(r"Plain Compose serves release 2. Requests failed for at most (\d+) ms", done.out)
    assert said, done
    assert 0.02 < watched.gap <= int(said[1]) / 1000 + 0.3, (watched.gap, said[1])
    assert "worker must not run twice: plain Compose starts it after bluegreen's has stopped." in done.err
    answer = json.loads(plain.get("/")[1])
    assert (answer["color"], answer["greeting"]) == (None, "two")
    assert docker("exec", f"{plain.name}-web-1", "cat", "/data/word") == "kept"
    assert _containers(plain) == {f"{plain.name}-web-1": "running", f"{plain.name}-worker-1": "running"}
    assert plain.containers() == []
    before = docker("inspect", "-f", "{{.Id}}", f"{plain.name}-web-1")
    typed = re.search(r"Release 2 again: docker[ -]compose (.*)", done.out)
    assert typed, done
    plain.variables["GREETING"] = "two"
    _compose(plain, *shlex.split(typed[1]))
    assert docker("inspect", "-f", "{{.Id}}", f"{plain.name}-web-1") == before, "the command has nothing to do"
    plain.ok("up", "--adopt")  # and back again
    assert plain.color() == "blue"


@pytest.mark.long
def test_a_job_of_plain_compose_is_not_run_twice(plain: Project) -> None:
    _compose(plain, "stop", "web")
    done = plain.run("up")
    assert done.code == 1, done
    assert f"Plain Compose runs {plain.name}-worker-1, and x-bluegreen.jobs names its service." in done.err
    plain.ok("up", "--adopt")
    assert "worker-1" not in " ".join(_containers(plain))
