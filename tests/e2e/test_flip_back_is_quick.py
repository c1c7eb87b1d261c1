"""Every second of a flip-back hurts people: what is loaded before traffic moves, and how long it takes beside the least
that a way back can be."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from tests.support.machine import BIN, ROOT
from tests.support.project import Project

AT_RENAME = """
import sys
def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("/route/live"):
        with open(sys.argv[1], "w") as file:
            file.write("\\n".join(sorted(sys.modules)))
sys.addaudithook(hook)
from bluegreen.__main__ import command
sys.exit(command(sys.argv[2:]))
"""
OURS = {
    "bluegreen", "bluegreen.__main__", "bluegreen.cli", "bluegreen.cli.boundary", "bluegreen.cli.clock",
    "bluegreen.cli.output", "bluegreen.cli.quick", "bluegreen.cli.show", "bluegreen.cli.signals", "bluegreen.cli.text",
    "bluegreen.domain", "bluegreen.domain.verdict", "bluegreen.domain.words", "bluegreen.errors", "bluegreen.files",
    "bluegreen.frontdoor",
    "bluegreen.frontdoor.control", "bluegreen.frontdoor.disk", "bluegreen.frontdoor.route", "bluegreen.frontdoor.seal",
    "bluegreen.frontdoor.text", "bluegreen.probe", "bluegreen.probe.one", "bluegreen.state", "bluegreen.state.folder",
    "bluegreen.state.holder", "bluegreen.unix_http",
}  # fmt: skip
SLOW = {  # of the standard library: each would take as long as all the rest
    "dataclasses", "typing", "pathlib", "inspect", "subprocess", "http.client", "logging", "threading", "sqlite3",
    "argparse", "tempfile", "shutil", "ssl", "email", "urllib.request", "importlib.metadata",
}  # fmt: skip
ROUNDS = 15  # of each, one after the other in turn
BAR = 2.0
CLIENTS = 8


def test_next_to_nothing_is_loaded_before_traffic_moves(lean: Project, tmp_path: Path) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    report = tmp_path / "modules"
    done = subprocess.run(
        [sys.executable, "-c", AT_RENAME, str(report), "flip-back"], cwd=lean.folder, env=lean.environment({}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert lean.color() == "blue"
    loaded = set(report.read_text().splitlines())
    assert {name for name in loaded if name.startswith("bluegreen")} == OURS
    idle = subprocess.run(
        [sys.executable, "-c", "import sys; print('\\n'.join(sys.modules))"], capture_output=True, text=True, check=True
    )
    mine = loaded - set(idle.stdout.splitlines()) - OURS
    assert {name for name in mine if name.partition(".")[0] not in sys.stdlib_module_names} == set()
    assert SLOW & mine == set()
    print(f"\n{len(mine)} modules of the standard library, {len(OURS)} of ours")


@pytest.mark.long
def test_the_engine_is_not_asked_when_there_are_no_jobs_and_no_hooks(lean: Project, tmp_path: Path) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    nowhere = f"unix://{tmp_path}/no-engine.sock"
    done = lean.ok("flip-back", "--json", DOCKER_HOST=nowhere)
    assert done.json()["live"] == {"color": "blue", "release": 1}
    assert [step["step"] for step in done.json()["steps"]] == ["health", "route", "confirm", "seal", "record"]
    time.sleep(1)
    assert lean.status()["drift"] is None, "sealed without the Engine, too"


def test_the_quick_way_and_the_full_one_say_the_same(lean: Project) -> None:
    """An unknown option for the quick way (--wait) is the full story; both print and record the same."""
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    quick, full = lean.ok("flip-back", "--json").json(), lean.ok("flip-back", "--json", "--wait", "1s").json()
    for found in (quick, full):
        for step in found["steps"]:
            step.pop("seconds"), step.pop("color")  # they went to different colors
            step["detail"] = step["detail"].replace("green", "blue").rstrip("0123456789, begun")
    assert quick.pop("live") == {"color": "blue", "release": 1}
    assert quick.pop("previous") == {"color": "green", "release": 2}
    assert (full.pop("live"), full.pop("previous")) == (
        {"color": "green", "release": 2}, {"color": "blue", "release": 1},
    )  # fmt: skip
    assert (quick.pop("shares"), full.pop("shares")) == ({"blue": 100}, {"green": 100})
    assert quick == full


@pytest.mark.long
def test_what_is_unusual_is_left_to_the_full_story(lean: Project) -> None:
    lean.ok("up")
    for arguments in (("flip-back",), ("flip-back", "--json")):
        done = lean.run(*arguments)
        assert done.code == 1
        assert "There is no previous release on green." in done.err + done.out
    lean.ok("switch", GREETING="two")
    lean.ok("prepare", GREETING="three")
    assert "blue has only a prepared one" in lean.run("flip-back").err
    with (lean.state / "lock").open("a") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        assert lean.run("flip-back").code == 75
    assert lean.color() == "green"


@pytest.mark.alone
def test_within_twice_of_the_least_script(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    least = [str(BIN / "python"), str(ROOT / "tests" / "support" / "least.py"), str(lean.state)]
    mine = [*lean.command, "flip-back"]
    environment = lean.environment({})
    found: dict[str, list[tuple[float, float]]] = {"mine": [], "least": []}
    _quiet()
    with _Asking(lean.port) as asking:
        for _ in range(ROUNDS):
            found["mine"].append(_timed(mine, lean, environment, asking))
            for _ in range(2):  # the second takes the first back, so that file and route agree again
                found["least"].append(_timed(least, lean, environment, asking))
    whole, last = ([median(times[place] for times in found[name]) for name in ("mine", "least")] for place in (0, 1))
    words = f"whole {whole[0] * 1000:.0f} ms and {whole[1] * 1000:.0f} ms, {whole[0] / whole[1]:.2f} x; "
    words += f"last old answer {last[0] * 1000:.0f} ms and {last[1] * 1000:.0f} ms, {last[0] / last[1]:.2f} x"
    print(f"\nflip-back and the least script: {words}")
    assert whole[0] <= BAR * whole[1], words
    assert last[0] <= BAR * last[1], words


def _quiet(within: float = 40.0) -> None:
    """Waits until the Engine has cleaned up after the test before: its work would be measured too."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        before = _jiffies()
        time.sleep(1.0)
        idle, every = (now - then for now, then in zip(_jiffies(), before, strict=True))
        if idle > 0.8 * every:
            return


