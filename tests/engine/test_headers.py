"""What a visitor says of itself, and what a service is told of it: nobody but a trusted proxy may say where a request
comes from, and a person's own header takes none of ours away. Through the real nginx."""

from __future__ import annotations

import json
import socket

import pytest

from bluegreen.frontdoor.headers import BELIEVED
from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.project import Project

TRUSTING = LEAN.replace("  proxy: {", '  proxy: {include: snippets, trust: ["${TRUST:-192.0.2.1}"], ')
# A spelling of each that is not the one of the list, and values that frameworks act upon.
SPOOFED = {name.upper(): "https" if "PROTO" in name.upper() else "on" for name in BELIEVED}


@pytest.fixture
def project(make_project: Make) -> Project:
    found = make_project(TRUSTING)
    (found.folder / "snippets" / "http").mkdir(parents=True)
    return found


def _raw(project: Project, *lines: str, preview: bool = False) -> tuple[str, str]:
    """(head, body) of the answer to a request that is sent as it stands."""
    port = project.preview_port if preview else project.port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    return head, body


def _told(project: Project, *lines: str) -> dict[str, str]:
    """The headers that the service got."""
    head, body = _raw(project, *lines)
    assert " 200 " in head.splitlines()[0], head
    return dict(json.loads(body))


def test_nobody_says_where_a_request_comes_from(project: Project) -> None:
    project.ok("up")
    sent = [f"{name}: {value}" for name, value in SPOOFED.items()]
    found = _told(project, "GET /headers HTTP/1.1", "Host: shop", *sent, "X-Mine: kept")
    assert {name.lower() for name in BELIEVED} & set(found) == set()
    assert found["x-mine"] == "kept"
    assert found["x-forwarded-proto"] == "http"

    # an upgrade to HTTP/2 would take what follows past every rule; WebSockets go through (test_proxy.py)
    for protocol in ("h2c", "H2C", "h2c, websocket", "TLS/1.3"):
        wanted = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAMAAABkAAQAAP__")
        found = _told(project, "GET /headers HTTP/1.1", "Host: shop", *wanted)
        assert not {"upgrade", "http2-settings"} & set(found), protocol

    # one host for a request, and one where the client names none
    assert _told(project, "GET http://other.example:81/headers HTTP/1.1", "Host: shop")["host"] == "other.example:81"
    found = _told(project, "GET /headers HTTP/1.0")
    assert (found["host"], found["x-forwarded-host"]) == ("localhost", "localhost")

    # what an application's own server would act upon is an answer like any other
    for name, value in (("X-Accel-Redirect", "/headers"), ("X-Accel-Limit-Rate", "1"), ("x-accel-charset", "koi8-r")):
        head, body = _raw(project, f"GET /say/{name}/{value} HTTP/1.1", "Host: shop")
        assert body == "said", name
        assert f"{name}: {value}".lower() in head.lower()


def test_a_trusted_proxy_is_believed_in_every_spelling(project: Project) -> None:
    project.variables["TRUST"] = "0.0.0.0/0"
    project.ok("up")
    sent = [f"{name}: {value}" for name, value in SPOOFED.items()]
    found = _told(project, "GET /headers HTTP/1.1", "Host: shop", *sent)
    assert {name.lower() for name in BELIEVED} <= set(found)
    for said, scheme, port in (
        ("https", "https", "443"), ("HTTPS", "https", "443"), ("wss", "https", "443"), ("https,http", "https", "443"),
        ("ws", "http", "80"), (" http ,https", "http", "80"), ("gopher", "http", str(project.port)),
    ):  # fmt: skip
        found = _told(project, "GET /headers HTTP/1.1", "Host: shop", f"X-Forwarded-Proto: {said}")
        assert (found["x-forwarded-proto"], found["x-forwarded-port"]) == (scheme, port), said
    found = _told(project, "GET /headers HTTP/1.1", "Host: shop", "X-Forwarded-Proto: https", "X-Forwarded-Port: 8443")
    assert found["x-forwarded-port"] == "8443"
    # of several proxies, the word of the one that the visitor met; and the port in the host, if no proxy says one
    for host, forwarded, port, told in (
        ("shop", "a.example, b.example", "444, 80", ("a.example", "444")), ("shop:8443", "", "", ("shop:8443", "8443")),
        ("shop", "a.example:8443", "", ("a.example:8443", "8443")), ("[::1]", "[::2]", "no", ("[::2]", "443")),
    ):  # fmt: skip
        more = [f"X-Forwarded-Host: {forwarded}"] if forwarded else []
        more += [f"X-Forwarded-Port: {port}"] if port else []
        found = _told(project, "GET /headers HTTP/1.1", f"Host: {host}", "X-Forwarded-Proto: https", *more)
        assert (found["x-forwarded-host"], found["x-forwarded-port"]) == told, (host, more)


@pytest.mark.parametrize("where", ["own.conf", "http/own.conf"])
def test_a_persons_own_header_is_added_to_ours(project: Project, where: str) -> None:
    (project.folder / "snippets" / where).write_text(
        'proxy_set_header X-Tenant "acme; inc"; # proxy_set_header Host evil;\nproxy_set_header X-Request-ID fixed;\n'
    )
    project.ok("up")
    found = _told(project, "GET /headers HTTP/1.1", "Host: shop:81", "X-Forwarded-For: 1.2.3.4")
    assert found["x-tenant"] == "acme; inc"
    assert found["x-request-id"] == "fixed", "what a person sets takes the place of the same header of ours"
    assert found["host"] == "shop:81"
    assert "1.2.3.4" not in found["x-forwarded-for"]
    assert found["x-real-ip"] == found["x-forwarded-for"]
    assert project.ok("status", "--json").json()["live"]["replicas"]["web"]["healthy"] == 1
