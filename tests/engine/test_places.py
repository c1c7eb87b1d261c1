"""Which request goes to which service, and with which path: hosts, prefixes that are taken off, and hosts that are sent
elsewhere. Through the real nginx, of both colors."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess

import pytest

from tests.conftest import Make
from tests.support.load import Load
from tests.support.machine import docker, free_port
from tests.support.project import Project

ECHO = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = {"service": sys.argv[1], "color": os.environ["BLUEGREEN_COLOR"], "line": self.path,
                 "prefix": self.headers.get("X-Forwarded-Prefix"), "method": self.command}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = do_PUT = do_DELETE = answer
    def log_message(self, *_): pass

ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
TWO = """
name: ${SHOP_NAME}
x-bluegreen:
  services:
    web: {port: 8000, host: [shop.example, "*.shop.example"]}
    api: {port: 8000, path: [/api, "/old api/v1"], strip: "${STRIP:-true}"}
    any: {port: 8000, path: [/, /api/raw]}
  redirect: {www.example: shop.example}
  health: {path: /health, interval: 100ms, successes: 1, timeout: 20s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 1s
  proxy: {image: "${NGINX_IMAGE}"}
x-app: &app
  profiles: [release]
  image: ${PYTHON_IMAGE}
  init: true
  environment: {GREETING: "${GREETING:-Hello}"}
  volumes: ["./echo.py:/srv/echo.py:ro"]
  stop_grace_period: 1s
services:
  web: {<<: *app, command: [python3, /srv/echo.py, web]}
  api: {<<: *app, command: [python3, /srv/echo.py, api], deploy: {replicas: 2}}
  any: {<<: *app, command: [python3, /srv/echo.py, any]}
""".replace('"/old api/v1"', '"/old%20api/v1"')


@pytest.fixture
def shop(make_project: Make) -> Project:
    project = make_project(TWO)
    (project.folder / "echo.py").write_text(ECHO)
    return project


def _raw(project: Project, line: str, host: str, *more: str, preview: bool = False) -> tuple[int, dict[str, str], str]:
    """(status, headers, body) of the answer to a request line that is sent as it is."""
    port = project.preview_port if preview else project.port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        text = "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", "Connection: close", *more, "", ""])
        connection.sendall(text.encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (it.partition(":") for it in lines)}
    return int(first.split()[1]), headers, body


def _echo(project: Project, line: str, host: str = "x.example", *more: str, preview: bool = False) -> dict[str, str]:
    status, _, body = _raw(project, line, host, *more, preview=preview)
    assert status == 200, (line, status, body)
    return dict(json.loads(body))


def test_hosts_and_paths_lead_to_their_services(shop: Project) -> None:
    shop.ok("up")
    for host, line, service in (
        ("shop.example", "GET /", "web"), ("a.shop.example", "GET /x", "web"), ("a.b.shop.example:80", "GET /x", "web"),
        ("x.example", "GET /", "any"), ("x.example", "GET /api", "api"), ("x.example", "GET /apiary", "any"),
        ("x.example", "GET /api/raw/1", "any"), ("shop.example", "GET /api/7", "api"),
    ):  # fmt: skip
        assert _echo(shop, line, host)["service"] == service, (host, line)


def test_a_prefix_is_taken_off_once_whatever_comes_behind_it(shop: Project) -> None:
    shop.ok("up")
    for asked, got, prefix in (
        ("/api", "/", "/api"), ("/api/", "/", "/api"), ("/api/7", "/7", "/api"), ("/api?y=/api", "/?y=/api", "/api"),
        ("/api/api/api", "/api/api", "/api"), ("/api/a%20b?q=%2F", "/a%20b?q=%2F", "/api"), ("//api///7", "/7", "/api"),
        ("/%61pi/7", "/7", "/api"), ("/x/../api/7", "/7", "/api"), ("/api/caf%C3%A9", "/caf%C3%A9", "/api"),
        ("/api/%0d%0aX-Evil:%201", "/%0D%0AX-Evil:%201", "/api"), ("/api/what%3Fnow", "/what%3Fnow", "/api"),
        ("/old%20api/v1/x", "/x", "/old api/v1"), ("/api/raw/x", "/api/raw/x", None), ("/apiary", "/apiary", None),
    ):  # fmt: skip
        for method in ("GET", "POST", "PUT", "DELETE"):
            length = [] if method == "GET" else ["Content-Length: 0"]
            found = _echo(shop, f"{method} {asked}", "x.example", *length)
            assert (found["line"], found["prefix"], found["method"]) == (got, prefix, method), asked
    upgraded = _echo(shop, "GET /api/socket", "x.example", "Upgrade: websocket")
    assert upgraded["line"] == "/socket"
    spoofed = _echo(shop, "GET /api/7", "x.example", "X-Forwarded-Prefix: /evil")
    assert spoofed["prefix"] == "/api"


@pytest.mark.long
def test_a_prefix_is_taken_off_once_when_another_replica_is_asked(shop: Project) -> None:
    shop.ok("up")
    subprocess.run(["docker", "kill", f"{shop.name}-blue-api-1"], check=True, capture_output=True)
    for number in range(12):
        for method in ("GET", "POST", "PUT"):
            length = [] if method == "GET" else ["Content-Length: 0"]
            found = _echo(shop, f"{method} /api/api/{number}", "x.example", *length)
            assert (found["line"], found["service"]) == (f"/api/{number}", "api")


@pytest.mark.long
def test_each_color_has_its_own_way_with_a_prefix(shop: Project) -> None:
    shop.ok("up")
    shop.ok("prepare", STRIP="false", GREETING="two")
    assert (_echo(shop, "GET /api/7")["line"], _echo(shop, "GET /api/7", preview=True)["line"]) == ("/7", "/api/7")
    shop.ok("switch", STRIP="false", GREETING="two")
    assert (_echo(shop, "GET /api/7")["line"], _echo(shop, "GET /api/7", preview=True)["line"]) == ("/api/7", "/7")
    shop.ok("flip-back")
    assert (_echo(shop, "GET /api/7")["line"], _echo(shop, "GET /api/7", preview=True)["line"]) == ("/7", "/api/7")


def test_visitors_of_a_host_are_sent_to_another_with_path_query_and_port(shop: Project) -> None:
    shop.ok("up")
    for method in ("GET", "POST"):
        length = [] if method == "GET" else ["Content-Length: 0"]
        status, headers, _ = _raw(shop, f"{method} /a%20b/c?x=%2F&y", "www.example:8080", *length)
        assert (status, headers["location"]) == (308, "http://shop.example:8080/a%20b/c?x=%2F&y")
    status, headers, _ = _raw(shop, "GET /", "WWW.example")
    assert (status, headers["location"]) == (308, "http://shop.example/")


@pytest.mark.long
def test_a_host_that_the_next_release_sends_elsewhere_is_served_until_then(shop: Project) -> None:
    shop.ok("up")
    shop.write(shop.compose.replace("{www.example: shop.example}", "{www.example: shop.example, x.example: y.example}"))
    shop.ok("prepare")
    assert _echo(shop, "GET /", "x.example")["service"] == "any"
    assert _raw(shop, "GET /", "x.example", preview=True)[0] == 308
    shop.ok("switch")
    assert _raw(shop, "GET /", "x.example")[0] == 308
    shop.ok("flip-back")
    assert _echo(shop, "GET /", "x.example")["service"] == "any"
    kept = shop.ok("switch", "--to", "2").err
    assert "release" in kept
    assert _raw(shop, "GET /", "x.example")[0] == 308, "a kept release has its own"


def test_two_services_at_one_place_are_refused_with_both_keys(shop: Project) -> None:
    shop.write(shop.compose.replace("path: [/, /api/raw]", "path: [/, /api]"))
    done = shop.run("up")
    assert done.code == 2
    assert "services.api.path: found /api, expected another path (services.any has this one)" in done.err
    shop.write(shop.compose.replace("{www.example: shop.example}", "{shop.example: www.example}"))
    done = shop.run("up")
    assert done.code == 2
    assert (
        "redirect.shop.example: found shop.example, expected a host that no service has (services.web.host" in done.err
    )


@pytest.mark.long
def test_an_internal_service_is_found_by_its_name_in_its_own_color_only(shop: Project) -> None:
    """It is healthy before traffic moves, and no request from outside leads there."""
    call = "import urllib.request as u; print(u.urlopen('http://pricing:8000/').read().decode())"
    shop.write(
        shop.compose.replace("  redirect:", "  internal: {pricing: {port: 8000}, quiet: {}}\n  redirect:")
        + "  pricing: {<<: *app, command: [python3, /srv/echo.py, pricing]}\n"
        + '  quiet: {<<: *app, command: [sleep, "600"]}\n'
    )
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    for color in ("blue", "green"):
        said = json.loads(docker("exec", f"{shop.name}-{color}-any-1", "python3", "-c", call))
        assert (said["service"], said["color"]) == ("pricing", color)
    assert set(shop.status()["live"]["replicas"]) == {"any", "api", "pricing", "quiet", "web"}
    assert {_echo(shop, "GET /", host)["service"] for host in ("pricing", "quiet", "x.example")} == {"any"}
    shop.write(shop.file.read_text().replace("/srv/echo.py, pricing]", "/srv/nothing.py]"))
    failed = shop.run("switch", GREETING="three")
    assert failed.code == 1
    assert "pricing-1 keeps exiting" in failed.err
    assert _echo(shop, "GET /")["color"] == "green"
    shop.write(shop.file.read_text().replace("/srv/nothing.py]", "/srv/echo.py, pricing]"))
    docker("rm", "-f", f"{shop.name}-green-pricing-1")
    shop.ok("up", GREETING="two")
    assert f"{shop.name}-green-pricing-1" in shop.containers()
    shop.ok("flip-back")


@pytest.mark.long
def test_a_service_on_a_port_of_its_own(make_project: Make) -> None:
    """An admin page on a loopback port: it answers there for every host, and nowhere else; through a switch, too."""
    port = free_port()
    compose = TWO.replace('path: [/api, "/old%20api/v1"], strip: "${STRIP:-true}"', f"listen: '127.0.0.1:{port}'")
    project = make_project(compose)
    (project.folder / "echo.py").write_text(ECHO)
    project.ok("up")

    def asked(path: str, at: int, host: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", at, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            assert answer.status == 200, (path, at, host, answer.read())
            found = json.loads(answer.read())
        finally:
            connection.close()
        return f"{found['service']} {found['color']} {found['line']}"

    for host in ("shop.example", "any.example", "localhost"):
        for path in ("/", "/api", "/x?y=z"):
            assert asked(path, port, host) == f"api blue {path}"
    assert asked("/api", project.port, "any.example") == "any blue /api"
    with Load(port, {}) as load:
        project.ok("switch", GREETING="two")
        load.stop()
    assert asked("/", port, "x") == "api green /"
    assert f"127.0.0.1:{port}" in project.ok("check").out
    project.ok("flip-back")
    assert asked("/", port, "x") == "api blue /"

    project.write(compose.replace(f"listen: '127.0.0.1:{port}'", f"listen: {project.port}"))
    failed = project.run("switch")
    assert (failed.code, "services.api.listen" in failed.err) == (2, True), failed
