"""Faults of the machine and of people, made to happen on the real Engine under load: what is lost, what is said.

Each test asserts that its fault did happen, prints its figure, and ends with a command that works again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.files import LEAN
from tests.support.load import Load, Tally
from tests.support.machine import docker
from tests.support.project import Done, Project
from tests.support.relay import Relay

MIX = {"get": 12, "fresh": 3}


@pytest.fixture
def two(lean: Project) -> Project:
    """Blue idle, green live with another greeting."""
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    lean.variables["GREETING"] = "two"
    return lean


@contextlib.contextmanager
def under_load(project: Project) -> Iterator[Tally]:
    with Load(project.port, MIX) as load:
        time.sleep(0.3)
        yield load.tally
        time.sleep(0.3)


def _figure(tally: Tally) -> str:
    words = f"{len(tally.lost)} lost of {len(tally.lost) + len(tally.answers)}"
    print(f"\n{words}: {tally.why()}")
    return words


def _nothing_lost(tally: Tally) -> None:
    _figure(tally)
    assert tally.lost == [], tally.why()
    assert len(tally.answers) > 20


def _refused(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done
    for word in words:
        assert word in done.err, (word, done)
    assert "\n  next " in done.err, done
    assert "\n  traffic " in done.err, done


def _pid(container: str) -> int:
    return int(docker("inspect", "-f", "{{.State.Pid}}", container))


def _until(true: Callable[[], bool], seconds: float = 15.0) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - began


# -- the proxy and its files


def test_proxy_killed(two: Project) -> None:
    proxy = f"{two.name}-proxy"
    with under_load(two) as tally:
        os.kill(before := _pid(proxy), signal.SIGKILL)
        gone = _until(lambda: _pid(proxy) not in (0, before) and two.answers())
    print(f"\nback after {gone:.2f} s")
    _figure(tally)
    assert tally.lost, "the fault was felt"
    assert gone < 5
    assert two.color() == "green", "the color that was live, with nothing typed"
    two.ok("flip-back")


@pytest.mark.long
def test_configuration_folder_deleted(two: Project) -> None:
    with under_load(two) as tally:
        shutil.rmtree(two.state / "nginx")
        status = two.status()
        _refused(two.run("flip-back"), 1, "The state folder is gone", "next      bluegreen up")
    _nothing_lost(tally)
    assert status["live"]["color"] == "green"
    assert status["drift"] == "nginx's file is missing, or bluegreen did not write it"
    assert "its folders in the state folder are gone" in two.ok("up", "--dry-run").out
    with under_load(two) as tally:
        done = two.ok("up")
    assert "restarted" in done.err, done
    _figure(tally)
    assert two.status()["drift"] is None
    two.ok("flip-back")
    assert two.color() == "blue"


def test_state_folder_deleted(two: Project) -> None:
    with under_load(two) as tally:
        shutil.rmtree(two.state)
        status = two.status()
        assert not two.state.exists(), "a look leaves nothing behind"
        _refused(two.run("switch", GREETING="three"), 1, "The state folder is gone", "next      bluegreen up")
    _nothing_lost(tally)
    assert (status["live"]["color"], status["live"]["release"]) == ("green", 2)
    assert (status["idle"]["color"], status["idle"]["release"]) == ("blue", 1)
    assert status["live"]["replicas"] == {"web": {"wanted": 1, "running": 1, "healthy": 0}}, "nobody to probe through"
    with under_load(two) as tally:
        done = two.ok("up")
    _figure(tally)
    assert "restarted" in done.err, done
    after = two.status()
    assert (after["drift"], after["live"]["color"], after["flip_back"]) == (None, "green", "bluegreen flip-back")
    two.ok("flip-back")
    assert two.color() == "blue"
    two.ok("switch", GREETING="three")


@contextlib.contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A folder on a disk of its own that can be filled."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _fill(folder: Path) -> Path:
    file = folder / "filler"
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as full:
        while True:
            full.write(b"x" * 4096)
    with pytest.raises(OSError, match="No space left"):
        (folder / "one-more").write_bytes(b"x" * 4096)
    (folder / "one-more").unlink(missing_ok=True)
    return file


@pytest.mark.long
def test_configuration_folder_read_only(lean: Project) -> None:
    lean.state.mkdir(mode=0o700, parents=True)
    with _small_disk(lean.state / "nginx", "2m") as folder:
        lean.ok("up")
        lean.ok("switch", GREETING="two")
        with under_load(lean) as tally:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
            _refused(lean.run("flip-back"), 1, "The route cannot be renamed.", "Read-only file system")
            _refused(lean.run("switch", GREETING="three"), 1, "Read-only file system")
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        _nothing_lost(tally)
        assert set(tally.colors()) == {"green"}
        lean.ok("switch", GREETING="three")
        lean.ok("down", "--yes")


def test_disk_full_while_the_upstream_file_is_written(lean: Project) -> None:
    lean.state.mkdir(mode=0o700, parents=True)
    with _small_disk(lean.state / "nginx", "256k") as folder:
        lean.ok("up")
        lean.ok("switch", GREETING="two")
        with under_load(lean) as tally:
            filler = _fill(folder)
            done = lean.ok("flip-back")
            assert "Warning: seal: nginx's file cannot be written. (No space left on device" in done.out, "a link fits"
            assert lean.color() == "blue"
            assert "nginx's file does not yet" in lean.status()["drift"]
            _refused(lean.run("switch", GREETING="three"), 1, "No space left on device")
            assert lean.color() == "blue"
            filler.unlink()
        _nothing_lost(tally)
        lean.ok("switch", GREETING="three")
        lean.ok("down", "--yes")


@pytest.mark.long
def test_disk_full_while_the_journal_is_written(lean: Project) -> None:
    with _small_disk(lean.state, "1m"), _small_disk(lean.state / "nginx", "2m"):
        lean.ok("up")
        lean.ok("switch", GREETING="two")
        with under_load(lean) as tally:
            filler = _fill(lean.state)
            done = lean.ok("flip-back")
        assert "so this run is not recorded; traffic does not depend on it." in done.err
        _nothing_lost(tally)
        assert lean.color() == "blue"
        filler.unlink()
        lean.ok("switch", GREETING="three")
        lean.ok("down", "--yes")


@pytest.mark.long
def test_somebody_elses_edit(two: Project) -> None:
    file = two.state / "nginx" / "nginx.conf"
    with under_load(two) as tally:
        file.write_text(file.read_text().replace("keepalive_timeout 75s;", "keepalive_timeout 5s;"))
        assert "nginx's file or a snippet was changed by hand" in two.status()["drift"]
        done = two.ok("up")
    _nothing_lost(tally)
    assert "render" in done.err
    assert "keepalive_timeout 75s;" in file.read_text()
    assert two.status()["drift"] is None
    file.write_text(file.read_text() + "# mine\n")
    done = two.ok("switch", GREETING="three")
    assert "undrift" in done.err, "a switch does not leave it either"


@pytest.mark.long
def test_a_users_include_is_broken(lean: Project) -> None:
    (lean.folder / "snippets").mkdir()
    snippet = lean.folder / "snippets" / "mine.conf"
    snippet.write_text("add_header X-Mine yes;\n")
    lean.write(LEAN.replace("  drain: 2s\n  proxy: {", "  drain: 2s\n  proxy: {include: snippets, "))
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    with under_load(lean) as tally:
        snippet.write_text("add_header X-Mine;\n")
        _refused(lean.run("switch", GREETING="three"), 1, "nginx refuses the new configuration", "add_header")
    _nothing_lost(tally)
    assert set(tally.colors()) == {"green"}
    docker("restart", "-t", "1", f"{lean.name}-proxy")
    _until(lambda: lean.answers())
    assert lean.color() == "green", "nginx starts with the snippets that it accepted before"


# -- the journal


@pytest.mark.long
def test_journal_corrupted(two: Project) -> None:
    journal = two.state / "journal.db"
    with under_load(two) as tally:
        for path in two.state.glob("journal.db*"):
            path.unlink()
        journal.write_bytes(os.urandom(64 * 1024))
        done = two.ok("flip-back")
    _nothing_lost(tally)
    assert "The journal was broken" in done.err
    assert "It is kept as journal-broken-" in done.err
    assert two.color() == "blue"
    assert len(list(two.state.glob("journal-broken-*.db"))) == 1


@pytest.mark.long
def test_journal_deleted(two: Project) -> None:
    with under_load(two) as tally:
        for path in two.state.glob("journal.db*"):
            path.unlink()
        two.ok("flip-back")
        two.ok("switch", GREETING="three")
    _nothing_lost(tally)
    assert two.status()["live"]["release"] == 3, "numbers go on from the labels"


@pytest.mark.long
def test_journal_of_a_newer_version(two: Project) -> None:
    with sqlite3.connect(two.state / "journal.db") as database:
        database.execute("pragma user_version = 99")
    database.close()
    with under_load(two) as tally:
        done = two.ok("flip-back")
    _nothing_lost(tally)
    assert "it is of a newer bluegreen (version 99)" in done.err
    assert two.color() == "blue"
    with sqlite3.connect(two.state / "journal.db") as database:
        assert database.execute("pragma user_version").fetchone()[0] == 99, "it is left alone"
    database.close()


# -- containers


@pytest.mark.long
def test_live_replica_out_of_memory(lean: Project) -> None:
    lean.write(LEAN.replace("    init: true\n", "    init: true\n    mem_limit: 64m\n    memswap_limit: 64m\n"))
    lean.variables["REPLICAS"] = "2"
    lean.ok("up")
    names = [f"{lean.name}-blue-web-{number}" for number in (1, 2)]

    def restarts() -> int:
        return sum(int(docker("inspect", "-f", "{{.RestartCount}}", name)) for name in names)

    with under_load(lean) as tally:
        status, _ = lean.get("/eat")  # nginx asks the other replica as well: both are killed, one after the other
        _until(lambda: restarts() >= 1)
        _until(lambda: lean.status()["live"]["replicas"]["web"]["healthy"] == 2)
    assert status in (502, 504), "the request that eats the memory is lost"
    _figure(tally)
    assert lean.status()["drift"] is None


@pytest.mark.long
def test_live_replica_wedged(lean: Project) -> None:
    """It accepts and never answers: a paused process. Of two replicas, one in two requests waits for read_timeout."""
    lean.variables["REPLICAS"] = "2"
    lean.write(LEAN.replace("  drain: 2s\n  proxy: {", "  drain: 2s\n  proxy: {read_timeout: 1s, "))
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    with under_load(lean) as tally:
        docker("pause", f"{lean.name}-green-web-1")
        time.sleep(2)
        status = lean.status()
        lean.ok("flip-back")
        docker("unpause", f"{lean.name}-green-web-1")
    assert status["live"]["replicas"]["web"]["healthy"] == 1
    _figure(tally)
    assert tally.lost == [], "a GET that got no answer in time is asked again of the other replica"
    assert max(answer.ended - answer.sent for answer in tally.answers) > 0.9, "the fault was felt"
    assert lean.color() == "blue"


@pytest.mark.long
def test_all_replicas_of_the_live_color_dead(two: Project) -> None:
    with under_load(two) as tally:
        docker("kill", f"{two.name}-green-web-1")
        _until(lambda: bool(tally.lost))
        status = two.status()
        two.ok("flip-back")
        flipped = time.monotonic()
        time.sleep(0.5)
    _figure(tally)
    assert status["live"]["replicas"]["web"]["running"] == 0
    assert status["flip_back"] == "bluegreen flip-back"
    assert [lost for lost in tally.lost if lost.sent > flipped] == [], "back as soon as it returned"


@pytest.mark.long
def test_idle_color_dead_at_flip_back(two: Project) -> None:
    docker("kill", f"{two.name}-blue-web-1")
    with under_load(two) as tally:
        _refused(two.run("flip-back"), 1, "blue is not healthy, so traffic stays.", "bluegreen up (starts it)")
        two.ok("up")
        two.ok("flip-back")
    _nothing_lost(tally)
    assert two.color() == "blue"


@pytest.mark.long
def test_container_removed_by_hand(two: Project) -> None:
    docker("rm", "-f", f"{two.name}-blue-web-1")
    with under_load(two) as tally:
        _refused(two.run("flip-back"), 1, "blue-web-1 is gone", "bluegreen switch (makes a new release)")
        two.ok("up")
        assert two.status()["idle"] is None, "a way back that is gone is none"
    _nothing_lost(tally)
    docker("rm", "-f", f"{two.name}-green-web-1")
    assert not two.answers()
    two.ok("up")
    assert two.color() == "green", "made again as it was"


@pytest.mark.long
def test_a_colors_network_disconnected(two: Project) -> None:
    name = f"{two.name}-green-web-1"
    with under_load(two) as tally:
        docker("network", "disconnect", f"{two.name}_bluegreen", name)
        _until(lambda: bool(tally.lost))
        done = two.ok("up")
        after = time.monotonic()
        time.sleep(0.5)
    _figure(tally)
    assert "connect" in done.err
    assert [lost for lost in tally.lost if lost.sent > after] == []
    assert two.color() == "green"
    docker("network", "disconnect", f"{two.name}_bluegreen", f"{two.name}-blue-web-1")
    _refused(two.run("flip-back"), 1, "is not on the app's network")


@pytest.mark.long
def test_the_image_deleted(two: Project) -> None:
    image = f"bgt-deleted/{two.name}"
    docker("tag", docker("inspect", "-f", "{{.Image}}", f"{two.name}-blue-web-1"), image)
    two.ok("switch", WEB_IMAGE=image)
    with under_load(two) as tally:
        docker("rmi", "-f", image)
        two.ok("flip-back")
        _refused(two.run("switch", WEB_IMAGE=image, GREETING="x"), 1, image)
    _nothing_lost(tally)
    two.ok("switch", GREETING="three")


@pytest.mark.long
def test_the_port_taken_by_another_program(two: Project) -> None:
    proxy = f"{two.name}-proxy"
    docker("stop", "-t", "1", proxy)
    with socket.create_server(("127.0.0.1", two.port)):
        done = two.run("up")
        assert done.code == 1, done
        assert f"Port 127.0.0.1:{two.port} is held by a process outside Docker." in done.err
        assert "ss -ltnp" in done.err
    two.ok("up")
    assert two.color() == "green"


@pytest.mark.long
def test_somebody_ran_plain_compose(two: Project) -> None:
    two.write(
        two.file.read_text() + '  side: {image: "${PYTHON_IMAGE}", command: [sleep, "60"], stop_grace_period: 0s}\n'
    )
    with under_load(two) as tally:
        for arguments in (("up", "-d", "--remove-orphans"), ("down", "--remove-orphans")):
            subprocess.run(
                ["docker-compose", *arguments], cwd=two.folder, env=two.environment({}), check=True, capture_output=True
            )
        two.ok("flip-back")
    _nothing_lost(tally)


# -- time


@pytest.mark.long
def test_the_engine_slow(two: Project) -> None:
    path = Path("/tmp") / f"bgt-{os.getpid()}.sock"  # noqa: S108 - short enough for a socket's name
    slow = Relay(path, 2.0)
    try:
        with under_load(two) as tally:
            back = two.ok("flip-back", DOCKER_HOST=f"unix://{path}")
            asked = slow.requests
            done = two.ok("switch", "--no-build", DOCKER_HOST=f"unix://{path}", GREETING="slow")
    finally:
        slow.close()
        path.unlink()
    _nothing_lost(tally)
    assert asked == 0, "the way back asks the Engine nothing"
    assert slow.requests >= 4
    print(f"\nflip-back took {back.seconds:.2f} s, switch {done.seconds:.1f} s with {slow.requests} calls of 2 s each")
    assert two.color() == "green"


@pytest.mark.long
def test_clock_set_back_an_hour(two: Project) -> None:
    two.command = ("faketime", "1 hour ago", *two.command)
    with under_load(two) as tally:
        two.ok("flip-back")
        two.ok("switch", GREETING="three")
    _nothing_lost(tally)
    status = two.status()
    assert (status["live"]["release"], status["unfinished"]) == (3, None)
    since = datetime.fromisoformat(status["live"]["since"])
    assert datetime.now(UTC) - since > timedelta(minutes=50), "the command did see another time"
    two.command = two.command[2:]
    two.ok("flip-back")
