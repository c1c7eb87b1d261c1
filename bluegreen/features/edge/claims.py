"""Which app has which names at the edge: a file for each app in the edge's state folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bluegreen import files
from bluegreen.domain.app import Edge
from bluegreen.domain.edge import ANY, Claim, conflicts
from bluegreen.errors import BluegreenError, ExitCode

FOLDER = "claims"
MOST = 1024 * 1024  # bytes of one file


class Claims:
    """The claims of one edge. `state`: its state folder. Every method raises OSError."""

    def __init__(self, state: str) -> None:
        self._folder = Path(state, FOLDER)

    def all(self) -> list[Claim]:
        """By app; a file that says no claim is none."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []
        read = (self._read(self._folder / name) for name in names if name.endswith(".json"))
        return [claim for claim in read if claim]

    def write(self, claim: Claim) -> None:
        """Claims, in the place of what the app had claimed before."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        files.replace(str(self._folder / f"{claim.app}.json"), json.dumps(claim.as_dict()).encode())

    def forget(self, app: str) -> None:
        """The names of an app are free."""
        (self._folder / f"{app}.json").unlink(missing_ok=True)

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

    def _read(self, path: Path) -> Claim | None:
        try:
            found = Claim.from_dict(json.loads(files.read(str(path), MOST)))
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


def refuse_other_settings(edge: Edge, found: Edge | None, others: Sequence[Claim], command: str) -> None:
    """Raises BluegreenError when the edge serves others, and this app's settings say another one."""
    if found is None or not others or (found.listen, found.tls) == (edge.listen, edge.tls):
        return
    raise BluegreenError(
        f"The edge {edge.name} is published elsewhere than x-bluegreen.edge says.", code="edge-differs",
        failed=f"listen {_shown(found.listen)}, tls {_shown(found.tls)}, for {', '.join(it.app for it in others)}",
        expected=f"listen {_shown(edge.listen)}, tls {_shown(edge.tls)}; all apps on one edge say the same of it",
        retry="safe, after it is changed here, or in the others", next=f"{command} apps", exit_code=ExitCode.USAGE,
    )  # fmt: skip


def _shown(listens: Sequence[object]) -> str:
    return ", ".join(map(str, listens))
