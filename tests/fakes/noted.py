"""Tools for one function of a story: ports that note what they are asked for, and answer what a test has set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from tests.fakes.machine import FakeEdge


class Noted:
    """A port. An answer is a value, an exception to be raised, or a function of the call's arguments."""

    def __init__(self, log: list[tuple[Any, ...]], **answers: Any) -> None:
        self._log, self._answers = log, answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self._log.append((name, *given, *named.values()))
            found = self._answers.get(name)
            if isinstance(found, BaseException):
                raise found
            return found(*given, **named) if callable(found) else found

        return call


class Told:
    """What a person would have read, and how long it took: a clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.progress: list[str] = []
        self.notices: list[str] = []
        self.started: list[str] = []
        self.ended: list[tuple[str, str, str]] = []  # step, outcome, detail
        self.held = False
        self.asked: str | None = None  # the signal that came
        self.deferred_now = 0
        self.now = 100.0

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        self.deferred_now += 1
        yield
        self.deferred_now -= 1

    def hold(self) -> None:
        self.held = True

    def end(self, done: Any) -> None:
        self.ended.append((done.step.name, done.outcome, done.detail))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def tools(**ports: Any) -> Any:
    """`log`: every call to a port, in order. A port is given by its answers, or as itself."""
    log: list[tuple[Any, ...]] = []
    told = Told()
    found: dict[str, Any] = {
        "app": "shop", "command": "bluegreen -p shop", "log": log, "told": told, "clock": lambda: told.now,
        "sleep": told.sleep, "wall": lambda: told.now, "now": lambda: "now",
        "mask": lambda words: words.replace("s3cret", "***"),
        "fingerprint": str, "phase": lambda _: None, "signals": told,
        "show": SimpleNamespace(
            progress=told.progress.append, notice=told.notices.append, plan=lambda _: None, ended=told.end,
            started=lambda step: told.started.append(step.name),
        ),
    }  # fmt: skip
    found["edge"] = FakeEdge()
    names = ("colors", "containers", "images", "proxy", "engine", "compose", "door", "prober", "machine")
    found |= {name: Noted(log) for name in names}
    found |= {name: Noted(log, **port) if isinstance(port, dict) else port for name, port in ports.items()}
    return SimpleNamespace(**found)


def done(found: Any) -> list[str]:
    """The calls to ports, by name and first argument."""
    return [" ".join(map(str, call[:2])) for call in found.log]
