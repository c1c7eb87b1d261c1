"""The route: a link that nginx looks through at each request. Renaming it moves traffic. Standard library only.

`route/live` leads to a folder with a folder for each color, which names the visitors (buckets 0 to 99) that go
there, whatever the loaded file's own default is. A visitor that no color names gets the file's default.
For a canary it leads to a folder such as `share-green-05`: buckets 0 to 4 go to green, all others to blue. The buckets
of a smaller share are among those of a larger one, so that nobody goes back while a share grows.

Beside buckets, visitors who ask for a color have names, too: `asked-green` counts while both colors have visitors,
`known-green` (who asks knows the secret) always.
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
ALL = 100  # percent: no canary
BOTH = "both"  # in that folder: both colors have visitors
SHARE = "share"  # how the folder of a canary is called: share-green-05
OTHER = {"blue": "green", "green": "blue"}
NEXT = "next"  # with a door: a link to the socket on which the successors of workers that were left accept
DOORS = ("public", "passed")
MODE = 0o755  # below 0700; nginx, another user, must pass


def prepare(nginx: str) -> None:
    """Makes the folders that the link may lead to. Safe to run again; the link itself is left alone."""
    folder = os.path.join(nginx, FOLDER)
    make_folder(folder)
    make_folder(os.path.join(folder, NOBODY))
    for color in OTHER:
        _lay_out(os.path.join(folder, color), _visitors(color, ALL))


def _visitors(color: str, percent: int) -> dict[str, set[str]]:
    """Whom each color's folder names when so many percent go to `color`."""
    rest = OTHER[color]
    until = percent if percent < ALL else BUCKETS
    mine, theirs = (set(map(str, part)) for part in (range(until), range(until, BUCKETS)))
    asked = {f"asked-{it}" for it in OTHER}
    if percent < ALL:
        mine, theirs = mine | {f"asked-{color}"}, theirs | {f"asked-{rest}"}
    else:
        mine |= asked
    return {color: mine | {f"known-{color}"}, rest: theirs | {f"known-{rest}"}}


def _lay_out(folder: str, visitors: dict[str, set[str]], marks: tuple[str, ...] = ()) -> None:
    """Makes a folder that the link may lead to; on the disk when this returns. Raises OSError."""
    make_folder(folder)
    for color, names in visitors.items():
        place = os.path.join(folder, color)
        make_folder(place)
        there = set(os.listdir(place))
        for name in names - there:
            _make_file(os.path.join(place, name))
        for name in there - names:
            os.unlink(os.path.join(place, name))
        if names != there:
            sync(place)
    for name in marks:
        _make_file(os.path.join(folder, name))
    sync(folder)


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def share_name(color: str, percent: int) -> str:
    """The folder of a canary."""
    return f"{SHARE}-{color}-{percent:02}"


def _share_of(name: str) -> tuple[str, int] | None:
    _, _, rest = name.partition("-")
    color, _, digits = rest.partition("-")
    known = color in OTHER and len(digits) == 2 and digits.isascii() and digits.isdecimal()
    found = (color, int(digits)) if known else None
    return found if found and found[1] and share_name(*found) == name else None


def read(nginx: str) -> str | None:
    """The color that the link names: blue, green, or none; of a canary, the color that all others get.

    None: there is no link, or it leads nowhere.
    """
    link = os.path.join(nginx, ROUTE)
    try:
        name = os.readlink(link)
    except OSError:
        return None
    found = _share_of(name)
    known = (name in OTHER or name == NOBODY or found) and os.path.isdir(link)
    return (OTHER[found[0]] if found else name) if known else None


def share(nginx: str) -> tuple[str, int] | None:
    """The color of a canary and the percent of visitors who get it; None: the link names no share."""
    try:
        return _share_of(os.readlink(os.path.join(nginx, ROUTE)))
    except OSError:
        return None


def since(nginx: str) -> float | None:
    """When the link was last renamed, in seconds since the epoch."""
    try:
        return os.lstat(os.path.join(nginx, ROUTE)).st_mtime
    except OSError:
        return None


def turn(nginx: str, color: str | None, percent: int = ALL) -> None:
    """So many percent of traffic to this color (None: to no color), by one rename; on the disk when this returns.

    Raises OSError; then nothing has moved, unless only the last step failed: ask nginx.
    """
    prepare(nginx)
    target = color or NOBODY
    if color and percent < ALL:
        target = share_name(color, percent)
        _lay_out(os.path.join(nginx, FOLDER, target), _visitors(color, percent), (BOTH,))
    relink(os.path.join(nginx, ROUTE), target)
    sync(os.path.join(nginx, FOLDER))


def keep(nginx: str, live: str | None) -> None:
    """The route says what a file whose default is `live` says; a canary's share beside it stays. Raises OSError."""
    found = share(nginx)
    wanted: tuple[str | None, int] = found if found and OTHER[found[0]] == live else (live, ALL)
    turn(nginx, *wanted)


def tidy(nginx: str) -> None:
    """Removes the folders of shares that the link does not lead to."""
    there = share(nginx)
    folder = os.path.join(nginx, FOLDER)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if (found := _share_of(name)) and found != there:
            from shutil import rmtree

            rmtree(os.path.join(folder, name), ignore_errors=True)


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
