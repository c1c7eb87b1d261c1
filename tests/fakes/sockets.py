"""A server on a Unix socket that says what it is told to, piece by piece."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

Pieces = Iterable[bytes | float]  # bytes to send, and seconds to wait between them


class Server:
    """Each connection: a request is read, `reply` is given its text, and what it returns is sent."""

    def __init__(self, path: Path, reply: Callable[[str], Pieces]) -> None:
        self.asked: list[str] = []
        self._reply, self._ended = reply, threading.Event()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listening.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            found = b""
            while b"\r\n\r\n" not in found:
                piece = connection.recv(65536)
                if not piece:
                    return
                found += piece
            text = found.decode()
            self.asked.append(text)
            for piece_or_pause in self._reply(text):
                if isinstance(piece_or_pause, bytes):
                    connection.sendall(piece_or_pause)
                else:
                    self._ended.wait(piece_or_pause)


def answer(status: int = 200, body: str = "", **headers: str) -> list[bytes]:
    """One whole answer; `X_Name` stands for X-Name."""
    lines = [f"HTTP/1.1 {status} It is", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ["\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "Connection: close", "", body]).encode()]


def soon(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it holds within a time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
