"""Which state folder a command means. Standard library only, and little of it: flip-back asks first."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATE = ".bluegreen"
VARIABLE = "BLUEGREEN_STATE_FOLDER"  # another state folder: a rehearsal has its own
SOCKET_PATH_LIMIT = 107  # bytes, without the end of the string; unix(7)
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


def find(files: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The state folder for these Compose files, or for this folder. None: it is not certain; ask the full command."""
    if named := environment.get(VARIABLE):
        return named if _short(named) else None
    if environment.get("COMPOSE_FILE"):
        return None
    start = os.path.dirname(os.path.abspath(files[0])) if files else os.getcwd()
    while True:
        state = os.path.join(start, STATE)
        if os.path.isdir(state):
            return state if _short(state) else None
        if files or start == "/" or any(os.path.exists(os.path.join(start, name)) for name in COMPOSE_FILES):
            return None
        start = os.path.dirname(start)


def _short(state: str) -> bool:
    """Whether the sockets below it have paths that the kernel takes (107 bytes); else they need another name."""
    return len(os.fsencode(os.path.join(state, "run", "control.sock"))) <= SOCKET_PATH_LIMIT
