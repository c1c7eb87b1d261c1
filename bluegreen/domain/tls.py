"""TLS: what the block says of it, and which certificate serves which name. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bluegreen.domain.app import Listen, Settings, Task

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
ACME, FILES = "acme", "files"  # where a certificate comes from
PORT = 443
CHALLENGE_PORT = 80  # where a CA asks for HTTP-01. Source: RFC 8555, 8.3
ANY = "*."


@dataclass(frozen=True)
class Tls:
    """What `x-bluegreen.tls` says. Times in seconds."""

    listen: tuple[Listen, ...] = (Listen("", PORT),)
    email: str = ""  # with it, certificates come from a CA by ACME
    directory: str = LETS_ENCRYPT  # of the CA. Source: RFC 8555, 7.1.1
    directory_ca: str = ""  # a file of CA certificates that the CA's own server is checked with; empty: the usual ones
    profile: str = ""  # of the CA; empty: its default
    dns: Task | None = None  # the hook of DNS-01; None: HTTP-01
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name to (certificates, key)
    hsts: float = 0.0
    http2: bool = True
    self_check: bool = True
    challenge_port: int = CHALLENGE_PORT


def certificates(settings: Settings) -> dict[str, str]:
    """The names that have a certificate of their own, each with where it comes from: ACME or FILES.

    A name that a certificate of `*.` covers has none of its own.
    """
    tls = settings.tls
    if tls is None:
        return {}
    found = dict.fromkeys(tls.files, FILES)
    if not tls.email:
        return found
    wanted = hosts(settings)
    wild = [*found, *(name for name in wanted if name.startswith(ANY))]
    mine = [name for name in wanted if name not in found and not any(covers(it, name) for it in wild if it != name)]
    return found | dict.fromkeys(mine, ACME)


def hosts(settings: Settings) -> list[str]:
    """The hosts that the settings name, those that are only redirected too."""
    named = [route.host for route in settings.routes if route.host is not None]
    return list(dict.fromkeys([*named, *settings.redirect]))


def covers(name: str, host: str) -> bool:
    """Whether a certificate for `name` is good for `host`: `*.` is one label. Source: RFC 9525, 6.3."""
    return name == host or (name.startswith(ANY) and not is_ip(host) and host.partition(".")[2] == name[len(ANY) :])


def covering(names: Iterable[str], host: str) -> str | None:
    """Which of the certificates for `names` is good for `host`; its own before one of `*.`."""
    found = [name for name in names if covers(name, host)]
    return host if host in found else next(iter(found), None)


def stem(name: str) -> str:
    """How the files of a name begin: no `*` in it."""
    return name.replace("*", "_")


def is_ip(name: str) -> bool:
    """Whether a host is an address: a browser sends none in its handshake."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
