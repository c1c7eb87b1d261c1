"""The person's own directives: copied beside the rendered file, so that an edit cannot keep nginx from starting."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from bluegreen.errors import BluegreenError
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.route import CONF

FOLDER = "snippets"


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
        digest = hashlib.sha256()
        for name, content in contents:
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        place = self._folder / digest.hexdigest()[:16]
        if not place.is_dir() and not self._look:
            building = place.with_suffix(".new")
            shutil.rmtree(building, ignore_errors=True)
            (building / "http").mkdir(parents=True)
            for name, content in contents:
                (building / name).write_bytes(content)
            building.rename(place)
        return f"{CONF}/{FOLDER}/{place.name}"

    def loaded(self) -> str | None:
        """The copy that the loaded file includes, as the proxy sees it; None: it includes none."""
        found = re.search(rf"include ({re.escape(CONF)}/{FOLDER}/\w+)/\*\.conf;", self._files.loaded_text() or "")
        return found[1] if found else None

    def forget(self) -> None:
        """Removes copies that neither the loaded file nor a stored one names, and half-made ones."""
        texts = [self._files.loaded_text(), self._files.stored("blue"), self._files.stored("green")]
        for place in self._folder.glob("*"):
            if not any(text and place.name in text for text in texts):
                shutil.rmtree(place, ignore_errors=True)

    def tidy(self) -> None:
        """Removes what a killed command may have left half-made."""
        for path in self._folder.glob("*.new"):
            shutil.rmtree(path, ignore_errors=True)


def _read(folder: Path) -> list[tuple[Path, bytes]]:
    try:
        files = sorted([*folder.glob("*.conf"), *folder.glob("http/*.conf")])
        contents = [(path.relative_to(folder), path.read_bytes()) for path in files]
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder")
    except OSError as error:
        raise BluegreenError(
            "The folder of proxy.include cannot be read.",
            failed=str(error),
            expected="a folder with *.conf and http/*.conf",
            retry="safe, after the cause is fixed",
        ) from None
    return contents
