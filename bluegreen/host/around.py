"""The files around a Compose file that tell how its services are built, started, migrated and proxied. Looks only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bluegreen.host.sources import read_text

WANTED = re.compile(
    r"(?:\.py|\.[cm]?[jt]sx?|\.go|\.sh|\.conf|\.cfg|\.template|\.tmpl|\.toml|\.conf\.\w+)$"
    r"|^(?:conf|default|site|Dockerfile.*|.*\.Dockerfile|Procfile|Caddyfile.*|(?:docker-)?entrypoint|start|run|fly\.toml|render\.yaml"
    r"|railway\.json|heroku\.yml|alembic\.ini|pom\.xml|build\.gradle(?:\.kts)?|routes\.rb|schema\.rb|app\.php"
    r"|traefik\.ya?ml|dynamic.*\.ya?ml|requirements.*\.txt|schema\.prisma)$"
)
NAMED_ONLY = re.compile(r"(?:^|/)(?:prisma/migrations/.+\.sql|db/migrate/[^/]+\.rb)$")  # that they are there is enough
PASSED_OVER = {
    "node_modules", "__pycache__", "site-packages", "venv", "dist", "tests", "test", "docs", "htmlcov", "vendor",
    "bower_components", "target", "coverage", "versions", "static", "staticfiles", "media", "public",
}  # fmt: skip
PLATFORMS = ("Procfile", "fly.toml", "render.yaml", "railway.json", "railway.toml", "heroku.yml")  # at the top
MAX_FILES = 2000
MAX_DEPTH = 6
MAX_BYTES = 64 * 1024  # of one file: what is longer was written by a program
MAX_ENTRIES = 20_000  # looked at, whatever they are


def read(places: Iterable[str]) -> dict[str, str]:
    """Full paths to texts: of files, and of what says something below folders. What cannot be read is left out."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    budget = [MAX_ENTRIES]
    for place in places:
        for path in _below(place, seen, budget):
            if len(found) >= MAX_FILES:
                return found
            if (
                path not in found
                and (text := "" if NAMED_ONLY.search(path) else read_text(Path(path), MAX_BYTES)) is not None
            ):
                found[path] = text
    return found


def _below(place: str, seen: set[str], budget: list[int]) -> Iterator[str]:
    if not os.path.isdir(place):
        yield place
        return
    for path, folders, files in os.walk(place):
        deep = len(Path(path).relative_to(place).parts)
        again = path in seen
        seen.add(path)
        folders[:] = sorted(it for it in folders if it not in PASSED_OVER and it[0] != "." and deep < MAX_DEPTH)
        budget[0] -= len(files) + 1
        if budget[0] < 0:
            return
        if again:
            continue
        for name in sorted(files):
            whole = os.path.join(path, name)
            if WANTED.search(name) or NAMED_ONLY.search(whole):
                yield whole
