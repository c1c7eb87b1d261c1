"""An error that leaves an operation half-way says by its exit code how far that was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bluegreen.errors import COMMAND, OF_MACHINE, BluegreenError, ExitCode, of_machine

TRAFFIC = {
    "cutover": "unknown; look now", "watch": "moved, and confirmed; it was not watched to the end",
    "canary": "unknown; look now",
    "settle": "moved, and confirmed; what comes after is not complete",
    "end": "none: down has begun",
}  # fmt: skip


@contextmanager
def as_far_as(reached: Callable[[], str]) -> Iterator[None]:
    """`reached`: the phase that the operation is in. In prepare nothing has moved, whatever went wrong."""
    try:
        yield
    except (BluegreenError, *OF_MACHINE) as error:
        known = of_machine(error)
        if (traffic := TRAFFIC.get(reached())) and known.exit_code == ExitCode.FAILED:
            known.traffic = known.traffic or traffic
            if reached() != "end":
                known.exit_code, known.retry = ExitCode.UNKNOWN, "not before you looked"
                known.next = f"{COMMAND} status"
        raise known from None
