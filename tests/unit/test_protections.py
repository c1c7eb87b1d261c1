"""Protections beside the main road: each was once taken out on purpose, and no test noticed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.retention import bring_back
from bluegreen.frontdoor import route
from bluegreen.frontdoor.files import Files
from bluegreen.state import folder, holder, lock
from bluegreen.state.database import Database
from tests.fakes.app import App, Cut

# Holds the lock and does not react to SIGTERM, as a command does from cutover on.
STUBBORN = """
import os, signal, sys, time
sys.path[:0] = sys.argv[3:]
from bluegreen.state import holder
signal.signal(signal.SIGTERM, signal.SIG_IGN)
descriptor = holder.take(sys.argv[1])
holder.write(descriptor, holder.me("switch", "now") | {"phase": sys.argv[2]})
print("held", flush=True)
time.sleep(30)
"""


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a process that holds the lock in a phase, and does not end by itself."""
    monkeypatch.setattr(lock, "TOLD_GRACE", 0.15)
    monkeypatch.setattr(lock, "SAFE_GRACE", 0.2)
    started: list[subprocess.Popen[str]] = []

    def start(phase: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN, str(tmp_path), phase, *sys.path], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _now(state: Path) -> None:
    with lock.locked(state, "flip-back", "now", lock.Held(end=True)):
        pass


def test_now_kills_one_that_still_prepares_and_does_not_listen(
    stubborn: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = stubborn("prepare")
    _now(tmp_path)
    assert process.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("phase", ["cutover", "settle"])
def test_now_never_kills_one_that_moves_traffic(
    stubborn: Callable[[str], subprocess.Popen[str]], tmp_path: Path, phase: str
) -> None:
    process = stubborn(phase)
    with pytest.raises(BluegreenError) as error:
        _now(tmp_path)
    assert error.value.exit_code == ExitCode.LOCKED
    time.sleep(0.1)
    assert process.poll() is None, "it goes on"
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state != "T", "and is not left stopped"


def test_a_process_id_that_was_used_again_is_left_alone(tmp_path: Path) -> None:
    """The lock is held by one process, and its text names another that came later under the id of a former one."""
    with subprocess.Popen(["sleep", "30"]) as other:
        (tmp_path / "lock").write_text(
            json.dumps({"verb": "switch", "pid": other.pid, "started": "1", "phase": "prepare"})
        )
        with (tmp_path / "lock").open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(BluegreenError):
                _now(tmp_path)
        assert other.poll() is None
        other.kill()


def test_what_must_outlive_a_power_cut_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and folder, before and after the rename: an fsync left out is noticed."""
    order: list[str] = []
    replace, rename, fsync = os.replace, os.rename, os.fsync

    def synced(descriptor: int) -> None:
        order.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def renamed(source: str, target: str, real: Callable[[str, str], None] = rename) -> None:
        order.append(f"rename {Path(target).name}")
        real(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda source, target: renamed(source, target, replace))
    monkeypatch.setattr(os, "rename", renamed)
    nginx = tmp_path / "nginx"
    nginx.mkdir()
    Files(str(nginx)).write("text")
    assert order == ["fsync .nginx.conf.new", "rename nginx.conf", "fsync nginx"]
    order.clear()
    route.turn(str(nginx), "blue")
    assert order[-2:] == ["rename live", "fsync route"]
    assert order[:2] == ["fsync blue", "fsync green"], "the visitors' names, when they were made"
    order.clear()
    folder.write(str(tmp_path), "shop", "/srv/shop", [])
    assert order == ["fsync .project.json.new", "rename project.json", f"fsync {tmp_path.name}"]


def test_files_that_nginx_reads_may_be_read_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        nginx = tmp_path / "nginx"
        nginx.mkdir()
        Files(str(nginx)).write("text")
        route.turn(str(nginx), "green")
    finally:
        os.umask(before)
    assert (nginx / "nginx.conf").stat().st_mode & 0o777 == 0o644
    for path in ("route", "route/none", "route/green", "route/green/green"):
        assert (nginx / path).stat().st_mode & 0o777 == 0o755, path


def test_the_lock_and_the_project_file_are_nobody_elses_to_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        descriptor = holder.take(str(tmp_path))
        folder.write(str(tmp_path), "shop", "/srv/shop", [])
    finally:
        os.umask(before)
    assert descriptor is not None
    os.close(descriptor)
    for name in ("lock", folder.PROJECT):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name


def test_back_over_an_irreversible_migration_only_with_force(tmp_path: Path) -> None:
    app = App(tmp_path)
    tools = app.tools(Cut())
    app.run("up")
    app.content = "two"
    app.run("switch")
    tools.journal.runs.end(tools.journal.runs.start(2, "migrate", "schema"), "done", 0)
    stack = app.stack()
    assert bring_back(tools, stack, 1, lambda _: "", False).release == 1, "a reversible one is no reason"
    database = Database(str(tmp_path), lambda: "now", lambda _: None)
    (services,) = database.execute("select services from releases where number = 2").fetchone()
    changed = json.dumps(json.loads(services) | {"reversible": False})
    database.execute("update releases set services = ? where number = 2", (changed,))
    with pytest.raises(BluegreenError, match="cannot run on the data that release 2 has migrated"):
        bring_back(tools, stack, 1, lambda _: "", False)
    assert bring_back(tools, stack, 1, lambda _: "", True).release == 1


def test_down_with_volumes_leaves_external_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from bluegreen.flow.down import down
    from tests.fakes.machine import FakeEngine

    gone: list[str] = []
    monkeypatch.setattr(FakeEngine, "remove_volume", lambda _, name: gone.append(name))
    monkeypatch.setattr(FakeEngine, "remove_network", lambda _, name: gone.append(name))
    app = App(tmp_path)
    app.run("up")
    stack = replace(
        app.stack(), volumes={"data": {"name": "shop_data"}, "theirs": {"name": "theirs", "external": True}},
        networks={"back": {"name": "shop_back"}, "outside": {"name": "outside", "external": True}},
    )  # fmt: skip
    down(app.tools(Cut()), stack, volumes=False)
    assert gone == ["shop_back"]
    gone.clear()
    down(app.tools(Cut()), stack, volumes=True)
    assert gone == ["shop_back", "shop_data"]
