"""The public listener, asked as visitors ask it: from outside the container. Standard library only, little of it."""

from __future__ import annotations

import socket
import time

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

TIMEOUT = 6.0  # seconds for an answer to begin
HEAD = 2048  # bytes of an answer's head that are looked at
EDGES_OWN = b"\r\nx-bluegreen-edge:"  # in an answer that the edge gives when it reaches no app
AGAIN = 0.05  # seconds between two tries while nothing listens
PATIENCE = 3.0  # seconds in which a listener that was published just now must be there
LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not listened on


def silent(listens: Sequence[str], host: str | None, path: str, patience: float = PATIENCE) -> list[str]:
    """The listeners that give no HTTP answer, each with why; any status is an answer. Bounded in time.

    `listens`: as nginx is published, [ADDRESS:]PORT; all addresses of the machine are asked on its loopback.
    """
    return _each(listens, lambda listen: _ask(listen, host or "localhost", path), patience)


def no_handshake(listens: Sequence[str], host: str, patience: float = PATIENCE) -> list[str]:
    """The listeners for HTTPS on which no handshake for this host succeeds, each with why. Bounded in time.

    Any certificate counts: whether it is a good one is for others to say.
    """
    return _each(listens, lambda listen: _handshake(listen, host), patience)


def certificate(listen: str, host: str) -> bytes | None:
    """The certificate, DER, that a listener for HTTPS shows for a host: looked at, not trusted. Raises OSError."""
    with socket.create_connection(_place(listen), TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        with _secured(connection, host) as secured:
            return secured.getpeercert(binary_form=True)


def visit(listen: str, host: str | None, path: str, secure: bool = False) -> tuple[int, float, str]:
    """One GET as a visitor makes it: (status, seconds until the answer began, why there was none); status 0: none."""
    began = time.monotonic()
    status, why = 0, ""
    try:
        with socket.create_connection(_place(listen), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            with _secured(connection, host or "localhost") if secure else connection as way:
                way.sendall(_request(host or "localhost", path))
                status, why = _status(way.recv(HEAD))
    except TimeoutError:
        why = f"did not answer in {TIMEOUT:g} s"
    except ConnectionRefusedError:
        why = "refused the connection"
    except OSError as error:
        why = f"did not answer ({getattr(error, 'reason', None) or error.strerror or error})"
    return status, time.monotonic() - began, why


def _secured(connection: socket.socket, host: str) -> ssl.SSLSocket:
    import ssl  # who has no HTTPS does not wait for it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host.replace("*", "bluegreen", 1))


def _status(head: bytes) -> tuple[int, str]:
    if not head:
        return 0, "closed the connection without an answer"
    if EDGES_OWN in head.lower():
        return 0, "is answered by the edge itself: it does not reach the app"
    words = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(words) < 2 or not words[1][:3].isdigit():
        return 0, "answered something that is not HTTP"
    return int(words[1][:3]), ""


def _each(listens: Sequence[str], ask: Callable[[str], str], patience: float) -> list[str]:
    """Those of which `ask` still says something when the patience is over, with what it says."""
    deadline = time.monotonic() + patience
    found = []
    for listen in listens:
        while (why := ask(listen)) and time.monotonic() < deadline:
            time.sleep(AGAIN)
        if why:
            found.append(f"{listen} {why}")
    return found


def _place(listen: str) -> tuple[str, int]:
    """Where to ask for a listener, from this machine."""
    address, _, port = listen.rpartition(":")
    address = address.strip("[]")
    return LOOPBACK.get(address, address), int(port)


def _handshake(listen: str, host: str) -> str:
    try:
        certificate(listen, host)
    except TimeoutError:
        return f"did not answer in {TIMEOUT:g} s"
    except ConnectionRefusedError:
        return "refused the connection"
    except OSError as error:  # of which ssl.SSLError is one
        return f"gives no certificate for {host} ({getattr(error, 'reason', None) or error.strerror or error})"
    return ""


def _ask(listen: str, host: str, path: str) -> str:
    _, _, why = visit(listen, host, path)
    return why


def _request(host: str, path: str) -> bytes:
    name = host.replace("*", "bluegreen", 1)
    return f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: bluegreen\r\nConnection: close\r\n\r\n".encode()
