"""The folders that the proxy mounts, and whom they belong to."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_MODE = 0o755  # below 0700; nginx, another user, must pass
PROXY_USER = 65534  # nobody: runs nginx when the state folder belongs to root


def proxy_user(state: Path) -> tuple[int, int]:
    """The (user, group) that the proxy runs as: the owner of the state folder, or nobody when that is root."""
    try:
        found = state.stat()
        owner = found.st_uid, found.st_gid
    except OSError:  # not made yet
        owner = os.geteuid(), os.getegid()
    return owner if owner[0] else (PROXY_USER, PROXY_USER)


def make_state(state: Path) -> None:
    """The state folder, 0700, with the folders above it; one that is somebody else's is left as it is.

    What root makes again below somebody's folder is theirs: it was deleted, and they go on with it. Raises OSError.
    """
    missing = [path for path in (state, *state.parents) if not os.path.isdir(path)]
    for path in reversed(missing):
        path.mkdir(mode=0o700 if path == state else 0o755, exist_ok=True)
        above = path.parent.stat()
        if os.geteuid() == 0 and above.st_uid:
            os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)
    found = state.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o777 != 0o700:
        os.chmod(state, 0o700)


def prepare_folders(state: Path) -> None:
    """The folders that the proxy mounts. Safe to run again. Raises OSError."""
    user = proxy_user(state)
    for name in ("nginx", "nginx/snippets", "run", "run/handed", "run/temp"):
        folder = state / name
        folder.mkdir(exist_ok=True)
        if folder.stat().st_mode & 0o777 != FOLDER_MODE:  # only then: the disk may be read-only
            os.chmod(folder, FOLDER_MODE)
    if user[0] == os.geteuid():
        return
    handed = ("run/handed",) if state.stat().st_uid == user[0] else ()  # nginx reads there; nobody may not write
    for name in ("run", "run/temp", *handed):
        found = (state / name).lstat()
        if (found.st_uid, found.st_gid) != user:
            os.chown(state / name, *user, follow_symlinks=False)


def give_to_owner(state: Path) -> None:
    """What root made in somebody's state folder becomes theirs. Below run/, where nginx writes, nothing is touched."""
    owner = state.stat()
    if os.geteuid() or not owner.st_uid:
        return
    for folder, names, files, descriptor in os.fwalk(state, follow_symlinks=False):
        if Path(folder) == state / "run":
            names.clear()
            continue
        for name in (*names, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if found.st_uid == 0:
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=descriptor, follow_symlinks=False)
