"""A file that somebody wrote: an ordinary one, of a size, of UTF-8; else an error that names it.

Anything may be in its place: a pipe that nobody writes into, a folder, a device, a disk's worth of zeros.
Standard library only, and little of it: flip-back reads through it.
"""

from __future__ import annotations

import os
import stat

MOST = 64 * 1024  # bytes of a small file of ours
MUCH = 4 * 1024 * 1024  # bytes of what a person wrote, or of a rendered file
EINVAL, EFBIG, EILSEQ = 22, 27, 84  # errno(3)
KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)  # fmt: skip


class Unfit(OSError):
    """What is there is no file that can be read as one; it says what it is."""


def read(path: str, most: int = MUCH) -> bytes:
    """All of an ordinary file of at most `most` bytes. Raises OSError, which names it."""
    found = _begin(path, most + 1)
    if len(found) > most:
        raise Unfit(EFBIG, f"it is larger than {most} bytes", path)
    return found


def text(path: str, most: int = MUCH) -> str:
    """The same as text. Raises OSError, which names it."""
    try:
        found = read(path, most).decode()
    except UnicodeDecodeError as error:
        raise Unfit(EILSEQ, f"it is not UTF-8 (byte {error.start})", path) from None
    if "\0" in found:
        raise Unfit(EILSEQ, f"it is not text (a NUL at character {found.index(chr(0))})", path)
    return found


def begin_of(path: str, most: int) -> str:
    """The first `most` bytes of an ordinary file, whatever they are, as text. Raises OSError, which names it."""
    return _begin(path, most).decode(errors="replace")


def _begin(path: str, most: int) -> bytes:
    refuse_other(path, os.stat(path).st_mode)  # some devices do something when they are merely opened
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        refuse_other(path, os.fstat(descriptor).st_mode)
        pieces: list[bytes] = []
        while most and (piece := os.read(descriptor, most)):
            pieces.append(piece)
            most -= len(piece)
        return b"".join(pieces)
    except OSError as error:
        error.filename = error.filename or path
        raise
    finally:
        os.close(descriptor)


def refuse_other(path: str, mode: int) -> None:
    """Raises Unfit for everything but an ordinary file."""
    if not stat.S_ISREG(mode):
        kind = next((words for is_it, words in KINDS if is_it(mode)), "something else")
        raise Unfit(EINVAL, f"it is {kind}, not a file", path)


def replace(path: str, content: bytes, mode: int = 0o600) -> None:
    """A file of ours: aside, on the disk, renamed. Complete or as before, also after a power cut. Raises OSError."""
    folder, name = os.path.split(path)
    fresh = os.path.join(folder, f".{name}.new")
    try:  # noqa: SIM105 - contextlib is not worth its time here
        os.unlink(fresh)  # of one that was killed; it may have been another user's
    except FileNotFoundError:
        pass
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask is
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        os.replace(fresh, path)
    except OSError:
        try:  # noqa: SIM105 - the same
            os.unlink(fresh)
        except OSError:
            pass
        raise
    sync(folder)


def sync(folder: str) -> None:
    """What was renamed or made in a folder is on the disk when this returns. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
