"""Copies of folders of this machine, with their owners and modes: for a rehearsal."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

TIMEOUT = 600.0  # seconds for one folder


def size(path: Path) -> int | None:
    """What a folder takes, in bytes; None: it is not there, or not to be looked at."""
    done = _run(["du", "-sk", "--", str(path)])
    first = done.stdout.partition("\t")[0]
    return int(first) * 1024 if done.returncode == 0 and first.isdecimal() else None


def copy(path: Path, to: Path, without: Path | None = None) -> None:
    """Copies a folder or a file, except `without`: the copy may be made within it. Raises OSError when it cannot."""
    if without and not path.is_symlink() and path.is_dir():
        inner = without.resolve()
        if inner != path.resolve() and inner.is_relative_to(path.resolve()):
            to.mkdir()
            shutil.copystat(path, to)
            if os.geteuid() == 0:
                shutil.chown(to, path.stat().st_uid, path.stat().st_gid)
            for part in sorted(path.iterdir()):
                if part.resolve() != inner:
                    copy(part, to / part.name, without)
            return
    done = _run(["cp", "-a", "--reflink=auto", "--", str(path), str(to)])
    if done.returncode:
        raise OSError(done.stderr.strip()[:300])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Raises OSError when it does not end, or is not there."""
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]} did not end within {TIMEOUT:g} s") from None
