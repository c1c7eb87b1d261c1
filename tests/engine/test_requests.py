"""What nginx does to requests and answers that are larger, odder, quieter or closer than most. Through the real nginx."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from tests.conftest import Make
from tests.support.machine import docker
from tests.support.project import Project

SETTINGS = """
name: ${SHOP_NAME}
x-bluegreen:
  services:
    web: {port: 8000}
    cafe: {port: 8000, path: /caf%C3%A9}
    odd: {port: 8000, path: "/a%20b/%7B%3B%22%5C%24%27/"}
  health: {path: "/health/%C3%A9%20/../%2F?a=%20b", interval: 100ms, successes: 1, timeout: 10s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 1s
  proxy: {image: "${NGINX_IMAGE}", read_timeout: 1s, websocket_timeout: 4s, trust: ["127.0.0.1"]}
x-app: &app
  profiles: [release]
  image: ${PYTHON_IMAGE}
  init: true
  command: [python3, /srv/server.py]
  volumes: ["./server.py:/srv/server.py:ro"]
  stop_grace_period: 1s
services:
  web: {<<: *app, environment: {SERVICE: web, SICK: "${SICK:-}"}}
  cafe: {<<: *app, environment: {SERVICE: cafe}}
  odd: {<<: *app, environment: {SERVICE: odd}}
"""
# Answers byte by byte what a server of a library would not.
SERVER = r"""
import json, os, socket, threading, time

SERVICE, SICK = os.environ["SERVICE"], os.environ.get("SICK")
BAD = {"/no-colon": "no colon here", "/space": "Bad Name: 1", "/control": "X-\x01: 1", "/empty": ": 1"}

def serve(connection):
    with connection, connection.makefile("rb") as lines:
        first = lines.readline().decode("latin-1").split(" ")
        headers = [line.decode("latin-1").rstrip().split(": ", 1) for line in iter(lines.readline, b"\r\n")]
        path = first[1]
        if path.startswith("/socket") and ["Upgrade", "websocket"] in headers:
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            time.sleep(float(path.rpartition("/")[2]))
            return connection.sendall(b"\x81\x02ok")
        if path.startswith("/slow/"):
            time.sleep(float(path.rpartition("/")[2]))
        if path == "/no-http" or SICK == "no-http":
            return connection.sendall(b"\x15\x03\x03\x00\x02\x02\x46")
        more = [f"X-Large: {'x' * int(path.rpartition('/')[2])}"] if path.startswith("/large/") else []
        more += [f"X-Many-{n}: {'x' * 1000}" for n in range(int(path.rpartition("/")[2]))] if "/many/" in path else []
        more += [BAD[path]] if path in BAD else []
        more += [f"X-Large: {'x' * 100_000}"] if SICK == "large" else []
        status = 200
        if path.startswith("/health") and path != "/health/%C3%A9%20/../%2F?a=%20b":
            status = 404
        body = json.dumps({"service": SERVICE, "path": path, "headers": headers}).encode()
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *more, "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1") + body)

listener = socket.create_server(("0.0.0.0", 8000), backlog=512)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture(scope="module")
def app(make_module_project: Make) -> Iterator[Project]:
    """One app for all: making one takes seconds."""
    project = make_module_project(SETTINGS)
    (project.folder / "server.py").write_text(SERVER)
    project.ok("up")
    yield project
