"""A release under real traffic: a bad one is gone before many are hurt, and what only looks bad is not taken back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.support.machine import THOROUGH, images
from tests.support.project import Done, Project
from tests.support.second_engine import second_engine
from tests.support.visitors import Visitors

SERVER = """
import json, os, random, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

env = os.environ
COLOR = {"color": env["BLUEGREEN_COLOR"], "release": env["BLUEGREEN_RELEASE"]}
FAILING, SECONDS, COLD = float(env["FAILING"]), float(env["SECONDS"]), float(env["COLD"])
BEGAN = time.monotonic()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        path = self.path.partition("?")[0]
        health = path == "/health"
        if not health:
            time.sleep(random.expovariate(1 / SECONDS) * (20 if time.monotonic() - BEGAN < COLD else 1))
            if os.path.exists(f"/srv/shared/wedged-{COLOR['color']}"):
                time.sleep(600)
        elif os.path.exists(f"/srv/shared/wedged-{COLOR['color']}"):
            time.sleep(600)
        broken = "/srv/shared/broken"
        shared = float(open(broken).read() or 0.2) if os.path.exists(broken) else 0.0
        chance = FAILING if self.headers.get("X-Bluegreen-Again") is None or env["REPEATS"] == "yes" else 0.0
        bad = not health and (path == "/always" or random.random() < max(chance, shared))
        if path == "/missing":
            return self.say(404)
        if path == "/new-only" and FAILING == 0 and env["BROKEN_PATH"] == "yes":
            bad = True
        self.say(500 if bad else 200)

    def say(self, status):
        body = json.dumps(COLOR).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

Server(("", 8000), Handler).serve_forever()
"""
COMPOSE = """
name: ${SHOP_NAME}
x-bluegreen:
  service: web
  port: 8000
  health: {path: /health, interval: 100ms, successes: 2, timeout: 20s, request_timeout: 1s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 1s
  proxy: {image: "${NGINX_IMAGE}", trust: ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]}
services:
  web:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    init: true
    command: [python3, /srv/watched.py]
    environment:
      FAILING: "${FAILING:-0}"
      SECONDS: "${SECONDS:-0.005}"
      COLD: "${COLD:-0}"
      REPEATS: "${REPEATS:-yes}"
      BROKEN_PATH: "${BROKEN_PATH:-no}"
      NUMBER: "${NUMBER:-0}"
    volumes: ["./watched.py:/srv/watched.py:ro", "./shared:/srv/shared:ro"]
    stop_grace_period: 0s
"""
ASKING = """
import http.client, sys, time
port, rate, seconds = map(int, sys.argv[1:])
ends, number = time.monotonic() + seconds, 0
while time.monotonic() < ends:
    number += 1
    try:
        visitor = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"X-Forwarded-For": f"203.0.113.{number % 20 + 1}", "Host": "localhost"}
        visitor.request("GET", ("/", "/about", "/items/7")[number % 3], headers=headers)
        visitor.getresponse().read()
    finally:
        visitor.close()
    time.sleep(1 / rate)
