"""Recent requests of visitors, asked of both colors before anybody is hurt."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import Make
from tests.support.files import LEAN, SERVER
from tests.support.project import Project

# Items, of which some lose a key in a release with LESS; what varies by itself; a page behind a log-in; a stream that
# does not end in time. Each request is noted in the container's log.
PAGES = """        import datetime, uuid
        print("asked", "GET", self.path, self.headers.get("X-Bluegreen-Again", "-"),
              self.headers.get("X-Forwarded-Proto", "-"), f"{time.time():.3f}", flush=True)
        if self.path.startswith("/api/items"):
            number = int(self.path.rpartition("/")[2])
            found = {"id": number, "name": "tea", "price": 3.5, "at": datetime.datetime.now().isoformat(),
                     "token": str(uuid.uuid4()), "luck": random.random(), "dice": random.choice("abcdef"), **COLOR}
            if os.environ.get("LESS") and number % 4 == 0:
                del found["price"]
            return self.answer(200, json.dumps(found).encode())
        if self.path.startswith("/account"):
            if not self.headers.get("Cookie"):
                return self.answer(401, b'{"error": "log in"}')
            return self.answer(200, b'{"name": "Ada"}')
        if self.path.startswith("/old") and os.environ.get("LESS"):
            return self.answer(500, b"oh")
        if self.path.startswith("/slow"):
            time.sleep(7)
"""
NOTING = SERVER.replace("    def do_GET(self):\n", f"    def do_GET(self):\n{PAGES}", 1).replace(
    "    def do_POST(self):\n", '    def do_POST(self):\n        print("asked", self.command, flush=True)\n', 1
)
SHOWN = LEAN.replace('"${GREETING:-Hello}"}', '"${GREETING:-Hello}", LESS: "${LESS:-}"}').replace(
    "  drain: 2s\n  proxy: {", "  drain: 2s\n  compare: ${COMPARE:-{}}\n  proxy: {trust: [127.0.0.1], "
)


@pytest.fixture
def visited(make_project: Make) -> Project:
    """Release 1, live, after some visits."""
    project = make_project(SHOWN.replace("${COMPARE:-{}}", "{leave_out: [/private/]}"))
    (project.folder / "server.py").write_text(NOTING)
    project.ok("up")
    visit(project)
    return project


def visit(project: Project) -> None:
    asked = [("GET", f"/api/items/{number}") for number in range(1, 41)]
    asked += [("GET", "/old"), ("GET", "/account"), ("GET", "/private/list"), ("GET", "/x?token=canary-4713")]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", project.port, timeout=30)) as connection:
        for method, path in asked * 2 + [("POST", "/api/items/7"), ("DELETE", "/api/items/7")]:
            connection.request(method, path, headers={"Cookie": "session=1", "X-Forwarded-Proto": "https"})
            connection.getresponse().read()


def asked(project: Project, color: str) -> list[list[str]]:
    """The requests that a color has got from us: method, path, header of ours, scheme, time."""
    return [line for line in _asked(project, color) if len(line) > 2 and line[2] == "1"]


def _asked(project: Project, color: str) -> Iterator[list[str]]:
    name = f"{project.name}-{color}-web-1"
    done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
    yield from (line.split()[1:] for line in done.stdout.splitlines() if line.startswith("asked"))


def test_what_a_release_answers_otherwise_is_shown_before_traffic_moves(visited: Project) -> None:
    project = visited
    switched = project.ok("switch", "--compare", "50", "--json", LESS="1")
    (step,) = [it for it in switched.json()["steps"] if it["step"] == "compare"]
    assert (step["phase"], step["outcome"]) == ("prepare", "done")
    assert step["detail"].startswith("41 GETs of 2 routes compared, 11 differ"), step
    assert 'Note: GET /api/items/*: 10 of 40 lack "price"' in switched.err, switched.err
    assert "Note: GET /old: 1 of 1 answers 500 instead of 200" in switched.err
    assert "GET /account (401)" in switched.err
    assert "canary" not in switched.err + switched.out
    for word in ("luck", "dice", "token", "at", "color"):
        assert f'"{word}"' not in switched.err, "what varies by itself, and who answers, is no difference"
    both = {color: asked(project, color) for color in ("blue", "green")}
    assert (len(both["blue"]), len(both["green"])) == (84, 42), "live is asked twice"
    assert not any(line[0] != "GET" for color in both for line in _asked(project, color) if color == "green")
    assert not any(line[1].startswith(("/private", "/x")) for lines in both.values() for line in lines)
    assert {line[3] for lines in both.values() for line in lines} == {"https"}, "as the visitors came"
    times = sorted(float(line[4]) for line in both["blue"])
    rate = (len(times) - 1) / (times[-1] - times[0])
    print(f"rate of requests to the live color: {rate:.1f} a second")
    assert rate < 22
    assert project.color() == "green"

    found = project.ok("compare", "-n", "50", "--json").json()
    assert (found["standing"], found["idle"]["release"], found["live"]["release"]) == ("previous", 1, 2)
    (items,) = [it for it in found["routes"] if it["route"] == "GET /api/items/*"]
    assert [(it["kind"], it["where"], it["count"]) for it in items["differences"]] == [("added", "price", 10)]
    assert found["not_reached"] == {"GET /account": "401"}
    assert found["left_out"]["no GET"] == 2
    said = project.ok("compare", "-n", "50").out
    print(said)
    assert 'GET /api/items/*: 10 of 40 also have "price"' in said
    assert "(the previous release)" in said


@pytest.mark.long
def test_a_gate_stops_a_switch_only_when_the_settings_ask_for_it(visited: Project) -> None:
    project = visited
    project.write(SHOWN.replace("${COMPARE:-{}}", "{fail: 1%, leave_out: [/private/]}"))
    stopped = project.run("switch", LESS="1")
    assert stopped.code == 1, stopped
    assert "green answers recent requests in another way than blue." in stopped.err
    assert "expected  at most 1% (x-bluegreen.compare.fail)" in stopped.err
    assert '  | GET /api/items/*: 10 of 40 lack "price"' in stopped.err
    assert "traffic   blue, release 1 (unchanged)" in stopped.err
    print(stopped.err)
    assert project.color() == "blue"
    assert "  compare  " in project.ok("switch", "--dry-run").out
    project.ok("switch", "--force")
    assert project.color() == "green", "the same answers pass"
    project.ok("switch", "--compare", "0", LESS="1")
    assert project.color() == "blue"


@pytest.mark.long
def test_a_prepared_release_is_compared_and_slow_answers_cost_bounded_time(visited: Project) -> None:
    project = visited
    assert project.run("compare").code == 1, "there is one release"
    for number in range(3):
        project.get(f"/slow/{number}")
    project.ok("prepare", LESS="1")
    found = project.ok("compare", "--json").json()
    assert found["standing"] == "prepared"
    assert [it["differences"][0]["words"] for it in found["routes"] if it["differences"]] == [
        'lack "price"', "answers 500 instead of 200",
    ]  # fmt: skip
    assert "GET /slow/*" in found["not_reached"]
    assert project.color() == "blue"
