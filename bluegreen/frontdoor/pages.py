"""Error pages of the person's own: copied beside the rendered file, for answers that nginx itself has to give."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from bluegreen import files
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import disk
from bluegreen.frontdoor.route import CONF, make_folder

FOLDER = "pages"
STATUSES = (502, 503, 504)
MOST = 1024 * 1024  # bytes of a page
FILE_MODE = 0o644  # below 0700; nginx, another user, must read them


def take(folder: Path | None, nginx: Path, look: bool = False) -> dict[int, str]:
    """Status to the folder, as nginx sees it, of a copy of its page; a `look` makes none. Raises BluegreenError."""
    if folder is None:
        return {}
    found = _read(folder)
    digest = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]
    place = nginx / FOLDER / digest
    if not look:
        _put(place, found)
        _forget(nginx, digest)
    return dict.fromkeys(found, f"{CONF}/{FOLDER}/{digest}")


def _read(folder: Path) -> dict[int, bytes]:
    found = {}
    try:
        os.listdir(folder)
        for status in STATUSES:
            path = folder / f"{status}.html"
            if path.exists():
                found[status] = files.read(str(path), MOST)
    except OSError as error:
        raise _unread(f"{error.strerror}: {error.filename}") from None
    if not found:
        raise _unread(f"{folder} has none of {', '.join(f'{it}.html' for it in STATUSES)}")
    return found


def _unread(words: str) -> BluegreenError:
    return BluegreenError(
        "The folder of proxy.error_pages cannot be used.", code="nginx-config-invalid", failed=words,
        expected="a folder with 502.html, 503.html or 504.html, each of at most 1 MB",
        retry="safe, after the cause is fixed",
    )  # fmt: skip


def _put(place: Path, pages: dict[int, bytes]) -> None:
    for folder in (place.parent, place):
        make_folder(str(folder))
    for status, content in pages.items():
        path = place / f"{status}.html"
        if not path.is_file() or path.read_bytes() != content:
            files.replace(str(path), content, FILE_MODE)


def _forget(nginx: Path, digest: str) -> None:
    """Copies that no text of nginx names."""
    texts = disk.texts(str(nginx))
    for place in (nginx / FOLDER).iterdir():
        if place.name != digest and place.name not in texts:
            shutil.rmtree(place, ignore_errors=True)
