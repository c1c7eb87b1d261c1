"""`bluegreen init`: what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
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
    assert text.startswith(GROWN)
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
    assert content.startswith(text.encode())
    assert ("\r\n" in text) == (content.count(b"\r\n") == content.count(b"\n"))
    assert "x-bluegreen" in json.dumps(project.run("init").out)


def test_init_without_a_file_or_without_a_web_service(tmp_path: Path, make_project: Make) -> None:
    empty = Project(tmp_path / "empty", "")
    empty.file.unlink()
    assert empty.run("init").code == 2
    done = make_project("services: {db: {image: 'postgres:16'}, thing: {image: thing}}\n").run("init")
    assert done.code == 1
    assert "choose service and port (among thing)" in done.err
