"""Where the state of an app is, and which app a folder means. Standard library only, and little of it.

A state folder holds `project.json`: the app, the project's folder and its Compose files. flip-back asks here first.
"""

from __future__ import annotations

import json
import os

from bluegreen.domain.words import COMPOSE_FILES
from bluegreen.files import replace
from bluegreen.state import read_json

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

VARIABLE = "BLUEGREEN_STATE_FOLDER"  # another state folder: a rehearsal has its own
MACHINE = "/var/lib/bluegreen"  # apps that root made
BEFORE = ".bluegreen"  # where the state was before: beside the Compose file
PROJECT = "project.json"
SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 107, see unix(7)


def home(environment: Mapping[str, str]) -> str | None:
    """Where this user makes the state of new apps; None: the user has no home.

    Source: the XDG Base Directory Specification, XDG_STATE_HOME.
    """
    if os.geteuid() == 0:
        return MACHINE
    base = environment.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # the specification: a relative one counts as not set
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "bluegreen") if base.startswith("/") else None


def homes(environment: Mapping[str, str]) -> list[str]:
    """Where this user looks for apps: among the own ones, and among those that root made."""
    mine = home(environment)
    return [MACHINE] if mine is None or mine == MACHINE else [mine, MACHINE]


def states(environment: Mapping[str, str]) -> Iterator[str]:
    """Every state folder that this user can know of."""
    for place in homes(environment):
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        yield from (os.path.join(place, name) for name in names if os.path.isdir(os.path.join(place, name)))


def read(state: str) -> dict[str, Any] | None:
    """What `project.json` says: app, folder, files. None: there is none, or it is not ours, or not to be read."""
    try:
        found = read_json(os.path.join(state, PROJECT))
    except (OSError, ValueError):
        return None
    return found if found is not None and _ours(found) else None


def _ours(found: dict[str, Any]) -> bool:
    files = found.get("files")
    texts = [found.get("app"), found.get("folder"), *(files if isinstance(files, list) else [None])]
    return all(map(_is_path, texts)) and bool(found["app"]) and found["folder"].startswith("/")


def _is_path(text: Any) -> bool:
    try:
        return isinstance(text, str) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def broken(state: str) -> bool:
    """Whether there is a `project.json` that does not say whose state it is."""
    return os.path.lexists(os.path.join(state, PROJECT)) and read(state) is None


def write(state: str, app: str, folder: str, files: Sequence[str]) -> None:
    """Records whose state this is: aside, on the disk, renamed. Raises OSError."""
    content = json.dumps({"app": app, "folder": folder, "files": list(files)})
    replace(os.path.join(state, PROJECT), content.encode())


def trusted(state: str) -> bool:
    """Whether what is in there may be believed: it is this user's, or root's. Root believes whoever made it."""
    try:
        owner = os.stat(state).st_uid
    except OSError:
        return False
    return owner in (0, os.geteuid()) or os.geteuid() == 0


def of_folder(start: str, files: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The states of the apps whose project folder is `start` or the nearest one above it. `files`: as typed with -f."""
    known = [(state, found) for state in states(environment) if trusted(state) and (found := read(state))]
    named = [os.path.join(start, file) for file in files]
    if named:
        folder, typed = os.path.dirname(os.path.abspath(named[0])), [os.path.abspath(it) for it in named]
        return [state for state, found in known if (found["folder"], found["files"]) == (folder, typed)]
    for folder in above(start):
        if here := [state for state, found in known if found["folder"] == folder]:
            return here
    return []


def above(start: str) -> Iterator[str]:
    """A folder and those above it; what is above one that has a Compose file is another project."""
    folder = os.path.abspath(start)
    while True:
        yield folder
        if folder == "/" or any(os.path.lexists(os.path.join(folder, name)) for name in COMPOSE_FILES):
            return
        folder = os.path.dirname(folder)


def find(files: Sequence[str], app: str | None, environment: Mapping[str, str]) -> str | None:
    """The state folder that a flip-back means here. None: it is not certain; the full command finds out, and says."""
    if named := environment.get(VARIABLE):
        return named if short(named) else None
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        here = "/"
    if name := app or environment.get("COMPOSE_PROJECT_NAME"):
        found = [state for state in states(environment) if os.path.basename(state) == name and trusted(state)]
    else:
        found = [] if environment.get("COMPOSE_FILE") else of_folder(here, files, environment)
    return found[0] if len(found) == 1 and short(found[0]) else None


def short(state: str) -> bool:
    """Whether the sockets below it have paths that the kernel takes; else they need another name."""
    return len(os.fsencode(os.path.join(state, "run", "control.sock"))) <= SOCKET_PATH_LIMIT
