"""One nginx takes over from another, in the network of the container that has the ports. No request waits.

Both listen on the same ports at the same time (`reuseport`). A Unix socket has its name from whoever starts, and
whoever ends takes that name away, so both have second names: in run/was/ the nginx before, in run/is/ the one that
follows.
`nginx/succeeding` says who takes over from whom, `nginx/serving` who serves when it is not the first container.
Sources: ngx_close_listening_sockets (names are removed), ip-sysctl.rst (tcp_migrate_req: what waits is handed on).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from bluegreen.domain.color import Color
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import control, disk, route, seal
from bluegreen.frontdoor.answer import ask
from bluegreen.frontdoor.change import NotConfirmed
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.names import FIRST_SERVES, IS, WAS, Names
from bluegreen.unix_http import listens

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from bluegreen.domain.world import NewNginx

SERVING = "serving"
HOLDER, RETIRED = "holder.conf", "retired.conf"  # a link: what the first container's nginx loads; without listeners
NO_LISTENERS = f"pid {route.RUN}/retired.pid;\nerror_log /dev/stderr error;\nevents {{\n}}\n"
START_TIMEOUT = 15.0  # seconds until an nginx that was started must answer
END_TIMEOUT = 10.0  # seconds until one that is to end must have closed its listeners
AFTERWARDS = 0.2  # seconds in which it may still take names away, once the first one is gone
ASK_AGAIN = 0.01  # seconds


class Hands(Protocol):
    """What only the place can do to a container."""

    def send_signal(self, container: str, name: str) -> None: ...
    def discard(self, container: str) -> None: ...
    def never_restart(self, container: str) -> None: ...


def prepare(folder: str) -> None:
    """The files that every proxy needs to be left later. `folder`: the state folder's nginx/. Raises OSError."""
    if disk.read(folder, RETIRED) != NO_LISTENERS:
        disk.replace(folder, RETIRED, NO_LISTENERS)
    if not os.path.islink(os.path.join(folder, HOLDER)):
        route.relink(os.path.join(folder, HOLDER), disk.LOADED)


def serving(folder: str, first: str) -> str:
    """The container whose nginx serves; `first`: the one that has the ports."""
    name = (disk.read(folder, SERVING) or "").strip()
    mine = name.startswith(f"{first}-") and name.removeprefix(f"{first}-").isdecimal()
    return name if mine and not first_serves(folder) else first


def first_serves(folder: str) -> bool:
    """Whether the first container serves because the one that had taken over did not come back."""
    beside = os.path.join(os.path.dirname(folder), "run", FIRST_SERVES)
    return os.path.lexists(beside) and os.path.exists(os.path.join(folder, SERVING))


def forget(folder: str) -> None:
    """The first container serves again. Raises OSError."""
    for name in (SERVING, disk.SUCCEEDING):
        disk.forget(folder, name)
    route.relink(os.path.join(folder, HOLDER), disk.LOADED)


