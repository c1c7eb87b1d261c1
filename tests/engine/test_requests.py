"""What nginx does to requests and answers that are larger, odder, quieter or nearer than most; the real one."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from bluegreen.frontdoor.headers import BELIEVED, BELIEVED_AS_THEY_ARE, OURS
from tests.support.machine import docker
from tests.support.project import Project

SETTINGS = """
name: ${SHOP_NAME}
x-bluegreen:
  services:
    web: {port: 8000}
    cafe: {port: 8000, path: /caf%C3%A9}
    odd: {port: 8000, path: "/a%20b/%7B%3B%22%5C%24%27/"}
    host: {port: 8000, host: other.example}
  health: {path: "/health/%C3%A9%20/../%2F?a=%20b", interval: 100ms, successes: 1, timeout: "${HEALTH_TIMEOUT:-10s}"}
  listen: ["${SHOP_LISTEN}", "[::1]:${PORT}"]
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
  host: {<<: *app, environment: {SERVICE: host}}
"""
# Answers as a server of a library would not.
SERVER = r"""
import json, os, socket, threading, time

SERVICE, SICK = os.environ["SERVICE"], os.environ.get("SICK")
HEALTH = "/health/%C3%A9%20/../%2F?a=%20b"
BAD = {"/no-colon": "no colon here", "/space": "Bad Name: 1", "/control": "X-\x01: 1", "/no-name": ": 1"}

def serve(connection):
    with connection, connection.makefile("rb") as lines:
        first = lines.readline().decode("latin-1").split(" ")
        headers = [line.decode("latin-1").rstrip("\r\n").split(": ", 1) for line in iter(lines.readline, b"\r\n")]
        path = first[1]
        last = path.rpartition("/")[2]
        if path.startswith("/socket/") and ["Upgrade", "websocket"] in headers:
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            time.sleep(float(last))
            return connection.sendall(b"\x81\x02ok")
        if path.startswith("/slow/"):
            time.sleep(float(last))
        if SICK == "no-http":
            return connection.sendall(b"\x15\x03\x03\x00\x02\x02\x46")
        more = [f"X-Large: {'x' * int(last)}"] if path.startswith("/large/") else []
        more += [f"X-Many-{n}: {'x' * 1000}" for n in range(int(last))] if path.startswith("/many/") else []
        more += [BAD[path]] if path in BAD else []
        more += [f"X-Large: {'x' * 100_000}"] if SICK == "large" else []
        status = 404 if path.startswith("/health") and path != HEALTH else 200
        body = json.dumps({"service": SERVICE, "path": path, "headers": headers}).encode()
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *more, "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1") + body)

