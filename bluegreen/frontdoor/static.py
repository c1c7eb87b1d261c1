"""The files of releases that nginx serves itself, in `nginx/files/RELEASE/PREFIX/`, taken out of a container as a tar.

A container's own files are not believed: only ordinary files and folders are written, below the folder of the release.
"""

from __future__ import annotations

import io
import os
import posixpath
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from bluegreen.domain.app import FilesAt
from bluegreen.errors import BluegreenError
from bluegreen.files import sync
from bluegreen.frontdoor.route import CONF, make_folder

FOLDER = "files"
SEEN = f"{CONF}/{FOLDER}"  # as nginx sees it
FILE_MODE = 0o644  # below 0700; nginx, another user, must read them
Archive = Callable[[str, str], Iterator[bytes] | None]
MOST_LINKS = 20  # that lead from one to the next


class Static:
    """StaticPort for one app. `nginx`: the state folder's nginx/. Every method raises BluegreenError.

    `archive` gives a folder of a container as a tar; None: there is none.
    """

    def __init__(self, nginx: Path, archive: Archive) -> None:
        self._folder, self._archive = nginx / FOLDER, archive

    def take(self, release: int, sources: Iterable[tuple[FilesAt, str]]) -> tuple[int, int]:
        """Keeps the files of a release, out of these containers: all, or none. Returns (how many, bytes)."""
        import tarfile  # who has no such files does not wait for it

        fresh, place = self._folder / f".{release}.new", self._folder / str(release)
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            make_folder(str(self._folder))
            make_folder(str(fresh))
            count = size = 0
            for source, container in sources:
                stream = self._archive(container, source.path) if container else None
                if stream is None:
                    raise _absent(source)
                target = fresh / source.prefix.strip("/")
                _folders(fresh, target)
                for written in _extract(stream, target):
                    count, size = count + 1, size + written
            os.sync()  # thousands of small files: once is cheaper than each
            shutil.rmtree(place, ignore_errors=True)
            os.rename(fresh, place)
            sync(str(self._folder))
        except OSError as error:
            raise _refused(f"{error.strerror or error}: {error.filename or fresh}") from None
        except (tarfile.TarError, EOFError) as error:
            raise _refused(f"what came out of the container is no archive ({error})") from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return count, size

    def has(self, release: int) -> bool:
        return (self._folder / str(release)).is_dir()

    def forget(self, kept: Collection[int]) -> int:
        """Removes the files of all other releases, and what a killed command has left; returns how many releases."""
        gone = 0
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in map(str, kept):
                shutil.rmtree(path, ignore_errors=True)
                gone += not path.name.startswith(".")
        return gone

    def sizes(self) -> dict[int, int]:
        """Bytes on the disk of each release whose files are kept."""
        found = {}
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name.isdecimal():
                found[int(path.name)] = sum(it.lstat().st_size for it in path.rglob("*") if it.is_file())
        return found


def _extract(stream: Iterator[bytes], target: Path) -> Iterator[int]:
    """Writes what a tar of one folder has; yields the size of each file. Links become copies of what they lead to."""
    import tarfile

    links: dict[str, str] = {}
    with tarfile.open(fileobj=_Reader(stream), mode="r|") as archive:
        for member in archive:
            name = _below(member.name)
            if name is None or _hidden(name):
                continue
            if member.isdir():
                _folders(target, target / name)
            elif member.issym():
                links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                links[name] = _below(member.linkname) or ""
            elif member.isfile() and (file := archive.extractfile(member)):
                _folders(target, (target / name).parent)
                with open(target / name, "xb") as written:
                    shutil.copyfileobj(file, written, 1024 * 1024)
                os.chmod(target / name, FILE_MODE)
                yield member.size
    yield from _copied(links, target)


def _copied(links: dict[str, str], target: Path) -> Iterator[int]:
    """Links to ordinary files of the same folder, as copies; others are left out."""
    for name in links:
        to = name
        for _ in range(MOST_LINKS):
            to = links.get(to, to)
        outside = to.startswith(("/", "..")) or to in links or not to
        if outside or _hidden(to) or not (target / to).is_file() or (target / name).exists():
            continue
        _folders(target, (target / name).parent)
        shutil.copyfile(target / to, target / name)
        os.chmod(target / name, FILE_MODE)
        yield (target / name).stat().st_size


def _below(name: str) -> str | None:
    """A name of the archive below the folder that was asked for; None: the folder itself, or none below it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else "/".join(parts)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _folders(top: Path, path: Path) -> None:
    """All folders from `top` down to `path`, whatever the umask is."""
    for part in reversed([path, *path.parents]):
        if part.is_relative_to(top):
            make_folder(str(part))


def _absent(place: FilesAt) -> BluegreenError:
    return BluegreenError(
        f"{place.service} has no folder {place.path}.", code="files-not-kept",
        failed=f"files.{place.prefix}/: the container of {place.service} does not have it",
        expected="a folder that is there once the container is healthy", retry="safe, after the file is fixed",
    )  # fmt: skip


def _refused(words: str) -> BluegreenError:
    return BluegreenError(
        "The files of the release could not be kept for nginx.", code="files-not-kept", failed=words,
        expected="a folder in the container, and room in the state folder", retry="safe, after the cause is fixed",
    )  # fmt: skip


class _Reader(io.RawIOBase):
    """A stream of pieces as the file that tarfile reads."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        found, self._left = self._left[:size], self._left[size:]
        return found
