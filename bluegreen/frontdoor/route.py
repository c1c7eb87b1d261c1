"""The route: a link that nginx looks through at each request. Renaming it moves traffic. Standard library only.

`route/live` leads to a folder with a folder for each color, which names the visitors (buckets 0 to 99) that go
there, whatever the loaded file's own default is. A visitor that no color names gets the file's default.
"""

from __future__ import annotations

import os

from bluegreen.files import sync

CONF = "/etc/bluegreen"  # the state folder's nginx/, inside the proxy's container
RUN = "/run/bluegreen"  # the state folder's run/
EDGE = "/run/bluegreen-edge"  # where nginx listens for an edge, if the app is on one
EDGE_APPS = "/run/bluegreen-apps"  # in an edge's nginx: the folders of all apps
VOLUMES = "/srv/volumes"  # volumes whose files nginx serves, each at its prefix
FOLDER = "route"
ROUTE = f"{FOLDER}/live"
HALF_MADE = f"{FOLDER}/.live.new"  # the link before it is renamed
NOBODY = "none"  # the folder that names no visitor
BUCKETS = 100
NEXT = "next"  # with a door: a link to the socket on which the successors of workers that were left accept
DOORS = ("public", "passed")
MODE = 0o755  # below 0700; nginx, another user, must pass


def prepare(nginx: str) -> None:
    """Makes the folders that the link may lead to. Safe to run again; the link itself is left alone."""
    folder = os.path.join(nginx, FOLDER)
    make_folder(folder)
    make_folder(os.path.join(folder, NOBODY))
    for color in ("blue", "green"):
        make_folder(os.path.join(folder, color))
        visitors = os.path.join(folder, color, color)
        make_folder(visitors)
        missing = {str(bucket) for bucket in range(BUCKETS)} - set(os.listdir(visitors))
        for bucket in missing:
            os.close(os.open(os.path.join(visitors, bucket), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        if missing:
            sync(visitors)


def read(nginx: str) -> str | None:
    """The color that the link names: blue, green, or none; None: there is no link, or it leads nowhere."""
    link = os.path.join(nginx, ROUTE)
    try:
        name = os.readlink(link)
    except OSError:
        return None
    known = name in ("blue", "green", NOBODY) and os.path.isdir(link)
    return name if known else None


def since(nginx: str) -> float | None:
    """When the link was last renamed, in seconds since the epoch."""
    try:
        return os.lstat(os.path.join(nginx, ROUTE)).st_mtime
    except OSError:
        return None


def turn(nginx: str, color: str | None) -> None:
    """All traffic to this color (None: to no color), by one rename; on the disk when this returns.

    Raises OSError; then nothing has moved, unless only the last step failed: ask nginx.
    """
    prepare(nginx)
    relink(os.path.join(nginx, ROUTE), color or NOBODY)
    sync(os.path.join(nginx, FOLDER))


def relink(link: str, target: str) -> None:
    """Makes a link lead elsewhere, by one rename. Raises OSError."""
    folder, name = os.path.split(link)
    fresh = os.path.join(folder, f".{name}.new")
    try:  # noqa: SIM105 - contextlib is not worth its time here
        os.unlink(fresh)
    except FileNotFoundError:
        pass
    os.symlink(target, fresh)
    os.rename(fresh, link)


def make_folder(path: str) -> None:
    """A folder that nginx may enter, whatever the umask is; one that is there is taken. Raises OSError."""
    try:
        os.mkdir(path, MODE)
    except FileExistsError:
        if os.stat(path).st_mode & 0o777 == MODE:
            return
    os.chmod(path, MODE)  # whatever the umask is
