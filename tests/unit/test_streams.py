"""Whoever listens: the exit code tells what happened to production, and so does production itself.

The table is complete by construction: every listener, every state, every verb. `make test-faults` runs all of it,
`make check` a sample with each of them in it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest

from bluegreen.cli.main import VERBS
from bluegreen.errors import ExitCode
from bluegreen.frontdoor import change
from tests.fakes.listeners import FAILED, LISTENERS, heard_by
from tests.fakes.site import Site, at_once, site

# What a person types of each verb that changes or shows something here.
TYPED: dict[str, list[list[str]]] = {
    "apps": [["apps"]],
    "check": [["check"]],
    "compare": [["compare"]],
    "completion": [["completion", "bash"]],
    "down": [["down", "--yes"]],
    "expect": [["expect", "--record", "GET", "/"]],
    "flip-back": [["flip-back"], ["flip-back", "--wait", "1s"]],
    "help": [["help"], ["help", "locked"]],
    "history": [["history"]],
    "init": [["init"]],
    "logs": [["logs"]],
    "maintenance": [["maintenance"], ["maintenance", "on"]],
    "metrics": [["metrics"], ["metrics", "--textfile", "shop.prom"]],
    "prepare": [["prepare", "--progress", "json"]],
    "promote": [["promote"]],
    "rehearse": [["rehearse"]],
    "report": [["report"], ["report", "-o", "-"]],
    "runbook": [["runbook"]],
    "schema": [["schema"]],
    "show": [["show"]],
    "status": [["status"], ["status", "--json"], ["status", "--at", "14:05"]],
    "switch": [["switch"], ["switch", "--json", "--progress", "json"]],
    "tls": [["tls"], ["tls", "renew"], ["tls", "timer"]],
    "up": [["up"]],
    "why": [["why", "07a3"]],
}


def _switched(it: Site) -> int:
    it.run("up", "--progress", "none")
    it.release("shop:2")
    return it.run("switch", "--progress", "none")


def _prepared(it: Site) -> int:
    it.run("up", "--progress", "none")
    it.release("shop:2")
    return it.run("prepare", "--progress", "none")


def _broken(it: Site) -> None:
    for name in ("project.json", "lock", "salt", "journal.db", "nginx/nginx.conf"):
        (it.state / name).write_bytes(b"\xff\0{")


def _nothing_yet(_: Site) -> None:
    pass


def _sick(it: Site) -> None:
    at_once(it, "live", lambda: it.run("up", "--progress", "none"))
    it.release("shop:2")
    it.sick.add(2)


def _stubborn(it: Site) -> None:
    at_once(it, "live and previous", lambda: _switched(it))
    it.release("shop:1")
    it.stubborn = True


def _broken_state(it: Site) -> None:
    at_once(it, "live", lambda: it.run("up", "--progress", "none"))
    _broken(it)


STATES: dict[str, Callable[[Site], Any]] = {
    "nothing yet": _nothing_yet,
    "live": lambda it: at_once(it, "live", lambda: it.run("up", "--progress", "none")),
    "live and previous": lambda it: at_once(it, "live and previous", lambda: _switched(it)),
    "prepared": lambda it: at_once(it, "prepared", lambda: _prepared(it)),
    "a release that is never healthy": _sick,
    "an nginx that does not follow": _stubborn,
    "a broken state": _broken_state,
}
TABLE = [
    (listener, state, typed)
    for listener, state, verb in itertools.product(LISTENERS, STATES, VERBS)
    for typed in TYPED[verb]
    if listener != "files" and (verb != "rehearse" or state == "live")  # which runs all the others, and takes long
]
QUICK = [row for row in TABLE if row[2] != ["rehearse"]]
ROWS = TABLE if os.environ.get("THOROUGH") else QUICK[::59]
HEARD: dict[tuple[str, tuple[str, ...]], tuple[int, str]] = {}  # (code, production) when somebody listens


def production(it: Site) -> str:
    """What serves now, and what stands where."""
    found = [f"{c.name} {c.labels.get('bluegreen.release')} {c.state}" for c in it.engine.containers.values()]
    return f"{it.nginx.live if it.nginx else None} {sorted(found)}"


def _seen(it: Site, state: str, listener: str, typed: list[str]) -> tuple[tuple[int, str], str, str]:
    STATES[state](it)
    code, out, err = heard_by(LISTENERS[listener](), lambda: it.run(*typed))
    return (code, production(it)), out, err


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "ROUTE_TIMEOUT", 0.1)


def test_every_verb_has_a_row() -> None:
    assert set(TYPED) == set(VERBS)
    assert {row[0] for row in ROWS} == set(LISTENERS) - {"files"}
    assert {row[1] for row in ROWS} == set(STATES)
    assert {row[2][0] for row in ROWS} >= set(VERBS) - {"rehearse"}


@pytest.mark.parametrize(("listener", "state", "typed"), ROWS, ids=[f"{a}-{b}-{' '.join(c)}" for a, b, c in ROWS])
def test_the_exit_code_tells_what_happened_whoever_listens(
    monkeypatch: pytest.MonkeyPatch, listener: str, state: str, typed: list[str]
) -> None:
    key = state, tuple(typed)
    if key not in HEARD:
        with monkeypatch.context() as patch, site(patch) as it:
            HEARD[key], _, err = _seen(it, state, "files", typed)
            assert HEARD[key][0] not in (ExitCode.BUG, FAILED), err
    with monkeypatch.context() as patch, site(patch) as it:
        seen, out, err = _seen(it, state, listener, typed)
    assert seen == HEARD[key], (out, err)
    assert "Traceback" not in out + err
