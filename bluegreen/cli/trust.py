"""Whose Compose file and whose state folder this command believes. Raises BluegreenError for somebody else's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from bluegreen.cli import where
from bluegreen.compose.options import env_files, files
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.state import owners

if TYPE_CHECKING:
    from bluegreen.cli.app import App
    from bluegreen.places.docker.proxies import Proxy


class Belief:
    """Asked before Compose is: whether what it reads is somebody else's. Each stage is looked at one time."""

    def __init__(self, app: App) -> None:
        self._app, self._known = app, set[bool]()

    def __call__(self) -> None:
        """Env files may name the files that it reads: until those were read, they alone are looked at."""
        whole = "environment" in self._app.__dict__
        if whole not in self._known:
            believe_project(self._app)
            self._known.add(whole)


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
    here = Path.cwd()
    named = files(app.options, here, _known(app))
    return Path(app.options.project_directory or (here / named[0]).parent if named else here).absolute()


def _known(app: App) -> Mapping[str, str]:
    """The environment, with what env files say once they were read."""
    found: Mapping[str, str] = app.__dict__.get("environment", os.environ)
    return found


def _read(app: App, folder: Path) -> Iterator[Path]:
    here = Path.cwd()
    yield folder
    yield from (here / file for file in files(app.options, here, _known(app)))
    yield from (here / file for file in env_files(app.options, here, str(folder), _known(app)))


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
        f"The {what} belongs to another user ({whose}), who decides what it says.", code="not-your-file",
        failed=f"{path} belongs to {whose}; this is {me}",
        expected="files and folders of root, of the user who runs this, or of the one who typed sudo",
        retry="safe", exit_code=ExitCode.USAGE,
        next=f"ls -ld {quote(path)}; {owners.VARIABLE}={owners.word(owner)} {app.command} … "
        "(believes what that user writes)",
    )  # fmt: skip
