"""Runs the real command, and ends it at one exact point of one step: `python -m tests.support.killed ARGUMENTS`.

The point comes as JSON in KILL_AT: {"step", "moment": before|middle|after, "signal", "event", "report"}. `middle`
is an event of the step: a request to the Engine or to nginx that was sent and not yet answered, a file that was
written and not yet on the disk, a Compose that was started, a line for the journal. The file `report` gets one
line of JSON for each step with its number of events, and one for the kill.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

SECOND = 0.15  # seconds after which an impatient person presses Ctrl-C again


class Point:
    """Where the command is now, and where it is to be ended."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        self.step: str | None = None
        self.events = 0
        self.done = False

    def report(self, **values: Any) -> None:
        descriptor = os.open(self.wanted["report"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, json.dumps(values).encode() + b"\n")
        os.close(descriptor)

    def reached(self, moment: str) -> None:
        if not self.done and (self.step, moment) == (self.wanted.get("step"), self.wanted.get("moment")):
            self.end()

    def event(self) -> None:
        if self.step is None or threading.current_thread() is not threading.main_thread():
            return
        self.events += 1
        if self.events == self.wanted.get("event"):
            self.reached("middle")

    def end(self) -> None:
        self.done = True
        number = signal.Signals[self.wanted["signal"]]
        self.report(killed=self.step, event=self.events, signal=number.name)
        if number == signal.SIGHUP:
            _lose_terminal()
        if number in (signal.SIGINT, signal.SIGHUP):  # as a terminal sends them: to Compose as well
            again = threading.Timer(SECOND, lambda: os.kill(os.getpid(), number))
            again.daemon = True
            again.start()
            os.killpg(0, number)
        else:
            os.kill(os.getpid(), number)


def _lose_terminal() -> None:
    """Both streams lead to a terminal that is gone: every write fails, as when ssh was cut."""
    master, slave = os.openpty()
    os.dup2(slave, 1)
    os.dup2(slave, 2)
    os.close(slave)
    os.close(master)


def _before(owner: Any, name: str, act: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        act()
        return original(*arguments, **named)

    setattr(owner, name, wrapped)


def _watch(
    point: Point, phase: str, name: str, action: Callable[[], str], run: Callable[[Callable[[], str]], Any]
) -> Any:
    """Runs a step that is ended before, in the middle of or after its action, when it is the one."""

    def watched() -> str:
        point.reached("before")
        detail = action()
        point.reached("after")
        return detail

    point.step, point.events = name, 0
    try:
        return run(watched)
    finally:
        point.report(step=name, phase=phase, events=point.events)
        point.step = None


def main() -> int:
    from bluegreen import unix_http
    from bluegreen.__main__ import command
    from bluegreen.cli.quick import Quick
    from bluegreen.flow import run as execute
    from bluegreen.state.releases import Releases

    point = Point(json.loads(os.environ.pop("KILL_AT")))
    original, quickly = execute._run_step, Quick._step

    def run_step(tools: Any, step: Any, action: Callable[[], str], *rest: Any) -> None:
        _watch(point, step.phase, step.name, action, lambda act: original(tools, step, act, *rest))

    def quick_step(quick: Quick, phase: str, name: str, action: Callable[[], str]) -> Any:
        return _watch(point, phase, name, action, lambda act: quickly(quick, phase, name, act))

    execute._run_step = run_step  # type: ignore[assignment]  # as the original, looser in its types
    Quick._step = quick_step  # type: ignore[method-assign, assignment]  # a wrapper with the same meaning
    _before(http.client.HTTPConnection, "getresponse", point.event)
    _before(unix_http, "_read", point.event)
    _before(os, "fsync", point.event)
    _before(os, "rename", point.event)
    _before(Releases, "end", point.event)
    popen = subprocess.Popen.__init__

    def started(self: Any, *arguments: Any, **named: Any) -> None:
        popen(self, *arguments, **named)
        point.event()

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]  # a wrapper with the same meaning
    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
