"""The file of recorded answers: YAML that a person can read and edit, beside the Compose file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bluegreen.domain.answers import Expectation, document, parse
from bluegreen.errors import BluegreenError, ExitCode

HEAD = """\
# What every release must answer before it gets traffic. Recorded by `bluegreen expect --record`; edit it as you like.
# In json, "#number", "#string", "#boolean", "#time", "#uuid", "#array", "#object", "#ignore" and "#regex PATTERN"
# stand for values that vary. What an answer has beyond these keys is fine. ${NAME} comes from the environment.
"""
MAX_BYTES = 4 * 1024 * 1024  # of the file; more is no recorded answer
WIDTH = 110  # columns


class _Loader(yaml.SafeLoader):
    """YAML without its times: what looks like one stays the text that a service answered."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> tuple[Expectation, ...] | None:
    """The recorded answers; None: there is no such file. Raises BluegreenError (exit 2) with every problem."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, [str(error.strerror)]) from None
    if len(raw) > MAX_BYTES:
        raise _unreadable(path, [f"it is larger than {MAX_BYTES} bytes"])
    try:
        found: Any = yaml.load(raw, _Loader)  # noqa: S506 - a SafeLoader with less in it
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(path, str(error).splitlines()[:4]) from None
    expectations, problems = parse(found)
    if problems:
        raise _unreadable(path, problems)
    return expectations


def write(path: Path, expectations: Sequence[Expectation]) -> None:
    """Writes the whole file or leaves the former one. Raises BluegreenError when the folder cannot be written."""
    text = yaml.safe_dump(document(expectations), sort_keys=False, allow_unicode=True, width=WIDTH)
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
            new.write(HEAD + text)
            new.flush()
            os.fsync(new.fileno())
        os.chmod(new.name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(new.name, path)
    except OSError as error:
        raise BluegreenError(
            f"{path.name} cannot be written.", failed=f"{error.strerror}: {path}", expected="a folder that takes it",
            retry="safe, after the cause is fixed",
        ) from None  # fmt: skip


def _unreadable(path: Path, problems: list[str]) -> BluegreenError:
    return BluegreenError(
        f"{path.name} is not valid.", failed=f"{len(problems)} problem{'s' if len(problems) > 1 else ''}",
        expected="entries as bluegreen expect --record writes them", retry="safe, after the file is fixed",
        exit_code=ExitCode.USAGE, lines=problems,
    )  # fmt: skip
