"""Asked before a CA is: does this name lead to our nginx? A CA that is asked in vain stops answering for an hour."""

from __future__ import annotations

import errno
import http.client
import secrets
import socket
from collections.abc import Callable, Sequence

from bluegreen.domain.tls import is_ip
from bluegreen.features.certificates.store import Store
from bluegreen.probe import public

TIMEOUT = 5.0  # seconds for one address
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
PATH = "/.well-known/acme-challenge/"

Resolve = Callable[[str, int], Sequence[str]]


def addresses(name: str, port: int) -> list[str]:
    """What a name resolves to here. Raises OSError."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(it[4][0]) for it in found))


def unreached(store: Store, name: str, port: int, resolve: Resolve = addresses) -> str:
    """Why a CA would not find our answer under this name; empty: it would. Raises OSError of the state folder."""
    try:
        found = [name] if is_ip(name) else resolve(name, port)
    except (OSError, UnicodeError) as error:
        return f"{name} does not resolve to an address ({getattr(error, 'strerror', None) or error})"
    token, answer = f"self-{secrets.token_hex(8)}", secrets.token_hex(16)
    with store.nginx.challenge(token, answer.encode()):
        said = {address: _ask(address, port, name, PATH + token, answer) for address in found}
    wrong = {address: words for address, words in said.items() if words}
    unknown = [address for address, words in said.items() if words is None]
    if wrong:
        address, words = next(iter(wrong.items()))
        return f"{name} leads to {address}, port {port}, and {words}"
    return f"{name} leads to {', '.join(unknown)} only, which this server cannot reach" if unknown == found else ""


def _ask(address: str, port: int, name: str, path: str, wanted: str) -> str | None:
    """Empty: our answer; None: there is no way to that kind of address from here; else what was found instead."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers={"Host": name, "User-Agent": "bluegreen"})
        response = connection.getresponse()
        body = response.read(1000).decode(errors="replace")
    except OSError as error:
        if error.errno in NO_WAY:
            return None
        return f"nothing answers there ({error.strerror or type(error).__name__})"
    except http.client.HTTPException as error:
        return f"what answers there is no HTTP ({type(error).__name__})"
    finally:
        connection.close()
    if response.status == 200 and body.strip() == wanted:
        return ""
    server = response.getheader("Server")
    return f"another server answers there: {response.status}{f' by {server}' if server else ''}"


def shows(listen: str, name: str) -> bytes | None:
    """The certificate, DER, that is shown there for a name; None: no handshake."""
    try:
        return public.certificate(listen, name)
    except OSError:
        return None
