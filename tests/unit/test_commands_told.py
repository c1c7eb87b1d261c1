"""What commands say and wait for around a release, on a machine that is not real."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import threading
from typing import TextIO

import pytest

from bluegreen.flow.steps import settle
from tests.fakes.engine_api import Container
from tests.fakes.site import Site, Tell


def test_up_says_what_it_repaired_and_that_there_was_nothing(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.run("up") == 0
    assert "repaired" not in capsys.readouterr().out
    live.engine.named("shop-blue-web-1").state = "exited"
    assert live.run("up") == 0
    assert "repaired: start" in capsys.readouterr().out


def test_an_up_that_came_to_no_end_is_no_live_color_for_who_waited_for_it(live: Site, tell: Tell) -> None:
    (live.state / "nginx" / "nginx.conf").unlink()
    assert live.nginx is not None
    live.nginx.end()
    live.nginx = None

    def gone(held: TextIO) -> None:
        held.truncate(0)
        fcntl.flock(held, fcntl.LOCK_UN)

    with (live.state / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(json.dumps({"verb": "up", "pid": 1, "started": "1", "phase": "prepare"}))
        held.flush()
        threading.Timer(0.2, gone, [held]).start()
        code, found = tell("switch", "--wait", "5s")
    assert code == 1, found
    assert not found["steps"], "nothing was begun"


def test_a_color_that_is_left_is_waited_for_while_it_still_answers(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "ASK_AGAIN", 0.02)
    address = live.replicas("blue")[0].address("shop_bluegreen")
    assert address
    number = struct.unpack("=I", socket.inet_aton(address))[0]
    row = f"   0: 0100007F:1F40 {number:08X}:1F40 01 00000000:00000000\n"
    asked: list[int] = []
    execute = live.engine.execute

    def looked(it: Container, words: list[str]) -> tuple[int, bytes]:
        if words[-1] != "/proc/net/tcp":
            return execute(it, words)
        asked.append(1)
        return 0, f"  sl  local_address rem_address\n{row if len(asked) < 4 else ''}".encode()

    live.engine.execute = looked
    live.release("shop:2")
    code, found = tell("switch")
    assert code == 0, found
    (drained,) = [it for it in found["steps"] if it["step"] == "drain"]
    assert len(asked) == 4, "three times it still answered"
    assert drained["detail"].endswith("until no request was in flight")


def test_show_has_the_last_lines_of_what_ran(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"line {number}" for number in range(40)]
    before = live.engine.once
    live.engine.once = lambda it: before(it) if "nginx" in it.body["Image"] else (0, "\n".join(lines).encode())
    live.document["x-bluegreen"]["migrate"] = {"service": "web", "command": ["migrate"]}
    live.release("shop:2")
    assert tell("switch")[0] == 0
    assert live.run("show", "2") == 0
    printed = capsys.readouterr().out
    assert "line 39" in printed
    assert "line 0\n" not in printed
