"""The rehearsal: the real switch and flip-back beside production, which nobody touches, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import THOROUGH, docker
from tests.support.project import Project, leftovers

# Built images whose PRICE is in the answer of /, a volume with a word, a migration, a job, a shared service.
SERVER = """
import json, os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
data = pathlib.Path("/data/word")
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = {"color": os.environ["BLUEGREEN_COLOR"], "release": os.environ["BLUEGREEN_RELEASE"], "greeting": "Hello",
                "price": os.environ["PRICE"]}
        if self.path == "/word":
            body = {"word": data.read_text() if data.exists() else None}
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *arguments): pass
ThreadingHTTPServer.request_queue_size = 512
ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
DOCKERFILE = (
    "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nARG OF\nLABEL of=${OF}\nARG PRICE\nENV PRICE=${PRICE}\nCOPY server.py /\n"
)
WHOLE = (
    LEAN.replace(
        "  drain: 2s\n",
        """  drain: 0s
  jobs: [worker]
  migrate: {service: schema}
  require: [note]
  hooks: {after_switch: [[touch, hooked]]}
""",
    )
    .replace(
        "    image: ${WEB_IMAGE:-${PYTHON_IMAGE}}\n",
        """    image: ${SHOP_NAME}-web:dev
    build: {context: ., args: {PYTHON_IMAGE: "${PYTHON_IMAGE}", OF: "${SHOP_NAME}", PRICE: "${PRICE:-1}"}}
""",
    )
    .replace('command: [python3, /srv/server.py, "${BEHAVIOUR:-well}"]', "command: [python3, /server.py]")
    .replace('volumes: ["./server.py:/srv/server.py:ro"]', 'volumes: ["data:/data", "./files:/files"]')
    + """  worker:
    profiles: [release]
    image: ${SHOP_NAME}-web:dev
    command: [sleep, "600"]
    stop_grace_period: 1s
  schema:
    profiles: [release]
    image: ${SHOP_NAME}-web:dev
    command: [sh, -ec, "sleep ${MIGRATE_SECONDS:-0}; echo migrated >> /data/log; echo migrated >> /files/log"]
    volumes: ["data:/data", "./files:/files"]
  store:
    image: ${PYTHON_IMAGE}
    command: [sleep, "600"]
    restart: always
    stop_grace_period: 0s
    container_name: ${SHOP_NAME}-the-store
    ports: ["127.0.0.1:${STORE_PORT}:5432"]
    volumes: ["./files:/files"]
volumes:
  data: {name: "${SHOP_NAME}-fixed-name"}
"""
)


@pytest.fixture
def production(make_project: Make) -> Iterator[Project]:
    project = make_project(WHOLE)
    project.variables["STORE_PORT"] = str(project.preview_port + 1)
    (project.folder / "server.py").write_text(SERVER)
    (project.folder / "Dockerfile").write_text(DOCKERFILE)
    (project.folder / ".dockerignore").write_text(".bluegreen\nfiles\n")
    (project.folder / "files").mkdir()
    (project.folder / "files" / "here").write_text("here")
    project.ok("up", "--note", "first")
    docker("exec", f"{project.name}-blue-web-1", "sh", "-c", "printf open > /data/word")
    project.ok("switch", "--force", "--note", "second")
    project.ok("flip-back")
    yield project
    project.clean()
    if left := docker("images", "-q", "--filter", f"label=of={project.name}").split():
        docker("rmi", "-f", *set(left))


def _engine(project: Project) -> dict[str, list[str]]:
    """Everything of this project, and everything of its rehearsals: since when it runs, and its names."""
    name = f"name={project.name}"
    shape = "{{.ID}} {{.Names}} {{.State}} {{.Image}}"
    containers = docker("ps", "-a", "--no-trunc", "--filter", name, "--format", shape).splitlines()
    started = [
        docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", it.split()[0]) for it in containers
    ]
    images = docker(
        "images", "--no-trunc", "--filter", f"label=of={project.name}", "--format", "{{.ID}} {{.Repository}}"
    )
    return {
        "containers": sorted(containers), "started": sorted(started), "images": sorted(images.splitlines()),
        "networks": sorted(docker("network", "ls", "-q", "--filter", name).split()),
        "volumes": sorted(docker("volume", "ls", "-q", "--filter", name).split()),
    }  # fmt: skip


def _files(project: Project) -> dict[str, str]:
    return {str(path): path.read_text() for path in sorted((project.folder / "files").iterdir())}


def _nothing_left(project: Project, before: dict[str, list[str]], files: dict[str, str]) -> None:
    assert _engine(project) == before
    assert leftovers(f"{project.name}-rehearsal") == []
    assert _files(project) == files
    assert not (project.state / "rehearsal").exists()
    assert not (project.folder / "hooked").exists(), "no hook was run"


