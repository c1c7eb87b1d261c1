"""The three streams of a process, made harmless: whoever listens, or nobody, a verb goes on and ends with its own code.

Standard library only, and little of it: flip-back begins here.
"""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

AGAIN = 0.05  # seconds between two tries at a reader that is slow and asked not to be waited for


class Patient(io.FileIO):
    """A descriptor to write to. What it refuses is dropped, and `refused` says why, once."""

    refused: OSError | None = None

    def write(self, data: Any) -> int:
        if self.refused is None:
            try:
                return self._written(data)
            except OSError as error:  # a full disk, a pipe without a reader, a terminal that is gone
                self.refused = error
        return memoryview(data).nbytes

    def _written(self, data: Any) -> int:
        written = super().write(data)
        while written is None:  # somebody else made the descriptor a non-blocking one
            import select

            select.select([], [self], [], AGAIN)
            written = super().write(data)
        return written


def secure() -> None:
    """Comes before everything else: a closed stream gets a descriptor of its own, a broken one ends no verb.

    A descriptor that stayed free would be taken by the next file that is opened, and what is said would go there.
    """
    for descriptor, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            _nowhere(descriptor)
        _replace(name, descriptor)


def _nowhere(descriptor: int) -> None:
    try:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
    except OSError:  # no /dev here: nothing is shown, and nothing ends
        return


def _replace(name: str, descriptor: int) -> None:
    former = getattr(sys, name)
    try:
        if descriptor == 0:
            sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8", "replace")
            return
        encoding = former.encoding if former else "utf-8"
        raw = io.BufferedWriter(Patient(descriptor, "w", closefd=False))
        stream = io.TextIOWrapper(raw, encoding, "replace", line_buffering=raw.isatty())
        setattr(sys, name, stream)
    except OSError:
        setattr(sys, name, former)
