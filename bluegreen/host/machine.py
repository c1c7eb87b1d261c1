"""What the file systems of this machine say. Looks only."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
from collections.abc import Collection, Iterable
from pathlib import Path

from bluegreen.files import begin_of

SIOCGIFADDR = 0x8915
MAX_FILES = 200  # snippets that are read at most
MAX_BYTES = 256 * 1024  # read of each


def free_bytes(path: Path) -> int | None:
    """What an ordinary write may still take on the file system of `path`; None: unknown."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def mode(path: Path) -> int | None:
    """The permission bits; None: it is not there, or not to be looked at."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def may_write(path: Path, user: int, groups: Collection[int]) -> bool | None:
    """Whether a user that is not root may write into a folder or file, by owner, group and mode; None: no telling.

    Access control lists are not looked at.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    if found.st_uid == user:
        return bool(found.st_mode & stat.S_IWUSR)
    if found.st_gid in groups:
        return bool(found.st_mode & stat.S_IWGRP)
    return bool(found.st_mode & stat.S_IWOTH)


def existing(folder: Path, names: Iterable[str]) -> list[str]:
    """Which of these names a folder has."""
    return [name for name in names if (folder / name).exists()]


def texts(folder: Path) -> dict[str, str]:
    """The *.conf files of a folder and of those in it, by their names."""
    found = {}
    for path in sorted(folder.rglob("*.conf"))[:MAX_FILES]:
        try:
            found[str(path.relative_to(folder))] = begin_of(str(path), MAX_BYTES)
        except OSError:
            continue
    return found


def docker_bridge() -> str:
    """The address at which containers reach this machine: that of docker0; what the Engine gives it when it is not up.

    Source: netdevice(7), SIOCGIFADDR.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            found = fcntl.ioctl(asking.fileno(), SIOCGIFADDR, struct.pack("256s", b"docker0"))
        except OSError:
            return "172.17.0.1"
    return socket.inet_ntoa(found[20:24])
