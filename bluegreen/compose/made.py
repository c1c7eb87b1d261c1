"""What the last `up` made of the shared services, noted in the state folder: Compose is asked only if that differs.

The note has a fingerprint of each service and the stat of the files that were read; never a value.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bluegreen.files import read as read_file

FILE = "shared.json"
MOST = 1024 * 1024  # bytes of it
KINDS = ("networks", "volumes", "secrets", "configs")


def read(state: Path) -> tuple[dict[str, str], list[list[Any]]]:
    """(fingerprint by service, files); empty: there is no note, or it cannot be read."""
    try:
        found = json.loads(read_file(str(state / FILE), MOST))
        services, files = found["services"], found["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}, []
    return (services, files) if isinstance(services, dict) and isinstance(files, list) else ({}, [])


def write(state: Path, services: Mapping[str, str], files: Sequence[Any]) -> None:
    """Writes a new file and renames it. Without it, the next verb asks Compose, and nothing else changes."""
    fresh = state / f".{FILE}.new"
    try:
        fresh.unlink(missing_ok=True)
        fresh.write_text(json.dumps({"services": services, "files": files}))
        os.replace(fresh, state / FILE)
    except OSError:
        return


def fingerprints(document: Mapping[str, Any], services: Iterable[str], state: Path) -> dict[str, str]:
    """A fingerprint of everything that a container of each service is made from."""
    try:
        key = read_file(str(state / "salt"))
    except OSError:
        key = b""
    return {name: hmac.new(key, _text(document, name), hashlib.sha256).hexdigest() for name in services}


def _text(document: Mapping[str, Any], name: str) -> bytes:
    service = (document.get("services") or {}).get(name) or {}
    return json.dumps([service, *(document.get(kind) for kind in KINDS)], sort_keys=True, default=str).encode()


def stats(files: Iterable[str]) -> list[list[Any]]:
    """Each file with its time and size; both 0: it is not there."""
    found = []
    for file in files:
        try:
            it = os.stat(file)
            found.append([os.path.abspath(file), it.st_mtime_ns, it.st_size])
        except OSError:
            found.append([os.path.abspath(file), 0, 0])
    return found


def same_files(state: Path) -> bool:
    """Whether the files of the last `up` are unchanged, as far as that can be seen without Compose."""
    noted = read(state)[1]
    return noted == stats(str(it[0]) for it in noted if isinstance(it, list) and it)
