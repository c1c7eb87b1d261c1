"""Who may act: `flock` on the state folder. The kernel frees it when the holder dies."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bluegreen.errors import COMMAND, BluegreenError, ExitCode
from bluegreen.state import holder
from bluegreen.state.holder import CANARY, PREPARE

ASK_AGAIN = 0.1  # seconds between two tries
TOLD_GRACE = 10.0  # seconds that a holder in prepare gets to end by itself, before it is killed
SAFE_GRACE = 90.0  # seconds that one in cutover or later gets to finish: it is never killed


@dataclass(frozen=True)
class Holder:
    """Who acts on the app, as the lock file says; it is true only while somebody holds the lock."""

    verb: str = "another verb"
    who: str = "somebody"
    since: str = "just now"
    pid: int = 0
    started: str = ""  # the process's start in clock ticks since boot: tells it from a later one of the same id
    phase: str = ""
    left: dict[str, Any] | None = None  # the one before, when it was killed

    def __str__(self) -> str:
        return f"{self.verb}, started by {self.who} at {self.since}, process {self.pid or '?'}"


class Lock:
    """The lock while it is held."""

    def __init__(self, state: Path, file: int, mine: dict[str, Any]) -> None:
        self._state, self._files, self._mine = state, [file], mine
        self.reached = PREPARE  # the phase that the operation is in
        holder.write(file, mine)

    def phase(self, name: str) -> None:
        """Says how far the operation is: what others may do about it depends on that."""
        self.reached = self._mine["phase"] = name
        holder.write(self._files[-1], self._mine)

    def check(self) -> None:
        """Raises BluegreenError when the file that is held is not the one on the disk: somebody else may act."""
        if not any(holder.on_disk(str(self._state), file) for file in self._files):
            raise BluegreenError(
                "The lock of this app was taken away while this command ran, so it stops.", code="lock-removed",
                failed=f"{self._state / holder.NAME} was removed or replaced", expected="nobody to remove it",
                retry="safe, when no other bluegreen acts on this app", next=f"{COMMAND} status",
            )  # fmt: skip

    def moved(self, state: Path, file: int | None) -> None:
        """The folder is elsewhere now; `file`: the lock of its copy there, which this holds too."""
        self._state = state
        self._files += [file] if file is not None else []

    def clear(self) -> None:
        holder.write(self._files[-1], None)


@dataclass(frozen=True)
class Held:
    """What to do about another bluegreen that holds the app.

    `wait`: seconds to wait for its end. `end`: one that still prepares gets a signal, and is killed if it goes on;
    one that moves traffic is waited for.
    """

    wait: float = 0.0
    end: bool = False


@contextmanager
def locked(
    state: Path,
    verb: str,
    since: str,
    held: Held = Held(),
    command: str = "bluegreen",
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Lock]:
    """Holds the app for one operation. `held`: what to do about another one that holds it now.

    Raises BluegreenError (exit 75) naming the holder.
    """
    file = _taken(state, verb, held, command, tell)
    try:
        left = left_by(state)
        lock = Lock(state, file, {**holder.me(verb, since), "left": {**asdict(left), "left": None} if left else None})
        try:
            yield lock
        finally:
            lock.clear()
    finally:
        os.close(file)


def _taken(state: Path, verb: str, held: Held, command: str, tell: Callable[[str], None]) -> int:
    """The lock file, held; the one that is there now, should somebody have removed it meanwhile."""
    while True:
        file = holder.opened(str(state))
        try:
            if not holder.taken(file):
                if held.end:
                    _take_over(state, file, verb, command, tell)
                else:
                    _wait(state, file, verb, held.wait, command, tell)
            if holder.on_disk(str(state), file):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _take_within(file: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holder.taken(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(ASK_AGAIN)
    return True


def _wait(state: Path, file: int, verb: str, wait: float, command: str, tell: Callable[[str], None]) -> None:
    if wait:
        tell(f"Waiting up to {wait:g} s for another bluegreen: {read_holder(state)}.")
    if not _take_within(file, wait):
        raise _held_by(read_holder(state), verb, command)


def _take_over(state: Path, file: int, verb: str, command: str, tell: Callable[[str], None]) -> None:
    """Ends a holder that still prepares; waits for one that is further."""
    other = read_holder(state)
    try:
        descriptor = os.pidfd_open(other.pid) if other.pid else None
    except ProcessLookupError:
        descriptor = None
    except OSError:
        raise _held_by(other, verb, command) from None
    if descriptor is None or holder.started(other.pid) != other.started:
        if not _take_within(file, 1.0):  # it was just ending
            raise _held_by(read_holder(state), verb, command)
        return
    try:
        _end(state, file, descriptor, other, tell)
        if not _take_within(file, SAFE_GRACE):
            raise _held_by(read_holder(state), verb, command)
    except PermissionError:
        raise _held_by(other, verb, f"sudo {command}") from None
    finally:
        os.close(descriptor)


def _end(state: Path, file: int, descriptor: int, other: Holder, tell: Callable[[str], None]) -> None:
    """Tells a holder to end and kills it if it does not, but never once it may be moving traffic."""
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        tell(f"Another bluegreen command is running: {other}. It is being ended.")
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if _take_within(file, TOLD_GRACE):
            return
        # Stopped first, so that it cannot begin to move traffic between the look and the kill.
        signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
        if read_holder(state).phase == PREPARE:
            tell(f"It does not end, and traffic has not moved: process {other.pid} is killed.")
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        else:
            tell("It moves traffic already, so it is waited for.")
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)


def read_holder(state: Path) -> Holder:
    """What the lock file says of the one who holds it."""
    return _holder(holder.read(str(state))) or Holder()


def left_by(state: Path) -> Holder | None:
    """A flip-back that was killed: it is recorded in the journal only once traffic has moved, so the lock tells."""
    found = read_holder(state)
    if found.pid and holder.started(found.pid) == found.started:
        found = _holder(found.left) or Holder()
    return found if found.verb == "flip-back" and found.pid else None


def _holder(found: dict[str, Any] | None) -> Holder | None:
    try:
        return Holder(**found) if found else None
    except TypeError:
        return None


def _held_by(other: Holder, verb: str, command: str) -> BluegreenError:
    way = f"{command} {verb} --wait 60s, or {command} status"
    if verb == "flip-back" and other.phase in (PREPARE, CANARY):
        how = "waits between two shares" if other.phase == CANARY else "still prepares"
        way = f"{command} flip-back --now (ends the {other.verb}, which {how}, and acts)"
    return BluegreenError(
        f"Another bluegreen command is running for this app: {other.verb}, started by {other.who}.",
        code="locked",
        failed=f"the lock is held since {other.since} by process {other.pid or '?'}",
        expected="one operation at a time",
        retry="safe, when it has ended",
        next=way,
        exit_code=ExitCode.LOCKED,
    )
