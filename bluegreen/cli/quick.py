"""The way back, by the side door: nothing but the standard library is loaded until traffic has moved.

It runs the same story as the command that click calls, with the same front door, lock and probes; what that story
needs after traffic has moved is made when it is first used. Anything unusual is left to the full command.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bluegreen.cli.boundary import guarded
from bluegreen.cli.clock import utc_now
from bluegreen.cli.doors import front_door
from bluegreen.cli.output import prompt
from bluegreen.cli.probes import Probes
from bluegreen.cli.show import show_result
from bluegreen.cli.signals import Signals
from bluegreen.cli.where import short, state_folder
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError
from bluegreen.flow.flip_back import Wanted, flip_back
from bluegreen.flow.values import Tools
from bluegreen.frontdoor.files import Files
from bluegreen.places.docker.signal import signal
from bluegreen.state.lock import Lock, locked

if TYPE_CHECKING:
    from pathlib import Path

    from bluegreen.cli.wiring import App
    from bluegreen.domain.routing import Routing

VALUED = {"-f": "files", "--file": "files", "-p": "project_name", "--project-name": "project_name"}
FLAGS = ("--json", "--force")


class Later:
    """Something that is made when it is first used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)


class Place:
    """The proxy's container: a signal without docker-py, everything else with it."""

    def __init__(self, engine: Later) -> None:
        self._engine = engine

    def signal(self, container: str, name: str) -> None:
        if not signal(container, name, os.environ):
            self._engine.signal(container, name)

    def run_in(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        code, output = self._engine.run_in(container, command)
        return int(code), str(output)


def run(arguments: Sequence[str]) -> int | None:
    """The exit code of a flip-back; None: the full command has to look at these arguments, or at this app."""
    typed = _read(arguments)
    if typed is None:
        return None
    options, flags = typed
    state = state_folder(options, os.environ)
    routing = Files(str(state / "nginx")).routing() if state else None
    if state is None or routing is None or options.project_name not in (None, routing.app):
        return None
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(locked(state, "flip-back", utc_now()))
        except (BluegreenError, OSError):
            return None
        return guarded(lambda: _flip_back(options, state, routing, lock, flags), "--json" in flags)


def _read(arguments: Sequence[str]) -> tuple[Options, frozenset[str]] | None:
    files: list[str] = []
    name: str | None = None
    flags, verb = set(), False
    rest = iter(arguments)
    for word in rest:
        if word == "flip-back" and not verb:
            verb = True
        elif word in FLAGS and verb:
            flags.add(word)
        elif word in VALUED and not verb:
            value = next(rest, None)
            if value is None or value.startswith("-"):
                return None
            if VALUED[word] == "files":
                files.append(value)
            else:
                name = value
        else:
            return None
    return (Options(tuple(files), name), frozenset(flags)) if verb else None


class Rest:
    """What comes after traffic has moved: the full command's own app and tools, made when they are first used."""

    def __init__(self, options: Options, state: Path, name: str, phase: Callable[[str], None]) -> None:
        self._options, self._state, self._name, self._phase = options, state, name, phase
        self.show, self.signals = prompt(), Signals()

    @cached_property
    def app(self) -> App:
        from bluegreen.cli.wiring import App

        return App(self._options, self.show, self.signals, self._phase, self._state)

    @cached_property
    def _tools(self) -> Tools:
        return self.app.tools(self._name)

    def later(self, part: str) -> Any:
        return Later(lambda: getattr(self._tools, part))

    def call(self, part: str) -> Any:
        return lambda *arguments: getattr(self._tools, part)(*arguments)

    def journal(self) -> Any:
        from bluegreen.state.journal import Journal

        return Journal(self._state, utc_now, self.show.notice)


def _flip_back(options: Options, state: Path, routing: Routing, lock: Lock, flags: frozenset[str]) -> int:
    rest = Rest(options, state, routing.app, lock.phase)
    with rest.signals.listening():
        tools = _tools(rest, state, routing.app, lock, f"bluegreen{options.shown()}")
        result = flip_back(tools, Wanted("--force" in flags, lambda: rest.app.stack))
        return show_result(result, tools.command, routing.preview, "--json" in flags)


def _tools(rest: Rest, state: Path, app: str, lock: Lock, command: str) -> Tools:
    sockets, engine = short(state / "run"), rest.later("engine")
    _, nginx, door = front_door(app, state, sockets, Place(engine))
    return Tools(
        app=app, engine=engine, nginx=nginx, door=door, prober=Probes(sockets), journal=Later(rest.journal),
        colors=rest.later("colors"), compose=rest.later("compose"), snippets=rest.later("snippets"),
        machine=rest.later("machine"), expected=rest.later("expected"), render=rest.call("render"),
        host=rest.call("host"), mask=rest.call("mask"), fingerprint=rest.call("fingerprint"), show=rest.show,
        signals=rest.signals, phase=lock.phase, now=utc_now, clock=time.monotonic, sleep=time.sleep, command=command,
    )  # fmt: skip
