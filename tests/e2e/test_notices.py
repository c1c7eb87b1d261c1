"""Notices of a real app: they come when everything is decided, by the quick way back, too."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.e2e.test_flip_back_is_quick import AT_RENAME, OURS
from tests.support.files import LEAN, SERVER
from tests.support.project import Project
from tests.support.webhook import Webhook, webhook

NOTIFYING = LEAN.replace("  drain: 2s\n", '  drain: 0s\n  notify: ["${HOOK:-}"]\n')


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


@pytest.fixture
def notified(make_project: Make, hook: Webhook) -> Project:
    project = make_project(NOTIFYING)
    (project.folder / "server.py").write_text(SERVER)
    project.variables["HOOK"] = hook.url
    return project


def test_switched_failed_and_flipped_back_arrive(notified: Project, hook: Webhook, tmp_path: Path) -> None:
    project = notified
    said = [project.ok("up"), project.ok("switch", "--json", GREETING="two")]
    failed = project.run("switch", BEHAVIOUR="sick", HEALTH_TIMEOUT="1s")
    assert failed.code == 1, failed
    report = tmp_path / "modules"
    done = subprocess.run(
        [sys.executable, "-c", AT_RENAME, str(report), "flip-back"], cwd=project.folder, env=project.environment({}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done
    loaded = {name for name in report.read_text().splitlines() if name.startswith("bluegreen")}
    assert loaded == OURS, "nothing is loaded for a notice before traffic has moved"
    assert hook.events == ["switched", "switched", "failed", "flipped-back"]
    assert hook.got[2]["error"]["code"] == "not-healthy"
    assert hook.got[3]["text"].endswith(": flipped back: blue (release 1) is live. green (release 2) was left.")
    texts = [text for one in (*said, failed) for text in (one.out, one.err)] + [done.stdout, done.stderr]
    files = [path.read_bytes().decode("latin-1") for path in project.state.rglob("*") if path.is_file()]
    assert not any("canary-hook" in text for text in (*texts, *files))


@pytest.mark.long
def test_a_dead_webhook_costs_three_seconds_and_a_warning(notified: Project) -> None:
    project = notified
    project.ok("up")
    project.ok("switch", GREETING="two")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        dead = f"http://127.0.0.1:{silent.getsockname()[1]}/canary-hook"
        back = project.run("flip-back", "--json", HOOK=dead)
        print(f"flip-back with a dead webhook: {back.seconds:.2f} s")
        assert back.code == 0, back
        found = back.json()
        assert found["outcome"] == "flipped-back"
        assert found["warnings"] == ["Notice 1 of 1 was not sent: it did not answer within 3 s."]
        moved = sum(it["seconds"] for it in found["steps"] if it["phase"] != "settle")
        print(f"traffic moved after {moved * 1000:.0f} ms")
        assert moved < 1.0
        assert back.seconds < 8.0
        assert project.color() == "blue"
        assert "canary" not in back.out + back.err
    unset = project.ok("flip-back", HOOK="")
    assert "Warning: No notice was sent: notify has no URL here (is its variable set?)." in unset.out + unset.err
