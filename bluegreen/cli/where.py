"""Where an app's state is, and whose project it is: the full answer, with the Engine's labels and what was before."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.compose.options import Options, find_file
from bluegreen.errors import COMMAND, BluegreenError, ExitCode
from bluegreen.frontdoor import control
from bluegreen.frontdoor.files import Files
from bluegreen.state import folder as folders
from bluegreen.unix_http import listens

if TYPE_CHECKING:
    from bluegreen.places.docker.proxies import Proxy

STATE_VARIABLE = folders.VARIABLE


def of_here(options: Options, environment: Mapping[str, str]) -> Path | None:
    """The state that these options and this folder mean without asking Compose. None: only Compose can tell."""
    if named := environment.get(STATE_VARIABLE):
        return Path(named)
    if name := options.project_name or environment.get("COMPOSE_PROJECT_NAME"):
        return of_app(name, options, environment)
    start = os.path.abspath(options.project_directory or ".")
    found = folders.of_folder(start, options.files, environment)
    recorded = folders.read(found[0]) if len(found) == 1 else None
    return _running(recorded["app"], [Path(found[0])]) if recorded else before(options, environment)


def of_app(app: str, options: Options, environment: Mapping[str, str]) -> Path | None:
    """The state of the app of this name; None: there is none that this user or the Engine knows of."""
    known = [Path(state) for state in folders.states(environment) if os.path.basename(state) == app]
    old = before(options, environment)
    routing = Files(str(old / "nginx")).routing() if old else None
    if old and routing and routing.app == app:
        known.append(old)
    return _running(app, known)


def _running(app: str, known: Sequence[Path]) -> Path | None:
    """Of the states that are known for an app, the one that its nginx uses; else the first.

    A folder may be left from an app that ended long ago, while another user's app of the same name runs.
    """
    for state in known:
        if listens(str(short(state / "run") / control.SOCKET), control.TIMEOUT):
            return state
    named = _labelled(app)
    if named is None:
        return known[0] if known else None
    return next((state for state in known if os.path.realpath(state) == os.path.realpath(named)), named)


def of_file(name: Callable[[], str], options: Options, environment: Mapping[str, str]) -> Path:
    """The state of the app that the Compose file names, new or not; when it cannot be read, a proxy's label may tell.

    Raises BluegreenError: what is wrong with the file.
    """
    try:
        app = name()
    except BluegreenError:
        if found := _made_here(options, environment):
            return found
        raise
    return of_app(app, options, environment) or new(app, environment)


def _made_here(options: Options, environment: Mapping[str, str]) -> Path | None:
    """The state of the one proxy that was made from this folder, or from the nearest one above it."""
    file = find_file(options, Path.cwd(), environment)
    if file is None and not any(map(folders.broken, folders.states(environment))):
        return None  # there is nothing here, and every state says whose it is
    start = file.parent if file and options.files else options.project_directory or "."
    known = [it for it in labelled() if it.state and it.project]
    for folder in folders.above(str(start)):
        if found := [it.state for it in known if it.project == folder]:
            return Path(found[0]) if len(found) == 1 else None
    return None


def new(app: str, environment: Mapping[str, str]) -> Path:
    """Where the state of a new app goes. Raises BluegreenError for a user without a home."""
    place = folders.home(environment)
    if place is None:
        raise BluegreenError(
            "There is no folder for the state of a new app.", code="no-home", failed="this user has no home",
            expected=f"HOME or XDG_STATE_HOME, or {STATE_VARIABLE}", retry="safe",
            next=f"{STATE_VARIABLE}=/somewhere/{app} {COMMAND} up", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return Path(place, app)


def before(options: Options, environment: Mapping[str, str]) -> Path | None:
    """The folder .bluegreen beside the Compose file, of a bluegreen before; without a file, the nearest one above."""
    if file := find_file(options, Path.cwd(), environment):
        beside = file.absolute().parent / folders.BEFORE
        return beside if os.path.isdir(beside / "nginx") else None
    start = Path(options.project_directory or ".").absolute()
    above = (folder / folders.BEFORE for folder in (start, *start.parents))
    return next((state for state in above if os.path.isdir(state / "nginx")), None)


def _labelled(app: str) -> Path | None:
    """The state that the proxy's own label names."""
    return next((Path(proxy.state) for proxy in labelled() if proxy.app == app and proxy.state), None)


def project(app: str) -> str | None:
    """The folder that the app was made from, as its proxy's label says."""
    return next((proxy.project for proxy in labelled() if proxy.app == app and proxy.project), None)


def labelled() -> list[Proxy]:
    """The proxies of this machine; none when the Engine does not answer."""
    from bluegreen.places.docker.proxies import proxies

    try:
        return proxies()
    except BluegreenError:
        return []  # no Engine, no label; what is asked of it next says so


def refuse_unreadable(state: Path, command: str) -> None:
    """Raises BluegreenError when somebody else's state may not be read: it is there, and not this user's."""
    try:
        os.listdir(state)
    except PermissionError:
        whose = owner(state)
        raise BluegreenError(
            f"The state of this app belongs to {whose}, and this user may not read it.", code="not-your-app",
            failed=f"Permission denied: {state}", expected="root" if whose == "root" else f"{whose}, or root",
            traffic="not asked; nothing was changed", retry="safe, as another user", next=f"sudo {command}",
        ) from None  # fmt: skip
    except OSError:
        return  # there is none yet


OURS = {folders.PROJECT, "lock", "journal.db", "salt"}  # one of these is in every state folder that was used
FOLDERS = {"nginx", "run", "tls"}  # that somebody may have made before, on another file system


def refuse_foreign(state: Path) -> None:
    """Raises BluegreenError when the state folder is one of somebody's other files, such as / or a home."""
    try:
        names = os.listdir(state)
    except OSError:
        return  # there is none yet, or the next step says what is wrong
    if set(names) <= FOLDERS or OURS & set(names):
        return
    raise BluegreenError(
        f"{state} is not a state folder.", code="state-folder",
        failed=f"it has other files in it ({', '.join(sorted(names)[:3])} …), and none of a state",
        expected=f"an empty or a new folder in {STATE_VARIABLE}: it gets mode 0700", retry="safe, with another folder",
        exit_code=ExitCode.USAGE,
    )  # fmt: skip


def owner(state: Path) -> str:
    """Whose a state folder is; of the folder above it, when that is all that may be seen."""
    import pwd

    for path in (state, *state.parents):
        try:
            found = path.stat().st_uid
        except PermissionError:
            continue
        except OSError:
            return "somebody else"
        try:
            return pwd.getpwuid(found).pw_name
        except KeyError:
            return f"uid {found}"
    return "somebody else"


def short(sockets: Path) -> Path:
    """A name of the folder of sockets that is short enough for a Unix socket's path (107 bytes)."""
    if folders.short(str(sockets.parent)):
        return sockets
    try:
        descriptor = os.open(sockets, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # not there, a link, or not to be seen by this user: nobody answers there
        return sockets
    return Path(f"/proc/self/fd/{descriptor}")
