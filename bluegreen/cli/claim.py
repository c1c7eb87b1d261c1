"""Whose project an app is: refused from another folder, moved to this one, brought from where it was before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli import where
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.frontdoor.files import Files
from bluegreen.state import folder as folders
from bluegreen.state import holder

if TYPE_CHECKING:
    from bluegreen.cli.wiring import App


def elsewhere(app: App, mine: str) -> str | None:
    """The folder that the app is recorded for, when that is not this one. None: it is, or nothing is recorded."""
    if app.routing is None or app.state_folder or os.environ.get(where.STATE_VARIABLE):
        return None
    found = folders.read(str(app.state))
    same = found is None or os.path.realpath(found["folder"]) == os.path.realpath(mine)
    return None if found is None or same else str(found["folder"])


def claim(app: App, here: bool) -> None:
    """Raises BluegreenError when the app belongs to another folder, unless `here` says that this one takes it over."""
    mine = app.stack.project_directory
    refuse_another_name(app)
    other = elsewhere(app, mine)
    if other is None:
        return
    if here:
        app.show.notice(f"{app.stack.app} was the app of {other}; from now on it is the one of {mine}.")
        return
    raise belongs_elsewhere(app, app.stack.app, other, mine)


def refuse_another_name(app: App) -> None:
    """Raises BluegreenError when these very files serve an app of another name, and nobody typed this one with -p."""
    if app.routing is not None or app.options.project_name:
        return
    directory = app.stack.project_directory
    for state in folders.of_folder(directory, app.options.files, os.environ):
        found = folders.read(state)
        if found and found["app"] != app.stack.app and Files(str(Path(state, "nginx"))).routing():
            raise BluegreenError(
                f"This folder serves the app {found['app']}, not {app.stack.app}.",
                failed=f"{directory} is recorded for {found['app']}", expected="the same name as at the first up",
                retry="not useful", exit_code=ExitCode.USAGE,
                next=f"bluegreen -p {found['app']} status, or bluegreen -p {app.stack.app} up for a second app",
            )  # fmt: skip


def belongs_elsewhere(app: App, name: str, other: str, mine: str) -> BluegreenError:
    gone = "" if os.path.isdir(other) else ", which is not there any more"
    return BluegreenError(
        f"The app {name} belongs to another folder.", failed=f"it was made from {other}{gone}; this is {mine}",
        expected="the folder that it was made from, or your word that this one takes its place", retry="safe",
        next=f"{app.command} switch --here (this folder takes its place), or another name for this one: -p NAME",
        exit_code=ExitCode.USAGE,
    )  # fmt: skip


def bring_home(app: App) -> None:
    """Moves a state folder from beside the Compose file to where states are now. The lock is held.

    A link stays at the old place until the proxy, which has it mounted, is made anew: it may start again before that.
    """
    old = app.state
    chosen = app.state_folder or os.environ.get(where.STATE_VARIABLE)
    if chosen or old.name != folders.BEFORE or old.is_symlink():
        return
    new = where.new(app.stack.app, os.environ)
    os.makedirs(new.parent, mode=0o755, exist_ok=True)
    try:
        os.rename(old, new)
    except OSError:  # another file system: nginx keeps what it has mounted until it is made anew
        sockets = shutil.ignore_patterns("*.sock", "temp")
        shutil.copytree(old, new, symlinks=True, ignore=sockets)
        holder.take(str(new))
        shutil.rmtree(old)
    os.chmod(new, 0o700)
    old.symlink_to(new)
    app.moved_to(new)
    app.show.notice(f"The state of {app.stack.app} is in {new} now, no longer in {old}.")


def forget_old_place(app: App) -> None:
    """Takes the link away that `bring_home` left. The proxy is made anew."""
    beside = Path(app.stack.project_directory, folders.BEFORE)
    if beside.is_symlink() and beside.resolve() == app.state.resolve():
        beside.unlink()
