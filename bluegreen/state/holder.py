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
CANARY = "canary"  # it waits between two shares of visitors
FIRST_PID, LAST_PID = 1, 2**22 + 1  # what a process may be called lies between, see proc_sys_kernel(5): pid_max


def take(state: str) -> int | None:
    """Opens the lock file and takes it: a descriptor that holds it until it is closed. None: somebody else does.

    Raises OSError.
    """
    while True:
        descriptor = opened(state)
        if not taken(descriptor):
            os.close(descriptor)
            return None
        if on_disk(state, descriptor):
            return descriptor
        os.close(descriptor)  # somebody took the file away meanwhile, and it is another one now


def opened(state: str) -> int:
    """The lock file, made if there is none. Raises OSError."""
    return os.open(os.path.join(state, NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def on_disk(state: str, descriptor: int) -> bool:
    """Whether this is the lock file that others would find now, not one that was removed or replaced."""
    try:
        found = os.stat(os.path.join(state, NAME))
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)


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
        found = read_json(os.path.join(state, NAME))
    except (OSError, ValueError):
        return None
    return _sound(found) if found else None


def _sound(found: dict[str, Any]) -> dict[str, Any] | None:
    """What is ours, each of its type. Its process is one that a signal may end: no group, not init."""
    texts = {key: found[key] for key in ("verb", "who", "since", "started", "phase") if isinstance(found.get(key), str)}
    left, pid = found.get("left"), found.get("pid")
    known = type(pid) is int and FIRST_PID < pid < LAST_PID
    left = _sound(left) if isinstance(left, dict) and left.get("left") is None else None
    return {**texts, "pid": pid if known else 0, "left": left} if texts or known else None


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
