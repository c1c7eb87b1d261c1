"""All printing. Progress goes to stderr as it happens: alive on a terminal, plain lines elsewhere, JSON if asked."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from bluegreen.flow.values import StepDone
from bluegreen.plans.plan import Plan, Step

if TYPE_CHECKING:
    from bluegreen.flow.ports import Show

AROUND = 24  # columns of the spinner, the name and the time on a live line
LONG = ("jobs", "after_flip_back")  # steps of a flip-back that take as long as others let them
QUIET = 2.0  # seconds between two plain progress lines of one step
COLORS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "bold": "1", "dim": "2"}
MARKS = {"done": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "left out": ("-", "yellow")}


def clean(text: str) -> str:
    """Text of others, made safe for a terminal: no escape sequences, no control characters, one line."""
    return "".join(char if char.isprintable() else " " for char in text)


def colorful(stream: TextIO) -> bool:
    """Whether a stream gets colors: a terminal, and NO_COLOR (no-color.org) not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, color: str, stream: TextIO) -> str:
    return f"\x1b[{COLORS[color]}m{text}\x1b[0m" if colorful(stream) else text


def result(text: str) -> None:
    """A result, to stdout. Raises BrokenPipeError when the reader of a pipe has left."""
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        raise
    except OSError:
        _silence(sys.stdout)


def note(text: str) -> None:
    """Something for the person, to stderr. Nobody there to read it is no reason to stop half-way."""
    try:
        _write(sys.stderr, text)
    except OSError:
        _silence(sys.stderr)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def _silence(stream: TextIO) -> None:
    """The terminal is gone or its disk is full: what is written from now on goes nowhere, without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def as_json(value: Mapping[str, Any]) -> None:
    result(json.dumps(value, indent=2))


class Plain:
    """One line for each step that ends, and a sign of life in between."""

    def __init__(self) -> None:
        self._spoke = 0.0
        self._last = ""

    def plan(self, plan: Plan) -> None:
        note(_headline(plan))

    def started(self, step: Step) -> None:  # noqa: ARG002 - plain output says it when the step has ended
        self._spoke = time.monotonic()

    def progress(self, text: str) -> None:
        text = clean(text)
        if text != self._last and time.monotonic() - self._spoke >= QUIET:
            self._spoke, self._last = time.monotonic(), text
            note(f"            {text}")

    def ended(self, done: StepDone) -> None:
        note(_line(done))

    def notice(self, text: str) -> None:
        note(f"Note: {clean(text)}")

    def close(self) -> None:
        pass


class Json:
    """One object a line as each step starts and ends."""

    def plan(self, plan: Plan) -> None:
        self._say({"event": "plan", **plan.as_dict()})

    def started(self, step: Step) -> None:
        self._say({"event": "start", "phase": step.phase, "step": step.name, "color": step.color})

    def progress(self, text: str) -> None:
        self._say({"event": "progress", "text": text})

    def ended(self, done: StepDone) -> None:
        self._say({"event": "end", **done.as_dict()})

    def notice(self, text: str) -> None:
        self._say({"event": "notice", "text": text})

    def close(self) -> None:
        pass

    @staticmethod
    def _say(value: Mapping[str, Any]) -> None:
        note(json.dumps(value))


class Quiet(Json):
    """Nothing at all."""

    @staticmethod
    def _say(value: Mapping[str, Any]) -> None:
        pass


class Alive:
    """On a terminal: the step at work with a spinner and its elapsed time, those that ended above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.fields[step]:<10}", markup=False), TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True, highlight=False), transient=True,
        )  # fmt: skip
        self._task: Any = None

    def plan(self, plan: Plan) -> None:
        note(_headline(plan))

    def started(self, step: Step) -> None:
        with _lively():
            self._progress.start()
            self._task = self._progress.add_task(self._short(step.cause), step=step.name, total=None)

    def _short(self, text: str) -> str:
        return clean(text)[: max(20, self._progress.console.width - AROUND)]

    def progress(self, text: str) -> None:
        if self._task is not None:
            with _lively():
                self._progress.update(self._task, description=self._short(text))

    def ended(self, done: StepDone) -> None:
        with _lively():
            if self._task is not None:
                self._progress.remove_task(self._task)
                self._task = None
            self._progress.stop()
        note(_line(done))

    def notice(self, text: str) -> None:
        with _lively():
            self._progress.stop()
        note(f"{paint('Note:', 'yellow', sys.stderr)} {clean(text)}")

    def close(self) -> None:
        with _lively():
            self._progress.stop()


class Prompt(Plain):
    """Plain lines while traffic moves; on a terminal alive for what may take long after that. rich is loaded then."""

    def __init__(self) -> None:
        super().__init__()
        self._alive: Alive | None = None

    def started(self, step: Step) -> None:
        if step.name in LONG and sys.stderr.isatty():
            self._alive = Alive()
            self._alive.started(step)
        else:
            super().started(step)

    def progress(self, text: str) -> None:
        (self._alive.progress if self._alive else super().progress)(text)

    def ended(self, done: StepDone) -> None:
        alive, self._alive = self._alive, None
        (alive.ended if alive else super().ended)(done)

    def notice(self, text: str) -> None:
        (self._alive.notice if self._alive else super().notice)(text)


def prompt() -> Show:
    """How a flip-back shows its steps: `auto`, without loading anything before traffic has moved."""
    return Prompt()


@contextmanager
def _lively() -> Iterator[None]:
    """A terminal that is gone must not end the operation that was shown on it."""
    try:
        yield
    except OSError:
        _silence(sys.stderr)


def choose(progress: str) -> Show:
    """The way to show progress: `json`, `none`, `plain`, or `auto` (alive on a terminal)."""
    if progress == "json":
        return Json()
    if progress == "none":
        return Quiet()
    return Alive() if progress == "auto" and sys.stderr.isatty() else Plain()


def _headline(plan: Plan) -> str:
    to = f" to {paint(plan.target, plan.target, sys.stderr)}" if plan.target else ""
    release = f", release {plan.release}" if plan.release else ""
    return f"{paint(plan.verb, 'bold', sys.stderr)}{to}{release}"


def _line(done: StepDone) -> str:
    mark, color = MARKS[done.outcome]
    seconds = paint(f"{done.seconds:6.2f} s", "dim", sys.stderr)
    return f"  {paint(mark, color, sys.stderr)} {done.step.name:<10}{seconds}  {clean(done.detail)}"
