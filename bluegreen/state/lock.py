"""Who may act: `flock` on the state folder. The kernel frees it when the holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bluegreen.errors import BluegreenError, ExitCode

ASK_AGAIN = 0.1  # seconds between two tries
TOLD_GRACE = 10.0  # seconds that a holder in prepare gets to end by itself, before it is killed
SAFE_GRACE = 90.0  # seconds that one in cutover or later gets to finish: it is never killed
PREPARE = "prepare"


@dataclass(frozen=True)
class Holder:
    """Who acts on the app, as the lock file says; it is true only while somebody holds the lock."""

    verb: str = "another verb"
    who: str = "somebody"
    since: str = "just now"
    pid: int = 0
    started: str = ""  # the process's start in clock ticks since boot: tells it from a later one of the same id
    phase: str = ""
    left: dict[str, object] | None = None  # the one before, when it was killed

    def __str__(self) -> str:
        return f"{self.verb}, started by {self.who} at {self.since}, process {self.pid or '?'}"


class Lock:
    """The lock while it is held."""

    def __init__(self, file: int, holder: Holder) -> None:
        self._file = file
        self._holder = holder
        self._write(json.dumps(asdict(holder)))

    def phase(self, name: str) -> None:
        """Says how far the operation is: what others may do about it depends on that."""
        self._holder = replace(self._holder, phase=name)
        self._write(json.dumps(asdict(self._holder)))

    def clear(self) -> None:
        self._write("")

    def _write(self, text: str) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text.encode(), 0)
        except OSError:  # a full disk: the lock holds all the same, it only names nobody
            return


@contextmanager
def locked(
    state: Path,
    verb: str,
    since: str,
    wait: float = 0.0,
    now: bool = False,
    command: str = "bluegreen",
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Lock]:
    """Holds the app for one operation.

    `wait`: seconds to wait for another one to end. `now`: one that still prepares is told to end, and killed
    when it does not; one that moves traffic is waited for. Raises BluegreenError (exit 75) naming the holder.
    """
    file = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _take(file):
            if now:
                _take_over(state, file, verb, command, tell)
            else:
                _wait(state, file, verb, wait, command, tell)
        left = left_by(state)
        mine = Holder(
            verb,
            _user(),
            since,
            os.getpid(),
            _started(os.getpid()),
            PREPARE,
            asdict(replace(left, left=None)) if left else None,
        )
        lock = Lock(file, mine)
        try:
            yield lock
        finally:
            lock.clear()
    finally:
        os.close(file)


def _take(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_within(file: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _take(file):
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
    holder = read_holder(state)
    try:
        descriptor = os.pidfd_open(holder.pid) if holder.pid else None
    except ProcessLookupError:
        descriptor = None
    except OSError:
        raise _held_by(holder, verb, command) from None
    if descriptor is None or _started(holder.pid) != holder.started:
        if not _take_within(file, 1.0):  # it was just ending
            raise _held_by(read_holder(state), verb, command)
        return
    try:
        _end(state, file, descriptor, holder, tell)
        if not _take_within(file, SAFE_GRACE):
            raise _held_by(read_holder(state), verb, command)
    except PermissionError:
        raise _held_by(holder, verb, f"sudo {command}") from None
    finally:
        os.close(descriptor)


def _end(state: Path, file: int, descriptor: int, holder: Holder, tell: Callable[[str], None]) -> None:
    """Tells a holder to end and kills it if it does not, but never once it may be moving traffic."""
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        tell(f"Another bluegreen acts: {holder}. It is told to end.")
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if _take_within(file, TOLD_GRACE):
            return
        # Stopped first, so that it cannot begin to move traffic between the look and the kill.
        signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
        if read_holder(state).phase == PREPARE:
            tell(f"It does not end, and traffic has not moved: process {holder.pid} is killed.")
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        else:
            tell("It moves traffic already, so it is waited for.")
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)


def read_holder(state: Path) -> Holder:
    """What the lock file says of the one who holds it."""
    try:
        return _holder(json.loads((state / "lock").read_text())) or Holder()
    except (OSError, ValueError, TypeError):
        return Holder()


def _holder(found: object) -> Holder | None:
    return Holder(**found) if isinstance(found, dict) else None


def left_by(state: Path) -> Holder | None:
    """A flip-back that was killed: it is recorded in the journal only once traffic has moved, so the lock tells."""
    holder = read_holder(state)
    if holder.pid and _started(holder.pid) == holder.started:
        holder = _holder(holder.left) or Holder()
    return holder if holder.verb == "flip-back" and holder.pid else None


def _started(pid: int) -> str:
    """Field 22 of /proc/PID/stat, see proc_pid_stat(5); "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _held_by(holder: Holder, verb: str, command: str) -> BluegreenError:
    way = f"{command} {verb} --wait 60s, or {command} status"
    if verb == "flip-back" and holder.phase == PREPARE:
        way = f"{command} flip-back --now (ends the {holder.verb}, which still prepares, and acts)"
    return BluegreenError(
        f"Another bluegreen acts on this app: {holder.verb}, started by {holder.who}.",
        failed=f"the lock is held since {holder.since} by process {holder.pid or '?'}",
        expected="one operation at a time",
        retry="safe, when it has ended",
        next=way,
        exit_code=ExitCode.LOCKED,
    )
