"""The edge: one nginx of this machine in front of several apps, each of which it knows by its names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bluegreen.domain.app import Bind, Edge, Listen, ProxySettings, Settings, Stack
from bluegreen.domain.routing import Slot
from bluegreen.domain.shape import shaped
from bluegreen.domain.tls import certificates, is_ip

APP = "bluegreen-"  # the edge is on the Engine, and has its state, as an app of this name
ANY = "_"  # the name of an app that takes what no other one names
FOLDER = "sockets"  # in the edge's state folder: a folder for each app
SOCKETS = "/run/bluegreen-edge"  # in an app's nginx: the folder in which it listens for the edge
APPS = "/run/bluegreen-apps"  # in the edge's nginx: the folder with those of all apps


@dataclass(frozen=True)
class Claim:
    """The names of one app: those that it answers on plain HTTP, and those that it has a certificate for.

    An empty name among `secure` means a handshake without one, as browsers make it with an address.
    """

    app: str
    folder: str
    plain: tuple[str, ...]
    secure: tuple[str, ...] = ()
    request_headers: int = 64 * 1024  # bytes, as proxy.max_request_headers
    answer_headers: int = 64 * 1024  # bytes, as proxy.max_answer_headers
    edge: str = ""  # what the app says of the edge, as a label
    image: str = ""  # and the image that it names for it

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Claim:
        """The inverse of `as_dict`. Raises TypeError for a document of another shape."""
        return shaped(cls, data)


def app_name(edge: Edge) -> str:
    """What the edge is called on the Engine, and in the folder of states."""
    return f"{APP}{edge.name}"


def label(edge: Edge | None) -> str:
    """As a label of a container says it: NAME LISTEN,… TLS,…; `labelled` is the inverse."""
    if edge is None:
        return ""
    return " ".join([edge.name, ",".join(map(str, edge.listen)), ",".join(map(str, edge.tls))])


def labelled(text: str) -> Edge | None:
    """What such a label says; None: no edge."""
    words = text.split(" ")
    if len(words) != 3:
        return None
    try:
        return Edge(words[0], _listens(words[1]), _listens(words[2]))
    except ValueError:
        return None


def _listens(text: str) -> tuple[Listen, ...]:
    parts = (it.rpartition(":") for it in text.split(","))
    return tuple(Listen(address, int(port)) for address, _, port in parts)


def claim(stack: Stack, slots: Iterable[Slot] = ()) -> Claim:
    """What an app has to claim: the names of its settings, and of the releases in its slots."""
    settings = stack.settings
    routes = [*settings.routes, *(route for slot in slots for route in slot.routes)]
    redirects = [*settings.redirect, *(host for slot in slots for host in slot.redirect)]
    shared = [route for route in routes if route.public and not route.listen]
    named = dict.fromkeys([*(route.host or ANY for route in shared), *redirects])
    limits = settings.proxy
    return Claim(
        stack.app, stack.project_directory, tuple(named), _secure(settings, named),
        limits.max_request_headers, limits.max_answer_headers,
        label(settings.edge), settings.edge.image if settings.edge else "",
    )  # fmt: skip


def _secure(settings: Settings, named: Iterable[str]) -> tuple[str, ...]:
    if settings.tls is None:
        return ()
    found = dict.fromkeys([*(name for name in named if name != ANY), *certificates(settings)])
    return tuple(found) if not any(map(is_ip, found)) else (*found, "")


def conflicts(mine: Claim, others: Iterable[Claim]) -> list[tuple[str, Claim]]:
    """The names that another app has claimed already, each with that claim."""
    wanted = {*mine.plain, *mine.secure}
    return [
        (name, other) for other in others if other.app != mine.app for name in (*other.plain, *other.secure)
        if name in wanted
    ]  # fmt: skip


def stack_of(edge: Edge, image: str) -> Stack:
    """The edge as an app without services: what its container is made from."""
    settings = Settings((), listen=(*edge.listen, *edge.tls), preview=None, proxy=ProxySettings(image), edge=edge)
    binds = (Bind(f"{edge.state}/{FOLDER}", APPS, writable=False),)
    return Stack(app_name(edge), settings, {}, {}, {}, {}, {}, (), edge.state, binds=binds)


def with_sockets(stack: Stack) -> Stack:
    """An app's stack, with the folder in which its nginx listens for the edge."""
    edge = stack.settings.edge
    if edge is None:
        return stack
    return replace(stack, binds=(Bind(f"{edge.state}/{FOLDER}/{stack.app}", SOCKETS, writable=True),))
