"""Ctrl-C, SIGTERM and SIGHUP (the terminal is gone): when they end a command, and when it goes on."""

from __future__ import annotations

import signal
from contextlib import contextmanager

from bluegreen.errors import ExitCode, Interrupted

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Raise Interrupted while that is safe; while they are held they are noted, however often they come."""

    def __init__(self) -> None:
        self._held = False
        self._pending: int | None = None
        self._came = False
        self._former: dict[int, Callable[[int, Any], Any] | int | None] = {}

    @property
    def asked(self) -> str | None:
        """The signal that came while the command could not end; None: none came."""
        return signal.Signals(self._pending).name if self._pending is not None else None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals over for the time of one operation.

        Once one came they stay taken until the process ends: an impatient person's second Ctrl-C, or the signal that
        a shell and a terminal both send, would otherwise end the command while it says what it has done.
        """
        try:
            self._former = {number: signal.signal(number, self._note) for number in HANDLED}
        except ValueError:  # not the main thread: signals are another's matter
            yield
            return
        try:
            yield
        finally:
            self._held = True
            if not self._came:
                for number, former in self._former.items():
                    signal.signal(number, former if former is not None else signal.SIG_DFL)

    def hold(self) -> None:
        """From now on signals are only noted: the operation has to end completely."""
        self._held = True

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """What runs inside is finished first: an Engine that is asked to remove what it is starting leaks it."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
        if self._pending is not None and not self._held:
            number, self._pending = self._pending, None
            self._held = True  # the way out is not interrupted either
            raise _interrupted(number)

    def _note(self, number: int, _: object) -> None:
        self._came = True
        if self._held:
            self._pending = number
        else:
            self._held = True
            raise _interrupted(number)


def _interrupted(number: int) -> Interrupted:
    return Interrupted(
        f"Interrupted ({signal.Signals(number).name}) before traffic moved.", code="interrupted",
        failed="a signal ended the command", retry="safe",
        next="the same command again", exit_code=ExitCode.INTERRUPTED,
    )  # fmt: skip
