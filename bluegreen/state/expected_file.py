"""The file of recorded answers: YAML that a person can read and edit, beside the Compose file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bluegreen import files
from bluegreen.domain.answers import Expectation, document, parse
from bluegreen.errors import BluegreenError, ExitCode

HEAD = """\
# What every release must answer before it gets traffic. Recorded by `bluegreen expect --record`; edit it as you like.
# In json, "#number", "#string", "#boolean", "#time", "#uuid", "#array", "#object", "#ignore" and "#regex PATTERN"
# mean values that vary. Extra keys in an answer are allowed. ${NAME} comes from the environment.
# ["#each", SHAPE] means a list of any length whose entries have that shape (--record --exact writes entries).
"""
MAX_VALUES = 200_000  # with each alias written out: a short text of nested ones may mean more than any memory holds
MAX_DEPTH = 100  # lists in mappings in lists
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
        raw = files.text(str(path), files.MUCH)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, [str(error.strerror)]) from None
    try:
        found: Any = yaml.load(raw, _Loader)  # noqa: S506 - a SafeLoader with less in it
        _measure(found, {}, 0)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise _unreadable(path, (str(error) or "nested too deeply").splitlines()[:4]) from None
    expectations, problems = parse(found)
    if problems:
        raise _unreadable(path, problems)
    return expectations


def _measure(value: Any, known: dict[int, int], depth: int) -> int:
    """How many values a document has, each alias written out. Raises ValueError: too many, too deep, or a circle."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        parts = value if isinstance(value, list) else [*value.keys(), *value.values()]
        known[id(value)] = 1 + sum(_measure(part, known, depth + 1) for part in parts)
    if known[id(value)] > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES} values, with its aliases written out")
    return known[id(value)]


def write(path: Path, expectations: Sequence[Expectation]) -> None:
    """Writes all of the file or leaves the former one. Raises BluegreenError when the folder cannot be written."""
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
            f"{path.name} cannot be written.", code="cannot-write",
            failed=f"{error.strerror}: {path}", expected="a folder that takes it",
            retry="safe, after the cause is fixed",
        ) from None  # fmt: skip


def _unreadable(path: Path, problems: list[str]) -> BluegreenError:
    return BluegreenError(
        f"{path.name} is not valid.", code="expected-file-invalid",
        failed=f"{len(problems)} problem{'s' if len(problems) > 1 else ''}",
        expected="entries as bluegreen expect --record writes them", retry="safe, after the file is fixed",
        exit_code=ExitCode.USAGE, lines=problems,
    )  # fmt: skip
