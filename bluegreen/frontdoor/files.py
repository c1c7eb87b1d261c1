"""nginx's files in the state folder: the one that it loads, and the texts that lie ready for either color.

Standard library only: the way back reads and writes them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import TypeVar

from bluegreen.domain.color import COLORS, Color
from bluegreen.domain.routing import Routing
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import disk, route, text
from bluegreen.frontdoor.disk import LOADED, stored_name

T = TypeVar("T")
CANDIDATE = "candidate"  # with a number: a text that nginx -t is asked about


class Files:
    """The rendered files of one app. `folder`: the state folder's nginx/, which the proxy has mounted."""

    def __init__(self, folder: str, held: Callable[[], None] = lambda: None) -> None:
        """`held` raises BluegreenError when this command does not hold the app any more: then nothing is written."""
        self.folder, self._held = folder, held

    def loaded_text(self) -> str | None:
        """What nginx loads at its next start."""
        return disk.read(self.folder, LOADED)

    def stored(self, color: Color) -> str | None:
        """The text that makes `color` the file's own default, as the last switch left it; None: there is none."""
        return disk.read(self.folder, stored_name(color))

    def store(self, directions: dict[Color, str]) -> None:
        """The rendered texts, with their marks, for either direction; absent ones are removed."""
        for color in COLORS:
            if wanted := directions.get(color):
                self.write(wanted, stored_name(color))
            else:
                self.writing(partial(disk.forget, self.folder, stored_name(color)))

    def routing(self) -> Routing | None:
        """What the file and the route beside it say together; None: the file is absent, or not ours."""
        found = read_routing(self.loaded_text() or "")
        named = route.read(self.folder)
        if found is None or named is None or (named == route.NOBODY and found.live is not None):
            return found
        color: Color | None = "blue" if named == "blue" else "green" if named == "green" else None
        share = route.share(self.folder)
        return replace(found.turned_to(color, self._turned()), canary=share[1] if share else 0)

    def edited(self) -> bool:
        """Whether the rendered file is another text than the one that was written; unknown counts as no."""
        found = self.loaded_text()
        return found is not None and read_routing(found) is not None and text.edited(found)

    def age(self) -> float:
        """Seconds since the file was written."""
        try:
            return time.time() - os.stat(os.path.join(self.folder, LOADED)).st_mtime
        except OSError:
            return float("inf")

    def tidy(self) -> None:
        """Removes what a killed command may have left: files that were being written."""
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else ():
            if name.startswith(CANDIDATE) or (name.startswith(".") and name.endswith(".new")):
                disk.forget(self.folder, name)
        disk.forget(self.folder, route.HALF_MADE)
        route.tidy(self.folder)
        _tidy_copies(os.path.join(self.folder, "files"))

    def turn(self, color: Color | None, percent: int = route.ALL, keep: bool = False) -> None:
        """Renames the route: so many percent to this color, all others to the other one. Raises BluegreenError.

        `keep`: it says what a file whose default is this color says, and the share of a canary beside it stays.
        """
        self._held()
        try:
            if keep:
                route.keep(self.folder, color)
            else:
                route.turn(self.folder, color, percent)
        except OSError as error:
            raise self._refused("The route cannot be renamed.", error, route.ROUTE) from None

    def write(self, content: str, name: str = LOADED) -> None:
        """A file, replaced in one step and on the disk when this returns. Raises BluegreenError."""
        if not content:  # an empty file would end nginx at its next start
            raise BluegreenError(
                "There is no rendered file to load.",
                code="config-missing",
                failed="the text is empty",
                expected="a rendered text",
            )
        try:
            self.writing(lambda: disk.replace(self.folder, name, content))
        except BluegreenError:
            with contextlib.suppress(OSError):  # the folder itself may be what refuses
                disk.forget(self.folder, f".{name}.new")
            raise

    def writing(self, act: Callable[[], T]) -> T:
        """Runs what writes nginx's file. Raises BluegreenError for what the disk refuses."""
        self._held()
        try:
            return act()
        except OSError as error:
            raise self._refused("nginx's file cannot be written.", error, LOADED) from None

    def candidates(self, contents: list[str]) -> list[str]:
        """Writes texts for nginx -t to check; returns their names."""
        names = [f"{CANDIDATE}-{number}.conf" for number, _ in enumerate(contents)]
        for name, content in zip(names, contents, strict=True):
            self.write(content, name)
        return names

    def forget(self, names: list[str]) -> None:
        for name in names:
            disk.forget(self.folder, name)

    # -- small parts

    def _turned(self) -> str | None:
        when = route.since(self.folder)
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(when)) if when is not None else None

    def _refused(self, summary: str, error: OSError, name: str) -> BluegreenError:
        return BluegreenError(
            summary,
            code="state-folder",
            failed=f"{error.strerror}: {os.path.join(self.folder, name)}",
            expected="a state folder that this user may write to, on a disk with room",
            retry="safe, after the cause is fixed",
            next=f"df -h {quote(str(self.folder))}; ls -ld {quote(str(self.folder))}",
        )


def read_routing(content: str) -> Routing | None:
    """What a rendered file routes, from its own first line; None when it is not one of ours."""
    try:
        return Routing.from_dict(text.header(content) or {})
    except (KeyError, TypeError, ValueError):
        return None


def _tidy_copies(folder: str) -> None:
    """Folders of a release's files that were being copied."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.startswith("."):
            import shutil

            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
