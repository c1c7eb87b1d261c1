"""What a build context takes in that it should not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.utils.build import PatternMatcher

from bluegreen.files import read

UNWANTED = (".git", ".env")  # history and secrets; both change an image that is otherwise the same
IGNORE = ".dockerignore"


def notices(services: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """A sentence for each build context of these services, as Compose resolved them, that takes in too much."""
    seen: set[tuple[str, str]] = set()
    for name in names:
        build = services[name].get("build")
        if not isinstance(build, Mapping) or not build.get("context"):
            continue
        key = str(build["context"]), str(build.get("dockerfile") or "Dockerfile")
        if key in seen or not Path(key[0]).is_dir():  # no folder: an address
            continue
        seen.add(key)
        yield from _of(name, Path(key[0]), key[1])


def _of(name: str, context: Path, dockerfile: str) -> Iterator[str]:
    ignore = next((file for file in (context / f"{dockerfile}{IGNORE}", context / IGNORE) if file.is_file()), None)
    taken = [it for it in UNWANTED if (context / it).exists() and not (ignore and _ignored(ignore, it))]
    if taken:
        where = "" if ignore else f", because there is no {IGNORE}"
        yield (
            f"The build context of {name} takes in {' and '.join(taken)}{where}: with COPY . . they are in the image, "
            f"and no two builds are the same. Put them into {context / IGNORE}."
        )
    elif ignore is None:
        yield f"The build context of {name} has no {IGNORE}: with COPY . . everything in {context} is in the image."


def _ignored(file: Path, name: str) -> bool:
    """Whether .dockerignore keeps a name out, read as docker-py reads it for its own builds."""
    try:
        lines = read(str(file)).decode(errors="replace").splitlines()
    except OSError:
        return True  # what cannot be read is the builder's to complain about
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    try:
        return bool(PatternMatcher(patterns).matches(name))  # type: ignore[arg-type]  # the stubs say a path; it takes text
    except re.error:
        return True  # so is a pattern that is none
