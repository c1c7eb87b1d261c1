"""Every error that a person can meet: its fields, its words on a terminal, and what it must not show."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluegreen.cli import output, report
from bluegreen.cli import text as words_of
from bluegreen.domain import secrets as secrecy
from bluegreen.domain.findings import Finding
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Result
from bluegreen.plans.plan import Plan, Step
from tests.support.machine import ROOT

pytestmark = pytest.mark.whole

FIELDS = ["summary", "failed", "expected", "traffic", "retry", "next"]
CONTROLS = st.sampled_from("\x1b\x07\x9b\x00\r\n\u202e\u2066\x85[]0;m")
HOSTILE = st.text(alphabet=st.one_of(st.characters(), CONTROLS), max_size=40)


def _raised() -> Iterator[tuple[str, set[str]]]:
    """Every place where the error is made, with the fields that it names."""
    for path in sorted((ROOT / "bluegreen").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("BluegreenError", "Interrupted"):
                named = {keyword.arg for keyword in node.keywords if keyword.arg}
                yield f"{path.relative_to(ROOT)}:{node.lineno}", {*FIELDS[: len(node.args)], *named}


def test_every_error_says_what_failed_and_what_was_expected() -> None:
    places = list(_raised())
    assert len(places) > 60
    incomplete = [place for place, named in places if not {"summary", "failed", "expected"} <= named]
    assert [place for place in incomplete if "cli/signals.py" not in place] == [], "Ctrl-C expects nothing"


SHELLS = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
PRINTED = sorted({*ExitCode} - {ExitCode.DONE, ExitCode.BUG})


@pytest.mark.parametrize("code", PRINTED, ids=lambda code: code.name)
def test_what_is_printed_has_every_field(code: ExitCode) -> None:
    error = BluegreenError("It failed.", failed="this", expected="that", exit_code=code)
    if code in (ExitCode.MOVED_BACK, ExitCode.UNKNOWN):  # where these two are made they say both
        error.traffic, error.retry = "blue", "no"
    lines = words_of.error_text(error.complete("bluegreen -f x")).splitlines()
    assert [line.split()[0] for line in lines] == ["Error:", "failed", "expected", "traffic", "retry", "next"]
    assert "bluegreen -f x status" in lines[-1]


def _rehearsal(words: list[str]) -> dict[str, Any]:
    seconds = dict.fromkeys(("switch_seconds", "flip_back_seconds", "migration_seconds"), 1.0)
    return {
        **seconds, "production": {"release": 1, **seconds}, "way_back": "proven", "left_out": ["hooks"],
        "outcome": "failed", "requests": {"answered": 1, "lost": 1, "why": {words[0]: 1}}, "failed_verb": "switch",
        "expected": {"asked": 1, "differ": [{"request": words[1], "differences": words[2:4]}],
                     "cannot_be_compared": words[4:5]},
        "error": {"summary": words[5], "failed": words[6], "expected": words[7], "lines": words},
    }  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(HOSTILE, min_size=8, max_size=8))
def test_no_escape_sequence_reaches_the_terminal(words: list[str]) -> None:
    error = BluegreenError(words[0], words[1], words[2], words[3], words[4], words[5], lines=words[6:])
    result = Result("switch", "unchanged", message=words[0], warnings=words[1:3], next=words[4])
    slot = {"color": "blue", "release": 1, "since": words[0], "standing": "live",
            "replicas": {}, "images": {"web": {"ref": words[1], "id": words[2]}}}  # fmt: skip
    state: dict[str, Any] = {"app": "shop", "urls": [], "live": slot, "idle": None, "preview": None, "drift": words[3],
             "unfinished": words[4], "failover": None, "migration": words[6],
             "proxy_image": {"ref": words[7], "newer": "sha256:1"}, "flip_back": None, "no_way_back": words[5],
             "jobs": {"worker": {"running": 0, "wanted": 1, "restarts": 1, "failing": words[7:8]}}}  # fmt: skip
    run = {"kind": "migrate", "name": words[0], "outcome": words[1], "code": 1, "output": "\n".join(words)}
    release = {"release": 2, "created": words[0], "color": "blue", "outcome": words[1], "standing": None, "kept": True,
               "owner": words[2], "revision": words[3], "subject": words[4], "expect": words[5], "note": words[6],
               "restores": 1, "previous": 1, "previous_revision": words[7], "seconds": 1.5, "runs": [run],
               "changed": {"images": words[:2], "keys": words[2:4], "environment": words[4:6]},
               "images": {"web": {"ref": words[1], "id": words[2]}}}  # fmt: skip
    compared = {"color": "blue", "release": 1, "answers": [{"request": words[0], "differences": words[1:]}]}
    texts = [
        words_of.error_text(error),
        words_of.result_text(result.as_dict(), "bluegreen", None),
        report.status_text(state, "bluegreen", datetime.now(UTC)),
        report.history_text([release], datetime.now(UTC)),
        report.release_text(release, "bluegreen"),
        report.expected_text(compared),
        report.recorded_text({"recorded": words[:2], "file": words[2], "all": 2}, "bluegreen"),
        report.rehearsal_text(_rehearsal(words), "bluegreen"),
        report.plan_text(Plan("switch", "blue", 2, (Step("prepare", "image", words[0], "blue"),)), words[1:]),
        report.findings_text([Finding("disk", "failed", *words[:4])], None, False),
        output.clean(words[7]),
    ]
    for text, line in itertools.chain.from_iterable(((text, line) for line in text.split("\n")) for text in texts):
        assert all(char.isprintable() for char in line), (text, line)


def test_secrets_are_masked_in_a_traceback() -> None:
    secrecy.remember(
        {
            "services": {
                "web": {"environment": {"TOKEN": "canary-42-in-env"}, "build": {"args": {"KEY": "canary-in-args"}}}
            },
            "secrets": {"key": {"content": "canary\nin content"}},
        }
    )
    text = secrecy.masked("KeyError: 'canary-42-in-env' canary-in-args 'canary\\nin content' canary\nin content short")
    assert "canary" not in text
    assert text.endswith("short")


def test_no_call_gives_a_shell_a_string() -> None:
    """shell=True, os.system and their like are nowhere; every command is a list of arguments."""
    found = []
    for path in [*(ROOT / "bluegreen").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                shell = any(it.arg == "shell" and ast.unparse(it.value) != "False" for it in node.keywords)
                if shell or ast.unparse(node.func) in SHELLS:
                    found.append(f"{path}:{node.lineno}")
    assert found == []