def _state(project: Project) -> dict[str, object]:
    """All that status says, but the figures of traffic, which goes on."""
    return {name: value for name, value in project.status().items() if name != "questions"}


def test_a_rehearsal_shows_switch_flip_back_and_migration_and_touches_nothing(production: Project) -> None:
    project = production
    (project.folder / "hooked").unlink()
    project.ok("expect", "--record", "GET", "/", "GET", "/word")
    before, files, status = _engine(project), _files(project), _state(project)
    with Load(project.port, {"get": 3}) as load:
        done = project.ok("rehearse", "--json")
        assert _state(project) == status
    found = done.json()
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"blue"}
    _nothing_left(project, before, files)
    assert (found["outcome"], found["way_back"], found["left_out"]) == ("passed", "proven", ["hooks"])
    assert found["requests"]["lost"] == 0
    assert found["requests"]["answered"] > 100
    assert 0 < found["flip_back_seconds"] < found["switch_seconds"] < 60
    assert found["migration_seconds"] > 0
    assert found["production"]["switch_seconds"] > 0
    assert found["expected"] == {"asked": 2, "differ": [], "cannot_be_compared": ["GET /word"]}, "there is no data"

    copied = project.ok("rehearse", "--copy-volumes", "--json").json()
    assert copied["expected"] == {"asked": 2, "differ": [], "cannot_be_compared": []}, "with a copy of it there is"
    _nothing_left(project, before, files)

    wrong = project.run("rehearse", PRICE="2")
    assert wrong.code == 1, wrong
    assert 'GET /: json.price is "2", expected "1"' in wrong.out
    assert "The rehearsal failed. Production was not touched" in wrong.out
    _nothing_left(project, before, files)

    sick = project.run("rehearse", "--json", MIGRATE_SECONDS="x")
    assert sick.code == 1, sick
    assert sick.json()["failed_verb"] == "up", "today's images, with the migration as it is to be"
    assert "The migration of release" in sick.json()["error"]["summary"]
    _nothing_left(project, before, files)


@pytest.mark.long
@pytest.mark.parametrize("number", ["SIGKILL", "SIGINT"] if THOROUGH else ["SIGKILL"])
def test_a_rehearsal_that_is_ended_leaves_nothing_behind(production: Project, number: str) -> None:
    project = production
    (project.folder / "hooked").unlink()
    before, files = _engine(project), _files(project)
    process = subprocess.Popen(
        [*project.command, "rehearse"], cwd=project.folder, env=project.environment({"MIGRATE_SECONDS": "20"}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not docker("ps", "-q", "--filter", f"name={project.name}-rehearsal-migration"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the rehearsal never came so far"
        time.sleep(0.1)
    os.kill(process.pid, signal.Signals[number])
    process.communicate(timeout=120)
    assert process.returncode == (-9 if number == "SIGKILL" else 130)
    while leftovers(f"{project.name}-rehearsal") or (project.state / "rehearsal").exists():
        assert time.monotonic() < deadline + 60, leftovers(f"{project.name}-rehearsal")
        time.sleep(0.3)
    _nothing_left(project, before, files)
    assert project.color() == "blue"


@pytest.mark.long
def test_what_cannot_be_kept_apart_is_not_rehearsed(make_project: Make, tmp_path: Path) -> None:
    project = make_project(
        LEAN.replace('GREETING: "${GREETING:-Hello}"', 'DATABASE_URL: "${URL:-}", DB_HOST: "${DB:-}"')
        + '  spy: {image: "${PYTHON_IMAGE}", volumes: ["${SPIED}:/var/run/docker.sock"]}\n'
    )
    spied = {"SPIED": str(tmp_path)}
    for more, words in (
        ({"URL": "postgresql+psycopg://u:canary@db.example.com:5432/x"}, "web.DATABASE_URL points outside"),
        ({"DB": "10.0.0.5"}, "web.DB_HOST points outside"),
        ({"SPIED": "/var/run/docker.sock"}, "spy mounts the Docker socket"),
    ):
        refused = project.run("rehearse", **{**spied, **more})
        assert refused.code == 2, refused
        assert words in refused.err
        assert "canary" not in refused.err
    assert leftovers(f"{project.name}-rehearsal") == []
    found = project.run("rehearse", "--json", "--outside", **spied, URL="postgres://db.example.com/x")
    assert found.code == 0, found
    assert json.loads(found.out)["from"] is None, "nothing is live yet: the release to come, from nothing"
    assert leftovers(project.name) == []
