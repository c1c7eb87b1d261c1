"""The source files of a project, as far as a look at its layout needs them."""

from __future__ import annotations

import os
from pathlib import Path

from bluegreen.files import begin_of, read

PASSED_OVER = {
    "node_modules", "__pycache__", "site-packages", "venv", "env", "build", "dist", "tests", "test", "docs", "examples",
    "htmlcov", "migrations",
}  # fmt: skip
NAMES = (
    "requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt", "Pipfile",
    "setup.py", "pyproject.toml", "uv.lock", "poetry.lock", "alembic.ini", ".python-version", "Dockerfile",
    "Makefile", "makefile", "GNUmakefile", ".dockerignore", ".gitignore", ".gitlab-ci.yml",
    ".github/workflows/release.yml", ".github/workflows/bluegreen.yml", "bluegreen.mk",
)  # fmt: skip
MAX_FILES = 500
MAX_DEPTH = 4  # folders below the project's
MAX_BYTES = 256 * 1024  # of one file


def look(folder: Path) -> dict[str, str]:
    """Paths, relative and with /, to texts: the Python files of a project, and those that say how it is built."""
    found = {name: text for name in NAMES if (text := read_text(folder / name)) is not None}
    for path, folders, files in os.walk(folder):
        depth = len(Path(path).relative_to(folder).parts)
        folders[:] = sorted(
            it for it in folders if it not in PASSED_OVER and not it.startswith(".") and depth < MAX_DEPTH
        )
        for name in sorted(files):
            if name.endswith(".py") and len(found) < MAX_FILES and (text := read_text(Path(path, name))) is not None:
                found[Path(path, name).relative_to(folder).as_posix()] = text
    return found


def read_text(path: Path, most: int = MAX_BYTES) -> str | None:
    """The text of an ordinary file, or its beginning; None: it is none, or not to be looked at."""
    try:
        return begin_of(str(path), most)
    except OSError:
        return None


def write_new(folder: Path, files: dict[str, str]) -> None:
    """Writes files that are not there yet. Raises OSError; FileExistsError before any is written over."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(text)


def add_lines(path: Path, lines: list[str]) -> None:
    """Adds lines at the end of a file. Raises OSError."""
    former = read(str(path))
    gap = "" if not former or former.endswith(b"\n") else "\n"
    with path.open("a") as file:
        file.write(gap + "".join(f"{line}\n" for line in lines))
