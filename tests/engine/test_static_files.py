"""Files that nginx serves itself, and pages of the release before: what is served, refused, and kept after a switch."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import socket

import pytest

from tests.conftest import Make
from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Project

SERVER = """
import gzip, json, os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

name = os.environ["GREETING"]
static = pathlib.Path("/app/static")
(static / "deep").mkdir(parents=True)
(static / f"app.{name}.js").write_text("// " + name + " " * 2000)
(static / "same.css").write_text("/* " + name + " */")
(static / "deep" / "a b.txt").write_text("deep " + name)
(static / "packed.js").write_text("plain")
(static / "packed.js.gz").write_bytes(gzip.compress(b"packed " + name.encode()))
(static / "packed.js.br").write_bytes(b"not really br " + name.encode())
(static / ".env").write_text("SECRET")
(static / "deep" / ".git").mkdir()
(static / "deep" / ".git" / "config").write_text("SECRET")
(static / "passwd.txt").symlink_to("/etc/passwd")
(static / "up.txt").symlink_to("../../etc/passwd")
(static / "link.js").symlink_to(f"app.{name}.js")
os.mkfifo(static / "pipe.txt")
media = pathlib.Path("/media")
(media / "photo.svg").write_text("<svg/>")
(media / "secret.txt").unlink(missing_ok=True)
(media / "secret.txt").symlink_to("/etc/passwd")

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        mine = self.path.startswith("/assets/") and name not in self.path
        body = json.dumps({"color": os.environ["BLUEGREEN_COLOR"], "greeting": name, "path": self.path}).encode()
        self.send_response(404 if mine else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_): pass

ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
COMPOSE = """
name: ${SHOP_NAME}
x-bluegreen:
  service: web
  port: 8000
  health: {path: /, interval: 100ms, successes: 1, timeout: 20s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 0s
  files:
    /static/: {service: web, path: /app/static}
    /media/: {volume: media}
  assets: [/assets/]
  proxy: {image: "${NGINX_IMAGE}"}
services:
  web:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    init: true
    command: [python3, /srv/static.py]
    environment: {GREETING: "${GREETING:-one}"}
    volumes: ["./static.py:/srv/static.py:ro", "media:/media"]
    stop_grace_period: 1s
volumes: {media: {}}
"""


@pytest.fixture
def site(make_project: Make) -> Project:
    project = make_project(COMPOSE)
    (project.folder / "static.py").write_text(SERVER)
    return project


def _ask(project: Project, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=10)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _of_app(found: tuple[int, dict[str, str], bytes]) -> bool:
    """Whether the application answered, and not nginx with a file."""
    return b'"greeting"' in found[2]


def test_files_of_a_release_are_served_by_nginx(site: Project) -> None:
    site.ok("up")
    status, headers, body = _ask(site, "/static/app.one.js")
    assert (status, body[:6]) == (200, b"// one")
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert _ask(site, "/static/app.one.js", If_None_Match=headers["etag"])[0] == 304
    status, headers, body = _ask(site, "/static/app.one.js", Range="bytes=3-5")
    assert (status, body, headers["content-range"]) == (206, b"one", "bytes 3-5/2006")
    status, headers, body = _ask(site, "/static/app.one.js", Accept_Encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body)[:6] == b"// one"
    status, headers, body = _ask(site, "/static/packed.js", Accept_Encoding="gzip, deflate")
    assert gzip.decompress(body) == b"packed one", "the file beside it"
    status, headers, body = _ask(site, "/static/packed.js", Accept_Encoding="gzip, br;q=0.9")
    assert (headers["content-encoding"], headers["content-type"]) == ("br", "text/javascript; charset=utf-8")
    assert body == b"not really br one"
    assert _ask(site, "/static/packed.js")[2] == b"plain"
    assert _ask(site, "/static/packed.js", Accept_Encoding="br;q=0")[2] == b"plain"
    assert _ask(site, "/static/deep/a%20b.txt")[2] == b"deep one"
    assert _ask(site, "/static/link.js")[2][:6] == b"// one", "a link to a file of the same folder is one"
    assert _ask(site, "/media/photo.svg")[1]["content-type"] == "image/svg+xml; charset=utf-8"
    assert _ask(site, "/static/nothing.js")[0] == 200, "the application answers what is no file"
    assert _of_app(_ask(site, "/static/nothing.js"))
    assert _of_app(_ask(site, "/static/"))
    assert _of_app(_ask(site, "/static"))
    assert _of_app(_ask(site, "/media/nothing"))


