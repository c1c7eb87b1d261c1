"""The lock file: who holds it, and taking it. Standard library only, and little of it."""

from __future__ import annotations

import fcntl
import json
import os

from bluegreen.state import read_json

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

NAME = "lock"
PREPARE = "prepare"


def take(state: str) -> int | None:
    """Opens the lock file and takes it: a descriptor that holds it until it is closed. None: somebody else does.

    Raises OSError.
    """
    descriptor = os.open(os.path.join(state, NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if taken(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def taken(descriptor: int) -> bool:
    """Takes the lock if nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def me(verb: str, since: str) -> dict[str, Any]:
    """This process as the holder of the lock."""
    pid = os.getpid()
    return {"verb": verb, "who": user(), "since": since, "pid": pid, "started": started(pid), "phase": PREPARE}


def write(descriptor: int, holder: dict[str, Any] | None) -> None:
    """Says who holds the lock; None: nobody any more."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode() if holder else b"", 0)
    except OSError:  # a full disk: the lock holds all the same, it only names nobody
        return


def read(state: str) -> dict[str, Any] | None:
    """What the lock file says; None: nothing, or nothing that is ours."""
    try:
        return read_json(os.path.join(state, NAME))
    except (OSError, ValueError):
        return None


def started(pid: int) -> str:
    """Field 22 of /proc/PID/stat, see proc_pid_stat(5); "" when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def user() -> str:
    """The login, as getpass finds it; a number for a user without an entry in passwd."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):  # as getpass looks
        if user := os.environ.get(name):
            return user
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return f"uid {os.getuid()}"