def _jiffies() -> tuple[int, int]:
    """(idle, all) of all processors since the start. Source: proc(5), /proc/stat."""
    counts = [int(it) for it in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return counts[3] + counts[4], sum(counts)


def _timed(command: list[str], project: Project, environment: dict[str, str], asking: _Asking) -> tuple[float, float]:
    """Seconds of the whole command, and until the last request was sent that the left color answered."""
    time.sleep(0.3)
    left = asking.color
    began = time.monotonic()
    done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
    ended = time.monotonic()
    assert done.returncode == 0, done
    time.sleep(0.1)
    old = [sent for sent, color in asking.answers if began <= sent <= ended and color == left]
    assert asking.color != left, "traffic moved"
    return ended - began, max(old, default=began) - began


class _Asking:
    """Some clients, a connection for each request, as fast as it is answered, with a pause of a millisecond.

    One alone would measure itself: an answer of this small service takes up to 40 ms.
    """

    def __init__(self, port: int) -> None:
        self._port, self._end = port, threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]
        self.answers: list[tuple[float, str]] = []
        self.color = ""

    def __enter__(self) -> _Asking:
        for thread in self._threads:
            thread.start()
        while not self.color:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._end.is_set():
            sent = time.monotonic()
            with socket.create_connection(("127.0.0.1", self._port)) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
            self.color = "green" if b"green" in answer else "blue"
            self.answers.append((sent, self.color))
            time.sleep(0.001)
