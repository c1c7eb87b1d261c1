"""`init` for a FastAPI project without a Compose file: three layouts, and `up` works on what it wrote at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.machine import docker
from tests.support.project import Project

WEB = """
import os
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ok": True}


@app.get("/")
def page() -> dict[str, str]:
    return {"color": os.environ["BLUEGREEN_COLOR"], "release": os.environ["BLUEGREEN_RELEASE"], "word": WORD}
"""


def _single(folder: Path) -> None:
    (folder / "requirements.txt").write_text("fastapi>=0.115\n")
    (folder / "main.py").write_text(WEB.replace("\napp =", '\nWORD = "single"\napp =', 1))


def _package(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["fastapi", "uvicorn"]\n'
    )
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "words.py").write_text('WORD = "package"\n')
    (folder / "shop" / "main.py").write_text(WEB.replace("\napp =", "\nfrom shop.words import WORD\napp =", 1))


def _src_with_uv(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["fastapi", "uvicorn"]\n'
    )
    (folder / "README.md").write_text("A shop\n")
    (folder / "src" / "shop").mkdir(parents=True)
    (folder / "src" / "shop" / "__init__.py").touch()
    (folder / "src" / "shop" / "main.py").write_text(WEB.replace("app = FastAPI()", 'app = FastAPI()\nWORD = "src"', 1))
    tools = folder.parent / "uv"
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    subprocess.run([tools / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "uv"], check=True)
    subprocess.run([tools / "bin" / "uv", "lock", "-q"], cwd=folder, check=True)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Project]:
    """A folder without a Compose file, outside of any project that has one."""
    project = Project(tmp_path / "project", "")
    project.file.unlink()
    yield project
    project.clean()
    if images := docker("images", "-q", f"{project.name}-web").split():
        docker("rmi", "-f", *set(images))


FLASK = """
import os
import sqlite3
from flask import Flask


def create_app():
    app = Flask(__name__)
    path = os.environ.get("DATABASE", "sqlite:///shop.db").removeprefix("sqlite:///")
    sqlite3.connect(path).execute("create table if not exists seen (color text)")

    @app.get("/health")
    def health():
        return {"ok": True}

    @app.get("/")
    def page():
        return {"color": os.environ["BLUEGREEN_COLOR"], "release": os.environ["BLUEGREEN_RELEASE"], "word": "flask"}

    return app
"""


def _flask(folder: Path) -> None:
    """A factory, and an SQLite file that a volume has to hold."""
    (folder / "requirements.txt").write_text("flask\n")
    (folder / "shop.py").write_text(FLASK)


OTHERS = [pytest.param(make, marks=pytest.mark.long) for make in (_single, _package, _flask)]


@pytest.mark.parametrize("make", [*OTHERS, _src_with_uv])
def test_init_writes_what_up_and_switch_need(bare: Project, make: Callable[[Path], None]) -> None:
    make(bare.folder)
    before = {path: path.read_bytes() for path in bare.folder.rglob("*") if path.is_file()}
    wanted = bare.ok("init", "--json").json()["would_write"]
    assert {path: path.read_bytes() for path in bare.folder.rglob("*") if path.is_file()} == before
    written = bare.ok("init", "--write", "--json").json()["written"]
    assert written == wanted
    assert written == ["compose.yaml", "Dockerfile", ".dockerignore", "Makefile", ".github/workflows/release.yml"]
    assert {path: path.read_bytes() for path in before} == before
    bare.variables |= {
        "LISTEN": f"127.0.0.1:{bare.port}", "PREVIEW": f"127.0.0.1:{bare.preview_port}", "IMAGE": f"{bare.name}-web",
    }  # fmt: skip
    bare.ok("up")
    status, body = bare.get("/")
    assert status == 200
    assert json.loads(body) == {"color": "blue", "release": "1", "word": make.__name__.split("_")[1]}
    made = subprocess.run(
        ["make", "switch", "ARGS=--force --json"], cwd=bare.folder, env=bare.environment({}), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert bare.color() == "green"
    user = docker("exec", f"{bare.name}-green-web-1", "python", "-c", "import os; print(os.getuid())")
    assert user != "0"
    again = bare.ok("init")
    assert "has an x-bluegreen block already; nothing to do." in again.out


def test_init_in_a_folder_with_neither_says_what_it_looked_for(bare: Project) -> None:
    refused = bare.run("init")
    assert refused.code == 2, refused
    assert "There is no Compose file, and no application was found." in refused.err
    assert list(bare.folder.iterdir()) == []
