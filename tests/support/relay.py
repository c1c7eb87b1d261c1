"""Between the command and what it calls: counts requests to the Engine and processes of Compose, from outside."""

from __future__ import annotations

import contextlib
import socket
import stat
import threading
import time
from collections import Counter
from pathlib import Path

ENGINE = "/var/run/docker.sock"


class Relay:
    """The Engine behind a socket that counts what is asked, and may let every request wait (`delay`, seconds)."""

    def __init__(self, path: Path, delay: float = 0.0) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._delay = delay
        self.asked: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def requests(self) -> int:
        return len(self.asked)

    def kinds(self) -> Counter[str]:
        return Counter(self.asked)

    def _serve(self) -> None:
        with contextlib.suppress(OSError), contextlib.closing(self._server):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._both, args=(client,), daemon=True).start()

    def _both(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(ENGINE)
            back = threading.Thread(target=self._pass, args=(engine, client, False), daemon=True)
            back.start()
            self._pass(client, engine, True)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                words = data.split(b" ", 2)
                if asks and words[0] in (b"GET", b"POST", b"DELETE", b"PUT", b"HEAD"):
                    self.asked.append(f"{words[0].decode()} {words[1].decode().partition('?')[0]}")
                    time.sleep(self._delay)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)


def counting(folder: Path, real: str) -> Path:
    """A `docker-compose` in this folder that notes each call in `folder/calls`, and then is the real one."""
    command = folder / "docker-compose"
    calls = folder / "calls"
    command.write_text(f'#!/bin/sh\necho "$@" >>"{calls}"\nexec "{real}" "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    calls.write_text("")
    return calls
