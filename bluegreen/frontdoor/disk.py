"""A file of nginx, read and replaced. Standard library only, and little of it."""

from __future__ import annotations

import os

from bluegreen.frontdoor.route import sync

LOADED = "nginx.conf"


def stored_name(color: str) -> str:
    """The text that makes `color` the loaded file's own default, as the last switch left it."""
    return f"live-{color}.conf"


def read(folder: str, name: str = LOADED) -> str | None:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def replace(folder: str, name: str, content: str) -> None:
    """A file, replaced in one step and on the disk when this returns. Raises OSError."""
    temporary = os.path.join(folder, f".{name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)  # the folder above is 0700; nginx runs as another user
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, os.path.join(folder, name))
    sync(folder)


def forget(folder: str, name: str) -> None:
    try:  # noqa: SIM105 - contextlib is not worth its time here
        os.unlink(os.path.join(folder, name))
    except FileNotFoundError:
        pass
