"""The proxy as clients meet it: routes, headers, streams, limits, error pages; through the real nginx."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import time
from pathlib import Path

import pytest

from bluegreen.domain.app import Health
from bluegreen.probe.one import probe
from tests.support.machine import docker, images
from tests.support.project import Project

ROUTES = """
name: ${SHOP_NAME}
x-bluegreen:
  services:
    web: {port: 8000}
    api: {port: 8000, path: /api}
    admin: {port: 8000, host: admin.example.com}
  health: {interval: 100ms, successes: 1, timeout: 20s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 1s
  proxy:
    image: "${NGINX_IMAGE}"
    max_body: 1m
    trust: ["${TRUST:-192.0.2.1}"]
    include: snippets
x-app: &app
  profiles: [release]
  image: ${PYTHON_IMAGE}
  init: true
  command: [python3, /srv/server.py]
  volumes: ["./server.py:/srv/server.py:ro"]
  stop_grace_period: 1s
services:
  web: {<<: *app, environment: {GREETING: web}}
  api: {<<: *app, environment: {GREETING: api}}
  admin: {<<: *app, environment: {GREETING: admin}}
"""
HOSTS = ROUTES.replace("web: {port: 8000}\n", "web: {port: 8000, host: shop.example.com, path: /shop}\n").replace(
    "    api: {port: 8000, path: /api}\n", ""
)


@pytest.fixture
def routes(make_project: object) -> Project:
    project: Project = make_project(ROUTES)  # type: ignore[operator]  # the fixture of conftest
    (project.folder / "snippets").mkdir()
    return project


def _greeting(project: Project, path: str, host: str = "localhost") -> str:
    status, body = project.get(path, headers={"Host": host})
    assert status == 200, (path, host, body)
    return str(json.loads(body)["greeting"])


def _headers(project: Project, **sent: str) -> dict[str, str]:
    _, body = project.get("/headers", headers={name.replace("_", "-"): value for name, value in sent.items()})
    return dict(json.loads(body))


def _raw(project: Project, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", project.port), timeout=10) as connection:
        connection.sendall(request)
        connection.settimeout(10)
        return connection.recv(65536).decode(errors="replace")


def test_routes_headers_limits_and_pages(routes: Project) -> None:
    """One project for what needs no other settings: making one takes seconds."""
    routes.ok("up")

    # by path: the longest prefix, unstripped, and never a namesake
    assert _greeting(routes, "/") == "web"
    assert _greeting(routes, "/api") == _greeting(routes, "/api/x") == "api"
    assert _greeting(routes, "/apiary") == "web"
    assert json.loads(routes.get("/api/a%20b?c=d&e")[1])["path"] == "/api/a%20b?c=d&e"

    # by host, with the services of every host below its own
    assert _greeting(routes, "/", "admin.example.com") == "admin"
    assert _greeting(routes, "/api/x", "admin.example.com") == "api"

    # headers are right, and nobody spoofs them
    found = _headers(
        routes, X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https", X_Forwarded_Host="evil", X_Forwarded_Port="1",
        X_Real_IP="5.6.7.8", X_Request_ID="mine", Forwarded="for=1.2.3.4", Proxy="http://evil", Host="shop:81",
    )  # fmt: skip
    assert found["host"] == "shop:81"
    assert found["x-forwarded-host"] == "shop:81"
    assert found["x-forwarded-proto"] == "http"
    assert found["x-forwarded-port"] == str(routes.port)
    assert found["x-real-ip"] == found["x-forwarded-for"]
    assert "1.2.3.4" not in found["x-forwarded-for"]
    assert re.fullmatch(r"[0-9a-f]{32}", found["x-request-id"])
    assert not {"forwarded", "proxy"} & set(found)
    assert found.get("connection", "keep-alive") == "keep-alive", "connections to the service are kept"

    # bodies: as large as max_body, no larger
    assert _post(routes, 1024 * 1024) == 200
    assert _post(routes, 1024 * 1024 + 1) == 413

    # upstream keep-alive, and what nginx says about itself
    status, body = routes.get("/nothing/there", headers={"Host": "localhost"})
    assert status == 200
    answer = _raw(routes, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert re.search(r"^Server: nginx\r$", answer, re.MULTILINE), "server_tokens off"

    # the preview listener exists, and has nothing behind it yet
    status, body = routes.get("/", preview=True)
    assert status == 503
    assert "Temporarily unavailable" in body

    # an own page that says nothing secret when the service does not answer
    docker("stop", "-t", "1", f"{routes.name}-blue-admin-1")
    status, body = routes.get("/", headers={"Host": "admin.example.com"})
    assert status in (502, 504), "refused, or silent: a stopped container's address belongs to nobody"
    assert "Temporarily unavailable" in body
    assert "nginx" not in body
    assert "172." not in body
    assert "192.168" not in body

    # the access log has color, release, service, status and times
    time.sleep(1.5)
    entries = [json.loads(line) for line in docker("logs", f"{routes.name}-proxy").splitlines() if line.startswith("{")]
    entry = next(entry for entry in entries if entry["uri"] == "/api/x")
    assert (entry["color"], entry["release"], entry["service"], entry["status"]) == ("blue", "1", "api", 200)
    assert float(entry["upstream_seconds"]) >= 0
    assert entry["request_id"]


def _post(project: Project, size: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=30)
    try:
        connection.request("POST", "/", body=b"x" * size)
        return connection.getresponse().status
    except BrokenPipeError:  # nginx answers 413 by the declared length and reads no further
        return 413
    finally:
        connection.close()


def test_forwarded_headers_are_believed_from_a_trusted_proxy_only(routes: Project) -> None:
    routes.variables["TRUST"] = "0.0.0.0/0"
    routes.ok("up")
    found = _headers(
        routes, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https", X_Forwarded_Host="shop.example.com",
        X_Forwarded_Port="443", X_Request_ID="trace-1", Forwarded="for=203.0.113.9",
    )  # fmt: skip
    assert found["x-forwarded-for"] == "203.0.113.9", "the visitor alone: no application has to count proxies"
    assert found["x-real-ip"] == "203.0.113.9"
    assert (found["x-forwarded-proto"], found["x-forwarded-host"]) == ("https", "shop.example.com")
    assert (found["x-forwarded-port"], found["x-request-id"]) == ("443", "trace-1")
    assert found["forwarded"] == "for=203.0.113.9"


@pytest.mark.long
def test_headers_survive_the_way_through_a_worker_that_was_left(routes: Project) -> None:
    """A kept connection reaches an old worker, which passes the request on: the client stays the client."""
    routes.ok("up")
    routes.ok("switch", "--force")
    connection = http.client.HTTPConnection("127.0.0.1", routes.port, timeout=10)
    connection.request("GET", "/headers")
    before = dict(json.loads(connection.getresponse().read()))
    sock = connection.sock
    routes.ok("flip-back")
    assert connection.sock is sock
    connection.request("GET", "/headers", headers={"X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4"})
    after = dict(json.loads(connection.getresponse().read()))
    del before["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", after.pop("x-request-id"))
    assert after == before
    connection.close()


def test_when_every_service_names_a_host_others_get_421(make_project: object) -> None:
    project: Project = make_project(HOSTS)  # type: ignore[operator]  # the fixture of conftest
    (project.folder / "snippets").mkdir()
    project.ok("up")
    assert _greeting(project, "/shop/1", "shop.example.com") == "web"
    assert project.get("/else", headers={"Host": "shop.example.com"})[0] == 404, "no service has this path"
    assert project.get("/", headers={"Host": "other.example.com"})[0] == 421


def test_chunked_answers_and_events_arrive_as_they_are_written(routes: Project) -> None:
    routes.ok("up")
    connection = http.client.HTTPConnection("127.0.0.1", routes.port, timeout=10)
    began = time.monotonic()
    connection.request("GET", "/chunked")
    response = connection.getresponse()
    moments = []
    while line := response.readline():
        assert line.startswith(b"part ")
        moments.append(time.monotonic() - began)
    assert len(moments) == 4
    assert moments[0] < 0.4, "the first part waited for the others"
    assert moments[3] > 1.0
    connection.close()


def test_users_snippets_are_used_and_a_broken_one_is_refused_before_it_can_hurt(routes: Project) -> None:
    snippet = routes.folder / "snippets" / "own.conf"
    snippet.write_text("add_header X-Own yes always;\nlocation = /robots.txt { return 200 'none'; }\n")
    (routes.folder / "snippets" / "http").mkdir()
    (routes.folder / "snippets" / "http" / "zone.conf").write_text(
        "limit_req_zone $binary_remote_addr zone=z:1m rate=9r/s;\n"
    )
    routes.ok("up")
    assert routes.get("/robots.txt") == (200, "none")

    routes.ok("switch", "--force")
    routes.ok("flip-back")
    snippet.write_text("add_headr X-Own yes;\n")
    done = routes.run("switch", "--force")
    assert done.code == 1
    assert "nginx refuses the new configuration." in done.err
    assert 'unknown directive "add_headr"' in done.err
    assert "traffic   blue, release 1 (unchanged)" in done.err
    assert routes.get("/robots.txt") == (200, "none")
    done = routes.run("up")
    assert done.code == 1, done
    docker("restart", "-t", "1", f"{routes.name}-proxy")
    time.sleep(1)
    assert routes.get("/robots.txt") == (200, "none"), "a broken edit must not keep nginx from starting"

    snippet.write_text("location = /robots.txt { return 200 'some'; }\n")
    routes.ok("up")
    assert routes.get("/robots.txt") == (200, "some"), "up applies a changed snippet"


@pytest.mark.long
def test_the_first_file_is_tested_as_every_other_and_a_mended_snippet_is_taken(routes: Project) -> None:
    snippet = routes.folder / "snippets" / "own.conf"
    snippet.write_text("location = /robots.txt { retrun 200 'none'; }\n")
    done = routes.run("up")
    assert (done.code, 'unknown directive "retrun"' in done.err) == (1, True), done
    assert not (routes.state / "nginx" / "nginx.conf").exists(), "no file that nginx has not accepted is written"
    snippet.write_text("location = /robots.txt { return 200 'none'; }\n")
    routes.ok("up")
    assert routes.get("/robots.txt") == (200, "none")

    # and when the state is lost while nginx is down
    docker("stop", "-t", "1", f"{routes.name}-proxy")
    shutil.rmtree(routes.state)
    snippet.write_text("retrun;\n")
    done = routes.run("up")
    assert (done.code, 'unknown directive "retrun"' in done.err) == (1, True), done
    snippet.write_text("location = /robots.txt { return 200 'some'; }\n")
    routes.ok("up")
    assert routes.get("/robots.txt") == (200, "some")


def test_a_websocket_goes_through(shop: Project) -> None:
    import asyncio

    from tests.support.load import _echo

    shop.ok("up")
    found = asyncio.run(_echo(shop.port, 3, 0.01))
    assert (found["color"], found["echo"]) == ("blue", "2")


def test_an_nginx_without_keepalive_min_timeout_is_refused(lean: Project, tmp_path: Path) -> None:
    """The image says so itself; a stand-in for an old one, since the distribution of today has none."""
    (tmp_path / "nginx").write_text("#!/bin/sh\necho nginx version: nginx/1.26.3 >&2\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {images()['PYTHON_IMAGE']}\nCOPY --chmod=755 nginx /usr/local/bin/nginx\n".replace("--chmod=755 ", "")
        + "RUN chmod 755 /usr/local/bin/nginx\n"
    )
    docker("build", "-q", "-t", "bluegreen-test/old-nginx", str(tmp_path))
    done = lean.run("up", PROXY_IMAGE="bluegreen-test/old-nginx")
    assert done.code == 1
    assert "nginx 1.26.3 is too old." in done.err
    assert "keepalive_min_timeout" in done.err
    assert "next      set x-bluegreen.proxy.image" in done.err
    assert lean.containers("bluegreen.role=proxy") == []
    docker("rmi", "bluegreen-test/old-nginx")


def test_the_proxy_has_no_more_rights_than_it_needs(lean: Project) -> None:
    lean.ok("up")
    found = json.loads(docker("inspect", f"{lean.name}-proxy"))[0]
    host = found["HostConfig"]
    assert found["Config"]["User"] not in ("", "0", "root", "0:0")
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["RestartPolicy"]["Name"] == "always"
    assert {binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings} == {"127.0.0.1"}


def test_the_probe_socket_reaches_replicas_only(lean: Project) -> None:
    lean.ok("up")
    for address, expected in (("127.0.0.1", b" 403 "), ("8.8.8.8", b" 403 ")):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(lean.state / "run" / "probe.sock"))
            connection.sendall(f"GET /probe/{address}/80/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert expected in connection.recv(100)


SILENCES = """
import socket, threading, time
def serve(port, act):
    s = socket.socket(); s.bind(("", port)); s.listen(9)
    def run():
        while True:
            c, _ = s.accept(); c.recv(9999); act(c); c.close()
    threading.Thread(target=run).start()
serve(9001, lambda c: None)
serve(9002, lambda c: time.sleep(3))
serve(9003, lambda c: c.sendall(bytes([21, 3, 3, 0, 2, 2, 70])))
serve(9004, lambda c: c.sendall(b"+PONG\\r\\n"))
serve(9005, lambda c: c.sendall(b"HTTP/1.1 302 Found\\r\\nLocation: /there\\r\\nContent-Length: 0\\r\\n\\r\\n"))
"""


def test_why_a_health_port_gives_no_answer(lean: Project) -> None:
    lean.ok("up")
    name = f"{lean.name}-blue-web-1"
    docker("exec", "-d", name, "python3", "-c", SILENCES)
    network = f'{{{{(index .NetworkSettings.Networks "{lean.name}_bluegreen").IPAddress}}}}'
    address = docker("inspect", "--format", network, name).strip()
    time.sleep(1)
    policy = Health(request_timeout=1.0)
    found = {port: probe(str(lean.state / "run"), (address, port), None, policy, "/") for port in range(9000, 9006)}
    wanted = {
        9000: "refused the connection on port 9000", 9001: "closed the connection on port 9001 without an answer",
        9002: "did not answer within 1 s", 9003: "TLS", 9004: "not HTTP", 9005: "answered 302 to /there",
    }  # fmt: skip
    assert {port: words for port, words in wanted.items() if words not in str(found[port])} == {}, found


def test_the_proxy_starts_over_the_sockets_of_a_killed_one(lean: Project) -> None:
    lean.ok("up")
    for _ in range(2):
        docker("kill", f"{lean.name}-proxy")
        docker("start", f"{lean.name}-proxy")
    deadline = time.monotonic() + 10
    while lean.status()["drift"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert lean.color() == "blue"


def test_a_network_that_a_killed_command_left_half_made_is_made_whole(lean: Project) -> None:
    docker("network", "create", "--label", f"bluegreen.app={lean.name}", f"{lean.name}_bluegreen")
    lean.ok("up")
    assert lean.color() == "blue"
    pool = json.loads(docker("network", "inspect", f"{lean.name}_bluegreen"))[0]["IPAM"]["Config"][0]
    assert set(pool) >= {"Subnet", "IPRange", "Gateway"}
