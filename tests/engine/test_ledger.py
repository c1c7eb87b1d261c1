"""What each verb asks of the Engine, and how often it starts Compose: counted from outside, and may only shrink."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.machine import BIN
from tests.support.project import Project
from tests.support.relay import Relay, counting

# Of each verb that looks at traffic or moves it, one request reads nginx's log; one more writes a receipt that is due.
# In this order, on one app with one service: verb, its release, most requests to the Engine, most Compose processes.
LEDGER = (
    ("first up", ("up",), "one", 59, 8),
    ("up again", ("up",), "one", 14, 2),  # 1 of them: what the name of the proxy's image means by now
    ("switch", ("switch",), "two", 21, 3),
    ("switch with nothing new", ("switch",), "two", 10, 1),
    ("flip-back", ("flip-back",), "two", 0, 0),
    ("status", ("status",), "two", 10, 0),  # and here; 3 of them: restarts and memory of containers
    ("history", ("history",), "two", 3, 0),
    ("check", ("check",), "three", 17, 2),  # and here, and its digest
    ("prepare", ("prepare",), "three", 25, 3),
    ("switch to what is prepared", ("switch",), "three", 15, 1),
)  # fmt: skip


@pytest.mark.alone  # a step that waits asks once more on a busy machine
def test_no_verb_asks_more_than_it_did(lean: Project, tmp_path: Path) -> None:
    calls = counting(tmp_path, str(BIN / "docker-compose"))
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = []
    for number, (what, verb, greeting, engine, compose) in enumerate(LEDGER):
        socket = Path("/tmp") / f"bgt-{os.getpid()}-{number}.sock"  # noqa: S108 - short enough for a socket's name
        relay = Relay(socket)
        calls.write_text("")
        try:
            lean.ok(*verb, GREETING=greeting, DOCKER_HOST=f"unix://{socket}", **path)
        finally:
            relay.close()
            socket.unlink()
        started = len(calls.read_text().splitlines())
        print(f"{what:<28}{relay.requests:>4} Engine requests{started:>4} Compose processes")
        found.append((what, relay.requests, started, engine, compose))
    assert [it for it in found if it[1] > it[3] or it[2] > it[4]] == []
    assert found[2][1] > 0, "the relay counts"
    assert found[2][2] > 0, "so does the wrapper"