listener = socket.create_server(("0.0.0.0", 8000), backlog=512)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
FROM_INSIDE = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=3).status)
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode().strip())
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One app for all that needs no other settings: making one takes seconds.

    Its health path is passed on as it is written: another is answered 404.
    """
    project = Project(tmp_path_factory.mktemp("requests") / "project", SETTINGS)
    project.variables["PORT"] = str(project.port)
    (project.folder / "server.py").write_text(SERVER)
    try:
        project.ok("up")
        yield project
    finally:
        project.clean()


def _send(project: Project, *lines: str, at: str = "127.0.0.1", port: int = 0) -> tuple[int, str, str]:
    """(status, head, body) of the answer to a request that is sent as it stands."""
    with socket.create_connection((at, port or project.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        found = b""
        while part := connection.recv(65536):
            found += part
    head, _, body = found.decode("latin-1").partition("\r\n\r\n")
    return int(head.split(" ", 2)[1]), head, body


def _told(project: Project, *lines: str, at: str = "127.0.0.1") -> dict[str, str]:
    """The headers that the service got, by lower-case name, and `service`."""
    status, head, body = _send(project, *(lines or ("GET / HTTP/1.1", "Host: shop")), at=at)
    assert status == 200, head
    said = json.loads(body)
    return {name.lower(): value for name, value in said["headers"]} | {"service": said["service"]}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/caf%C3%A9", "cafe"), ("/caf%c3%a9/x", "cafe"), ("/caf\u00e9/", "cafe"), ("/x/../caf%C3%A9", "cafe"),
        ("/caf%C3%A9x", "web"), ("/CAF%C3%A9", "web"), ("/cafe", "web"), ("/cafe%CC%81", "web"),
        ("/a%20b/%7B%3B%22%5C%24%27", "odd"), ("/a%20b/%7b;%22%5C$'/x?y", "odd"),
        ("//a%20b//%7B%3b%22%5C%24%27//", "odd"),
        ("/a%20b/%7B%3B%22%5C%24%27x", "web"), ("/a+b/%7B%3B%22%5C%24%27", "web"),
    ],
)  # fmt: skip
def test_a_path_takes_what_is_meant_however_it_is_spelled(app: Project, path: str, service: str) -> None:
    status, _, body = _send(app, f"GET {path} HTTP/1.1", "Host: shop")
    said = json.loads(body)
    assert (status, said["service"]) == (200, service)
    assert said["path"].encode("latin-1") == path.encode(), "passed on as it came"


def test_large_heads_go_through_and_what_is_too_large_or_no_answer_is_told_as_that(app: Project) -> None:
    for path in ("/large/20000", "/large/60000", "/many/60"):
        status, head, _ = _send(app, f"GET {path} HTTP/1.1", "Host: shop")
        assert (status, len(head) > 20_000) == (200, True), path
    for path in ("/large/70000", "/many/70", "/no-colon", "/space", "/control", "/no-name"):
        status, _, body = _send(app, f"GET {path} HTTP/1.1", "Host: shop")
        assert (status, "an answer that cannot be passed on" in body) == (502, True), path
    status, _, body = _send(app, "GET /slow/3 HTTP/1.1", "Host: shop")
    assert (status, "The service did not answer." in body) == (504, True)
    for size, cookie, line in ((20_000, 200, 200), (60_000, 200, 200), (70_000, 400, 414)):
        assert _send(app, "GET / HTTP/1.1", "Host: shop", f"Cookie: {'c' * size}")[0] == cookie
        assert _send(app, f"GET /?{'q' * size} HTTP/1.1", "Host: shop")[0] == line


@pytest.mark.parametrize(
    ("sick", "words"),
    [
        ("large", "answered on port 8000 what nginx cannot pass on: a head larger than proxy.max_answer_headers (64k)"),
        ("no-http", "speaks TLS on port 8000; nginx asks without it"),
    ],
)
def test_a_health_check_says_that_there_was_an_answer(app: Project, sick: str, words: str) -> None:
    done = app.run("switch", SICK=sick, HEALTH_TIMEOUT="1s")
    assert (done.code, words in done.err) == (1, True), done
    assert "did not answer" not in done.err


def _socket(project: Project, seconds: float, *more: str) -> tuple[float, bytes]:
    """How long a WebSocket on which nobody says anything for so long was open, and what came."""
    asked = [f"GET /socket/{seconds:g} HTTP/1.1", "Host: shop", "Connection: Upgrade", "Upgrade: websocket", *more]
    with socket.create_connection(("127.0.0.1", project.port), timeout=15) as connection:
        connection.sendall("\r\n".join([*asked, "", ""]).encode())
        found, began = b"", time.monotonic()
        while part := connection.recv(65536):
            found += part
    return time.monotonic() - began, found


def test_a_websocket_may_be_silent_for_longer_than_an_answer_may_take(app: Project) -> None:
    open_for, found = _socket(app, 2)
    assert (found.endswith(b"\x81\x02ok"), open_for > 1.9) == (True, True), "twice as long as read_timeout"
    open_for, found = _socket(app, 8)
    assert (found.endswith(b"\x81\x02ok"), 3.9 < open_for < 7) == (False, True), "and websocket_timeout ends it"
    status, _, _ = _send(app, "GET /slow/3 HTTP/1.1", "Host: shop", "Upgrade: h2c")
    assert status == 504, "read_timeout is for all else"


@pytest.mark.parametrize(
    ("lines", "host", "service"),
    [
        (["GET http://other.example:81/ HTTP/1.1", "Host: shop"], "other.example:81", "host"),
        (["GET HTTP://OTHER.example/ HTTP/1.1", "Host: shop"], "OTHER.example", "host"),
        (["GET ws+x://other.example/ HTTP/1.1", "Host: shop"], "other.example", "host"),
        (["GET   http://other.example/ HTTP/1.1", "Host: shop"], "other.example", "host"),
        (["GET http://other.example HTTP/1.1", "Host: shop"], "other.example", "host"),
        (["GET http://other.example?x HTTP/1.0"], "other.example", "host"),
        (["GET http://shop/ HTTP/1.1", "Host: other.example"], "shop", "web"),
        (["GET http://[::1]:90/ HTTP/1.1", "Host: other.example"], "[::1]:90", "web"),
        (["GET //other.example/ HTTP/1.1", "Host: shop"], "shop", "web"),
        (["GET / HTTP/1.0"], "localhost", "web"),
        (["GET / HTTP/1.1", "Host: [::1]:80"], "[::1]:80", "web"),
    ],
)
def test_a_request_has_one_host(app: Project, lines: list[str], host: str, service: str) -> None:
    """What nginx chooses a service by is what the service is told."""
    found = _told(app, *lines)
    assert (found["host"], found["x-forwarded-host"], found["service"]) == (host, host, service)


@pytest.mark.parametrize("at", ["127.0.0.1", "::1"])
def test_a_proxy_on_this_machine_is_believed(app: Project, at: str) -> None:
    sent = ("X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /shop")
    found = _told(app, "GET / HTTP/1.1", "Host: shop", *sent, at=at)
    assert (found["x-forwarded-for"], found["x-real-ip"]) == ("203.0.113.9", "203.0.113.9"), "of the proxy's own list"
    assert (found["x-forwarded-proto"], found["x-forwarded-port"]) == ("https", "443")
    assert found["x-forwarded-prefix"] == "/shop"


def test_an_apps_containers_are_not_this_machine(app: Project) -> None:
    """Neither for the preview, which is published on loopback, nor for what a trusted proxy may say."""
    status, _, _ = _send(app, "GET / HTTP/1.1", "Host: shop", port=app.preview_port)
    assert status == 503, "the preview answers this machine: nothing is idle"
    template = f'{{{{(index .NetworkSettings.Networks "{app.name}_bluegreen").IPAddress}}}}'
    proxy = docker("inspect", "-f", template, f"{app.name}-proxy")
    inside = ["docker", "exec", f"{app.name}-blue-cafe-1", "python3", "-c", FROM_INSIDE]
    urls = [f"http://{proxy}:{app.preview_port}{path}" for path in ("/", "/caf%C3%A9", "/state")]
    done = subprocess.run([*inside, *urls], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["403 The preview answers on the machine itself only."] * 3
    spoof = (
        f"import urllib.request as u; r = u.Request('http://{proxy}:{app.port}/', headers="
        "{'X-Forwarded-For': '9.9.9.9', 'X-Forwarded-Proto': 'https'}); print(u.urlopen(r, timeout=3).read().decode())"
    )
    done = subprocess.run([*inside[:-1], spoof], capture_output=True, text=True, check=True)
    found = {name.lower(): value for name, value in json.loads(done.stdout)["headers"]}
    assert "9.9.9.9" not in str(found)
    assert found["x-forwarded-proto"] == "http"


def _spellings() -> list[str]:
    """Every header that says where a request comes from, with each `-` as it is or as `_`."""
    found: list[str] = []
    for parts in (name.split("-") for name in (*dict(OURS), *BELIEVED)):
        wanted = [signs for signs in itertools.product("-_", repeat=len(parts) - 1) if "_" in signs]
        found += ["".join(part + sign for part, sign in zip(parts, (*signs, ""), strict=True)) for signs in wanted]
    return [*found, *BELIEVED_AS_THEY_ARE]


def test_headers_with_an_underscore_are_passed_on_where_asked_for_and_say_nothing_of_where_from(app: Project) -> None:
    """The last one: it changes the settings. Any CGI-like application takes X_Forwarded_For for X-Forwarded-For."""
    assert "x_mine" not in _told(app, "GET / HTTP/1.1", "Host: shop", "X_Mine: kept")
    (app.folder / "own").mkdir()
    (app.folder / "own" / "a.conf").write_text('proxy_set_header X-Tenant-Id "acme";\n')
    app.write(SETTINGS.replace('trust: ["127.0.0.1"]', "underscores: true, include: own"))
    app.ok("up")
    sent = [f"{name}: 6.6.6.6" for name in [*_spellings(), "X_Tenant_Id", "X-Tenant_Id"]]
    assert len(sent) > 80
    for some in (sent[:60], sent[60:]):
        found = _told(app, "GET / HTTP/1.1", "Host: shop", "X_Mine: kept", *some)
        assert found["x_mine"] == "kept"
        assert [name for name, value in found.items() if value == "6.6.6.6"] == []
        assert found["x-tenant-id"] == "acme"
