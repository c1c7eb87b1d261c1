"""All printing. Progress goes to stderr as it happens: alive on a terminal, plain lines elsewhere, JSON if asked."""

from __future__ import annotations

import json
import os
import sys
import time

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO

    from bluegreen.flow.ports import Show
    from bluegreen.flow.values import StepDone
    from bluegreen.plans.plan import Plan, Step

EPIPE = 32  # errno(3)
QUIET = 2.0  # seconds between two plain progress lines of one step
COLORS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "bold": "1", "dim": "2"}
MARKS = {"done": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "left out": ("-", "yellow")}


def clean(text: str) -> str:
    """Text of others, made safe for a terminal: no escape sequences, no control characters, one line."""
    return "".join(char if char.isprintable() else " " for char in text)


def colorful(stream: TextIO | None) -> bool:
    """Whether a stream gets colors: a terminal, and NO_COLOR (no-color.org) not set."""
    known = stream is not None and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return known and terminal(stream)


def terminal(stream: TextIO | None) -> bool:
    """Whether a person sits there."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):  # it is closed
        return False


def paint(text: str, color: str, stream: TextIO | None) -> str:
    return f"\x1b[{COLORS[color]}m{text}\x1b[0m" if colorful(stream) else text


def result(text: str) -> bool:
    """A result, to stdout. False: nobody reads it; then there is no more to say."""
    return _write(sys.stdout, text)


def note(text: str) -> None:
    """Something for the person, to stderr. Nobody there to read it is no reason to stop half-way."""
    _write(sys.stderr, text)


def _write(stream: TextIO | None, text: str) -> bool:
    if stream is None:
        return False
    try:
        stream.write(text + "\n")
        stream.flush()
    except UnicodeEncodeError:  # a stream that takes fewer characters than there are
        return _write(stream, text.encode("ascii", "replace").decode())
    except (OSError, ValueError):
        silence(stream)
        return False
    return refused(stream) is None


def refused(stream: TextIO | None) -> OSError | None:
    """Why a stream takes nothing any more; None: it does, or it is unknown."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    found: OSError | None = getattr(raw, "refused", None)
    return found


def silence(stream: TextIO) -> None:
    """The terminal is gone or its disk is full: what is written from now on goes nowhere, without an error."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no descriptor of its own, or none is left
        return


def as_json(value: Mapping[str, Any]) -> None:
    result(json.dumps(value, indent=2))


def tell_lost() -> None:
    """Says on what still works what did not arrive on the other; the exit code is of production, not of the paper."""
    for name, stream in (("result", sys.stdout), ("progress", sys.stderr)):
        found = refused(stream)
        if found is not None and found.errno != EPIPE:  # the reader of a pipe who has left has read enough
            note(f"Note: The {name} could not be written: {found.strerror}.")


class Plain:
    """One line for each step that ends, and a sign of life in between."""

    def __init__(self) -> None:
        self._spoke = 0.0
        self._last = ""

    def plan(self, plan: Plan) -> None:
        note(headline(plan.verb, plan.target, plan.release))

    def started(self, step: Step) -> None:  # noqa: ARG002 - plain output says it when the step has ended
        self._spoke = time.monotonic()

    def progress(self, text: str) -> None:
        text = clean(text)
        if text != self._last and time.monotonic() - self._spoke >= QUIET:
            self._spoke, self._last = time.monotonic(), text
            note(f"            {text}")

    def ended(self, done: StepDone) -> None:
        note(line(done.as_dict()))

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


def choose(progress: str) -> Show:
    """The way to show progress: `json`, `none`, `plain`, or `auto` (alive on a terminal)."""
    if progress == "json":
        return Json()
    if progress == "none":
        return Quiet()
    if progress == "auto" and terminal(sys.stderr):
        from bluegreen.cli.alive import Alive

        return Alive()
    return Plain()


def headline(verb: str, target: str | None, release: int | None) -> str:
    """What is about to be done, in a line."""
    to = f" to {paint(target, target, sys.stderr)}" if target else ""
    of = f", release {release}" if release else ""
    return f"{paint(verb, 'bold', sys.stderr)}{to}{of}"


def line(done: Mapping[str, Any]) -> str:
    """A step that has ended, with the fields of `--json`, in a line."""
    mark, color = MARKS[done["outcome"]]
    seconds = paint(f"{done['seconds']:6.2f} s", "dim", sys.stderr)
    return f"  {paint(mark, color, sys.stderr)} {done['step']:<10}{seconds}  {clean(done['detail'])}"
