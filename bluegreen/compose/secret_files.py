"""What the files of secrets and configs contain, which must be masked too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluegreen.domain import secrets as secrecy
from bluegreen.files import begin_of

MOST_OF_A_SECRET = 64 * 1024  # bytes read of its file


def remember_files(document: Mapping[str, Any], folder: Path) -> None:
    """Remembers the contents of secret files, to be masked; skips files that this user may not read."""
    for kind, remember in (("secrets", _remember_secret), ("configs", secrecy.remember_config)):
        for entry in (document.get(kind) or {}).values():
            file = entry.get("file") if isinstance(entry, Mapping) else None
            if file and (text := _text(folder / str(file))):
                remember(text)


def _remember_secret(text: str) -> None:
    secrecy.remember_variables({"secret": text})


def _text(file: Path) -> str | None:
    try:
        return begin_of(str(file), MOST_OF_A_SECRET)
    except (OSError, ValueError):
        return None
