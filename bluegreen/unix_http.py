"""One question over a Unix socket of our own nginx, with the standard library only.

HTTP/1.0, so that nginx itself takes chunks apart and ends the connection. A connection each time: one kept from
before a reload would end at a former worker.
"""

from __future__ import annotations

import socket
import time

PIECE = 65536  # bytes read at once
MAX_HEAD = 64 * 1024  # bytes of status line and headers; our nginx sends far fewer


class NoAnswer(Exception):
    """Nothing, or nothing that is HTTP, came in time; says what was seen."""


class StillAnswering(NoAnswer):
    """The answer had begun and did not end in time."""


def get(path: str, target: str, host: str, timeout: float, most: int) -> tuple[int, dict[str, str], bytes]:
    """(status, headers by lower-case name, body of at most `most` bytes). `timeout`: seconds for the whole of it.

    Raises NoAnswer.
    """
    deadline = time.monotonic() + timeout
    request = f"GET {target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: bluegreen\r\nAccept: */*\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(request.encode())
            return _read(connection, deadline, timeout, most)
    except TimeoutError:
        raise NoAnswer("timed out") from None
    except (OSError, ValueError, OverflowError, TypeError) as error:  # the last two: of a file of another shape
        raise NoAnswer(str(error) or type(error).__name__) from None


def listens(path: str, timeout: float) -> bool:
    """Whether somebody listens there; one that hangs does, and is not waited for."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
    except (TimeoutError, BlockingIOError):  # the latter: more wait there than it accepts
        return True
    except (OSError, ValueError):
        return False
    return True


def _read(connection: socket.socket, deadline: float, timeout: float, most: int) -> tuple[int, dict[str, str], bytes]:
    found = b""
    while b"\r\n\r\n" not in found:
        piece = _piece(connection, deadline)
        if not piece or len(found) > MAX_HEAD:
            raise ValueError("the connection ended before the headers did" if not piece else "the headers do not end")
        found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    status, headers = _head(head.decode("latin-1"))
    while len(body) < most:
        try:
            piece = _piece(connection, deadline)
        except TimeoutError:
            raise StillAnswering(f"was still answering after {timeout:g} s") from None
        if not piece:
            break
        body += piece
    return status, headers, body[:most]


def _piece(connection: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
    return connection.recv(PIECE)


def _head(text: str) -> tuple[int, dict[str, str]]:
    first, *lines = text.split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/"):
        raise ValueError("what came is not HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        known = headers.get(name.strip().lower())
        headers[name.strip().lower()] = f"{known}, {value.strip()}" if known is not None else value.strip()
    return int(parts[1]), headers
