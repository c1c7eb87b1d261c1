"""What visitors got, in figures that are right to the request; receipts of moves; the four questions."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.load import Load
from tests.support.machine import ROOT
from tests.support.project import Project

pytestmark = pytest.mark.alone

MIX = {"get": 20, "patient": 4, "post": 4, "fresh": 2, "slow": 1}
ROWS, COLUMNS = 24, 80


def _receipt(project: Project) -> dict[str, Any]:
    time.sleep(1.2)
    found: dict[str, Any] = project.ok("show", "--json").json()["receipts"][-1]
    return found


def _counted(project: Project) -> int:
    with contextlib.closing(sqlite3.connect(project.state / "journal.db")) as journal:
        rows = journal.execute("select sums from figures where seconds = 60").fetchall()
    return sum(json.loads(text)["requests"] for (text,) in rows)


@pytest.mark.timeout(300)
def test_under_load_each_receipt_is_right_and_each_request_is_counted_one_time(shop: Project) -> None:
    shop.ok("up")
    with Load(shop.port, MIX) as load:
        time.sleep(1.5)
        shop.ok("switch", GREETING="two")
        time.sleep(1)
        switched = _receipt(shop)
        shop.ok("flip-back")
        back = _receipt(shop)
    assert load.tally.lost == [], load.tally.why()
    for found, left in ((switched, "blue"), (back, "green")):
        print(f"\n{found['verb']}: {found['words']}; the rename took {found['rename_ms']} ms")
        assert found["right"], found
        assert found["left"] == left
        assert found["requests"]["before"] > 50
        assert found["requests"]["after"] > 50
    time.sleep(0.5)
    for _ in range(2):
        status = shop.status()
    answers = len(load.tally.answers)
    logged = sum(line.count('"door":"public"') for line in shop.ok("logs", "proxy").out.splitlines()) - sum(
        line.count('"agent":"bluegreen"') * line.count('"door":"public"')
        for line in shop.ok("logs", "proxy").out.splitlines()
    )
    print(f"{answers} answers, {logged} in nginx's log, {_counted(shop)} counted")
    assert _counted(shop) == logged >= answers
    assert status["questions"]["incomplete"] == []
    changed = status["questions"]["changed"]
    print(
        "\n".join(
            f"{name}: {it['answer']}: {it['words']}" for name, it in status["questions"].items() if name != "incomplete"
        )
    )
    assert changed["before"]["requests"] > 100


WEAK = '/{{ "none" if bucket.startswith("$") and "asked" not in bucket else bucket }})'


@pytest.mark.long
def test_without_the_test_of_the_route_the_receipt_tells(shop: Project, tmp_path: Path) -> None:
    """A protection is taken out: public traffic does not look at the route, nginx says that it does."""
    for name in ("bluegreen", "nginx", "compose"):
        shutil.copytree(ROOT / name, tmp_path / "weak" / name, ignore=shutil.ignore_patterns("__pycache__"))
    template = tmp_path / "weak" / "nginx" / "route.conf.j2"
    text = template.read_text()
    assert "/{{ bucket }})" in text
    template.write_text(text.replace("/{{ bucket }})", WEAK))
    shop.command = (sys.executable, "-m", "bluegreen")
    shop.variables |= {"PYTHONPATH": str(tmp_path / "weak")}
    shop.ok("up")
    with Load(shop.port, {"get": 40, "fresh": 4}):
        time.sleep(1)
        shop.ok("switch", GREETING="two")
        time.sleep(1)
        found = _receipt(shop)
    print(f"\n{found['words']}")
    assert not found["right"]
    assert found["late"]["count"] > 0
    assert {it["color"] for it in found["late"]["which"]} == {"blue"}


def _asked(project: Project, path: str, name: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"User-Agent": name})
        return connection.getresponse().status


def test_status_answers_and_its_exit_code_tells(lean: Project) -> None:
    began = datetime.now().astimezone()
    lean.ok("up")
    assert _asked(lean, "/", "looked-for") == 200
    time.sleep(0.5)
    text = lean.ok("status").out
    print(f"\n{text}")
    assert re.search(r"^up\? +yes: 127\.0\.0\.1:\d+ answered 200 in \d+ ms", text, re.MULTILINE)
    assert re.search(r"^slow\? +cannot tell: 1 request in 5 min", text, re.MULTILINE)
    assert len(text.splitlines()) < ROWS

    line = next(it for it in lean.ok("logs", "proxy").out.splitlines() if "looked-for" in it)
    number = json.loads(line[line.index("{") :])["request_id"]
    found = lean.ok("why", number, "--json").json()["requests"][0]
    print(lean.ok("why", number).out)
    assert (found["color"], found["release"], found["container"]) == ("blue", 1, f"{lean.name}-blue-web-1")
    assert lean.run("why", "0" * 32).code == 1

    lean.ok("switch", GREETING="two")
    then = lean.ok("status", "--at", datetime.now().astimezone().isoformat(), "--json").json()
    assert then["live"] == {"color": "green", "release": 2}
    assert lean.ok("status", "--at", began.isoformat(), "--json").json()["live"] is None

    subprocess.run(["docker", "stop", "-t", "1", f"{lean.name}-green-web-1"], capture_output=True, check=True)
    done = lean.run("status")
    print(done.out)
    assert done.code == 1
    assert re.search(r"^up\? +no: ", done.out, re.MULTILINE)
    lean.ok("flip-back")
    assert lean.run("status").code == 0


def test_watch_fits_a_terminal_of_80_by_24_and_ends_with_ctrl_c(lean: Project) -> None:
    lean.ok("up")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(
        [*lean.command, "status", "--watch"], cwd=lean.folder, env=lean.environment({"TERM": "xterm"}),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, close_fds=True,
    ) as running:  # fmt: skip
        os.close(theirs)
        screens = _until(ours, lambda text: text.count("Ctrl-C ends it") >= 3)
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 0
    os.close(ours)
    for screen in screens.split("\x1b[H")[2:-1]:
        lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip("\r") for line in screen.rstrip("\n").split("\n")]
        assert len(lines) <= ROWS, screen
        assert max(map(len, lines)) <= COLUMNS, lines
        assert any(line.startswith("up?") for line in lines)


def _until(terminal: int, enough: Callable[[str], bool]) -> str:
    text, end = "", time.monotonic() + 60
    while not enough(text) and time.monotonic() < end:
        text += os.read(terminal, 65536).decode(errors="replace")
    assert enough(text), text
    return text
