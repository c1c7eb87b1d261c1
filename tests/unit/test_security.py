"""Every test that SECURITY.md names is there, and every party has one that acts as it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bluegreen.state import owners
from tests.support.machine import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = re.findall(r"`(tests/[a-z0-9_/]+\.py)(?:::(test_[a-z0-9_]+))?`", TEXT)
ROWS = [line for line in TEXT.splitlines() if line.startswith("| **")]


def _tests(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_what_is_named_is_there(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert not name or name in _tests(ROOT / path)


def test_every_test_is_named_by_its_file_and_every_party_has_one() -> None:
    assert len(ROWS) == 9
    for row in ROWS:
        assert re.search(r"`tests/[a-z_/]+\.py::test_", row.split("|")[4]), row
    assert len(NAMED) > 20
    assert len(re.findall(r"test_[a-z_]+\.py", TEXT)) == len(NAMED), "one is written in another form"


def test_the_way_to_say_yes_is_documented() -> None:
    assert owners.VARIABLE in TEXT
    assert owners.VARIABLE in (ROOT / "docs" / "reference" / "files.md").read_text()
