"""The global options as a person typed them, and which files they name. Cheap to import."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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
        words = [word for file in self.files for word in ("-f", file)]
        words += ["-p", self.project_name] if self.project_name else []
        words += [word for file in self.env_files for word in ("--env-file", file)]
        words += ["--project-directory", self.project_directory] if self.project_directory else []
        return f" {shlex.join(words)}" if words else ""

    def command(self) -> str:
        """`bluegreen` with these options, as it can be typed."""
        return f"bluegreen{self.shown()}"

    def from_anywhere(self, environment: Mapping[str, str]) -> Options:
        """What reaches the same app from any folder and any shell: whole paths, and what Compose's variables say."""
        named = self.files
        if not named and environment.get("COMPOSE_FILE"):
            named = tuple(environment["COMPOSE_FILE"].split(environment.get("COMPOSE_PATH_SEPARATOR", os.pathsep)))
        env_files = self.env_files or tuple(filter(None, environment.get("COMPOSE_ENV_FILES", "").split(",")))
        name = self.project_name or environment.get("COMPOSE_PROJECT_NAME") or None
        folder = os.path.abspath(self.project_directory) if self.project_directory else None
        return Options(tuple(map(os.path.abspath, named)), name, tuple(map(os.path.abspath, env_files)), folder)


def find_file(options: Options, start: Path, environment: Mapping[str, str]) -> Path | None:
    """The first Compose file, where Compose itself looks: -f, COMPOSE_FILE, this folder, those above it.

    Source: the Compose CLI reference, "use -f to specify the name and path". None: there is none.
    """
    from bluegreen.domain.words import COMPOSE_FILES  # --help does not need it

    named = options.files
    if not named and environment.get("COMPOSE_FILE"):
        named = tuple(environment["COMPOSE_FILE"].split(environment.get("COMPOSE_PATH_SEPARATOR", os.pathsep)))
    base = Path(options.project_directory) if options.project_directory and not named else start
    if named:
        return start / named[0]
    for folder in (base, *base.resolve().parents):
        for name in COMPOSE_FILES:
            if os.path.isfile(folder / name):  # not Path.is_file: a folder that this user may not see is no bug
                return folder / name
    return None


def files(options: Options, start: Path, environment: Mapping[str, str]) -> list[str]:
    """Every file that Compose would read, as the first -f of a command names them."""
    if options.files:
        return list(options.files)
    if environment.get("COMPOSE_FILE"):
        return environment["COMPOSE_FILE"].split(environment.get("COMPOSE_PATH_SEPARATOR", os.pathsep))
    first = find_file(options, start, environment)
    if first is None:
        return []
    overrides = [first.with_name(f"{first.stem}.override{suffix}") for suffix in (".yml", ".yaml")]
    return [os.path.relpath(file, start) for file in [first, *filter(Path.is_file, overrides)][:2]]
