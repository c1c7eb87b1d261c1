"""The folders that the proxy mounts, and whom they belong to."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_MODE = 0o755  # below 0700; nginx, another user, must pass
PROXY_USER = 65534  # nobody: runs nginx when the state folder belongs to root


def prepare_folders(state: Path) -> tuple[int, int]:
    """The folders that the proxy mounts, and the (user, group) that it runs as. Safe to run again."""
    owner = os.geteuid(), os.getegid()
    user = owner if owner[0] else (PROXY_USER, PROXY_USER)
    for name in ("nginx", "nginx/snippets", "run", "run/handed", "run/temp"):
        folder = state / name
        folder.mkdir(exist_ok=True)
        if folder.stat().st_mode & 0o777 != FOLDER_MODE:  # only then: the disk may be read-only, and a look must work
            os.chmod(folder, FOLDER_MODE)
    if user != owner:
        for name in ("run", "run/temp"):
            found = (state / name).stat()
            if (found.st_uid, found.st_gid) != user:
                os.chown(state / name, *user)
    return user
