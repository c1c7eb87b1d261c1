"""Whose Compose file and whose state folder this command believes. Raises BluegreenError for somebody else's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli import where
from bluegreen.compose.options import files
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.state import owners

if TYPE_CHECKING:
    from bluegreen.cli.app import App
    from bluegreen.places.docker.proxies import Proxy


def believe_project(app: App) -> None:
    """Before Compose is asked: the files that it reads, and the folders on the way to them."""
    folder = _folder(app)
    found = _stranger(list(map(str, _read(app, folder))), lambda it: _same(it.project, str(folder)))
    if found:
        raise _not_believed(app, "Compose file", *found)


def believe_state(app: App, state: Path) -> None:
    """Before anything is read in a state folder."""
    if found := _stranger([str(state)], lambda it: _same(it.state, str(state))):
        raise _not_believed(app, "state folder", *found)


def for_others(state: Path) -> dict[str, str]:
    """What another process of ours needs in its environment, to believe the owner of this state folder as we do."""
    try:
        owner = state.stat().st_uid
    except OSError:
        return {}
    return {owners.VARIABLE: ",".join(filter(None, [os.environ.get(owners.VARIABLE, ""), str(owner)]))}


def _folder(app: App) -> Path:
    beside = app.compose_file.parent if app.compose_file else Path.cwd()
    return Path(app.options.project_directory or beside).absolute()


def _read(app: App, folder: Path) -> Iterator[Path]:
    here = Path.cwd()
    yield folder
    yield from (here / file for file in files(app.options, here, os.environ))
    yield from (here / file for file in app.options.env_files or (folder / ".env",))


def _stranger(paths: Sequence[str], ours: Callable[[Proxy], bool]) -> tuple[str, int] | None:
    """Who is not believed. Root believes a user who made this very app: who may talk to the Engine may do all."""
    users = owners.believed(os.environ)
    found = _first(paths, users)
    if found is None or users is None or os.geteuid():
        return found
    return _first(paths, users | {maker for it in where.labelled() if ours(it) for maker in _maker(it)})


def _first(paths: Sequence[str], users: Collection[int] | None) -> tuple[str, int] | None:
    return next((found for path in paths if (found := owners.stranger(path, users))), None)


def _maker(proxy: Proxy) -> Iterator[int]:
    """The user who made an app, by what the Engine has of it: nginx runs as that user."""
    from bluegreen.frontdoor.folders import PROXY_USER
    from bluegreen.places.docker.proxies import user

    with contextlib.suppress(BluegreenError):  # gone meanwhile: then nobody
        maker = user(proxy)
        if maker is not None and maker != PROXY_USER:  # else root made it
            yield maker


def _same(named: str, path: str) -> bool:
    return bool(named) and os.path.realpath(named) == os.path.realpath(path)


def _not_believed(app: App, what: str, path: str, owner: int) -> BluegreenError:
    whose, me = owners.name(owner), owners.name(os.geteuid())
    return BluegreenError(
        f"The {what} is somebody else's: it is up to {whose} what it says.",
        failed=f"{path} belongs to {whose}; this is {me}",
        expected="files and folders of root, of the user who runs this, or of the one who typed sudo",
        retry="safe", exit_code=ExitCode.USAGE,
        next=f"ls -ld {path}; {owners.VARIABLE}={owners.word(owner)} {app.command} … (believes what that user writes)",
    )  # fmt: skip
