"""On a terminal: progress while it happens, and signals from the one who sits there."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bluegreen.cli import output
from bluegreen.cli.alive import Alive
from bluegreen.cli.show import show_error
from bluegreen.cli.signals import HANDLED, Signals
from bluegreen.errors import BluegreenError, ExitCode, Interrupted
from bluegreen.flow.values import StepDone
from bluegreen.plans.plan import Plan, Step

STEP = Step("prepare", "health", "each [bold]replica[/bold] has to prove itself", "green")
DONE = StepDone(STEP, 1.25, "done", "2 replicas")


class Terminal(io.StringIO):
    """A terminal; once it is gone, what is written fails."""

    gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


# -- progress on a terminal


def _terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Not a fixture: what is printed is captured anew when the test itself begins."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return stream


def _at_work(show: Alive) -> list[str]:
    return [task.description for task in show._progress.tasks]


def test_the_step_at_work_is_one_line_that_goes_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _terminal(monkeypatch)
    show = Alive()
    show.plan(Plan("switch", "green", 2, (STEP,)))
    assert "green" in terminal.getvalue()
    show.started(STEP)
    assert _at_work(show) == ["each [bold]replica[/bold] has to pro"], "as it was written, cut to the terminal"
    assert show._progress.live.is_started
    show.progress("1 of 2\n")
    assert _at_work(show) == ["1 of 2 "]
    show.ended(DONE)
    assert (_at_work(show), show._progress.live.is_started) == ([], False)
    show.progress("late")
    assert _at_work(show) == [], "nothing is at work"
    text = terminal.getvalue()
    assert "[bold]" in text
    assert text.splitlines()[-1].endswith("2 replicas")
    assert text.count("2 replicas") == 1


def test_a_notice_and_the_end_of_the_command_stop_the_spinner(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _terminal(monkeypatch)
    first, second = Alive(), Alive()
    first.started(STEP)
    first.notice("look\x07")
    second.started(STEP)
    second.close()
    assert not first._progress.live.is_started
    assert not second._progress.live.is_started
    assert terminal.getvalue().count("look ") == 1


def test_a_narrow_terminal_still_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    _terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "10")
    show = Alive()
    assert show._short("x" * 50) == "x" * 20


def test_a_terminal_that_goes_away_does_not_end_what_was_shown_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, silenced = _terminal(monkeypatch), list[Any]()

    def silence(stream: Any) -> None:
        silenced.append(stream)
        terminal.gone = False

    for module in ("bluegreen.cli.alive.silence", "bluegreen.cli.output.silence"):
        monkeypatch.setattr(module, silence)
    show = Alive()
    terminal.gone = True
    show.started(STEP)
    terminal.gone = True
    show.ended(DONE)
    terminal.gone = True
    show.notice("look")
    show.close()
    assert silenced
    assert set(silenced) == {terminal}


def test_an_error_is_red_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _terminal(monkeypatch)
    monkeypatch.delenv("NO_COLOR", raising=False)
    show_error(BluegreenError("Error: twice"))
    assert terminal.getvalue().startswith("\x1b[31mError:\x1b[0m Error: twice")
    assert output.line(DONE.as_dict()).count("\x1b[") == 4


# -- signals


@pytest.fixture
def former() -> Iterator[list[Any]]:
    before = [signal.getsignal(number) for number in HANDLED]
    yield before
    for number, handler in zip(HANDLED, before, strict=True):
        signal.signal(number, handler)


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in HANDLED]


def test_signals_are_taken_over_for_the_time_of_an_operation(former: list[Any]) -> None:
    signals = Signals()
    with signals.listening():
        assert _handlers() == [signals._note] * 3
    assert _handlers() == former
    with pytest.raises(Interrupted), Signals().listening():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.SIG_DFL not in _handlers(), "once one came they stay taken"
    assert _handlers() != former


@pytest.mark.usefixtures("former")
def test_a_signal_ends_a_command_once_and_is_noted_afterwards() -> None:
    signals = Signals()
    with signals.listening():
        with pytest.raises(Interrupted, match="SIGINT") as error:
            os.kill(os.getpid(), signal.SIGINT)
        assert (error.value.exit_code, signals.asked) == (ExitCode.INTERRUPTED, None)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.asked == "SIGTERM"


def _deferred_twice(signals: Signals, did: list[str]) -> None:
    with signals.deferred():
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGHUP)
            did.append("inner")
        did.append("outer")


@pytest.mark.usefixtures("former")
def test_what_is_deferred_is_finished_first() -> None:
    signals, did = Signals(), list[str]()
    with signals.listening():
        with pytest.raises(Interrupted, match="SIGHUP"):
            _deferred_twice(signals, did)
        assert did == ["inner", "outer"]
        assert signals.asked is None, "it was answered"
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.asked == "SIGTERM", "the way out is not interrupted"


@pytest.mark.usefixtures("former")
def test_from_the_cutover_on_signals_are_only_noted() -> None:
    signals = Signals()
    with signals.listening():
        signals.hold()
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert signals.asked == "SIGINT"


def test_another_thread_leaves_signals_alone(former: list[Any]) -> None:
    found: list[Any] = []

    def work() -> None:
        with Signals().listening():
            found.extend(_handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == former
