"""A look makes, changes and removes nothing: not on the Engine, not in the state folder, not in the project."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.site import Site

LOOKS = (
    "status", "status --at 14:05", "why 07a3", "history", "show", "show 1", "logs", "runbook", "report -o -",
    "report 1 -o -", "metrics", "apps", "check", "expect", "compare",
    "init --json", "schema",
    "up --dry-run", "up --adopt --dry-run", "switch --dry-run", "prepare --dry-run", "flip-back --dry-run",
    "down --dry-run", "down --volumes --dry-run", "switch --to 1 --dry-run",
)  # fmt: skip
READERS = ("journal.db", "journal.db-shm", "journal.db-wal")  # SQLite moves what was written between them
HARMLESS = r"(GET|HEAD) |POST /(containers/shop-proxy/exec|exec/\w+/start)$"  # questions to nginx's container


def tree(place: Path) -> dict[str, Any]:
    """Every file below a folder, with what would tell that somebody was there."""
    found = {}
    for path in sorted(place.rglob("*")):
        if path.name in READERS:
            continue
        it = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        when = None if path.is_dir() else it.st_mtime_ns
        found[str(path)] = (it.st_mode, it.st_uid, it.st_ino, when, content)
    return found


def unchanged(site: Site, words: str) -> None:
    before = tree(site.states), tree(site.project)
    site.engine.asked.clear()
    site.run(*words.split())
    wrong = [it for it in site.engine.asked if not re.match(HARMLESS, it)]
    assert wrong == []
    after = tree(site.states), tree(site.project)
    ours = {path for path, facts in after[0].items() if before[0].get(path) != facts}
    assert ours | {path for path in before[0] if path not in after[0]} == set()
    assert after[1] == before[1]


@pytest.mark.parametrize("words", LOOKS)
def test_of_an_app_that_was_never_started(shop: Site, words: str) -> None:
    unchanged(shop, words)


@pytest.mark.parametrize("words", LOOKS)
def test_of_an_app_that_lives(live: Site, words: str) -> None:
    live.release("shop:2")
    unchanged(live, words)


@pytest.mark.parametrize("words", LOOKS)
def test_when_its_network_is_gone_and_its_snippets_are_others(live: Site, words: str) -> None:
    (live.project / "mine").mkdir()
    (live.project / "mine" / "a.conf").write_text("add_header X-New 1;\n")
    live.document["x-bluegreen"]["proxy"] = {"include": "mine"}
    live.engine.networks.clear()
    live.engine.named("shop-blue-web-1").state = "exited"
    unchanged(live, words)
