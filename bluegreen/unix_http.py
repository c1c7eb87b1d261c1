"""One question over a Unix socket of our own nginx, with the standard library only.

HTTP/1.0, so that nginx itself takes chunks apart and ends the connection. A connection each time: one kept from
before a reload would end at a former worker.
"""

from __future__ import annotations

import os
import socket
import stat
import time

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Mapping

BESIDE = ("is", "was")  # folders of second names
PEER = 12  # bytes of a struct ucred: process, user, group (unix(7))
OPENED = "/proc/self/fd"  # a folder of this name is one that we have opened already
SHOWN = 200  # bytes that are kept of what is not HTTP
PIECE = 65536  # bytes of one read
HTTP = b"HTTP/"
NOT_HTTP = "what came is not HTTP"
MAX_HEAD = (1024 + 64) * 1024  # bytes of status line and headers; proxy.max_answer_headers may be 1m


class NoAnswer(Exception):
    """Nothing, or nothing that is HTTP, came in time; says what was seen."""


class TimedOut(NoAnswer):
    """Nothing came in time."""


class NotHttp(NoAnswer):
    """Something came, and it is not HTTP: nginx passes on as it is what it takes for an answer of HTTP/0.9."""

    def __init__(self, words: str, begin: bytes) -> None:
        super().__init__(words)
        self.begin = begin[:SHOWN]


class StillAnswering(NoAnswer):
    """The answer had begun and did not end in time."""


def get(
    path: str, target: str, host: str, timeout: float, most: int, more: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """(status, headers by lower-case name, body of at most `most` bytes). `timeout`: seconds for all of it.

    `more`: headers to send; one takes the place of ours of that name, except Host, which is `host`.
    Raises NoAnswer.
    """
    deadline = time.monotonic() + timeout
    try:
        request = "\r\n".join([f"GET {target} HTTP/1.0", f"Host: {host}", *_lines(more or {}), "", ""])
        with connected(path, timeout) as connection:
            connection.sendall(request.encode())
            return _read(connection, deadline, timeout, most)
    except TimeoutError:
        raise TimedOut("timed out") from None
    except (OSError, ValueError, OverflowError, TypeError) as error:  # the last two: of a file of another shape
        raise NoAnswer(str(error) or type(error).__name__) from None


def _lines(more: Mapping[str, str]) -> list[str]:
    """Headers as they are sent. Raises ValueError for one that would be more than a line."""
    found = {"user-agent": "User-Agent: bluegreen", "accept": "Accept: */*"}
    found |= {name.lower(): f"{name}: {value}" for name, value in more.items()}
    found.pop("host", None)
    if any("\r" in line or "\n" in line for line in found.values()):
        raise ValueError("a header of more than one line")
    return list(found.values())


def connected(path: str, timeout: float) -> socket.socket:
    """A connection to the very socket that is there: no link is followed, and no other user's is believed.

    Raises OSError; TimeoutError and BlockingIOError (more wait there than it accepts) when somebody listens.
    """
    descriptor, users = socket_at(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(f"{OPENED}/{descriptor}")
        if listener(connection)[1] not in users:
            raise OSError("another user listens there")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(descriptor)
    return connection


def listener(connection: socket.socket) -> tuple[int, int]:
    """(process, user) that called listen() at the other end, as the kernel knows them (SO_PEERCRED, unix(7))."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER)
    return int.from_bytes(found[:4], "little", signed=True), int.from_bytes(found[4:8], "little")


def listens(path: str, timeout: float) -> bool:
    """Whether somebody listens there; one that hangs does, and is not waited for."""
    try:
        connected(path, timeout).close()
    except (TimeoutError, BlockingIOError):
        return True
    except (OSError, ValueError):
        return False
    return True


# -- folders that nginx may write: an nginx that was taken over could put a link, a file or somebody else's socket there


def open_folder(path: str, at: int | None = None) -> int:
    """A descriptor of a folder that is one itself, no link to one. `at`: of the folder that it is in.

    Raises OSError.
    """
    follow = 0 if os.path.dirname(path) == OPENED else os.O_NOFOLLOW
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow, dir_fd=at)
    except NotADirectoryError as error:
        place = path if at is None else os.path.join(os.readlink(f"{OPENED}/{at}"), path)
        raise NotADirectoryError(error.errno, "A link or a file is there instead of a folder", place) from None


def open_below(path: str) -> int:
    """The same for a folder in one that nginx may write: neither may be a link. Raises OSError."""
    above, name = os.path.split(path)
    at = open_folder(above)
    try:
        return open_folder(name, at)
    finally:
        os.close(at)


def owner_above(at: int) -> os.stat_result:
    """The folder that an opened one really is in: whose it is."""
    return os.stat("..", dir_fd=at)


def socket_at(path: str) -> tuple[int, tuple[int, ...]]:
    """(a descriptor of the socket itself that is there, the users who may listen on it).

    It has to belong to the owner of its folder, as whom nginx runs, or to root. Connect to `/proc/self/fd/` and the
    descriptor: it stays this socket, whatever takes its place meanwhile. While one nginx takes over from another, it
    may have its second name alone (frontdoor/names.py). Raises OSError.
    """
    above, name = os.path.split(path)
    at = open_folder(above)
    try:
        descriptor = _named(name, at)
        users = (os.fstat(at).st_uid, 0)
    finally:
        os.close(at)
    found = os.fstat(descriptor)
    if stat.S_ISSOCK(found.st_mode) and found.st_uid in users:
        return descriptor, users
    os.close(descriptor)
    if stat.S_ISSOCK(found.st_mode):
        raise OSError(f"{name} belongs to another user than its folder")
    raise OSError(f"{name} is no socket")


def _named(name: str, at: int) -> int:
    """The socket of a name, or of its second one. Raises OSError, for the first."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=at)
    except FileNotFoundError:
        for beside in BESIDE:
            try:
                folder = open_folder(beside, at)
            except OSError:
                continue
            try:
                return os.open(name, flags, dir_fd=folder)
            except OSError:
                continue
            finally:
                os.close(folder)
        raise


def _read(connection: socket.socket, deadline: float, timeout: float, most: int) -> tuple[int, dict[str, str], bytes]:
    found = b""
    while b"\r\n\r\n" not in found:
        piece = _piece(connection, deadline)
        if not piece and found and not found.startswith(HTTP):
            raise NotHttp(NOT_HTTP, found)
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
    if len(parts) < 2 or not parts[0].startswith(HTTP.decode()):
        raise NotHttp(NOT_HTTP, first.encode("latin-1"))
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        known = headers.get(name.strip().lower())
        headers[name.strip().lower()] = f"{known}, {value.strip()}" if known is not None else value.strip()
    return int(parts[1]), headers
