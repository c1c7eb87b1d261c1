"""Every error has a code, and every code has its page: `bluegreen help CODE`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.machine import ROOT

PAGES = ROOT / "docs" / "errors"
NAMES = ("BluegreenError", "Interrupted", "PublicSilent", "HookFailed", "PortHeld", "error_type")
# Rooms whose errors have no code yet.
PENDING: tuple[str, ...] = ()
CODE = re.compile(r"[a-z]+(-[a-z]+){0,4}")


def _made() -> Iterator[tuple[str, str | None]]:
    """Every place where an error is made, and its code; None: it has none."""
    for path in sorted((ROOT / "bluegreen").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in NAMES:
                continue
            found = [word.value for word in node.keywords if word.arg == "code"]
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield where, ast.literal_eval(found[0]) if found and isinstance(found[0], ast.Constant) else None


def test_every_error_has_a_code() -> None:
    missing = [where for where, code in _made() if not code and not where.startswith(PENDING)]
    assert missing == [], "give each `code=` as a literal"


def test_every_code_has_its_page_and_every_page_is_of_a_code() -> None:
    codes = {code for _, code in _made() if code}
    assert [code for code in sorted(codes) if not CODE.fullmatch(code)] == []
    pages = {path.stem for path in PAGES.glob("*.md")}
    assert codes - pages == set(), "codes without a page"
    if not PENDING:
        assert pages - codes == set(), "pages that no error leads to"


def test_every_page_says_why_what_it_means_for_production_and_what_to_do() -> None:
    for path in sorted(PAGES.glob("*.md")):
        text = path.read_text()
        assert text.startswith(f"# {path.stem}: "), path
        parts = re.findall(r"^\*\*(Why|Production|Do)\.\*\* ", text, re.MULTILINE)
        assert parts == ["Why", "Production", "Do"], path


def test_no_page_is_longer_than_a_screen() -> None:
    assert [path.name for path in PAGES.glob("*.md") if len(_lines(path)) > 30] == []


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
