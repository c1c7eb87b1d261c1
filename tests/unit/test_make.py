"""What the README promises of `make`: it prints what bluegreen prints, and names bluegreen's exit code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bluegreen.features.init.layout import find_layout
from bluegreen.features.init.scaffold import scaffold
from tests.support.machine import ROOT

TARGETS = ("up", "switch", "prepare", "flip-back", "status")
OURS = """#!/bin/sh
echo "{\\"told\\": \\"$* $TAG\\"}"
exit $CODE
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with this project's Makefile, the one that init writes, and a command that is not real."""
    shutil.copy(ROOT / "Makefile", tmp_path / "ours.mk")
    layout = find_layout({"main.py": "app = FastAPI()\n", "requirements.txt": "fastapi\nuvicorn\n"})
    assert layout is not None
    (tmp_path / "init.mk").write_text(scaffold(layout, "shop", ())[0]["Makefile"])
    (tmp_path / "bluegreen").write_text(OURS)
    (tmp_path / "bluegreen").chmod(0o755)
    return tmp_path


@pytest.mark.whole
@pytest.mark.parametrize("file", ["ours.mk", "init.mk"])
@pytest.mark.parametrize("code", [0, 1, 4, 5, 75])
def test_make_prints_what_bluegreen_prints_and_names_its_code(made: Path, file: str, code: int) -> None:
    environment = {"PATH": f"{made}:/usr/bin:/bin", "CODE": str(code)}
    for target in TARGETS:
        if target == "prepare" and file == "init.mk":
            continue
        for where in (["-f", file], ["-s", "-C", str(made), "-f", file]):
            done = subprocess.run(
                ["make", *where, target, "ARGS=--json", "TAG=7"], cwd=made if "-C" not in where else "/",
                env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.stdout == f'{{"told": "{target} --json 7"}}\n'
            assert done.returncode == (2 if code else 0)
            assert done.stderr.endswith(f"Error {code}\n") if code else done.stderr == ""
