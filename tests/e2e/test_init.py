"""`bluegreen init`: what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.support.project import Project

# A file that was edited by people for years: comments, odd indentation, anchors, a literal dollar.
GROWN = """# the shop  (do not touch, Bob)
services:
    web:            # the app itself
        image: ${PYTHON_IMAGE}
        command:  [ python3, /srv/server.py ]   # trailing spaces follow  \n\
        ports:
        - "127.0.0.1:${PUBLIC}:8000"    # behind the load balancer
        environment: &env
            PRICE: "5 $$"
        volumes: [ './server.py:/srv/server.py:ro' ]
        healthcheck: { test: "true || fetch http://localhost:8000/health" , interval: 1s}
    worker:
        image: ${PYTHON_IMAGE}
        command: sleep 600
        stop_grace_period: 0s
        environment:
            <<: *env
"""
PROFILED = GROWN.replace("        image:", "        profiles: [release]\n        image:")


@pytest.fixture
def grown(make_project: Make) -> Project:
    project = make_project(GROWN)
    project.variables["PUBLIC"] = str(project.port)
    return project


def test_init_prints_the_smallest_block_and_why(grown: Project) -> None:
    done = grown.ok("init")
    assert done.out.splitlines() == [
        "x-bluegreen:", "  service: web", "  port: 8000", f'  listen: "127.0.0.1:{grown.port}"', "  jobs: [worker]",
    ]  # fmt: skip
    assert "port     8000, ports and healthcheck agree" in done.err
    assert "jobs     worker: runs the image of web and publishes no port" in done.err
    assert "To add it: bluegreen init --write" in done.err
    assert grown.file.read_text() == GROWN
    assert not grown.state.exists(), "init makes nothing"
    found = grown.ok("init", "--json").json()
    assert found["block"]["service"] == "web"
    assert {entry["key"] for entry in found["decisions"]} == {"service", "port", "health", "listen", "jobs"}


def test_what_init_writes_runs_and_changes_no_byte_before_it(grown: Project) -> None:
    os.chmod(grown.file, 0o640)
    done = grown.ok("init", "--write")
    assert f"Added to {grown.file}. Next: bluegreen up" in done.err
    text = grown.file.read_text()
    assert text.startswith(PROFILED)
    assert "added      profiles: [release] to web" in done.err
    assert grown.file.stat().st_mode & 0o777 == 0o640
    again = grown.ok("init", "--write")
    assert "has an x-bluegreen block already; nothing to do." in again.out
    assert grown.file.read_text() == text
    grown.file.write_text(
        text + f'  preview: "127.0.0.1:{grown.preview_port}"\n  proxy: {{image: "${{NGINX_IMAGE}}"}}\n'
    )
    grown.ok("up")
    assert grown.color() == "blue"


@pytest.mark.parametrize(
    "text",
    [
        '{"services": {"web": {"image": "a", "ports": ["1:8000"]}}}\n',
        "---\nservices: {web: {image: a, ports: ['1:8000']}}\n...\n",
    ],
    ids=["one flow mapping", "ended document"],
)
def test_a_file_that_cannot_take_the_block_is_left_as_it_was(make_project: Make, text: str) -> None:
    project = make_project(text)
    done = project.run("init", "--write")
    assert done.code == 2, done
    assert "The block cannot be added at the end of this file." in done.err
    assert "retry     safe; the file is as it was" in done.err
    assert project.file.read_text() == text
    assert sorted(path.name for path in project.folder.iterdir()) == ["compose.yaml", "server.py"]


@pytest.mark.parametrize(
    "text",
    [
        "services:\r\n  web:\r\n    image: a\r\n    ports: ['1:8000']\r\n",
        "  services:\n    web: {image: a, ports: ['1:8000']}\n  volumes: {}",
        "services: {web: {image: a, ports: ['1:8000'], labels: {x: |-\n",
    ],
    ids=["carriage returns", "indented, no last newline", "broken"],
)
def test_line_ends_indentation_and_broken_files(make_project: Make, text: str) -> None:
    project = make_project(text)
    project.file.write_bytes(text.encode())
    done = project.run("init", "--write")
    content = project.file.read_bytes()
    if "labels" in text:
        assert done.code == 2
        assert content == text.encode()
        return
    assert done.code == 0, done
    lines = [line for line in content.splitlines(keepends=True) if line.strip() != b"profiles: [release]"]
    assert b"".join(lines).replace(b"profiles: [release], ", b"").startswith(text.encode())
    assert b"profiles: [release]" in content
    assert ("\r\n" in text) == (content.count(b"\r\n") == content.count(b"\n"))
    assert "x-bluegreen" in json.dumps(project.run("init").out)


OFF = """services:
  web: &web
    image: a
    ports: ["1:8000"]
  worker:
    <<: *web
    ports: !reset []
    command: celery -A shop worker
  cache:
    image: redis
    depends_on:
    - web   # by somebody
    - worker
  watcher: {image: w, depends_on: {web: {condition: service_started}}}
