"""The public listener, asked as visitors ask it: from outside the container. Standard library only, little of it."""

from __future__ import annotations

import socket
import time

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT = 6.0  # seconds for an answer to begin
AGAIN = 0.05  # seconds between two tries while nothing listens
PATIENCE = 3.0  # seconds in which a listener that was published just now must be there
LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not listened on


def silent(listens: Sequence[str], host: str | None, path: str, patience: float = PATIENCE) -> list[str]:
    """The listeners that give no HTTP answer, each with why; any status is an answer. Bounded in time.

    `listens`: as nginx is published, [ADDRESS:]PORT; all addresses of the machine are asked on its loopback.
    """
    deadline = time.monotonic() + patience
    found = []
    for listen in listens:
        while (why := _ask(listen, host or "localhost", path)) and time.monotonic() < deadline:
            time.sleep(AGAIN)
        if why:
            found.append(f"{listen} {why}")
    return found


def no_handshake(listens: Sequence[str], host: str, patience: float = PATIENCE) -> list[str]:
    """The listeners for HTTPS on which no handshake for this host succeeds, each with why. Bounded in time.

    Any certificate counts: whether it is a good one is for others to say.
    """
    deadline = time.monotonic() + patience
    found = []
    for listen in listens:
        while (why := _handshake(listen, host)) and time.monotonic() < deadline:
            time.sleep(AGAIN)
        if why:
            found.append(f"{listen} {why}")
    return found


def _handshake(listen: str, host: str) -> str:
    import ssl  # who has no HTTPS does not wait for it

    address, _, port = listen.rpartition(":")
    address = address.strip("[]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((LOOPBACK.get(address, address), int(port)), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            context.wrap_socket(connection, server_hostname=host.replace("*", "bluegreen", 1)).close()
    except TimeoutError:
        return f"did not answer in {TIMEOUT:g} s"
    except ConnectionRefusedError:
        return "refused the connection"
    except OSError as error:  # of which ssl.SSLError is one
        return f"gives no certificate for {host} ({getattr(error, 'reason', None) or error.strerror or error})"
    return ""


def _ask(listen: str, host: str, path: str) -> str:
    address, _, port = listen.rpartition(":")
    address = address.strip("[]")
    at = LOOPBACK.get(address, address)
    name = host.replace("*", "bluegreen", 1)
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: bluegreen\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((at, int(port)), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            connection.sendall(request.encode())
            first = connection.recv(64)
    except TimeoutError:
        return f"did not answer in {TIMEOUT:g} s"
    except ConnectionRefusedError:
        return "refused the connection"
    except OSError as error:
        return f"did not answer ({error.strerror or error})"
    if not first:
        return "closed the connection without an answer"
    return "" if first.startswith(b"HTTP/1.") else "answered something that is not HTTP"
