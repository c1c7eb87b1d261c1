"""The site builds without a warning, and the man page is what the pages say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.blocks import DOCS

pytestmark = pytest.mark.whole


def _build(builder: str, target: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", target / "t", "-b", builder, DOCS, target],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    _build("html", tmp_path)
    assert (tmp_path / "how-to" / "migrations.html").exists()


def test_the_man_page_is_what_the_pages_say(tmp_path: Path) -> None:
    _build("man", tmp_path)
    assert (tmp_path / "bluegreen.1").read_text() == (DOCS / "bluegreen.1").read_text(), "run make docs"
