"""Health checks that meet an application which is hostile: bounded in time and memory, named in the error."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import ROOT, docker
from tests.support.project import Project

SERVER = r"""
import gzip, json, os, socket, threading, time

BOMB = gzip.compress(bytes(200 << 20))

def answer(connection, path):
    send = connection.sendall
    ok = b"HTTP/1.1 200 OK\r\n"
    if path == "/huge":
        send(ok + b"Content-Length: 1073741824\r\n\r\n")
        for _ in range(1 << 14): send(b"x" * 65536)
    elif path == "/endless":
        send(ok + b"Transfer-Encoding: chunked\r\n\r\n")
        while True: send(b"5\r\nhello\r\n"); time.sleep(0.01)
    elif path == "/slow":
        send(ok + b"Content-Length: 1000\r\n\r\n")
        while True: send(b"x"); time.sleep(0.5)
    elif path == "/slow-head":
        while True: send(b"H"); time.sleep(0.5)
    elif path == "/never":
        time.sleep(60)
    elif path == "/elsewhere":
        send(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
    elif path == "/bomb":
        send(ok + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)
    elif path == "/not-utf8":
        send(ok + b"Content-Length: 4\r\n\r\n\xff\xfe\x1b[")
    elif path == "/not-json":
        send(ok + b"Content-Length: 5\r\n\r\n{\"ok\"")
    elif path == "/deep":
        send(ok + b"Content-Length: 60000\r\n\r\n" + b"[" * 60000)
    elif path == "/headers":
        send(ok + b"X-Big: " + b"x" * 65536 + b"\r\nContent-Length: 0\r\n\r\n")
    elif path == "/nonsense":
        send(b"\x00\x01\x02 hello\r\n\r\n")
    else:
        body = b'{"ok": true}'
        send(ok + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    connection.close()

def serve(connection):
    try:
        answer(connection, connection.recv(65536).split(b" ")[1].decode())
    except OSError:
        pass

print("\x1b]0;owned\x07 started \x1b[31m", flush=True)
with socket.create_server(("0.0.0.0", 8000)) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
# Probes like the command does, in a process of its own, which tells its peak of memory before and after. (The peak
# that getrusage reports is no measure: a process inherits it from the one that started it.)
PROBE = """
import json, sys
from pathlib import Path
from bluegreen.probe.once import Target, once
from bluegreen.domain.app import Health
def peak():
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0])
def probe(path):
    policy = Health(path=path, json={"ok": True}, request_timeout=1.0)
    return once(sys.argv[1], [Target("web-1", sys.argv[2], 8000, None, policy)])[0][1]
good, before = probe("/health"), peak()
print(json.dumps([good, probe(sys.argv[3]), before, peak()]))
"""
WORDS = {
    "/huge": "without JSON",
    "/endless": "was still answering after 1 s",
    "/slow": "was still answering after 1 s",
    "/slow-head": "did not answer within 1 s",
    "/never": "did not answer within 1 s",
    "/elsewhere": "answered 302",
    "/bomb": "without JSON",
    "/not-utf8": "without JSON",
    "/not-json": "without JSON",
    "/deep": "without JSON",
    "/headers": "answered on port 8000 what nginx cannot pass on",
    "/nonsense": "answered on port 8000 with something that is not HTTP",
}
MORE = 16 * 1024  # KiB of memory that a hostile answer may take beyond what a good one takes


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    project = Project(tmp_path_factory.mktemp("hostile") / "project", LEAN)
    (project.folder / "server.py").write_text(SERVER)
    try:
        project.ok("up")
        network = f'{{{{(index .NetworkSettings.Networks "{project.name}_bluegreen").IPAddress}}}}'
        yield project, docker("inspect", "-f", network, f"{project.name}-blue-web-1")
    finally:
        project.clean()


@pytest.mark.parametrize("path", WORDS)
def test_an_answer_is_bounded_in_time_and_memory_and_named(hostile: tuple[Project, str], path: str) -> None:
    project, address = hostile
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROBE, project.state / "run", address, path],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=30,
    )  # fmt: skip
    seconds = time.monotonic() - began
    good, reason, before, memory = json.loads(done.stdout)
    print(f"\n{path}: {seconds:.1f} s, {memory >> 10} MiB, {memory - before} KiB more than a good answer: {reason}")
    assert good is None
    assert WORDS[path] in reason
    assert len(reason) < 300
    assert reason.isprintable()
    assert seconds < 4.0
    assert memory - before < MORE


def test_a_release_that_answers_so_is_refused_in_these_words(make_project: Make) -> None:
    project = make_project(LEAN)
    (project.folder / "server.py").write_text(SERVER)
    project.ok("up")
    done = project.run("switch", HEALTH_PATH="/elsewhere", HEALTH_TIMEOUT="8s")
    assert done.code == 1, done
    assert "GET /elsewhere of web-1 through the proxy answered 302" in done.err
    assert "\x1b" not in done.err, "what the application wrote into its log does not reach the terminal as it is"
    assert "started" in done.err
    assert "\x1b" not in project.ok("logs").out