class Succession:
    """Of one app. `sockets`: a short name of the state folder's run/; `first`: the container that has the ports."""

    def __init__(
        self, files: Files, sockets: str, first: str, hands: Hands, edge: Callable[[], str | None] = lambda: None
    ) -> None:
        """`edge` says the folder in which nginx listens for an edge, if it does."""
        self._files, self._sockets, self._first, self._hands = files, sockets, first, hands
        self._folder, self._names = files.folder, Names(sockets, edge)

    def run(self, new: NewNginx, content: str, live: Color | None, since: str) -> int:
        """Has `new` load the rendered text `content` and take over; returns the text's generation.

        Raises BluegreenError (nothing has changed) or NotConfirmed (the one before serves, as it did).
        """
        self.finish()
        self._files.writing(self._names.forget)
        before = serving(self._folder, self._first)
        self._files.turn(live, keep=True)
        generation, left = self._files.writing(lambda: seal.write(self._folder, self._sockets, content, since))
        self._write(disk.SUCCEEDING, f"{new.name} {before} {left}\n")
        try:
            self._files.writing(lambda: self._names.keep(WAS))
            self._pass_on(WAS)
            self._files.writing(self._names.take_away)
            new.start()
            self._await(generation, live)
            new.keep()
        except (BluegreenError, NotConfirmed):
            self._back(new.name, before, left)
            raise
        self._write(SERVING, f"{new.name}\n")
        self._files.writing(self._names.second_serves)
        self._forward(before, left)
        return generation

    def finish(self) -> None:
        """What a command that was killed has left: forward, when the one that follows was to serve; else back."""
        words = (disk.read(self._folder, disk.SUCCEEDING) or "").split()
        if len(words) != 3 or not words[2].isdecimal():
            return
        after, before, left = words[0], words[1], int(words[2])
        if serving(self._folder, self._first) == after:
            self._forward(before, left)
        else:
            self._back(after, before, left)

    # -- the two ways

    def _forward(self, before: str, left: int) -> None:
        self._files.writing(lambda: self._names.keep(IS))
        self._pass_on(IS)
        self._files.writing(lambda: seal.hand_over(f"{self._sockets}/handed", left))
        self._end(before)
        self._files.writing(lambda: self._names.restore(IS))
        self._files.writing(lambda: seal.name_successor(self._folder, None))
        self._done()

    def _back(self, after: str, before: str, left: int) -> None:
        """The one that was to follow ends, after it has passed on what it accepted."""
        found = ask(self._sockets)
        if found and found.generation > left and self._names.there():
            self._pass_on(WAS)
            self._files.writing(lambda: seal.hand_over(f"{self._sockets}/handed", found.generation, 0))
            if old := control.ask_at(f"{self._sockets}/{WAS}/{control.SOCKET}"):
                self._files.writing(lambda: seal.take_back(f"{self._sockets}/handed", old["generation"]))
            with contextlib.suppress(BluegreenError):
                self._hands.never_restart(after)
                self._hands.send_signal(after, "QUIT")
                self._await_end()
        with contextlib.suppress(BluegreenError):
            self._hands.discard(after)
        self._files.writing(lambda: self._names.restore(WAS))
        self._files.writing(lambda: seal.name_successor(self._folder, None))
        self._done()
        with contextlib.suppress(BluegreenError):
            self._hands.send_signal(before, "HUP")  # the file that is there is one that it accepts, too
            deadline = time.monotonic() + END_TIMEOUT / 2
            while (seen := ask(self._sockets)) and seen.generation <= left and time.monotonic() < deadline:
                time.sleep(ASK_AGAIN)

    def _end(self, before: str) -> None:
        """Raises NotConfirmed when it goes on."""
        if not listens(f"{self._sockets}/{WAS}/{control.SOCKET}", control.TIMEOUT):
            return
        if before == self._first:
            self._files.writing(lambda: route.relink(os.path.join(self._folder, HOLDER), RETIRED))
            self._hands.send_signal(before, "HUP")
        else:
            self._hands.never_restart(before)
            self._hands.send_signal(before, "QUIT")
        self._await_end()

    def _done(self) -> None:
        self._files.writing(lambda: route.relink(os.path.join(self._folder, HOLDER), disk.LOADED))
        self._files.writing(lambda: disk.forget(self._folder, disk.SUCCEEDING))
        self._files.writing(self._names.forget)

    # -- what is waited for

    def _await(self, generation: int, live: Color | None) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            seen = ask(self._sockets)
            if seen and (seen.generation, seen.live) == (generation, live) and self._names.there():
                return
            if time.monotonic() > deadline:
                raise NotConfirmed(f"the new nginx does not answer within {START_TIMEOUT:g} s")
            time.sleep(ASK_AGAIN)

    def _await_end(self) -> None:
        """Until the names that it made are gone: it closes its listeners and then takes them away."""
        deadline = time.monotonic() + END_TIMEOUT
        while self._names.there():
            if time.monotonic() > deadline:
                raise NotConfirmed(f"the nginx before still listens after {END_TIMEOUT:g} s")
            time.sleep(ASK_AGAIN)
        time.sleep(AFTERWARDS)

    def _write(self, name: str, content: str) -> None:
        self._files.writing(lambda: disk.replace(self._folder, name, content))

    def _pass_on(self, which: str) -> None:
        """Workers that were left pass on to the nginx of was/ or is/."""
        for door in route.DOORS:
            link = os.path.join(self._folder, f"{route.NEXT}-{door}")
            self._files.writing(partial(route.relink, link, f"{route.RUN}/{which}/{door}.sock"))
