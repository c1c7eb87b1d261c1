"""The pages that `bluegreen help` prints: the same files as the documentation."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.shipped import shipped

GROUPS = ("tutorials", "how-to", "reference", "explanation")  # folders of docs, in the order of the list
ERRORS = "errors"
EXIT_CODES = "exit-codes"
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def topics() -> dict[str, dict[str, str]]:
    """Group, then topic and its title."""
    docs = shipped("docs")
    return {group: {path.stem: _title(path) for path in sorted((docs / group).glob("*.md"))} for group in GROUPS}


def names() -> list[str]:
    """Every topic, and the code of every error."""
    errors = (path.stem for path in (shipped("docs") / ERRORS).glob("*.md"))
    return [*(name for group in topics().values() for name in group), *errors]


def page(topic: str) -> str:
    """The Markdown text of a topic, an error's code or an exit code. Raises BluegreenError (exit 2)."""
    wanted = EXIT_CODES if topic.isdigit() else topic.lower()
    docs = shipped("docs")
    for folder in (ERRORS, *GROUPS):
        path = docs / folder / f"{wanted}.md"
        if re.fullmatch(r"[a-z-]+", wanted) and path.is_file():
            return shown(path.read_text())
    near = difflib.get_close_matches(wanted, names(), n=3)
    raise BluegreenError(
        f"There is no help on {topic!r}.", failed="no topic, error code or command has this name",
        expected=f"for example {', '.join(near)}" if near else "a topic of the list",
        next=f"bluegreen help {near[0]}" if near else "bluegreen help", exit_code=ExitCode.USAGE, code="no-such-topic",
    )  # fmt: skip


def shown(text: str) -> str:
    """A page without what only tests and the site read: comments and lists of pages."""
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"^```\{.*?^```\n?", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\[([^\]]+)\]\((?:[^()]*/)?([\w-]+)\.md(?:#[\w-]+)?\)", r"\1 (bluegreen help \2)", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _title(path: Path) -> str:
    found = TITLE.search(path.read_text())
    return found[1] if found else path.stem
