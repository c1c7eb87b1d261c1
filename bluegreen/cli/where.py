"""Where an app's state is. Cheap to import; flip-back needs it first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bluegreen.compose.options import Options, find_file

STATE = ".bluegreen"
STATE_VARIABLE = "BLUEGREEN_STATE_FOLDER"  # another state folder: a rehearsal has its own
SOCKET_PATH_LIMIT = 100  # bytes; Linux takes 107 with the name of the socket


def state_folder(options: Options, environment: Mapping[str, str]) -> Path | None:
    """The state folder beside the Compose file; where there is none, the nearest one above. None: neither."""
    if named := environment.get(STATE_VARIABLE):
        return Path(named)
    if file := find_file(options, Path.cwd(), environment):
        return file.absolute().parent / STATE
    start = Path(options.project_directory or ".").absolute()
    return next((folder / STATE for folder in (start, *start.parents) if (folder / STATE).is_dir()), None)


def short(sockets: Path) -> Path:
    """A name of the folder of sockets that is short enough for a Unix socket's path (107 bytes)."""
    if len(os.fsencode(sockets / "control.sock")) <= SOCKET_PATH_LIMIT:
        return sockets
    descriptor = os.open(sockets, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return Path(f"/proc/self/fd/{descriptor}")
