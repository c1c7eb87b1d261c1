"""Closed for maintenance: by one rename, for everybody but who is let in, and whatever else happens meanwhile."""

from __future__ import annotations

import http.client
import ipaddress
import json
import subprocess
import time

import pytest

from bluegreen.frontdoor import closed, control
from tests.support.load import Load
from tests.support.project import Project


def _ask(project: Project, path: str = "/", method: str = "GET") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=10)
    try:
        connection.request(method, path, body=b"x" if method == "POST" else None)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body
    finally:
        connection.close()


def test_visitors_get_the_page_until_it_is_opened_again(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    generation = (control.ask(str(lean.state / "run")) or {})["generation"]
    done = lean.ok("maintenance", "on", "--message", "Back at <b>noon</b>.", "--retry-after", "4m")
    assert done.seconds < 2.0, done
    assert "To open it: bluegreen maintenance off" in done.out
    for path, method in (("/", "GET"), ("/anything", "POST"), ("/bluegreen-closed.html", "GET"), ("/x", "HEAD")):
        status, headers, body = _ask(lean, path, method)
        assert (status, headers.get("retry-after"), headers["content-type"]) == (
            (404, None, headers["content-type"]) if "closed.html" in path else (503, "300", "text/html; charset=utf-8")
        ), (path, status, headers)
        assert "closed.html" in path or method == "HEAD" or "Back at &lt;b&gt;noon&lt;/b&gt;." in body
    assert json.loads(lean.get("/", preview=True)[1])["color"] == "blue", "the preview stays open"
    assert (control.ask(str(lean.state / "run")) or {})["generation"] == generation, "no reload"
    shut = lean.status()["closed"]
    assert (shut["message"], shut["retry_after"], shut["allow"]) == ("Back at <b>noon</b>.", 300, [])
    assert "closed      since" in lean.run("status").out

    lean.write("no: [compose")  # a broken Compose file is no reason to stay closed, or open
    assert "is closed since" in lean.ok("maintenance").out
    assert "Visitors get 503 (maintenance)" in lean.ok("flip-back").err
    assert _ask(lean)[0] == 503, "the other color is closed as well"
    subprocess.run(["docker", "restart", "-t", "1", f"{lean.name}-proxy"], check=True, capture_output=True)
    deadline = time.monotonic() + 20
    while control.ask(str(lean.state / "run")) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _ask(lean)[0] == 503, "also after a restart of nginx"
    assert lean.ok("maintenance", "off", "--json").json()["closed"] is None
    assert _ask(lean)[0] == 200
    assert lean.status()["closed"] is None
    assert len(list((lean.state / "nginx" / "route").glob("closed-*"))) == 1


def test_who_is_let_in_gets_the_app(lean: Project) -> None:
    lean.ok("up")
    seen = dict(json.loads(lean.get("/headers")[1]))["x-real-ip"]  # as nginx sees this machine
    network = str(ipaddress.ip_network(f"{seen}/15", strict=False))
    for allow, status in (
        (seen, 200),
        (network, 200),
        ("203.0.113.7", 503),
        ("0.0.0.0/5", 503 if int(seen.split(".")[0]) > 7 else 200),
    ):
        lean.ok("maintenance", "on", "--allow", allow, "--allow", "2001:db8::1")
        assert _ask(lean)[0] == status, allow
        if status == 200:
            assert _ask(lean, "/x", "POST")[0] in (200, 501), "the app's own answer"
    refused = lean.run("maintenance", "on", "--allow", "everybody")
    assert refused.code == 2
    assert "--allow" in refused.err
    assert lean.run("maintenance", "on", "--allow", "2001:db8::/32").code == 2
    page = lean.folder / "page.html"
    page.write_text("<h1>Own page</h1>")
    lean.ok("maintenance", "on", "--page", "page.html")
    assert _ask(lean)[2] == "<h1>Own page</h1>"
    lean.ok("maintenance", "off")


@pytest.mark.long
def test_a_release_goes_on_behind_the_closed_door(lean: Project) -> None:
    lean.ok("up")
    lean.ok("maintenance", "on")
    done = lean.ok("switch", GREETING="two")
    assert "Visitors get 503 (maintenance)" in done.err
    assert (_ask(lean)[0], lean.live()) == (503, "green")
    lean.ok("maintenance", "off")
    assert lean.color() == "green"


def test_opening_and_closing_under_load_loses_nothing(lean: Project) -> None:
    """Every request gets an answer: the app's, or the page."""
    lean.ok("up")
    with Load(lean.port, {"get": 20, "fresh": 4}) as load:
        time.sleep(0.3)
        for _ in range(5):
            lean.ok("maintenance", "on")
            lean.ok("maintenance", "off")
        nginx = str(lean.state / "nginx")  # much quicker than a person: each moment of a request is hit
        for number in range(300):
            closed.close(nginx, b"shut", (), 10, {})
            time.sleep(number % 17 / 4000)
            closed.reopen(nginx)
            time.sleep(number % 13 / 4000)
        time.sleep(0.3)
    strange = [it for it in load.tally.lost if "503" not in str(it)]
    assert strange == [], load.tally.why()
    assert not [it for it in load.tally.lost if "shut" not in str(it) and "doctype" not in str(it)], load.tally.why()
    assert load.tally.answers


def test_before_the_first_up_it_says_what_to_type(lean: Project) -> None:
    refused = lean.run("maintenance", "on")
    assert refused.code == 1
    assert "next      bluegreen up" in refused.err
