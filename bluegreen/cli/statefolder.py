"""The state folder as a command makes it, and the key in it."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from bluegreen.errors import BluegreenError


def salt(state: Path, acts: bool) -> bytes:
    """The key of the hashes that tell whether a text with secrets in it has changed."""
    path = state / "salt"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not acts:  # a look before the first up writes nothing; no hash of it is ever compared
            return secrets.token_bytes(32)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        return path.read_bytes()


def fingerprint(key: bytes, text: str) -> str:
    """A keyed hash: tells whether a text with secrets in it has changed, and nothing else about it."""
    return hmac.new(key, text.encode(), "sha256").hexdigest()[:32]


@contextmanager
def writing(state: Path) -> Iterator[None]:
    """What the file system refuses, as the error that a person meets."""
    try:
        yield
    except OSError as error:
        raise BluegreenError(
            "The state folder cannot be written.", failed=f"{error.strerror or error}: {error.filename or state}",
            expected=f"{state} to be writable by this user, on a disk with room",
            retry="safe, after the cause is fixed",
            next=f"ls -ld {quote(str(state))}; df -h {quote(str(state.parent))}",
        ) from None  # fmt: skip
