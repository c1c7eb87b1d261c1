"""Whose project an app is: refused from another folder, moved to this one, brought from where it was before."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli import where
from bluegreen.cli.statefolder import writing
from bluegreen.domain.findings import Finding
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.frontdoor.files import Files
from bluegreen.state import folder as folders
from bluegreen.state import holder

if TYPE_CHECKING:
    from bluegreen.cli.app import App

ASIDE = ".bluegreen-moved"  # what nginx has mounted of a state that was copied to another file system


def elsewhere(app: App, mine: str) -> str | None:
    """The folder that the app is recorded for, when that is not this one. None: it is, or nothing is recorded.

    The proxy's label says the same as the record, which may be broken.
    """
    if app.routing is None or app.state_folder or os.environ.get(where.STATE_VARIABLE):
        return None
    found = folders.read(str(app.state))
    folder = found["folder"] if found else where.project(app.routing.app)
    same = folder is None or os.path.realpath(folder) == os.path.realpath(mine)
    return None if same else folder


def findings(app: App) -> Iterator[Finding]:
    """What `check` has to say of whose project the app is; nothing when it is this one."""
    mine = app.stack.project_directory
    if other := elsewhere(app, mine):
        yield Finding(
            "project", "failed", f"{app.stack.app} is recorded for {other}; this is {mine}",
            "the folder that it was made from", "a release from another one is refused",
            f"{app.command} switch --here (this folder takes its place)",
        )  # fmt: skip
    if folders.broken(str(app.state)):
        yield Finding(
            "project", "warning", f"{folders.PROJECT} in {app.state} cannot be read", "the app, its folder, its files",
            "only the proxy's labels say whose this is", f"{app.command} up (writes it again)",
        )  # fmt: skip


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
            other = replace(app.options, project_name=found["app"])
            mine = replace(app.options, project_name=app.stack.app)
            raise BluegreenError(
                f"This folder serves the app {found['app']}, not {app.stack.app}.", code="another-app",
                failed=f"{directory} is recorded for {found['app']}", expected="the same name as at the first up",
                retry="not useful", exit_code=ExitCode.USAGE,
                next=f"{other.command()} status, or {mine.command()} up for a second app",
            )  # fmt: skip


def belongs_elsewhere(app: App, name: str, other: str, mine: str) -> BluegreenError:
    gone = "" if os.path.isdir(other) else ", which is not there any more"
    return BluegreenError(
        f"The app {name} belongs to another folder.", code="another-folder",
        failed=f"it was made from {other}{gone}; this is {mine}",
        expected="the folder that it was made from, or your word that this one takes its place", retry="safe",
        next=f"{app.command} switch --here (this folder takes its place), or another name for this one: -p NAME",
        exit_code=ExitCode.USAGE,
    )  # fmt: skip


def record(app: App) -> None:
    """Writes down whose state this is, and which Compose answered. The lock is held."""
    from bluegreen.compose.found import HERE

    files = [str(app.compose_file.absolute())] if app.compose_file else []
    if app.options.files:
        files = [os.path.abspath(file) for file in app.options.files]
    name, folder, state = app.stack.app, app.stack.project_directory, str(app.state)
    with writing(app.state):
        broken = folders.broken(state)
        if folders.read(state) != {"app": name, "folder": folder, "files": files}:
            folders.write(state, name, folder, files)
    if broken:
        app.show.notice(f"{folders.PROJECT} in {state} could not be read; it is written again.")
    HERE.remember(state)


def bring_home(app: App) -> None:
    """Moves a state folder from beside the Compose file to where states are now. The lock is held.

    A link stays at the old place until the proxy, which has it mounted, is recreated: it may start again before that.
    """
    old = app.state
    chosen = app.state_folder or os.environ.get(where.STATE_VARIABLE)
    if chosen or old.name != folders.BEFORE or old.is_symlink():
        return
    new = where.new(app.stack.app, os.environ)
    with writing(new.parent):
        _move(app, old, new)
    app.show.notice(f"The state of {app.stack.app} is in {new} now, no longer in {old}.")


def _move(app: App, old: Path, new: Path) -> None:
    os.makedirs(new.parent, mode=0o755, exist_ok=True)
    if new.is_dir() and os.listdir(new):
        raise BluegreenError(
            f"The state of {app.stack.app} cannot be moved: there is another one.", code="two-states",
            failed=f"{new} is not empty",
            expected=f"no state but {old}", retry="safe, when the other one is out of the way",
            next=shlex.join(["mv", str(new), f"{new}.old"]), exit_code=ExitCode.USAGE,
        )  # fmt: skip
    lock = None
    try:
        os.rename(old, new)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        lock = _copy(old, new)
    os.chmod(new, 0o700)
    old.symlink_to(new)
    app.__dict__["state"] = new
    if app.lock is not None:
        app.lock.moved(new, lock)


def _copy(old: Path, new: Path) -> int | None:
    """Copies a state to another file system, all of it or nothing, with its owners; returns the lock that it has there.

    nginx goes on in what it has mounted, which is put aside. Nothing of run/ is copied: a new nginx makes its own.
    """
    fresh = new.with_name(f".{new.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(old, fresh, symlinks=True, ignore=lambda folder, _: {"run"} if folder == str(old) else set())
    for path in (fresh, *fresh.rglob("*")):
        found = os.lstat(old / path.relative_to(fresh))
        if os.geteuid() == 0:
            os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)
    os.sync()  # once in the life of an app
    lock = holder.take(str(fresh))
    os.rename(fresh, new)
    os.rename(old, old.with_name(ASIDE))
    return lock


def forget_old_place(app: App) -> None:
    """Takes away what `bring_home` left beside the Compose file. The proxy is recreated."""
    beside = Path(app.stack.project_directory, folders.BEFORE)
    if beside.is_symlink() and beside.resolve() == app.state.resolve():
        beside.unlink()
    aside = beside.with_name(ASIDE)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
