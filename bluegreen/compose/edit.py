"""A block added to a person's Compose file; not one byte before it changes."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from bluegreen.compose.run import Compose
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.files import read


def add_block(compose: Compose, file: Path, block: Callable[[str], str], folder: Path) -> None:
    """Adds a top-level block at the end of a Compose file; not one byte before it changes.

    `block` gives its text for an indentation. What Compose makes of the file must be the same as before,
    but for the block; else the file is put back as it was. Raises BluegreenError.
    """
    before = compose.resolve(folder)
    former = read(str(file))
    newline = b"\r\n" if b"\r\n" in former else b"\n"
    indent = re.search(rb"^( *)services *:", former, re.MULTILINE)
    text = block(indent[1].decode() if indent else "").encode().replace(b"\n", newline)
    gap = b"" if former.endswith((b"\n", b"\r\n")) or not former else newline
    try:
        replace(file, former + gap + newline + text)
        after = compose.resolve(folder)
        if after.pop("x-bluegreen", None) is None or after != before:
            raise BluegreenError(
                "Compose reads the file differently with the block at its end.", failed=str(file),
                expected="the same services, networks and volumes",
            )  # fmt: skip
    except BluegreenError as error:
        replace(file, former)
        raise BluegreenError(
            "The block cannot be added at the end of this file.", failed=str(error),
            expected="a Compose file in block style, with its top-level keys at one indentation",
            retry="safe; the file is as it was", next="bluegreen init, and put the block in by hand",
            exit_code=ExitCode.USAGE,
        ) from None  # fmt: skip


def replace(file: Path, content: bytes) -> None:
    """The whole content or the former one, whatever happens; mode and owner stay."""
    real = file.resolve()
    status = real.stat()
    with tempfile.NamedTemporaryFile(dir=real.parent, prefix=f".{real.name}.", delete=False) as new:
        new.write(content)
        new.flush()
        os.fsync(new.fileno())
    os.chmod(new.name, status.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.chown(new.name, status.st_uid, status.st_gid)
    os.replace(new.name, real)
