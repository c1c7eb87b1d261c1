"""The Pythons of this machine that bluegreen promises to run on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROMISED = ("3.11", "3.12", "3.13", "3.14")  # pyproject.toml names the same; a test compares
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
ASKED = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find(version: str) -> Path | None:
    """An interpreter of this version that can make virtual environments; the one that runs the tests comes first."""
    return next((path for path in _candidates(version) if _is(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    if version == OWN:
        yield Path(sys.executable)
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    yield from sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}*/bin/python{version}"), reverse=True)


def _is(path: Path, version: str) -> bool:
    """pyenv puts a script in the place of a Python that it has and that is not switched on: asking it fails."""
    try:
        done = subprocess.run([str(path), "-c", ASKED], capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version
