"""A reload, begun: the file is written, old workers pass requests on, the master is signalled.

Standard library only, and little of it.
"""

from __future__ import annotations

import os

from bluegreen.frontdoor import control, disk, route, text
from bluegreen.unix_http import connected, listener, open_below, owner_above

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_NOTES = 100  # generations whose notes for old workers are kept; workers live for minutes, not for so long
OLD_WORKERS = 20  # generations before the loaded one whose workers may still hold connections
DIGITS = 16  # of a generation; a longer name is none
HUP = 1  # signal(7)


def write(folder: str, sockets: str, content: str, since: str) -> tuple[int, int]:
    """Writes a rendered text as the next generation: (that one, the newest before; 0: none). Raises OSError."""
    known = [it["generation"] for it in (control.ask(sockets), text.header(disk.read(folder) or "")) if it]
    left = max(known, default=0)
    disk.replace(folder, disk.LOADED, text.activate(content, left + 1, since))
    return left + 1, left


def begin(folder: str, run: str, content: str, since: str, hup: Callable[[], None]) -> int:
    """Begins a reload without waiting for it; returns the generation. `run`: the folder of the sockets.

    Workers of today pass on to a socket that they themselves answer until their successors do. Raises OSError.
    """
    generation, left = write(folder, run, content, since)
    name_successor(folder, None)
    hand_over(os.path.join(run, "handed"), left)
    hup()
    return generation


def same_slots(content: str, loaded: str) -> bool:
    """Whether a text that lies ready is of the releases of the loaded file; a kill can leave one of the next."""
    ready, there = text.header(content), text.header(loaded)
    return ready is not None and there is not None and ready.get("slots") == there.get("slots")


def name_successor(folder: str, generation: int | None) -> None:
    """Whom workers that were left pass on to: this generation alone, or (None) whoever accepts. Raises OSError.

    A worker accepts until it has read that it is to quit, which takes long on a busy machine; it must not be its
    own successor then. Only workers of a generation listen on the sockets that carry its number.
    """
    for door in route.DOORS:
        link = os.path.join(folder, f"{route.NEXT}-{door}")
        target = f"{route.RUN}/{door}.sock" if generation is None else f"{route.RUN}/{door}-{generation}.sock"
        if not os.path.islink(link) or os.readlink(link) != target:
            route.relink(link, target)


def hand_over(handed: str, left: int, older: int = OLD_WORKERS) -> None:
    """Tells workers of a generation that was left, and of so many before it, to pass on what still reaches them.

    They keep idle connections open for ten seconds, so that no client meets a closing one. What
    arrives there goes, through a socket on which only their successors accept, to where new traffic goes.
    nginx can write into the folder above: only names in the very folder are made and removed. Raises OSError.
    """
    at = open_below(handed)
    try:
        owner = _owner(at)
        there = {int(name) for name in os.listdir(at) if len(name) <= DIGITS and name.isascii() and name.isdecimal()}
        for generation in range(max(1, left - older), left + 1):
            if generation not in there:
                _note(at, str(generation), owner)
        for generation in there:
            if generation < left - KEPT_NOTES:
                _forget(at, str(generation))
    finally:
        os.close(at)


def take_back(handed: str, generation: int) -> None:
    """Workers of a generation answer by themselves again. Raises OSError."""
    at = open_below(handed)
    try:
        _forget(at, str(generation))
    finally:
        os.close(at)


def _owner(at: int) -> os.stat_result:
    """Whose the state folder is, and so the notes. Raises OSError when the folder of the notes is somebody else's."""
    run = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    try:
        owner = owner_above(run)
    finally:
        os.close(run)
    if os.fstat(at).st_uid not in (owner.st_uid, os.geteuid()):
        raise PermissionError("the folder of the notes for old workers belongs to another user")
    return owner


def _note(at: int, name: str, owner: os.stat_result) -> None:
    """An empty file, the folder's owner's. It is made or not, never opened: nginx may have put anything there."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=at)
    except FileExistsError:
        return
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def _forget(at: int, name: str) -> None:
    try:  # noqa: SIM105 - contextlib is not worth its time here
        os.unlink(name, dir_fd=at)
    except OSError:  # gone, or a folder of somebody else's making
        pass


def hup_master(sockets: str) -> bool:
    """SIGHUP to nginx's master, without asking the Engine. False: the Engine has to be asked."""
    process = master(sockets)
    try:
        if process is None:
            return False
        os.kill(process, HUP)
    except OSError:
        return False
    return True


def master(sockets: str) -> int | None:
    """The process id of nginx's master, as this machine counts; None: unknown.

    The kernel knows who called listen() on the control socket. It has to be called nginx and to be the user's as whom
    nginx runs; the socket is no link to another.
    """
    try:
        with connected(f"{sockets}/{control.SOCKET}", control.TIMEOUT) as connection:
            process, user = listener(connection)
        with open(f"/proc/{process}/comm", encoding="utf-8") as file:
            named = process > 1 and file.read().strip() == "nginx"
            return process if named and os.fstat(file.fileno()).st_uid in (user, 0) else None
    except (OSError, ValueError):
        return None
