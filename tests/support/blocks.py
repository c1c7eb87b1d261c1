"""The fenced blocks of README and docs, with the marks that say how a test treats each.

A mark is an HTML comment on the line before a block, unseen where the page is read:

    <!-- run: NAME -->             commands that tests/e2e/test_pages.py runs, in the order of the page
    <!-- file: NAME PATH -->       the content of a file of that run
    <!-- shown: WHY -->            not run, and why; its syntax is checked
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
MARK = re.compile(r"^\s*<!-- (run|file|shown): (.+?) -->$")
FENCE = re.compile(r"^(\s*)(```+)\s*(\{?[\w-]*\}?)(?: \S+)?\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block. `mark`: run, file, shown or nothing; `words`: what stands after it."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    words: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """What is typed in a console block: the lines after `$ `, with their continuations."""
        return [re.sub(r"\\\n\s*", "", typed) for typed in re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.text, re.MULTILINE)]


def pages() -> list[Path]:
    """Every page that people read."""
    return [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = page.read_text().splitlines()
    mark, number = ("", ""), 0
    while number < len(lines):
        if found := MARK.match(lines[number]):
            mark = (found[1], found[2])
        elif opened := FENCE.match(lines[number]):
            end = next(at for at in range(number + 1, len(lines)) if lines[at].strip() == opened[2])
            text = "\n".join(line.removeprefix(opened[1]) for line in lines[number + 1 : end])
            yield Block(page, number + 1, opened[3], text, *mark)
            mark, number = ("", ""), end
        elif lines[number].strip():
            mark = ("", "")
        number += 1
