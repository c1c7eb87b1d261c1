"""A file of nginx, read and replaced. Standard library only, and little of it."""

from __future__ import annotations

import os

from bluegreen import files

LOADED = "nginx.conf"
SUCCEEDING = "succeeding"  # which nginx takes over from which, while one does (frontdoor/succession.py)
MODE = 0o644  # the folder above is 0700; nginx runs as another user


def stored_name(color: str) -> str:
    """The text that makes `color` the loaded file's own default, as the last switch left it."""
    return f"live-{color}.conf"


def read(folder: str, name: str = LOADED) -> str | None:
    try:
        return files.text(os.path.join(folder, name))
    except OSError:
        return None


def texts(folder: str) -> str:
    """What nginx loads now, and what it loads once either color is its own default, together."""
    return "".join(read(folder, name) or "" for name in (LOADED, stored_name("blue"), stored_name("green")))


def replace(folder: str, name: str, content: str) -> None:
    """A file, replaced in one step and on the disk when this returns. Raises OSError."""
    files.replace(os.path.join(folder, name), content.encode(), MODE)


def forget(folder: str, name: str) -> None:
    try:  # noqa: SIM105 - contextlib is not worth its time here
        os.unlink(os.path.join(folder, name))
    except FileNotFoundError:
        pass
