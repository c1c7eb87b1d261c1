"""`check`: may I release this? Each thing that stands against it is made to be so, and found."""

from __future__ import annotations

import re
import socket

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import docker
from tests.support.project import Project

Found = list[tuple[str, str, str]]
WATCHED = (("ps", "-a"), ("network", "ls"), ("volume", "ls"))


def _findings(project: Project, code: int, **more: str) -> Found:
    done = project.run("check", "--json", **more)
    assert done.code == code, done
    found = done.json()
    assert found["ready"] == (code == 0)
    assert all(it["expected"] and it["why"] and it["fix"] for it in found["findings"] if it["outcome"] == "failed")
    return [(it["name"], it["outcome"], it["found"]) for it in found["findings"]]


def _said(found: Found, outcome: str, words: str) -> bool:
    return any(it[1] == outcome and words in it[2] for it in found)


def _engine(project: Project) -> list[str]:
    return sorted(line for what in WATCHED for line in docker(*what, "-q", "--filter", f"name={project.name}").split())


@pytest.mark.long
def test_an_app_that_may_be_released_is_told_so_and_nothing_is_changed(lean: Project) -> None:
    before = _engine(lean)
    first = _findings(lean, 0)
    assert ("health", "unknown", "no release is live yet") in first
    assert not lean.state.exists()
    assert _engine(lean) == before
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    lean.ok("expect", "--record", "GET", "/health")
    files = sorted((str(path), path.stat().st_mode) for path in lean.folder.rglob("*"))
    before = _engine(lean)
    found = _findings(lean, 0, GREETING="three")
    assert _engine(lean) == before
    assert sorted((str(path), path.stat().st_mode) for path in lean.folder.rglob("*")) == files
    assert _said(found, "ok", "1 replica of green passed the health check")
    assert _said(found, "ok", "the live release matches 1 recorded answer")
    assert {name for name, _, _ in found} == {
        "settings", "versions", "permissions", "disk", "image", "ports", "health", "expected", "way back", "retry-safe",
        "volumes", "state", "listen", "nginx's image",
    }  # fmt: skip
    words = next(words for name, _, words in found if name == "way back")
    estimate = float(re.findall(r"traffic moves in about ([0-9.]+) s", words)[0])
    moved = re.findall(r"traffic moved after ([0-9.]+) ms", lean.ok("flip-back").out)
    assert abs(float(moved[0]) / 1000 - estimate) < 1.0
    text = lean.ok("check").out
    assert "Ready to release." in text
    assert "  prepare  traffic does not move; exit 1; safe to retry\n           (image, aside, create, start," in text
    assert "  cutover  traffic is moved back" in text


@pytest.mark.long
def test_what_stands_against_a_release_is_found_before_it(make_project: Make) -> None:
    project = make_project(
        LEAN.replace("  drain: 2s\n", "  drain: 0s\n  jobs: [worker]\n").replace(
            "    volumes: [", '    user: "4711"\n    volumes: ["./data:/data", '
        ).replace('proxy: {image: "', 'proxy: {include: snippets, image: "')
        + """  worker:
    profiles: [release]
    image: ${WORKER_IMAGE:-${PYTHON_IMAGE}}
    command: [sleep, "600"]
    stop_grace_period: 0s
  cache: {image: "${PYTHON_IMAGE}", command: [sleep, "600"], stop_grace_period: 0s, restart: unless-stopped}
"""
    )  # fmt: skip
    (project.folder / "data").mkdir()
    (project.folder / "snippets").mkdir()
    (project.folder / "alembic.ini").touch()
    project.ok("up")
    found = _findings(project, 1)
    assert _said(found, "failed", "web runs as user 4711, which cannot write to"), found
    assert _said(found, "warning", "worker gets 0 s to stop"), found
    assert _said(found, "warning", "cache has restart: unless-stopped"), found
    assert _said(found, "warning", "Alembic (alembic.ini)"), found
    assert _said(found, "warning", "both colors write to"), found
    assert _said(found, "warning", "no release that has had traffic is kept there"), found
    (project.folder / "data").chmod(0o777)
    assert _said(_findings(project, 0), "ok", "web can write to")

    (project.folder / "snippets" / "mine.conf").write_text("proxy_next_upstream error non_idempotent; # as I like it\n")
    assert _said(_findings(project, 1), "failed", "mine.conf lets nginx repeat a POST")
    refused = project.run("switch", GREETING="two")
    assert refused.code == 1, refused
    assert "nginx could send a POST twice." in refused.err
    (project.folder / "snippets" / "mine.conf").write_text("# proxy_next_upstream error non_idempotent;\n")
    assert "worker gets 0 s to stop" in project.ok("switch", GREETING="two").err, "the cheap half, by itself"

    missing = _findings(project, 1, WORKER_IMAGE="127.0.0.1:9/nobody/nothing:1")
    assert _said(missing, "failed", "127.0.0.1:9/nobody/nothing:1 is not on this machine and cannot be pulled"), missing
    project.ok("expect", "--record", "GET", "/")
    recorded = project.folder / "expected.yaml"
    recorded.write_text(recorded.read_text().replace("two", "three"))
    assert _said(_findings(project, 1), "failed", 'GET /: json.greeting is "two", expected "three"')
    recorded.unlink()
    project.state.chmod(0o755)
    assert _said(_findings(project, 1), "failed", "has mode 755")
    project.ok("flip-back")
    assert project.state.stat().st_mode & 0o777 == 0o700, "a verb that acts mends it"
    docker("stop", "-t", "0", f"{project.name}-blue-web-1")
    assert _said(_findings(project, 1), "failed", "GET /health of web-1 on blue cannot be reached")
    assert project.status()["live"]["color"] == "blue"


@pytest.mark.long
def test_a_port_that_somebody_holds_and_a_broken_block_stand_against_the_first_up(lean: Project) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", lean.port))
        holder.listen()
        assert _said(_findings(lean, 1), "failed", "is held by a process outside Docker")
    lean.write(LEAN.replace("  drain: 2s\n", "  drain: two\n"))
    broken = lean.run("check", "--json")
    assert broken.code == 2, broken
    assert "x-bluegreen.drain" in broken.json()["error"]["lines"][0]
