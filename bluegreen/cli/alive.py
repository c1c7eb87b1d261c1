"""Progress on a terminal: the step at work with a spinner, those that ended above it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bluegreen.cli.output import clean, headline, line, note, paint, silence
from bluegreen.flow.values import StepDone
from bluegreen.plans.plan import Plan, Step

AROUND = 24  # columns of the spinner, the name and the time on a live line


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
        note(headline(plan.verb, plan.target, plan.release))

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
        note(line(done.as_dict()))

    def notice(self, text: str) -> None:
        with _lively():
            self._progress.stop()
        note(f"{paint('Note:', 'yellow', sys.stderr)} {clean(text)}")

    def close(self) -> None:
        with _lively():
            self._progress.stop()


@contextmanager
def _lively() -> Iterator[None]:
    """A terminal that is gone must not end the operation that was shown on it."""
    try:
        yield
    except (OSError, ValueError):
        silence(sys.stderr)
