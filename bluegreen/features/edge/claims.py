"""Which app has which names at the edge: a file for each app in the edge's state folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bluegreen import files
from bluegreen.domain.app import Edge
from bluegreen.domain.edge import ANY, Claim, conflicts, label
from bluegreen.domain.edge import FOLDER as SOCKETS
from bluegreen.errors import BluegreenError, ExitCode

FOLDER = "claims"
SERVED = "served"  # the same once more: whoever removes one takes no running app's names away
MOST = 1024 * 1024  # bytes of one file


class Claims:
    """The claims of one edge. `state`: its state folder. Every method raises OSError."""

    def __init__(self, state: str) -> None:
        self._folder, self._served, self._sockets = Path(state, FOLDER), Path(state, SERVED), Path(state, SOCKETS)

    def all(self) -> list[Claim]:
        """By app. One whose file was lost counts as it was last served, while the app has its folder here.

        Raises PermissionError for another user's.
        """
        found = {claim.app: claim for name in _names(self._folder) if (claim := _read(self._folder / name))}
        served = {claim.app: claim for name in _names(self._served) if (claim := _read(self._served / name))}
        there = _names(self._sockets, "")
        lost = {app: claim for app, claim in served.items() if app not in found and app in there}
        return sorted([*found.values(), *lost.values()], key=lambda claim: claim.app)

    def write(self, claim: Claim) -> None:
        """Claims, in the place of what the app had claimed before."""
        for folder in (self._folder, self._served):
            folder.mkdir(mode=0o700, exist_ok=True)
            files.replace(str(folder / f"{claim.app}.json"), json.dumps(claim.as_dict()).encode())

    def forget(self, app: str) -> None:
        """The names of an app are free."""
        for folder in (self._folder, self._served):
            (folder / f"{app}.json").unlink(missing_ok=True)

    @contextmanager
    def claimed(self, claim: Claim) -> Iterator[None]:
        """Claims; when what follows fails, it is as it was."""
        before = next((it for it in self.all() if it.app == claim.app), None)
        self.write(claim)
        try:
            yield
        except BaseException:
            if before:
                self.write(before)
            else:
                self.forget(claim.app)
            raise


def _names(folder: Path, end: str = ".json") -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(end))
    except FileNotFoundError:
        return []


def _read(path: Path) -> Claim | None:
    """A file that says no claim is none."""
    try:
        found = Claim.from_dict(json.loads(files.read(str(path), MOST)))
    except PermissionError:
        raise
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.app == path.stem else None


def refuse_taken(mine: Claim, others: Sequence[Claim], command: str) -> None:
    """Raises BluegreenError for a name that another app has already."""
    taken = conflicts(mine, others)
    if not taken:
        return
    name, other = taken[0]
    said = "every name that no other app has" if name == ANY else name or "visits to an address instead of a name"
    raise BluegreenError(
        f"Another app on the edge has {said} already.", code="name-claimed",
        failed=f"{other.app}, in {other.folder}, has it",
        expected="each name in one app only; an app without services.NAME.host takes every other name",
        retry=f"safe, after services.NAME.host is changed here or there, or {other.app} has ended (down)",
        next=f"{command} apps", exit_code=ExitCode.USAGE,
    )  # fmt: skip


def refuse_other_settings(edge: Edge, found: Edge | None, apps: Sequence[Claim], app: str, command: str) -> None:
    """Raises BluegreenError when the edge serves others, and this app's settings say another one.

    Unless they have changed since the app's last `up`: then it is meant, and the others have to follow.
    """
    others = [it for it in apps if it.app != app]
    now = (label(edge), edge.image)
    before = next(((it.edge, it.image) for it in apps if it.app == app), now)
    moved = found is not None and label(found) != label(edge)
    images = {it.image for it in others if it.image and edge.image} - {edge.image}
    if not others or not (moved or images) or before != now:
        return
    there = f"listen {_shown(found.listen)}, tls {_shown(found.tls)}" if moved and found else f"image {min(images)}"
    mine = f"listen {_shown(edge.listen)}, tls {_shown(edge.tls)}" if moved else f"image {edge.image}"
    raise BluegreenError(
        f"The edge {edge.name} is another one than x-bluegreen.edge says.", code="edge-differs",
        failed=f"{there}, for {', '.join(it.app for it in others)}",
        expected=f"{mine}; all apps on one edge say the same of it",
        retry="safe, after it is the same here. To change it: in one app, up, then in the others",
        next=f"{command} apps", exit_code=ExitCode.USAGE,
    )  # fmt: skip


def _shown(listens: Sequence[object]) -> str:
    return ", ".join(map(str, listens))
