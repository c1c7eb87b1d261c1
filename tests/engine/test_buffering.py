"""A slow visitor keeps no synchronous worker busy: nginx takes answers in. Streams pass as they are written."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path

import gunicorn
import packaging
import pytest

from tests.conftest import Make
from tests.support.project import Project

READERS = 100
HELD = 4.0  # seconds without an answer: every worker is busy with a slow reader
APP = """
import time

def app(environ, start):
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/large":
        start("200 OK", [*headers, ("Content-Length", "16000000")])
        return [b"x" * 100_000] * 160
    if path.startswith("/stream"):
        more = [("X-Accel-Buffering", "no")] if path.endswith("said") else []
        start("200 OK", [*headers, *more])
        return slowly()
    start("200 OK", headers)
    return [b"small"]

def slowly():
    for number in range(4):
        yield b"event %d\\n" % number
        time.sleep(0.4)
"""
COMPOSE = """
name: ${SHOP_NAME}
x-bluegreen:
  services: {web: {port: 8000}}
  health: {path: /, interval: 200ms, successes: 1, timeout: 30s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 0s
  proxy: {image: "${NGINX_IMAGE}"}
services:
  web:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    init: true
    command: [python3, -m, gunicorn, --bind, "0.0.0.0:8000", --workers, "4", --timeout, "120", "app:app"]
    working_dir: /srv
    environment: {PYTHONPATH: /deps, HOME: /tmp}
    volumes: ["./app.py:/srv/app.py:ro", "${GUNICORN}:/deps/gunicorn:ro", "${PACKAGING}:/deps/packaging:ro"]
    stop_grace_period: 1s
"""


@pytest.fixture
def synchronous(make_project: Make) -> Project:
    """Gunicorn with four synchronous workers."""
    project = make_project(COMPOSE)
    (project.folder / "app.py").write_text(APP)
    project.variables |= {
        "GUNICORN": str(Path(gunicorn.__file__).parent), "PACKAGING": str(Path(packaging.__file__).parent),
    }  # fmt: skip
    return project


def _slow_readers(project: Project) -> list[socket.socket]:
    """Visitors who have asked for much and read almost nothing."""
    found = []
    for _ in range(READERS):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", project.port))
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        found.append(connection)
    return found


def _quickly(project: Project) -> float:
    """Seconds until somebody else has an answer; HELD: there is none."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=HELD)
    try:
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"small"
    except TimeoutError:
        return HELD
    finally:
        connection.close()
    return time.monotonic() - began


def _pieces(project: Project, path: str, **headers: str) -> list[float]:
    """When each event of a stream arrived, in seconds since the first."""
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    arrived = []
    while answer.readline():
        arrived.append(time.monotonic())
    connection.close()
    return [it - arrived[0] for it in arrived]


@pytest.mark.long
def test_slow_readers_keep_no_worker_busy_and_streams_are_streams(synchronous: Project) -> None:
    synchronous.ok("up")
    readers = _slow_readers(synchronous)
    try:
        began, quick = time.monotonic(), 0
        while quick < 10:  # in a row: nginx has taken in what the four workers give, which without it they never end
            assert time.monotonic() - began < 60
            quick = quick + 1 if _quickly(synchronous) < HELD / 2 else 0
    finally:
        for reader in readers:
            reader.close()

    for path, headers in (("/stream", {}), ("/stream", {"Accept": "text/event-stream"}), ("/stream/said", {})):
        arrived = _pieces(synchronous, path, **headers)
        assert len(arrived) == 4, path
        assert arrived[-1] > 1.0, "each event came when it was written"

    synchronous.write(COMPOSE.replace("{port: 8000}", "{port: 8000, buffering: false}"))
    synchronous.ok("switch", "--force")
    assert _pieces(synchronous, "/stream")[-1] > 1.0
    readers = _slow_readers(synchronous)
    try:
        time.sleep(1.5)
        assert _quickly(synchronous) == HELD, "without it, a hundred slow readers hold four workers"
    finally:
        for reader in readers:
            reader.close()
