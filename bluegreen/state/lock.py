"""Who may act: `flock` on the state folder. The kernel frees it when the holder dies."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bluegreen.release.errors import BluegreenError, ExitCode


@contextmanager
def locked(state: Path, verb: str, since: str) -> Iterator[None]:
    """Holds the app for one operation. Raises BluegreenError (exit 75) naming the holder."""
    with open(state / "lock", "a+", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held_by(_holder(state)) from None
        file.seek(0)
        file.truncate()
        json.dump({"verb": verb, "who": _user(), "since": since, "pid": os.getpid()}, file)
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _holder(state: Path) -> dict[str, object]:
    try:
        holder = json.loads((state / "lock").read_text())
    except (OSError, ValueError):
        holder = None
    return holder if isinstance(holder, dict) else {}


def _held_by(holder: dict[str, object]) -> BluegreenError:
    verb, who = holder.get("verb", "another verb"), holder.get("who", "somebody")
    return BluegreenError(
        f"Another bluegreen acts on this app: {verb}, started by {who}.",
        failed=f"the lock is held since {holder.get('since', 'just now')} by process {holder.get('pid', '?')}",
        expected="one operation at a time",
        retry="safe, when it has ended",
        next="bluegreen status",
        exit_code=ExitCode.LOCKED,
    )
