"""The state folder as a command makes it, and the key in it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from bluegreen import files
from bluegreen.errors import BluegreenError

LENGTH, LONGEST = 32, 1024  # bytes of a salt


def salt(state: Path, acts: bool) -> bytes:
    """The key of the hashes that tell whether a text with secrets in it has changed.

    One that is missing, cut short or of another kind is made again: everything counts as changed then, once.
    Raises BluegreenError.
    """
    path = str(state / "salt")
    try:
        found = files.read(path, LONGEST)
    except (FileNotFoundError, files.Unfit):
        found = b""
    except OSError as error:
        raise _refused(state, error) from None
    if len(found) >= LENGTH:
        return found
    fresh = secrets.token_bytes(LENGTH)
    if acts:  # a look writes nothing; no hash of it is ever compared
        with writing(state):
            files.replace(path, fresh)
    return fresh


def fingerprint(key: bytes, text: str) -> str:
    """A keyed hash: tells whether a text with secrets in it has changed, and nothing else about it."""
    return hmac.new(key, text.encode(), "sha256").hexdigest()[:32]


@contextmanager
def writing(state: Path) -> Iterator[None]:
    """What the file system refuses, as the error that a person meets."""
    try:
        yield
    except OSError as error:
        raise _refused(state, error) from None


def _refused(state: Path, error: OSError) -> BluegreenError:
    return BluegreenError(
        "The state folder cannot be used.", code="state-folder",
        failed=f"{error.strerror or error}: {error.filename or state}",
        expected=f"{state} to be writable by this user, on a disk with room",
        retry="safe, after the cause is fixed", next=f"ls -ld {quote(str(state))}; df -h {quote(str(state.parent))}",
    )  # fmt: skip
