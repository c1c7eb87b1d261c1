"""What git knows of the folder that is released: the revision, its subject, and who works here. Looks only."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 5.0  # seconds for one question
# A repository's own configuration could name programs to run; these are the ones that our questions would meet.
QUIET = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false")


@dataclass(frozen=True)
class Commit:
    """What is checked out: the revision (with a + when files were changed since) and its subject."""

    revision: str
    subject: str


def commit(folder: Path) -> Commit | None:
    """The commit that is checked out in a folder; None: no git, no repository, or no commit."""
    found = _ask(folder, "log", "-1", "--format=%h%x00%s")
    if not found:
        return None
    revision, _, subject = found.partition("\0")
    changed = _ask(folder, "status", "--porcelain", "--untracked-files=no")
    return Commit(f"{revision}+" if changed else revision, subject)


def user(folder: Path) -> str:
    """Who git says commits here; empty: it does not know."""
    return _ask(folder, "config", "user.name") or ""


def _ask(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *QUIET, "-C", str(folder), *arguments], capture_output=True, encoding="utf-8", errors="replace",
            timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None
