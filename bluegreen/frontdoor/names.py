"""The names of nginx's Unix sockets, while one nginx takes over from another: both have second names.

nginx may write into run/, so no link is followed there. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bluegreen.frontdoor import control, route
from bluegreen.unix_http import BESIDE, open_folder

IS, WAS = BESIDE  # in run/: of the nginx that follows, and of the one before
FIRST_SERVES = "first-serves"  # in run/: the first container serves, because the one that took over did not come back
MOST = 200  # sockets of one nginx


class Names:
    """Of one app. `sockets`: a short name of the state folder's run/; `edge` says where it listens for an edge, if so.

    Every method raises OSError.
    """

    def __init__(self, sockets: str, edge: Callable[[], str | None] = lambda: None) -> None:
        self._sockets, self._edge = sockets, edge

    def there(self) -> bool:
        """Whether somebody who listens has made its names."""
        return os.path.lexists(f"{self._sockets}/{control.SOCKET}")

    def take_away(self) -> None:
        """The names of the one that runs; it goes on to listen, and another one can make them."""
        with self._opened() as folders:
            for run in folders:
                for name in _sockets(run):
                    os.unlink(name, dir_fd=run)

    def keep(self, which: str) -> None:
        """A second name, in was/ or is/, for each socket that has its own; not twice, after a kill."""
        with self._opened() as folders:
            with _beside(folders[0], which) as there:
                if control.SOCKET in _sockets(there):  # it is the last one: it proves the others
                    return
            for run in reversed(folders):
                with _beside(run, which) as there:
                    for name in sorted(_sockets(run), key=lambda name: name == control.SOCKET):
                        with contextlib.suppress(FileExistsError):
                            os.link(name, name, src_dir_fd=run, dst_dir_fd=there, follow_symlinks=False)

    def restore(self, which: str) -> None:
        """The names of the one in was/ or is/, whoever made those that are there."""
        with self._opened() as folders:
            for run in folders:
                _restore(run, which)

    def second_serves(self) -> None:
        """What the first container has noted counts no more."""
        with self._opened() as folders, contextlib.suppress(FileNotFoundError):
            os.unlink(FIRST_SERVES, dir_fd=folders[0])

    def forget(self) -> None:
        """The second names go."""
        with self._opened() as folders:
            for run in folders:
                for which in (WAS, IS):
                    with _beside(run, which) as there:
                        for name in os.listdir(there):
                            os.unlink(name, dir_fd=there)
                    os.rmdir(which, dir_fd=run)

    @contextmanager
    def _opened(self) -> Iterator[list[int]]:
        """run/, and then where nginx listens for an edge."""
        opened: list[int] = []
        try:
            opened.append(open_folder(self._sockets))
            if edge := self._edge():
                with contextlib.suppress(FileNotFoundError):
                    opened.append(open_folder(edge))
            yield opened
        finally:
            for descriptor in opened:
                os.close(descriptor)


def _restore(run: int, which: str) -> None:
    with _beside(run, which) as there:
        for name in _sockets(there):
            fresh = f".{name}.new"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=run)
            os.link(name, fresh, src_dir_fd=there, dst_dir_fd=run, follow_symlinks=False)
            os.rename(fresh, name, src_dir_fd=run, dst_dir_fd=run)
            with contextlib.suppress(FileNotFoundError):  # two names of one socket: a rename does nothing
                os.unlink(fresh, dir_fd=run)


@contextmanager
def _beside(run: int, which: str) -> Iterator[int]:
    """The folder was/ or is/ in run/, made if need be."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(which, route.MODE, dir_fd=run)
    descriptor = open_folder(which, run)
    try:
        os.fchmod(descriptor, route.MODE)
        if os.geteuid() == 0:  # a socket is believed when it belongs to the owner of its folder
            owner = os.fstat(run)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        yield descriptor
    finally:
        os.close(descriptor)


def _sockets(at: int) -> list[str]:
    """The sockets in a folder, by name."""
    names = [name for name in os.listdir(at) if name.endswith(".sock")][:MOST]
    return [name for name in names if stat.S_ISSOCK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)]
