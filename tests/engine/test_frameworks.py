"""What frameworks that believe a proxy make of a request: the visitor's address, scheme, host and port as they are,
with and without a trusted TLS proxy in front; and nothing that a visitor sends changes them.

The requests go through the real nginx; what arrives is read by each framework's own code, of the versions in
requirements-dev.lock. Express and Rails are not run: their rules are written down here from their documentation.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import django
import flask
import gunicorn.config
import gunicorn.http.parser
import gunicorn.http.wsgi
import pytest
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIRequest
from starlette.requests import Request
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from bluegreen.frontdoor.headers import BELIEVED, OURS
from tests.support.files import LEAN, SERVER
from tests.support.machine import docker
from tests.support.project import Project

Headers = Sequence[tuple[str, str]]
USUAL = {"http": 80, "https": 443}
VISITOR = "203.0.113.9"
UNTRUSTED = LEAN.replace("  proxy: {", '  proxy: {trust: ["192.0.2.1"], ')
TRUSTED = LEAN.replace("  proxy: {", '  proxy: {trust: ["127.0.0.1"], ')
# What a visitor may say of itself, in hope.
VALUES = {
    "For": "6.6.6.6",
    "Ip": "6.6.6.6",
    "Proto": "https",
    "Ssl": "on",
    "Protocol": "ssl",
    "Https": "on",
    "Scheme": "https",
    "Port": "6",
}
EVIL = {name: VALUES.get(name.title().rpartition("-")[2], "evil.example") for name in BELIEVED} | {
    "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "6.6.6.6",
    "X-Forwarded-Port": "6", "X_Forwarded_For": "6.6.6.6", "X_Forwarded_Proto": "https", "SCRIPT_NAME": "/evil",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """Whom an application believes to have before it. `below`: a prefix that it adds to its own addresses."""

    address: str
    scheme: str
    host: str
    port: int
    below: str = ""


# -- frameworks, run


def _starlette(trusted: str) -> Callable[[Headers, str], Seen]:
    """Starlette on Uvicorn with --proxy-headers and --forwarded-allow-ips; `{proxy}` stands for our address."""

    def seen(headers: Headers, proxy: str) -> Seen:
        found: list[Seen] = []

        async def app(scope: Any, _: Any, __: Any) -> None:
            request = Request(scope)
            assert request.client
            url = request.url
            port = url.port or USUAL[url.scheme]
            found.append(Seen(request.client.host, url.scheme, url.hostname or "", port, request.scope["root_path"]))

        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
            "root_path": "", "scheme": "http", "client": (proxy, 40000), "server": ("172.20.0.16", 8000),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        }  # fmt: skip
        middleware = ProxyHeadersMiddleware(app, trusted_hosts=trusted.format(proxy=proxy))
        asyncio.run(middleware(scope, None, None))  # type: ignore[arg-type]  # nothing is received or sent
        return found[0]

    return seen


def _environ(headers: Headers, proxy: str) -> dict[str, Any]:
    """What Gunicorn makes of a request, with --forwarded-allow-ips."""
    config = gunicorn.config.Config()
    config.set("forwarded_allow_ips", proxy)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers if name.lower() != "connection")
    raw = f"GET / HTTP/1.1\r\n{head}\r\n".encode("latin-1")
    request = next(gunicorn.http.parser.RequestParser(config, iter([raw]), (proxy, 40000)))
    _, environ = gunicorn.http.wsgi.create(request, None, (proxy, 40000), ("172.20.0.16", 8000), config)
    return dict(environ)


def _gunicorn(headers: Headers, proxy: str) -> Seen:
    environ = _environ(headers, proxy)
    host, port = _split(environ["HTTP_HOST"], environ["wsgi.url_scheme"])
    return Seen(environ["HTTP_X_REAL_IP"], environ["wsgi.url_scheme"], host, port, environ["SCRIPT_NAME"])


def _django(headers: Headers, proxy: str) -> Seen:
    """With the three settings for a proxy; the address as its users read it, from either end of the list."""
    if not django_settings.configured:
        django_settings.configure(
            USE_X_FORWARDED_HOST=True, USE_X_FORWARDED_PORT=True, ALLOWED_HOSTS=["*"], USE_TZ=True,
            SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        )  # fmt: skip
        django.setup()
    request = WSGIRequest(_environ(headers, proxy))
    chain = request.META["HTTP_X_FORWARDED_FOR"].split(",")
    assert chain[0] == chain[-1]
    host, _ = _split(request.get_host(), request.scheme)
    return Seen(chain[0], request.scheme, host, int(request.get_port()), request.META["SCRIPT_NAME"])


def _flask(headers: Headers, proxy: str) -> Seen:
    """With ProxyFix, which is told that one proxy stands in front; as many as there are."""
    found: list[Seen] = []
    app = flask.Flask("app")

    @app.get("/")
    def index() -> str:
        host, port = _split(flask.request.host, flask.request.scheme)
        address = flask.request.remote_addr or ""
        found.append(Seen(address, flask.request.scheme, host, port, flask.request.script_root))
        return ""

    fixed = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
    list(fixed(_environ(headers, proxy), lambda *_: lambda _: None))
    return found[0]


# -- frameworks, by their documentation


def _express(trust: Any) -> Callable[[Headers, str], Seen]:
    """`trust proxy`: true, a number, or networks. Source: "Express behind proxies", and req.hostname, req.protocol of
    its API: the first of X-Forwarded-Host and of X-Forwarded-Proto; the address is the first of X-Forwarded-For, the
    one so many hops away, or the nearest that is in none of the networks."""

    def seen(headers: Headers, proxy: str) -> Seen:
        said = _joined(headers)
        chain = [proxy, *reversed(_list(said["x-forwarded-for"]))]
        if trust is True:
            address = chain[-1]
        elif isinstance(trust, int):
            address = chain[min(trust, len(chain) - 1)]
        else:
            address = next((it for it in chain if not _within(it, trust)), chain[-1])
        scheme = _list(said["x-forwarded-proto"])[0]
        host, port = _split(_list(said.get("x-forwarded-host", said["host"]))[0], scheme)
        return Seen(address, scheme, host, port)

    return seen


PRIVATE = ("127.0.0.0/8", "::1/128", "fc00::/7", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def _rails(headers: Headers, proxy: str) -> Seen:
    """Source: ActionDispatch::RemoteIp (TRUSTED_PROXIES, GetIp#calculate_ip, the check for spoofing) and Rack::Request
    (scheme, forwarded_priority, x_forwarded_proto_priority, host and port)."""
    said = _joined(headers)
    assert not said.get("client-ip"), "IpSpoofAttackError where the two differ"
    assert not said.get("forwarded"), "it would come before all X-Forwarded-*"
    chain = _list(said["x-forwarded-for"])
    address = next((it for it in reversed([*chain, proxy]) if not _within(it, PRIVATE)), chain[0])
    secure = [said.get("x-forwarded-ssl") == "on", said.get("x-forwarded-scheme") == "https"]
    scheme = "https" if any(secure) else _list(said["x-forwarded-proto"])[-1]
    host, port = _split(_list(said["x-forwarded-host"])[-1], scheme)
    return Seen(address, scheme, host, int(_list(said.get("x-forwarded-port", str(port)))[-1]))


FRAMEWORKS: Mapping[str, Callable[[Headers, str], Seen]] = {
    "Starlette on Uvicorn, trusting our address": _starlette("{proxy}"),
    "Starlette on Uvicorn, trusting everybody": _starlette("*"),
    "Gunicorn": _gunicorn,
    "Django on Gunicorn": _django,
    "Flask on Gunicorn, with ProxyFix": _flask,
    "Express (modelled), trust proxy true": _express(True),
    "Express (modelled), trust proxy 1": _express(1),
    "Express (modelled), trust proxy uniquelocal": _express(PRIVATE),
    "Rails (modelled)": _rails,
}


# -- what comes through


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("frameworks") / "project", UNTRUSTED)
    (project.folder / "server.py").write_text(SERVER)
    try:
        project.ok("up")
        yield project
    finally:
        project.clean()


def _arrives(project: Project, host: str, sent: Mapping[str, str]) -> Headers:
    """The headers that the application gets, in their order."""
    lines = ["GET /headers HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in sent.items())]
    with socket.create_connection(("127.0.0.1", project.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert " 200 " in head.splitlines()[0], head
    return [(name, value) for name, value in json.loads(body)]


def _address(project: Project, network: str, field: str) -> str:
    template = f'{{{{(index .NetworkSettings.Networks "{project.name}{network}").{field}}}}}'
    return docker("inspect", "-f", template, f"{project.name}-proxy").strip()


def _differing(headers: Headers, proxy: str, expected: Seen) -> dict[str, Seen]:
    seen = {name: framework(headers, proxy) for name, framework in FRAMEWORKS.items()}
    return {name: found for name, found in seen.items() if found != expected}


def test_without_a_proxy_in_front_a_visitor_is_what_it_is(app: Project) -> None:
    """This machine is the visitor: nginx sees it at the gateway of its network."""
    proxy, here = _address(app, "_bluegreen", "IPAddress"), _address(app, "_bluegreen_public", "Gateway")
    for sent in ({}, EVIL, {name: value.replace("6.6.6.6", "127.0.0.1") for name, value in EVIL.items()}):
        headers = _arrives(app, f"shop.example:{app.port}", sent)
        assert _differing(headers, proxy, Seen(here, "http", "shop.example", app.port)) == {}, sent


# What proxies in front say: nginx by the usual four lines, Caddy and Traefik by theirs, a load balancer with ports.
FRONT: Mapping[str, tuple[str, Mapping[str, str], Seen]] = {
    "nginx": (
        "shop.example", {"X-Real-IP": VISITOR, "X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "https"},
        Seen(VISITOR, "https", "shop.example", 443),
    ),
    "nginx, and a visitor who sent X-Forwarded-For": (
        "shop.example", {"X-Forwarded-For": f"6.6.6.6, 10.0.0.1, {VISITOR}", "X-Forwarded-Proto": "https"},
        Seen(VISITOR, "https", "shop.example", 443),
    ),
    "Caddy, on another port": (
        "shop.example:8443",
        {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example:8443"},
        Seen(VISITOR, "https", "shop.example", 8443),
    ),
    "Traefik": (
        "shop.example", {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example",
                         "X-Forwarded-Port": "443", "X-Forwarded-Server": "t", "X-Real-IP": VISITOR},
        Seen(VISITOR, "https", "shop.example", 443),
    ),
    "without TLS": (
        "shop.example", {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "http"},
        Seen(VISITOR, "http", "shop.example", 80),
    ),
    "a visitor by IPv6, with its port": (
        "shop.example", {"X-Forwarded-For": "[2001:db8::9]:50000", "X-Forwarded-Proto": "https"},
        Seen("2001:db8::9", "https", "shop.example", 443),
    ),
    "two in a row, both trusted": (
        "shop.example", {"X-Forwarded-For": f"6.6.6.6, {VISITOR}, 127.0.0.1", "X-Forwarded-Proto": "https, http",
                         "X-Forwarded-Host": "shop.example, inner.example", "X-Forwarded-Port": "443, 80"},
        Seen(VISITOR, "https", "shop.example", 443),
    ),
}  # fmt: skip


def test_behind_a_trusted_proxy_a_visitor_is_what_that_proxy_says(app: Project) -> None:
    app.write(TRUSTED)
    app.ok("up")
    proxy = _address(app, "_bluegreen", "IPAddress")
    for name, (host, sent, expected) in FRONT.items():
        underscored = {name.replace("-", "_"): value for name, value in EVIL.items() if "-" in name}
        for more in ({}, underscored):
            assert _differing(_arrives(app, host, {**sent, **more}), proxy, expected) == {}, name


def test_the_table_notices_a_header_of_a_visitor() -> None:
    """Without nginx between them, every framework is deceived."""
    said = {"Host": "shop.example", **dict.fromkeys((name for name, _ in OURS if name.startswith("X-")), ""), **EVIL}
    for name in ("Forwarded", "Client-IP", "X_Forwarded_For", "X_Forwarded_Proto", "SCRIPT_NAME"):
        del said[name]
    found = _differing(list(said.items()), "172.20.0.2", Seen("172.20.0.1", "http", "shop.example", 80))
    assert set(found) == set(FRAMEWORKS)
    assert {it.address for it in found.values()} == {"6.6.6.6"}
    assert {it.scheme for it in found.values()} == {"https"}


# -- small parts


def _joined(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        known = found.get(name.lower())
        found[name.lower()] = f"{known}, {value}" if known is not None else value
    return found


def _list(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _within(address: str, networks: Sequence[str]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(network) for network in networks)


def _split(host: str, scheme: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
    return name, int(port) if port else USUAL[scheme]
