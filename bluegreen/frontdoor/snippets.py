"""The person's own directives: copied beside the rendered file, so that an edit cannot keep nginx from starting."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bluegreen import files
from bluegreen.errors import BluegreenError
from bluegreen.files import sync
from bluegreen.frontdoor import disk
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.folders import FOLDER_MODE, proxy_user
from bluegreen.frontdoor.route import CONF

FOLDER = "snippets"
FILE_MODE = 0o644  # nginx runs as another user; the state folder above is 0700
CLOSED_MODE = 0o640  # of what others may not read where it comes from: the group is nginx's
OTHERS = 0o007
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True)
class Source:
    """A file of the person's: its name below the folder, and whether it is for no other eyes."""

    name: Path
    content: bytes
    closed: bool


class Snippets:
    """The copies of proxy.include that rendered files name. nginx only ever loads one that `nginx -t` accepted."""

    def __init__(self, files: Files, look: bool = False) -> None:
        self._files, self._look = files, look  # a look makes no copies
        self._folder = Path(files.folder, FOLDER)

    def take(self, folder: Path | None) -> str | None:
        """Copies the folder as it is now and returns where nginx sees the copy.

        Raises BluegreenError when the folder cannot be read.
        """
        if folder is None:
            return None
        contents = _read(folder)
        place = self._folder / _digest(contents)
        if not self._look and not (_intact(place) and _as_closed(place, contents)):
            _put(place, contents, proxy_user(Path(self._files.folder).parent)[1])
        return f"{CONF}/{FOLDER}/{place.name}"

    def intact(self) -> bool:
        """Whether the copy that the loaded file includes is, byte for byte, what was taken; without one it is."""
        named = self.loaded()
        return named is None or _intact(self._folder / Path(named).name)

    def loaded(self) -> str | None:
        """The copy that the loaded file includes, as the proxy sees it; None: it includes none."""
        found = re.search(rf"include ({re.escape(CONF)}/{FOLDER}/\w+)/\*\.conf;", self._files.loaded_text() or "")
        return found[1] if found else None

    def forget(self) -> None:
        """Removes copies that neither the loaded file nor a stored one names, and half-made ones."""
        texts = disk.texts(self._files.folder)
        for place in self._folder.glob("*"):
            if place.name not in texts:
                shutil.rmtree(place, ignore_errors=True)

    def tidy(self) -> None:
        """Removes what a killed command may have left half-made."""
        for path in self._folder.rglob("*.new"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _digest(contents: Sequence[Source]) -> str:
    """The name of a copy, which says what is in it."""
    digest = hashlib.sha256()
    for it in contents:
        digest.update(f"{it.name}\0{len(it.content)}\0".encode() + it.content)
    return digest.hexdigest()[:16]


def _intact(place: Path) -> bool:
    try:
        return place.is_dir() and _digest(_read(place)) == place.name
    except BluegreenError:
        return False


def _as_closed(place: Path, contents: Sequence[Source]) -> bool:
    """Whether no copy may be read by more users than what it is a copy of."""
    return not any(it.closed and (place / it.name).stat().st_mode & OTHERS for it in contents)


def _put(place: Path, contents: Sequence[Source], group: int) -> None:
    """A copy, file by file: each complete and on the disk before it counts, and readable for nginx, whatever the umask.

    One that was damaged is made good where it is: nginx may start again at any moment. `group`: nginx's.
    """
    for folder in (place, place / "http"):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, FOLDER_MODE)
    wanted = {place / it.name for it in contents}
    for it in contents:
        fresh = (place / it.name).with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            if it.closed and os.geteuid() == 0:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), CLOSED_MODE if it.closed else FILE_MODE)
            file.write(it.content)
            file.flush()
            os.fsync(file.fileno())
        if (place / it.name).is_dir():
            shutil.rmtree(place / it.name)
        os.replace(fresh, place / it.name)
    for stray in {*place.glob("*.conf"), *place.glob("http/*.conf")} - wanted:
        stray.unlink()
    for folder in (place / "http", place, place.parent):
        sync(str(folder))


def _read(folder: Path) -> list[Source]:
    try:
        found = sorted([*folder.glob("*.conf"), *folder.glob("http/*.conf")])
        contents = [_source(path, folder) for path in found]
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder")
    except OSError as error:
        raise BluegreenError(
            "The folder of proxy.include cannot be read.",
            code="nginx-config-invalid",
            failed=str(error),
            expected="a folder with *.conf and http/*.conf",
            retry="safe, after the cause is fixed",
        ) from None
    return contents


def _source(path: Path, folder: Path) -> Source:
    content, mode = files.read(str(path)), path.stat().st_mode  # of an ordinary file: a pipe has no end
    return Source(path.relative_to(folder), content, not mode & OTHERS or bool(PRIVATE_KEY.search(content)))
