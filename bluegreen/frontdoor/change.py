"""Changes of the loaded file: written, signalled, confirmed. None of them moves traffic.

Standard library only; the signal is handed in, because only the place's room talks to Docker.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from bluegreen.domain.color import Color
from bluegreen.domain.routing import ControlAnswer
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import control, route, seal
from bluegreen.frontdoor.answer import ask
from bluegreen.frontdoor.files import Files
from bluegreen.unix_http import connected

CONFIRM_TIMEOUT = 10.0  # seconds from the signal until the new generation must answer; measured: 0.03
QUIT_TIMEOUT = 5.0  # seconds more until old workers stop accepting; nginx itself waits 0.1
ROUTE_TIMEOUT = 2.0  # seconds from the rename until nginx must answer by it; it looks at each request
BEGUN = 10.0  # seconds in which a reload that somebody began, and did not wait for, may still be under way
ASK_AGAIN = 0.01  # seconds between two questions while a reload is under way
FRESH_ANSWERS = 8  # new connections that must all reach the new generation after the old workers quit


class NotConfirmed(Exception):
    """nginx did not show what was loaded; says what was seen instead."""


class Change:
    """Changes of what one app's nginx has loaded. `sockets`: a short name of the state folder's run/."""

    def __init__(
        self, files: Files, sockets: str, hup: Callable[[], None], settled: Callable[[], None] = lambda: None
    ) -> None:
        """`settled` sees to it that one nginx serves: a command that was killed may have left two."""
        self._files, self._sockets, self._hup, self._settled = files, sockets, hup, settled

    def load(self, content: str, live: Color | None, since: str) -> int:
        """Loads a rendered text whose own default is `live`, and returns its generation when nginx has it.

        The route is made to say the same before, so that nothing depends on which of the two counts.
        Raises BluegreenError (nothing written, or not on the disk) or NotConfirmed.
        """
        self._settled()
        held = self._hold()
        try:
            self._files.turn(live, keep=True)
            generation, left = self._write(content, since)
            self._files.writing(lambda: seal.name_successor(self._files.folder, None))
            self._signal()
            self._confirm(generation, live, held)
        finally:
            _close(held)
        self._files.writing(lambda: seal.name_successor(self._files.folder, generation))
        self._files.writing(lambda: seal.hand_over(f"{self._sockets}/handed", left))
        return generation

    def seal(self, color: Color, since: str, wait: bool) -> int:
        """Loads the text that lies ready for `color`, so that the file's own default says what is live.

        Without `wait` it is only begun: whoever looks next sees whether nginx has it. Raises as `load` does.
        """
        content = self._files.stored(color)
        if not content or not seal.same_slots(content, self._files.loaded_text() or ""):
            why = "is of another release than nginx has" if content else "is missing in the state folder"
            raise BluegreenError(
                f"The rendered file for {color} cannot be used.", code="config-missing",
                failed=f"live-{color}.conf {why}",
                expected="a text for each color, as every switch leaves them",
            )  # fmt: skip
        if wait:
            return self.load(content, color, since)
        self._settled()
        folder = self._files.folder
        return self._files.writing(lambda: seal.begin(folder, self._sockets, content, since, self._signal))

    def confirm_route(self, color: Color | None, percent: int = route.ALL) -> None:
        """Returns when nginx answers by the route: so many percent to this color. Raises NotConfirmed."""
        deadline = time.monotonic() + ROUTE_TIMEOUT
        while True:
            seen = ask(self._sockets)
            if seen and seen.sends(color, percent):
                return
            if time.monotonic() > deadline:
                found = f"nginx answers {seen.words()}" if seen else "nginx answers nothing"
                wanted = color or "no color" if percent == route.ALL else f"{percent} % {color}"
                raise NotConfirmed(f"{found} on its control socket instead of {wanted}")
            time.sleep(ASK_AGAIN)

    def await_begun(self) -> ControlAnswer | None:
        """nginx's answer; one that is about to change, because a seal was begun just now, is waited for."""
        seen = ask(self._sockets)
        disk = self._files.routing()
        if seen is None or disk is None or seen.generation >= disk.generation or self._files.age() > BEGUN:
            return seen
        deadline = time.monotonic() + CONFIRM_TIMEOUT / 4
        while seen and seen.generation < disk.generation and time.monotonic() < deadline:
            time.sleep(ASK_AGAIN)
            seen = ask(self._sockets)
        return seen

    # -- the parts of a reload

    def _write(self, content: str, since: str) -> tuple[int, int]:
        """(generation of the file that is now there, the newest one before)."""
        return self._files.writing(lambda: seal.write(self._files.folder, self._sockets, content, since))

    def _signal(self) -> None:
        """SIGHUP. It says nothing about whether nginx will load the file; only its answer does."""
        if not seal.hup_master(self._sockets):
            self._hup()

    def _hold(self) -> socket.socket | None:
        """A connection to a worker of today, which closes it at the moment it stops accepting."""
        try:
            connection = connected(f"{self._sockets}/{control.SOCKET}", control.TIMEOUT)
        except OSError:
            return None
        try:
            connection.sendall(b"GET /state HTTP/1.1\r\nHost: bluegreen\r\n\r\n")
            if connection.recv(65536):
                return connection
        except OSError:
            pass
        connection.close()
        return None

    def _confirm(self, generation: int, live: Color | None, held: socket.socket | None) -> None:
        """Returns when `generation` answers and the workers before it accept nothing any more.

        A worker that gets its signal to quit closes its listening sockets and then its idle connections, so the
        end of `held` proves the first (ngx_worker_process_cycle). Raises NotConfirmed.
        """
        deadline = time.monotonic() + CONFIRM_TIMEOUT
        seen: ControlAnswer | None = None
        while True:
            seen = ask(self._sockets) or seen
            if seen and (seen.generation, seen.live) == (generation, live):
                break
            if time.monotonic() > deadline:
                raise NotConfirmed(_instead(generation, seen))
            time.sleep(ASK_AGAIN)
        if held and not _closed_within(held, QUIT_TIMEOUT):
            raise NotConfirmed(f"a worker of the former generation still accepts after {QUIT_TIMEOUT:.0f} s")
        # The held connection is to one worker; the others get the signal within milliseconds, unless the machine is
        # busy: what such a worker still accepts it passes on, after `hand_over`.
        deadline = time.monotonic() + QUIT_TIMEOUT
        fresh = 0
        while fresh < FRESH_ANSWERS:
            seen = ask(self._sockets)
            fresh = fresh + 1 if seen and seen.generation == generation else 0
            if time.monotonic() > deadline:
                raise NotConfirmed(_instead(generation, seen))


def _closed_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass  # the rest of the answer
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def _close(connection: socket.socket | None) -> None:
    if connection is not None:
        connection.close()


def _instead(generation: int, seen: ControlAnswer | None) -> str:
    found = f"generation {seen.generation} ({seen.live or 'no color'})" if seen else "nothing"
    return f"{found} answers on the control socket instead of generation {generation}"
