"""Whose a file is, and whether its owner is trusted: as git does it with `safe.directory`.

A Compose file says what runs as root, and a state folder what is live. Whoever may change a folder on the way to it
may put another one in its place.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Iterator, Mapping

VARIABLE = "BLUEGREEN_TRUST_OWNER"  # more users who are believed: names or numbers, with commas; * for everybody
EVERYBODY = "*"


def believed(environment: Mapping[str, str]) -> frozenset[int] | None:
    """Users whose files this one believes: root, this user, with sudo whoever typed it. None: everybody."""
    named = environment.get(VARIABLE, "").replace(",", " ").split()
    if EVERYBODY in named:
        return None
    typed = [environment.get("SUDO_UID", "")] if os.geteuid() == 0 else []
    return frozenset([0, os.geteuid(), *(user for word in (*named, *typed) if (user := _number(word)) is not None)])


def stranger(path: str, users: Collection[int] | None) -> tuple[str, int] | None:
    """The part of the way to a file that belongs to none of these users, and its owner; None: there is none.

    The file itself, every folder above it, and the same of what links on the way lead to. What is not there, nobody
    owns.
    """
    if users is None:
        return None
    for part in _way(os.path.abspath(path)):
        try:
            owner = os.lstat(part).st_uid
        except OSError:
            continue
        if owner not in users:
            return part, owner
    return None


def name(user: int) -> str:
    """A user as a person reads it."""
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except KeyError:
        return f"uid {user}"


def word(user: int) -> str:
    """A user as it is typed for `VARIABLE`."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _way(path: str) -> Iterator[str]:
    for it in dict.fromkeys([path, os.path.realpath(path)]):
        while it != "/":
            yield it
            it = os.path.dirname(it)


def _number(text: str) -> int | None:
    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid if text else None
    except KeyError:
        return None