def test_what_must_not_be_served_is_not(site: Project) -> None:
    site.ok("up")
    for path in (
        "/static/.env", "/static/deep/.git/config", "/static/%2eenv", "/static//.env", "/media/.x",
        "/static/passwd.txt", "/static/up.txt", "/static/pipe.txt", "/media/secret.txt",
        "/static/../../etc/passwd", "/static/..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/deep/../../../../../../etc/passwd", "/media/../../etc/passwd",
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", site.port), 10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert b"SECRET" not in answer, path
        assert b"root:" not in answer, path
    kept = site.state / "nginx" / "files" / "1" / "static"
    names = sorted(str(path.relative_to(kept)) for path in kept.rglob("*"))
    packed = ["packed.js", "packed.js.br", "packed.js.gz"]
    assert names == ["app.one.js", "deep", "deep/a b.txt", "link.js", *packed, "same.css"]


def test_a_page_of_the_release_before_gets_its_files_and_assets(site: Project) -> None:
    site.ok("up")
    assert _ask(site, "/assets/chunk.two.js")[0] == 404, "nobody has it yet"
    with Load(site.port, {"get": 6}) as load:
        site.ok("switch", GREETING="two")
        for path in ("/static/app.one.js", "/static/app.two.js"):
            assert _ask(site, path)[2].startswith(b"// "), path
        load.stop()
    assert load.tally.lost == [], load.tally.why()
    assert _ask(site, "/static/same.css")[2] == b"/* two */", "live first"
    assert json.loads(_ask(site, "/assets/chunk.two.js")[2])["greeting"] == "two"
    status, _, body = _ask(site, "/assets/chunk.one.js")
    assert (status, json.loads(body)["greeting"]) == (200, "one"), "a lazy chunk of the page of before"
    status, _, body = _ask(site, "/assets/chunk.three.js")
    assert (status, json.loads(body)["greeting"]) == (404, "one")
    assert _ask(site, "/assets/chunk.one.js", "POST")[0] == 404, "only what can be asked twice is"
    docker("stop", "-t", "1", f"{site.name}-blue-web-1")
    assert _ask(site, "/assets/chunk.one.js")[0] == 404, "a color that is stopped has none"
    assert _ask(site, "/static/app.one.js")[2].startswith(b"// one"), "files stay"
    docker("rm", "-f", f"{site.name}-blue-web-1")
    assert _ask(site, "/static/app.one.js")[2].startswith(b"// one")

    site.ok("switch", GREETING="three")
    assert _of_app(_ask(site, "/static/app.one.js")), "of the two releases that there are"
    assert _ask(site, "/static/app.two.js")[2].startswith(b"// two")
    site.ok("flip-back")
    assert _ask(site, "/static/same.css")[2] == b"/* two */"
    assert _ask(site, "/static/app.three.js")[2].startswith(b"// three"), "the one that was left"
    assert sorted(path.name for path in (site.state / "nginx" / "files").iterdir()) == ["1", "2", "3"]


@pytest.mark.long
def test_files_that_are_gone_are_taken_again_and_missing_ones_stop_the_release(site: Project) -> None:
    site.ok("up")
    shutil.rmtree(site.state / "nginx" / "files" / "1")
    assert _of_app(_ask(site, "/static/same.css"))
    assert "files" in site.ok("up").out
    assert _ask(site, "/static/same.css")[2] == b"/* one */"
    site.write(COMPOSE.replace("path: /app/static", "path: /app/other"))
    failed = site.run("switch")
    assert (failed.code, "web has no folder /app/other" in failed.err) == (1, True), failed
    assert _ask(site, "/static/same.css")[2] == b"/* one */"
    for wrong, words in (
        ("/static/: {service: web}", "service and path, or volume"),
        ("/static/: {service: wbe, path: /x}", "did you mean web?"),
        ("/static/: {volume: medai}", "medai is no volume of the Compose file"),
        ("/: {service: web, path: /x}", "a prefix below it"),
    ):
        site.write(COMPOSE.replace("/static/: {service: web, path: /app/static}", wrong))
        failed = site.run("switch")
        assert (failed.code, words in failed.err) == (2, True), (wrong, failed)
