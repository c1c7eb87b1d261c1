"""The running nginx: its files in the state folder, its control socket, its reload.

Signals and commands inside the container are handed in, because only the engine's room talks to Docker.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bluegreen.domain.color import Color
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import render as config

LOADED = "nginx.conf"
CANDIDATE = "candidate.conf"
SNIPPETS = "snippets"
LOADED_NAME = re.compile(r"/loaded-(\d+)-(blue|green|none)\.sock$", re.MULTILINE)
CONTROL_TIMEOUT = 2.0  # seconds for one answer on the control socket; it is on this machine
CONFIRM_TIMEOUT = 10.0  # seconds from the signal until the new generation must answer; measured: 0.03
QUIT_TIMEOUT = 5.0  # seconds more until old workers stop accepting; nginx itself waits 0.1
ASK_AGAIN = 0.01  # seconds between two questions while a reload is under way
FRESH_ANSWERS = 8  # new connections that must all reach the new generation after the old workers quit
KEPT_NOTES = 100  # generations whose notes for old workers are kept; workers live for minutes, not for so long
TCP_OPEN = ("01", "08")  # ESTABLISHED, CLOSE_WAIT
FOLDER_MODE = 0o755  # below 0700; nginx, another user, must pass
PROXY_USER = 65534  # nobody: runs nginx when the state folder belongs to root

Run = Callable[[Sequence[str]], tuple[int, str]]


class NotConfirmed(Exception):
    """nginx did not show that it loaded what it was told to load; says what was seen instead."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("bluegreen", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Held:
    """An idle connection to a worker: the worker closes it at the moment it stops accepting."""

    connection: http.client.HTTPConnection

    def wait_closed(self, timeout: float) -> bool:
        sock = self.connection.sock
        if sock is None:
            return True
        sock.settimeout(timeout)
        try:
            return sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self.connection.close()