"""
GOOD = int(os.environ.get("GOOD_RELEASES", "200" if THOROUGH else "2"))
PATHS = ("/", "/items/1", "/items/2", "POST /orders", "/about")


@pytest.fixture
def watched(make_project: Make) -> Project:
    project = make_project(COMPOSE)
    (project.folder / "watched.py").write_text(SERVER)
    (project.folder / "shared").mkdir()
    project.ok("up")
    return project


def switch(project: Project, watch: str = "8s", **release: str) -> Done:
    return project.run("switch", "--watch", watch, "--json", **release)


def taken_back(done: Done) -> dict[str, str]:
    assert done.code == 4, str(done)
    error = done.json()["error"]
    assert error["code"] == "release-taken-back", error
    assert error["traffic"] == "blue (moved back, confirmed)", error
    return dict(error)


@pytest.mark.parametrize(
    ("failing", "most", "seconds"),
    [("1", 12, 2.0), ("0.2", 14, 2.5), pytest.param("0.05", 30, 8.0, marks=pytest.mark.long)],
)
def test_a_release_that_fails_is_gone_before_many_are_hurt(
    watched: Project, failing: str, most: int, seconds: float
) -> None:
    with Visitors(watched.port, 50, PATHS, people=20) as visitors:
        time.sleep(6)
        done = switch(watched, "30s", FAILING=failing)
        time.sleep(1)
    error = taken_back(done)
    lost = visitors.failed()
    print(f"\n{failing} failing: {len(lost)} hurt of {len(visitors.answers)}, within "
          f"{max(it.ended for it in lost) - min(it.ended for it in lost):.2f} s; {error['failed']}")  # fmt: skip
    assert lost
    assert len(lost) <= most, error
    assert max(it.ended for it in lost) - min(it.ended for it in lost) <= seconds
    assert all(it.status == 500 for it in lost), "nothing was lost but what the release itself failed at"
    assert len([line for line in error["lines"] if line.split()[3] == "500"]) >= min(3, len(lost))
    assert watched.color() == "blue"
    assert watched.status()["drift"] is None


def test_a_release_that_is_three_times_as_slow_is_taken_back(watched: Project) -> None:
    with Visitors(watched.port, 50, PATHS, people=20) as visitors:
        time.sleep(8)
        done = switch(watched, "30s", SECONDS="0.15")
        time.sleep(0.5)
    error = taken_back(done)
    print(f"\nslow: {error['failed']}")
    assert "p95" in error["failed"]
    assert visitors.failed() == []


def test_what_both_releases_do_is_nobodys_fault(watched: Project) -> None:
    with Visitors(watched.port, 50, PATHS, people=20):
        time.sleep(3)
        threading.Timer(3, (watched.folder / "shared" / "broken").touch).start()  # after traffic has moved
        done = switch(watched, "8s", NUMBER="2")
    assert done.code == 0, str(done)
    watch = next(it for it in done.json()["steps"] if it["step"] == "watch")
    print(f"\nshared: {watch['detail']}")
    assert "too" in watch["detail"]
    (watched.folder / "shared" / "broken").unlink()
    assert watched.color() == "green"


@pytest.mark.long
def test_visitors_who_stayed_clear_a_release_of_what_cannot_be_asked_again(watched: Project) -> None:
    """POSTs fail with both. Half of the visitors stay until the verdict; then everybody gets the new release."""
    watched.write(COMPOSE.replace("drain: 1s", "drain: 1s\n  watch: {for: 20s, control: 50%}"))
    with Visitors(watched.port, 100, ("POST /orders",), people=100) as visitors:
        time.sleep(3)
        threading.Timer(4, lambda: (watched.folder / "shared" / "broken").write_text("0.05")).start()
        done = watched.run("switch", "--watch", "20s", "--json", NUMBER="2")
        ended = time.monotonic()
        time.sleep(2)
    assert done.code == 0, str(done)
    verdict = next(it for it in done.json()["steps"] if it["step"] == "verdict")
    print(f"\nbeside: {verdict['detail']}")
    assert "POST /orders fails for visitors still on release 1, too" in verdict["detail"]
    assert [it["step"] for it in done.json()["steps"] if it["phase"] == "cutover"] == [
        "share", "confirm", "verdict", "route", "confirm",
    ]  # fmt: skip
    assert {it.color for it in visitors.answers if it.status == 200 and it.sent > ended} == {"green"}
    assert {it.status for it in visitors.answers} == {200, 500}


@pytest.mark.long
def test_a_log_that_is_rotated_meanwhile_hides_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", COMPOSE)
    (project.folder / "watched.py").write_text(SERVER)
    (project.folder / "shared").mkdir()
    small = {"log-driver": "json-file", "log-opts": {"max-size": "30k", "max-file": "3"}}
    with second_engine(project.folder, [images()["PYTHON_IMAGE"], images()["NGINX_IMAGE"]], small) as second:
        project.variables |= {"DOCKER_HOST": second.host, "BLUEGREEN_STATE_FOLDER": str(project.folder / "state")}
        project.ok("up")
        inside = ["nsenter", f"--net=/run/netns/{second.namespace}", sys.executable, "-c", ASKING]
        for failing, code in (("0", 0), ("0.2", 4)):
            with subprocess.Popen([*inside, str(project.port), "60", "30"]) as visitors:
                time.sleep(4)
                done = switch(project, "12s", FAILING=failing, NUMBER=failing)
                visitors.terminate()
            said = [it["detail"] for it in done.json()["steps"] if it["step"] == "watch"]
            print(f"\nrotated, {failing} failing: {said}")
            assert done.code == code, str(done)
        rotated = list(Path(second.host.removeprefix("unix://")).parents[1].glob("data/containers/*/*-json.log.1"))
        assert rotated, "the log was never rotated"
        project.ok("down", "--yes")


@pytest.mark.long
def test_one_visitor_at_a_url_that_was_always_broken_is_no_reason(watched: Project) -> None:
    with Visitors(watched.port, 30, PATHS, people=20), Visitors(watched.port, 20, ("/always",), seed=2):
        time.sleep(2)
        done = switch(watched, "6s", NUMBER="2")
    assert done.code == 0, str(done)


def test_nobody_there_is_an_answer(watched: Project) -> None:
    done = switch(watched, "2s", NUMBER="2")
    assert done.code == 0, str(done)
    watch = next(it for it in done.json()["steps"] if it["step"] == "watch")
    assert watch["detail"].startswith("too few requests to tell"), watch


@pytest.mark.long
def test_a_cold_cache_and_a_crawler_are_no_reason(watched: Project) -> None:
    with Visitors(watched.port, 40, PATHS, people=20), Visitors(watched.port, 20, ("/missing", "/missing?a"), seed=3):
        time.sleep(4)
        done = switch(watched, "8s", COLD="4")
    assert done.code == 0, str(done)
    assert watched.color() == "green"


@pytest.mark.long
def test_a_release_that_answers_nothing_any_more_is_taken_back(watched: Project) -> None:
    with Visitors(watched.port, 20, PATHS, people=20):
        time.sleep(2)
        (watched.folder / "shared" / "wedged-green").unlink(missing_ok=True)
        threading.Timer(4, (watched.folder / "shared" / "wedged-green").touch).start()
        done = switch(watched, "25s", NUMBER="2")
        (watched.folder / "shared" / "wedged-green").unlink(missing_ok=True)
    error = taken_back(done)
    assert "healthy" in error["failed"], error


@pytest.mark.long
@pytest.mark.timeout(7200 if THOROUGH else 300)
def test_good_releases_stay(watched: Project) -> None:
    """Mixed traffic: some requests fail with every release, a crawler, one who tries a broken address, POSTs."""
    watched.ok("switch", FAILING="0.01", NUMBER="begin")
    back = 0
    with (
        Visitors(watched.port, 30, PATHS, people=30) as visitors,
        Visitors(watched.port, 5, ("/missing", "/missing?page=2"), seed=5),
        Visitors(watched.port, 2, ("/always", "/", "/about"), seed=6),
    ):
        time.sleep(6)
        for number in range(GOOD):
            done = switch(watched, "4s", FAILING="0.01", NUMBER=str(number))
            back += done.code != 0
            if done.code:
                print(f"\nrelease {number}: {done.json()['error']}")
        last = len(visitors.answers)
    print(f"\n{GOOD} good releases, {back} taken back; {last} requests, {len(visitors.failed())} failed as they should")
    assert back == 0
