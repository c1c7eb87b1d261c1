"""What the running nginx says, and what its files say. Looks only.

Commands inside the container are handed in, because only the place's room talks to Docker.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bluegreen.domain.color import Color
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import route, seal
from bluegreen.frontdoor.answer import ask
from bluegreen.frontdoor.change import Change
from bluegreen.frontdoor.files import Files

LOADED_NAME = re.compile(r"/loaded-(\d+)-(blue|green|none)\.sock$", re.MULTILINE)
TCP_OPEN = ("01", "08")  # ESTABLISHED, CLOSE_WAIT

ABSENT = "-"  # in the place of an inode
SEEN = f'for at in "$@"; do stat -c %i "$at" 2>/dev/null || echo {ABSENT}; done'

Run = Callable[[Sequence[str]], tuple[int, str]]


class Nginx:
    """One app's proxy, seen from its state folder."""

    def __init__(
        self, files: Files, change: Change, sockets: str, run: Run, beside: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        """`beside` says which other folders of this machine nginx may have mounted, and where; empty: none is there."""
        self._files, self._change, self._sockets, self._run, self._beside = files, change, sockets, run, beside

    def answer(self) -> ControlAnswer | None:
        """What the loaded nginx says of itself; None when nothing answers on the control socket."""
        return ask(self._sockets)

    def settled(self) -> ControlAnswer | None:
        """The same; a reload that the command before only began is waited for."""
        return self._change.await_begun()

    def intended(self) -> Routing | None:
        """What the file and the route beside it say; None: the file is absent, or not ours."""
        return self._files.routing()

    def loaded_text(self) -> str | None:
        """The file that nginx loads at its next start."""
        return self._files.loaded_text()

    def edited(self) -> bool:
        """Whether that file is another text than the one that was written; unknown counts as no."""
        return self._files.edited()

    def loaded_name(self, app: str) -> ControlAnswer | None:
        """What is loaded, by the name of a socket that nginx listens on; None when that cannot be read either.

        For a state folder that was deleted: the kernel still lists the socket, and with the route gone the file's own
        default counts. Source: proc_net(5) of Linux, "unix".
        """
        try:
            code, output = self._run(["cat", "/proc/net/unix"])
        except BluegreenError:
            return None
        found = [(int(match[1]), match[2]) for match in LOADED_NAME.finditer(output)] if code == 0 else []
        if not found:
            return None
        generation, live = max(found)
        color: Color | None = None if live == "none" else "blue" if live == "blue" else "green"
        return ControlAnswer(app, generation, color, "", 0, color)

    def sees_our_folders(self) -> bool:
        """Whether nginx has mounted the folders that are there now, not deleted ones; unknown counts as yes."""
        beside = {at: folder for at, folder in self._beside().items() if folder}  # of others its image may have some
        try:
            code, output = self._run(["sh", "-c", SEEN, "sh", route.CONF, route.RUN, *beside])
            here = [str(os.stat(folder).st_ino) for folder in (self._files.folder, self._sockets)]
            here += [_inode(folder) for folder in beside.values()]
        except FileNotFoundError:
            return False
        except (BluegreenError, OSError):
            return True
        seen = output.split()
        return code != 0 or all(there in (mine, ABSENT) for there, mine in zip(seen, here, strict=False))

    def in_flight(self, addresses: frozenset[str]) -> int:
        """How many connections nginx holds to these addresses: requests that they still answer.

        Connections that are merely kept for reuse end within a second (keepalive_timeout of the upstreams).
        Source: /proc/net/tcp of the proxy's own network namespace, described in proc_net_tcp.txt of Linux.
        """
        output = self._connections()
        rows = [line.split() for line in output.splitlines()[1:]]
        ends = [_address(row[2]) for row in rows if len(row) > 3 and row[3] in TCP_OPEN]
        return sum(end in addresses for end in ends)

    def _connections(self) -> str:
        process = seal.master(self._sockets)
        with contextlib.suppress(OSError):
            if process is not None:  # its network namespace, without asking the Engine
                return Path(f"/proc/{process}/net/tcp").read_text()
        code, output = self._run(["cat", "/proc/net/tcp"])
        if code:
            raise BluegreenError(
                "nginx's connections could not be read.",
                code="nginx-silent",
                failed=output.strip()[:200],
                expected="its /proc/net/tcp",
            )
        return output


def _inode(folder: str) -> str:
    """Empty: it is not there, which is no inode that nginx sees."""
    try:
        return str(os.stat(folder).st_ino)
    except OSError:
        return ""


def _address(text: str) -> str:
    """An IPv4 address as the kernel prints it in /proc/net/tcp: hexadecimal, in the machine's byte order."""
    return socket.inet_ntoa(struct.pack("=I", int(text.partition(":")[0], 16)))
