"""Where nginx itself has to answer: a page, JSON for who asks for it, or the person's own; with the request's id."""

from __future__ import annotations

import http.client
import json

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import docker
from tests.support.project import Project

WITH_PAGES = LEAN.replace("  drain: 2s\n", "  drain: 0s\n").replace("proxy: {", "proxy: {error_pages: pages, ")
OWN = "<!doctype html><title>Ours</title><h1>$host is resting</h1>{request_id} and again {request_id}\n"


def _ask(project: Project, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=10)
    try:
        connection.request(method, "/any?x=1", body=b"x" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type") or "", answer.read().decode()
    finally:
        connection.close()


@pytest.fixture
def silent(make_project: Make) -> Project:
    """An app with a page of its own for 502, whose one container is stopped."""
    project = make_project(WITH_PAGES)
    (project.folder / "pages").mkdir()
    (project.folder / "pages" / "502.html").write_text(OWN)
    project.ok("up")
    return project


def test_the_persons_own_page_ours_and_json(silent: Project) -> None:
    assert _ask(silent)[0] == 200
    docker("stop", "-t", "1", f"{silent.name}-blue-web-1")
    for method in ("GET", "POST", "PUT", "DELETE"):
        status, kind, body = _ask(silent, method, Accept="text/html,application/xhtml+xml,*/*;q=0.8")
        assert status in (502, 504), (method, body)
        assert kind == "text/html; charset=utf-8"
        if status == 502:
            identity = body.partition("resting</h1>")[2].split()[0]
            assert body == OWN.replace("{request_id}", identity), "as it was written, but for the id"
            assert len(identity) == 32
        else:
            assert "Temporarily unavailable" in body
    for accept in ("application/json", "application/problem+json", "application/vnd.api+json; q=1"):
        status, kind, body = _ask(silent, Accept=accept)
        found = json.loads(body)
        assert (kind, found["status"], len(found["request_id"])) == ("application/json", status, 32), accept
        assert found["error"]
    status, kind, body = _ask(silent, Accept="text/html, application/json")
    assert kind.startswith("text/html")
    for path in ("/bluegreen-502.html", "/bluegreen-502.json"):
        assert silent.get(path)[0] in (404, 502, 504), "nobody asks for it by its name"

    (silent.folder / "pages" / "502.html").unlink()
    failed = silent.run("switch", "--force")
    assert (failed.code, "has none of 502.html, 503.html, 504.html" in failed.err) == (1, True), failed


def test_a_page_for_where_there_is_nothing_yet(make_project: Make) -> None:
    project = make_project(WITH_PAGES)
    (project.folder / "pages").mkdir()
    (project.folder / "pages" / "503.html").write_text("ours")
    project.ok("up")
    assert "ours" in project.get("/", preview=True)[1], "there is nothing behind the preview"
