"""The folders that the proxy mounts, and whom they belong to."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from bluegreen.frontdoor import succession
from bluegreen.unix_http import open_folder

FOLDER_MODE = 0o755  # below 0700; nginx, another user, must pass
PROXY_USER = 65534  # nobody: runs nginx when the state folder belongs to root
SOCKETS = "sockets"  # in an edge's state folder
RUN = "run"  # the one folder that nginx may write: it may have made whatever is in it
TRIES = 3  # to make a folder where nginx may put something else in its place meanwhile


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
        above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            owner = os.fstat(above)
            mode = 0o700 if path == state else FOLDER_MODE
            mine = os.geteuid() or not owner.st_uid
            os.close(_folder(above, path.name, mode, None if mine else (owner.st_uid, owner.st_gid)))
        finally:
            os.close(above)
    found = state.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o777 != 0o700:
        os.chmod(state, 0o700)


def prepare_folders(state: Path) -> None:
    """The folders that the proxy mounts. Safe to run again.

    No link is followed and nothing but a folder is given away: were nginx taken over, it could put a link to a folder
    of this machine where one of ours is expected. Raises OSError.
    """
    root = os.geteuid() == 0
    user = proxy_user(state) if root else None
    opened = [os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        above = os.fstat(opened[0])
        owner = (above.st_uid, above.st_gid) if root else None
        opened.append(_folder(opened[0], "nginx", FOLDER_MODE))
        opened.append(_folder(opened[1], "snippets", FOLDER_MODE))
        opened.append(_folder(opened[0], RUN, FOLDER_MODE, user))
        succession.prepare(f"{state}/nginx")
        for name, whose in (("handed", owner), ("temp", user)):  # nginx reads the first; nobody may not write there
            opened.append(_within_reach(opened[3], name, whose))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def make_sockets(edge: Path, apps: Sequence[str], user: tuple[int, int]) -> None:
    """In an edge's state folder: the folders in which the nginx of each app, which runs as `user`, listens for it.

    Raises OSError.
    """
    root = os.geteuid() == 0
    opened = [os.open(edge, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        opened.append(_folder(opened[0], SOCKETS, FOLDER_MODE))
        opened += [_folder(opened[1], app, FOLDER_MODE, user if root else None) for app in apps]
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _within_reach(run: int, name: str, owner: tuple[int, int] | None) -> int:
    """A folder in the one that nginx may write. Anything else in its place is removed."""
    for _ in range(TRIES):
        try:
            return _folder(run, name, FOLDER_MODE, owner)
        except OSError:
            if _is_folder(run, name):
                raise
            os.unlink(name, dir_fd=run)  # of a link: the link alone
    return _folder(run, name, FOLDER_MODE, owner)


def _is_folder(at: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)


def _folder(at: int, name: str, mode: int, owner: tuple[int, int] | None = None) -> int:
    """Makes a folder, or takes the one that is there, with this mode and owner; a descriptor of it. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=at)
    descriptor = open_folder(name, at)
    try:
        found = os.fstat(descriptor)
        if found.st_mode & 0o777 != mode:  # only then: the disk may be read-only
            os.fchmod(descriptor, mode)
        if owner is not None and (found.st_uid, found.st_gid) != owner:
            os.fchown(descriptor, *owner)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def give_to_owner(state: Path) -> None:
    """What root made in somebody's state folder becomes theirs.

    Below run/, where nginx writes, nothing is touched; a file with a second name is left alone, it may be another's.
    """
    owner = state.stat()
    if os.geteuid() or not owner.st_uid:
        return
    for folder, names, files, descriptor in os.fwalk(state, follow_symlinks=False):
        if Path(folder) == state / RUN:
            names.clear()
            continue
        for name in (*names, *files):
            with contextlib.suppress(FileNotFoundError):  # SQLite takes its own files away
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if found.st_uid == 0 and (found.st_nlink == 1 or not stat.S_ISREG(found.st_mode)):
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=descriptor, follow_symlinks=False)
