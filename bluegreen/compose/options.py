"""The global options as a person typed them, and which files they name. Cheap to import."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.errors import BluegreenError
from bluegreen.files import read as read_file

if TYPE_CHECKING:
    from bluegreen.compose.run import Compose

ENV_FILE = ".env"
ITS_OWN = ("COMPOSE_FILE", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROFILES")
# Source: compose-go, cli/options.go: DefaultOverrideFileNames; the first that is there counts, beside any file.
OVERRIDES = (
    "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
)  # fmt: skip
YES = ("1", "true", "t")


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

    def from_anywhere(self, folder: str, environment: Mapping[str, str]) -> Options:
        """Options that reach the same app in any shell, from the project's `folder`: full paths, and no variables."""
        named = self.files or tuple(_named(environment))
        read = env_files(self, Path.cwd(), folder, environment)
        read = [] if read == [os.path.join(folder, ENV_FILE)] else read  # Compose finds that one by itself
        name = self.project_name or environment.get("COMPOSE_PROJECT_NAME") or None
        there = os.path.abspath(self.project_directory) if self.project_directory else None
        return Options(tuple(map(os.path.abspath, named)), name, tuple(map(os.path.abspath, read)), there)


def find_file(options: Options, start: Path, environment: Mapping[str, str]) -> Path | None:
    """The first Compose file, where Compose itself looks: -f, COMPOSE_FILE, this folder, those above it.

    Source: the Compose CLI reference, "use -f to specify the name and path". None: there is none.
    """
    from bluegreen.domain.words import COMPOSE_FILES  # --help does not need it

    named = options.files or _named(environment)
    base = Path(options.project_directory) if options.project_directory and not named else start
    if named:
        return start / named[0]
    for folder in (base, *base.resolve().parents):
        for name in COMPOSE_FILES:
            if os.path.isfile(folder / name):  # not Path.is_file, which raises if this user may not see the folder
                return folder / name
    return None


def files(options: Options, start: Path, environment: Mapping[str, str]) -> list[str]:
    """Every Compose file that Compose would read, as they could follow -f."""
    if named := options.files or _named(environment):
        return list(named)
    first = find_file(options, start, environment)
    if first is None:
        return []
    overrides = [file for name in OVERRIDES if os.path.isfile(file := first.with_name(name))]
    return [os.path.relpath(file, start) for file in [first, *overrides[:1]]]


def env_files(options: Options, start: Path, folder: str, environment: Mapping[str, str]) -> list[str]:
    """The env files that Compose reads for a project in `folder`, the strongest last.

    Without options, the one of this folder and the one of the project: with the first, Compose finds its files.
    """
    if options.env_files:
        return list(options.env_files)
    if named := [name for name in environment.get("COMPOSE_ENV_FILES", "").split(",") if name]:
        return named
    if environment.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in YES:
        return []
    places = [folder] if options.files or options.project_directory else [folder, str(start)]
    found = dict.fromkeys(os.path.join(os.path.abspath(place), ENV_FILE) for place in places)
    return [file for file in found if os.path.isfile(file)]


def settled(options: Options, folder: Path, compose: Callable[[], Compose]) -> Mapping[str, str]:
    """The environment, with the variables of env files that say what Compose reads (COMPOSE_FILE …).

    Compose is asked, and only when an env file names one of them. `folder`: the project's, or where it is looked for.
    """
    read = env_files(options, Path.cwd(), str(folder), os.environ)
    if not any(name.encode() in text for text in map(_bytes, read) for name in ITS_OWN):
        return os.environ
    try:
        found = compose().variables(ITS_OWN, folder)
    except (BluegreenError, OSError):
        return os.environ  # whoever needs the Compose file gets the error
    return {**os.environ, **{name: value for name, value in found.items() if value}}


def _bytes(file: str) -> bytes:
    try:
        return read_file(file)
    except OSError:
        return b""  # Compose says what is wrong with it


def _named(environment: Mapping[str, str]) -> list[str]:
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    return [name for name in environment.get("COMPOSE_FILE", "").split(separator) if name]
