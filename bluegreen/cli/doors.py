"""Puts the front door of one app together. Standard library only: flip-back needs it before anything else."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from bluegreen.frontdoor import route
from bluegreen.frontdoor.change import Change
from bluegreen.frontdoor.door import Door
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.nginx import Nginx
from bluegreen.frontdoor.succession import Hands, Succession, serving


class ProxyHandle(Hands, Protocol):
    """What the front door needs of the place: signals to a container, its end, and a command in it."""

    def run_in(self, container: str, command: Sequence[str]) -> tuple[int, str]: ...


def sockets_at_edge(state: Path) -> str | None:
    """The folder in which the app's nginx listens for the edge; None: it does not."""
    try:
        return os.readlink(state / "edge")
    except OSError:
        return None


def mounted(state: Path) -> dict[str, str]:
    """Folders of this machine that a proxy may have mounted beside its state, by where it has them; empty: none."""
    apps = state / "sockets"
    return {route.EDGE: sockets_at_edge(state) or "", route.EDGE_APPS: str(apps) if apps.is_dir() else ""}


def front_door(
    app: str, state: Path, sockets: Path, place: ProxyHandle, *, held: Callable[[], None] = lambda: None
) -> tuple[Files, Nginx, Door]:
    """The files, what nginx says, and what changes it. `sockets`: a short name of the state folder's run/.

    `held` raises BluegreenError when this command does not hold the app any more.
    """
    first, folder = f"{app}-proxy", str(sockets)
    files = Files(str(state / "nginx"), held)
    succession = Succession(files, folder, first, place, partial(sockets_at_edge, state))

    def proxy() -> str:
        return serving(files.folder, first)

    change = Change(files, folder, lambda: place.send_signal(proxy(), "HUP"), succession.finish)
    nginx = Nginx(files, change, folder, lambda command: place.run_in(proxy(), command), partial(mounted, state))
    door = Door(files, change, lambda command: place.run_in(proxy(), command), nginx.sees_our_folders, succession.run)
    return files, nginx, door
