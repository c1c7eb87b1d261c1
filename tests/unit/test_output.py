"""What a person sees, on a terminal and elsewhere, and when nobody is there to see it."""

from __future__ import annotations

import io
import json
import os
import sys
import time

import pytest

from bluegreen.cli import output
from bluegreen.cli.alive import Alive
from bluegreen.flow.values import StepDone
from bluegreen.plans.plan import Plan, Step

STEP = Step("prepare", "health", "each replica has to prove itself", "green")
DONE = StepDone(STEP, 1.25, "done", "2 \x1b[31mreplicas")
PLAN = Plan("switch", "green", 2, (STEP,), "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "variables", "colors"),
    [
        (True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": ""}, True),
    ],
)  # fmt: skip
def test_colors_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, variables: dict[str, str], colors: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    assert output.paint("x", "red", stream) == ("\x1b[31mx\x1b[0m" if colors else "x")


def test_plain_progress_is_a_line_for_each_step_and_a_sign_of_life(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    show = output.choose("plain")
    show.plan(PLAN)
    show.started(STEP)
    for at, text in ((101, "too early"), (102, "one"), (103, "two"), (104, "one"), (105, "three\x1b")):
        moment[0] = at
        show.progress(text)
    show.ended(DONE)
    show.notice("look\n")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "switch to green, release 2", "            one", "            three ",
        "  ✓ health      1.25 s  2  [31mreplicas",
        "Note: look ",
    ]  # fmt: skip


@pytest.mark.parametrize(("outcome", "mark"), [("done", "✓"), ("warning", "!"), ("failed", "✗"), ("left out", "-")])
def test_how_a_step_ended(outcome: str, mark: str) -> None:
    assert output.line({**DONE.as_dict(), "outcome": outcome}).split()[0] == mark


def test_a_headline_names_what_is_known() -> None:
    assert output.headline("down", None, None) == "down"
    assert output.headline("flip-back", "blue", None) == "flip-back to blue"


def test_progress_as_json_and_none_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("json", "none"):
        show = output.choose(name)
        show.plan(PLAN)
        show.started(STEP)
        show.progress("half")
        show.ended(DONE)
        show.notice("note")
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [it["event"] for it in said] == ["plan", "start", "progress", "end", "notice"]
    assert said[1] == {"event": "start", "phase": "prepare", "step": "health", "color": "green"}
    assert (said[2]["text"], said[3]["seconds"], said[4]["text"]) == ("half", 1.25, "note")


def test_on_a_terminal_the_step_at_work_is_shown_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(output.choose("auto"), Alive)
    assert isinstance(output.choose("plain"), output.Plain)
    show = Alive()
    show.plan(PLAN)
    show.progress("nothing is at work yet")
    show.started(STEP)
    show.progress("1 of 2 healthy \x1b[5m" + "y" * 100)
    show.ended(DONE)
    show.started(STEP)
    show.notice("look")
    show.close()
    text = stream.getvalue()
    assert "nothing is at work" not in text
    assert "health" in text
    assert "\x1b[5m" not in text
    assert "y" * 50 not in text, "cut to the terminal's width"
    assert "Note:" in text


class Gone(io.StringIO):
    """A stream whose reader has left; it has a descriptor of its own."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error, self._file = error, os.open(os.devnull, os.O_WRONLY)

    def write(self, _: str) -> int:
        raise self._error

    def fileno(self) -> int:
        return self._file

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), OSError(5, "Input/output error"), BrokenPipeError(32, "Broken pipe")],
)
def test_nobody_there_to_read_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    for name, act in (("stderr", output.note), ("stdout", output.result)):
        stream = Gone(error)
        monkeypatch.setattr(sys, name, stream)
        assert not act("x")
        os.close(stream.fileno())
        monkeypatch.setattr(sys, name, None)  # as Python has it for a descriptor that is closed
        assert not act("x")


def test_what_a_stream_cannot_spell_is_said_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    assert output.result("✓ health \udcff")
    assert raw.getvalue() == b"? health ?\n"