"""


def _compose(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker-compose", *arguments], cwd=project.folder, env=project.environment({}), capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_a_plain_compose_leaves_the_release_services_out_and_still_takes_the_file(make_project: Make) -> None:
    """Compose refuses a file in which a service waits for one that its profile leaves out."""
    project = make_project(OFF)
    assert len(_compose(project, "config", "--services").stdout.split()) == 4
    done = project.ok("init", "--write", "--service", "web:8000")
    assert [line for line in done.err.splitlines() if line.startswith(("added", "changed"))] == [
        "added      profiles: [release] to web",
        "added      profiles: [release] to worker",
        "changed    depends_on of cache: web has required: false (Compose refuses to wait for what it leaves out)",
        "changed    depends_on of watcher: web has required: false (Compose refuses to wait for what it leaves out)",
        "changed    depends_on of cache: worker has required: false (Compose refuses to wait for what it leaves out)",
    ]
    plain = _compose(project, "config", "--services")
    assert plain.returncode == 0, plain.stderr
    assert sorted(plain.stdout.split()) == ["cache", "watcher"]
    everything = _compose(project, "--profile", "release", "config", "--format", "json")
    waits = json.loads(everything.stdout)["services"]["cache"]["depends_on"]
    assert {name: how["required"] for name, how in waits.items()} == {"web": False, "worker": False}
    text = project.file.read_text()
    assert "      web: {condition: service_started, required: false}   # by somebody\n" in text
    assert text.startswith(OFF.splitlines()[0])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("  admin:\n    <<: *web\n    ports: !reset []\n    profiles: [dev]\n", "admin copies its lines (<<)"),
        ("  side:\n    image: s\n    network_mode: service:web\n", "side needs it (network_mode: service:web)"),
        ("  tool:\n    extends: web\n    ports: !reset []\n    command: x\n    image: other\n",
         "Compose reads the file differently with it"),
    ],
    ids=["merged elsewhere", "needed by another", "extended"],
)  # fmt: skip
def test_where_a_profile_cannot_be_added_it_is_said_and_what_to_type(make_project: Make, more: str, why: str) -> None:
    text = f'services:\n  web: &web\n    image: a\n    ports: ["1:8000"]\n{more}'
    block = "x-bluegreen: {service: web, port: 8000}\n"
    project = make_project(text + block)
    done = project.ok("init", "--write")
    assert f"Note: web got no profile: {why}. By hand, in {project.file}:" in done.err
    assert "    web:\n      profiles: [release]\n" in done.err
    assert project.file.read_text() == text + block
    assert project.ok("init", "--write", "--json").json()["profiles"] == {
        "added": [], "not_required": [], "left": {"web": why},
    }  # fmt: skip


def test_a_file_with_a_block_gets_what_it_lacks(make_project: Make) -> None:
    text = "services:\n  web:\n    image: a\n  db: {image: d}\nx-bluegreen: {service: web, port: 8000}\n"
    project = make_project(text)
    done = project.ok("init")
    assert "Note: no profile: web. To add profiles: [release]: bluegreen init --write" in done.err
    assert project.file.read_text() == text
    done = project.ok("init", "--write")
    assert "added      profiles: [release] to web" in done.err
    assert project.file.read_text() == text.replace("    image: a", "    profiles: [release]\n    image: a")
    assert "nothing to do" in project.ok("init", "--write").out


def test_init_without_a_file_or_without_a_web_service(tmp_path: Path, make_project: Make) -> None:
    empty = Project(tmp_path / "empty", "")
    empty.file.unlink()
    assert empty.run("init").code == 2
    done = make_project("services: {db: {image: 'postgres:16'}, thing: {image: thing}}\n").run("init")
    assert done.code == 1
    assert "choose service and port (among thing)" in done.err