class Nginx:
    """One app's proxy, seen from its state folder.

    `sockets` is a name of the folder run/ that is short enough for a Unix socket's path (107 bytes).
    """

    def __init__(
        self,
        state: Path,
        sockets: Path,
        hup: Callable[[], None],
        run: Run,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._conf = state / "nginx"
        self._sockets = sockets
        self._handed = state / "run" / "handed"
        self._hup = hup
        self._run = run
        self._clock = clock
        self._sleep = sleep

    # -- what it says

    def answer(self) -> ControlAnswer | None:
        """What the loaded nginx says of itself; None when nothing answers on the control socket."""
        try:
            connection, answer = self._ask()
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return None
        connection.close()
        return answer

    def _ask(self) -> tuple[http.client.HTTPConnection, ControlAnswer]:
        connection = _UnixConnection(str(self._sockets / "control.sock"), CONTROL_TIMEOUT)
        connection.request("GET", "/state")
        with connection.getresponse() as response:
            data = json.loads(response.read())
        live = data["live"] if data["live"] != "none" else None
        return connection, ControlAnswer(data["app"], data["generation"], live, data["nginx"], data["worker"])

    def loaded_name(self, app: str) -> ControlAnswer | None:
        """What is loaded, by the name of a socket that nginx listens on; None when that cannot be read either.

        For a state folder that was deleted: the kernel still lists the socket. Source: proc_net(5) of Linux, "unix".
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
        return ControlAnswer(app, generation, color, "", 0)

    def sees_our_folders(self) -> bool:
        """Whether nginx has mounted the folders that are there now, not deleted ones; unknown counts as yes."""
        try:
            code, output = self._run(["stat", "-c", "%i", config.CONF, config.RUN])
            here = [str(os.stat(folder).st_ino) for folder in (self._conf, self._handed.parent)]
        except (BluegreenError, OSError):
            return True
        return code != 0 or output.split() == here

    def intended(self) -> Routing | None:
        """What the file that nginx loads at its next start routes; None: absent, or not ours."""
        try:
            return config.read_routing((self._conf / LOADED).read_text())
        except (OSError, UnicodeDecodeError):
            return None

    def in_flight(self, addresses: frozenset[str]) -> int:
        """How many connections nginx holds to these addresses: requests that they still answer.

        Connections that are merely kept for reuse end within a second (keepalive_timeout of the upstreams).
        Source: /proc/net/tcp of the proxy's own network namespace, described in proc_net_tcp.txt of Linux.
        """
        code, output = self._run(["cat", "/proc/net/tcp"])
        if code:
            raise BluegreenError(
                "nginx's connections could not be read.", failed=output.strip()[:200], expected="its /proc/net/tcp"
            )
        rows = [line.split() for line in output.splitlines()[1:]]
        ends = [_address(row[2]) for row in rows if len(row) > 3 and row[3] in TCP_OPEN]
        return sum(end in addresses for end in ends)

    # -- its files

    def test(self, text: str) -> None:
        """`nginx -t` on a rendered file, in the running proxy. Raises BluegreenError with nginx's words."""
        self._write(CANDIDATE, text)
        try:
            code, output = self._run(["nginx", "-e", "/dev/stderr", "-t", "-c", f"{config.CONF}/{CANDIDATE}"])
        finally:
            (self._conf / CANDIDATE).unlink(missing_ok=True)
        if code and not self.sees_our_folders():
            raise BluegreenError(
                "nginx does not see the folder of the rendered file.",
                failed="the folder was deleted and made anew while the proxy ran",
                expected="the folder that it has mounted",
                retry="safe, after bluegreen up", next="bluegreen up (restarts the proxy: a moment without answers)",
            )  # fmt: skip
        if code:
            lines = [line for line in output.splitlines() if "[emerg]" in line] or output.splitlines()
            raise BluegreenError(
                "nginx refuses the new configuration.",
                failed=lines[0].partition("] ")[2] or lines[0] if lines else f"nginx -t ended with {code}",
                expected="a file that nginx -t accepts (your own snippets in proxy.include are part of it)",
                retry="safe, after the cause is mended",
                lines=output.splitlines()[-5:],
            )

    def write(self, text: str) -> None:
        """The file that nginx loads, replaced in one step and on the disk when this returns."""
        self._write(LOADED, text)

    def store(self, directions: dict[Color, str]) -> None:
        """The rendered texts, with their marks, for either direction; absent ones are removed."""
        for color in ("blue", "green"):
            if text := directions.get(color):
                self._write(f"live-{color}.conf", text)
            else:
                (self._conf / f"live-{color}.conf").unlink(missing_ok=True)

    def stored(self, color: Color) -> str | None:
        """The text that makes `color` live, as the last switch left it; None: there is none."""
        try:
            return (self._conf / f"live-{color}.conf").read_text()
        except OSError:
            return None

    def loaded_text(self) -> str | None:
        try:
            return (self._conf / LOADED).read_text()
        except OSError:
            return None

    def edited(self) -> bool:
        """Whether the rendered file is another text than the one that was written; unknown counts as no."""
        text, routing = self.loaded_text(), self.intended()
        if text is None or routing is None or routing.live is None:
            return False
        kept = self.stored(routing.live)
        return kept is not None and config.activate(kept, routing.generation, routing.since or "") != text

    def tidy(self) -> None:
        """Removes what a killed command may have left: files that were being written."""
        for path in [*self._conf.glob(".*.new"), self._conf / CANDIDATE]:
            path.unlink(missing_ok=True)
        for path in (self._conf / SNIPPETS).glob("*.new"):
            shutil.rmtree(path, ignore_errors=True)

    def _write(self, name: str, text: str) -> None:
        try:
            self._replace(name, text)
        except OSError as error:
            with contextlib.suppress(OSError):
                (self._conf / f".{name}.new").unlink(missing_ok=True)
            raise BluegreenError(
                "nginx's file cannot be written.",
                failed=f"{error.strerror}: {self._conf / name}",
                expected="a state folder that this user may write to, on a disk with room",
                retry="safe, after the cause is mended",
                next=f"df -h {self._conf}; ls -ld {self._conf}",
            ) from None

    def _replace(self, name: str, text: str) -> None:
        temporary = self._conf / f".{name}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with open(descriptor, "w") as file:
            os.fchmod(file.fileno(), 0o644)  # the folder above is 0700; nginx runs as another user
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._conf / name)
        folder = os.open(self._conf, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def take_snippets(self, folder: Path | None) -> str | None:
        """Copies the user's snippets beside the rendered file and returns where nginx sees the copy.

        nginx only ever loads a copy that `nginx -t` accepted, so an edit cannot keep it from starting.
        Raises BluegreenError when the folder cannot be read.
        """
        if folder is None:
            return None
        try:
            files = sorted([*folder.glob("*.conf"), *folder.glob("http/*.conf")])
            contents = [(path.relative_to(folder), path.read_bytes()) for path in files]
            if not folder.is_dir():
                raise NotADirectoryError(f"{folder} is not a folder")
        except OSError as error:
            raise BluegreenError(
                "The folder of proxy.include cannot be read.",
                failed=str(error),
                expected="a folder with *.conf and http/*.conf",
                retry="safe, after the cause is mended",
            ) from None
        digest = hashlib.sha256()
        for name, content in contents:
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        place = self._conf / SNIPPETS / digest.hexdigest()[:16]
        if not place.is_dir():
            building = place.with_suffix(".new")
            shutil.rmtree(building, ignore_errors=True)
            (building / "http").mkdir(parents=True)
            for name, content in contents:
                (building / name).write_bytes(content)
            building.rename(place)
        return f"{config.CONF}/{SNIPPETS}/{place.name}"

    def loaded_snippets(self) -> str | None:
        """The copy of snippets that the loaded file includes, as the proxy sees it; None: it includes none."""
        match = re.search(rf"include ({re.escape(config.CONF)}/{SNIPPETS}/\w+)/\*\.conf;", self.loaded_text() or "")
        return match[1] if match else None

    def forget_snippets(self) -> None:
        """Removes copies of snippets that neither the loaded file nor a stored one names."""
        texts = [self.loaded_text(), self.stored("blue"), self.stored("green")]
        for place in (self._conf / SNIPPETS).glob("*"):
            if not any(text and place.name in text for text in texts):
                shutil.rmtree(place, ignore_errors=True)

    activate = staticmethod(config.activate)
    too_old = staticmethod(config.too_old)

    # -- its reload

    def hold(self) -> Held | None:
        """A connection by which `confirm` sees the workers of today quit; None when nothing answers."""
        try:
            return Held(self._ask()[0])
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return None

    def reload(self) -> None:
        """SIGHUP to nginx. It says nothing about whether nginx will load the file; `confirm` does."""
        self._hup()

    def confirm(self, generation: int, live: Color | None, held: Held | None) -> None:
        """Returns when `generation` answers and the workers before it accept nothing any more.

        A worker that is told to quit closes its listening sockets and then its idle connections, so the
        end of `held` proves the first (ngx_worker_process_cycle). Raises NotConfirmed.
        """
        deadline = self._clock() + CONFIRM_TIMEOUT
        seen: ControlAnswer | None = None
        while True:
            seen = self.answer() or seen
            if seen and (seen.generation, seen.live) == (generation, live):
                break
            if self._clock() > deadline:
                raise NotConfirmed(self._instead(generation, seen))
            self._sleep(ASK_AGAIN)
        if held and not held.wait_closed(QUIT_TIMEOUT):
            raise NotConfirmed(f"a worker of the former generation still accepts after {QUIT_TIMEOUT:.0f} s")
        # The held connection stands for one worker; the others get the same signal within milliseconds.
        deadline = self._clock() + QUIT_TIMEOUT
        fresh = 0
        while fresh < FRESH_ANSWERS:
            seen = self.answer()
            fresh = fresh + 1 if seen and seen.generation == generation else 0
            if self._clock() > deadline:
                raise NotConfirmed(self._instead(generation, seen))

    @staticmethod
    def _instead(generation: int, seen: ControlAnswer | None) -> str:
        found = f"generation {seen.generation} ({seen.live or 'no color'})" if seen else "nothing"
        return f"{found} answers on the control socket instead of generation {generation}"

    def hand_over(self, left: int) -> None:
        """Tells workers of the generation that was left to pass on what still reaches them.

        They keep idle connections open for ten seconds, so that no client meets a closing one. What
        arrives there goes, through a socket on which only their successors accept, to where new traffic goes.
        """
        (self._handed / str(left)).touch()
        for path in self._handed.iterdir():
            if path.name.isdigit() and int(path.name) < left - KEPT_NOTES:
                path.unlink(missing_ok=True)


def _address(text: str) -> str:
    """An IPv4 address as the kernel prints it in /proc/net/tcp: hexadecimal, in the machine's byte order."""
    return socket.inet_ntoa(struct.pack("=I", int(text.partition(":")[0], 16)))


def prepare_folders(state: Path) -> tuple[int, int]:
    """The folders that the proxy mounts, and the (user, group) that it runs as. Safe to run again."""
    owner = os.geteuid(), os.getegid()
    user = owner if owner[0] else (PROXY_USER, PROXY_USER)
    for name in ("nginx", "nginx/snippets", "run", "run/handed", "run/temp"):
        folder = state / name
        folder.mkdir(exist_ok=True)
        if folder.stat().st_mode & 0o777 != FOLDER_MODE:  # only then: the disk may be read-only, and a look must work
            os.chmod(folder, FOLDER_MODE)
    if user != owner:
        for name in ("run", "run/temp"):
            found = (state / name).stat()
            if (found.st_uid, found.st_gid) != user:
                os.chown(state / name, *user)
    return user
