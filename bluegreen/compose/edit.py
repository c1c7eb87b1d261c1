"""Adds the block to a person's Compose file, and removes keys that a color cannot have; every other byte stays."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bluegreen.compose.cuts import CannotCut, Changes, changed
from bluegreen.compose.run import Compose
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.files import read

NOTHING = Changes()


def add_block(
    compose: Compose, file: Path, block: Callable[[str], str], folder: Path, changes: Changes = NOTHING
) -> None:
    """Adds a top-level block at the end of a Compose file, and makes the changes; every other byte stays.

    `block` gives its text for an indentation. Compose must read the same project as before, except for the block and
    the changes. If not, the file is put back as it was. Raises BluegreenError.
    """
    before = compose.resolve(folder)
    former = read(str(file))
    try:
        replace(file, _with_block(_changed(former, changes), block))
        after = compose.resolve(folder)
        if after.pop("x-bluegreen", None) is None or not _same(wanted(before, changes), after, changes):
            raise BluegreenError(
                "Compose reads the file differently with these changes.", code="block-not-added", failed=str(file),
                expected="the same services, networks and volumes",
            )  # fmt: skip
    except (BluegreenError, CannotCut) as error:
        replace(file, former)
        raise BluegreenError(
            f"The block cannot be added {'to' if changes else 'at the end of'} this file.", code="block-not-added",
            failed=str(error),
            expected="a Compose file in block style, with its top-level keys at one indentation",
            retry="safe; the file is as it was", next="bluegreen init (prints the block; add it by hand)",
            exit_code=ExitCode.USAGE,
        ) from None  # fmt: skip


def elsewhere(file: Path, changes: Changes) -> list[tuple[str, str]]:
    """The keys to remove that are not in this file, but in another one that Compose reads."""
    text = read(str(file)).decode(errors="replace")
    left = []
    for key in changes.take_out:
        try:
            changed(text, Changes([key], changes.renamed))
        except CannotCut:
            left.append(key)
    return left


def _changed(former: bytes, changes: Changes) -> bytes:
    if not changes:
        return former
    try:
        return changed(former.decode(), changes).encode()
    except UnicodeDecodeError:
        raise CannotCut("it is not UTF-8") from None


def _with_block(text: bytes, block: Callable[[str], str]) -> bytes:
    newline = b"\r\n" if b"\r\n" in text else b"\n"
    indent = re.search(rb"^( *)services *:", text, re.MULTILINE)
    added = block(indent[1].decode() if indent else "").encode().replace(b"\n", newline)
    gap = b"" if text.endswith((b"\n", b"\r\n")) or not text else newline
    return text + gap + newline + added


def wanted(before: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """What Compose should read after the changes."""
    taken = {(service, key) for service, key in changes.take_out}
    services = {}
    for name, service in (before.get("services") or {}).items():
        if name in changes.gone:
            continue
        new = changes.renamed.get(name, name)
        kept = {key: value for key, value in service.items() if (new, key) not in taken}
        if depends := service.get("depends_on"):
            kept["depends_on"] = {
                changes.renamed.get(it, it): how for it, how in depends.items() if it not in changes.gone
            }
            if not kept["depends_on"]:
                del kept["depends_on"]
        services[new] = kept
    return {**before, "services": services}


def _same(one: Mapping[str, Any], other: Mapping[str, Any], changes: Changes) -> bool:
    """Whether both are the same project; networks and volumes of removed services may be gone too."""
    if not changes.gone:
        return one == other
    rest = ("networks", "volumes", "secrets", "configs")
    kept = {key: value for key, value in one.items() if key not in rest}
    if kept != {key: value for key, value in other.items() if key not in rest}:
        return False
    return all((other.get(key) or {}).items() <= (one.get(key) or {}).items() for key in rest)


def replace(file: Path, content: bytes) -> None:
    """Replaces the file in one step: it has all of the new content or all of the old. Mode and owner stay."""
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
