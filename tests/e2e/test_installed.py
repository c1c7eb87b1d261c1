"""The built wheel in an empty environment: the command, its templates and compose files."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.support.machine import BIN, ROOT, environment
from tests.support.project import Project
from tests.support.pythons import OWN, PROMISED, find

QUIETLY = ("install", "--quiet", "--disable-pip-version-check")


# One service as people have it: no x-bluegreen block yet.
PLAIN = """
services:
  web:
    image: ${PYTHON_IMAGE}
    init: true
    command: [python3, /srv/server.py]
    ports: ["127.0.0.1:${PUBLIC}:8000"]
    environment: {GREETING: "${GREETING:-Hello}"}
    volumes: ["./server.py:/srv/server.py:ro"]
    stop_grace_period: 1s
"""
# What `make setup` has put in the place of the official image.
ON_THIS_MACHINE = """  proxy: {image: "${NGINX_IMAGE}"}
  preview: "${SHOP_PREVIEW}"
"""


def _python(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source archive, which therefore has everything in it."""
    folder = tmp_path_factory.mktemp("wheel")
    _python("build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    _python("venv", str(folder))
    subprocess.run([str(folder / "bin" / "pip"), *QUIETLY, str(wheel)], check=True)
    return folder / "bin" / "bluegreen"


@dataclass(frozen=True)
class Pipx:
    """pipx with folders of its own."""

    folder: Path

    @property
    def bluegreen(self) -> Path:
        return self.folder / "bin" / "bluegreen"

    def run(self, *arguments: str) -> str:
        settings = {
            "PIPX_HOME": str(self.folder / "home"),
            "PIPX_BIN_DIR": str(self.folder / "bin"),
            "PIPX_MAN_DIR": str(self.folder / "man"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        done = subprocess.run(
            [str(self.folder / "own" / "bin" / "pipx"), *arguments], env=environment(**settings),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def pipx(tmp_path_factory: pytest.TempPathFactory) -> Pipx:
    found = Pipx(tmp_path_factory.mktemp("pipx"))
    _python("venv", str(found.folder / "own"))
    subprocess.run([str(found.folder / "own" / "bin" / "pip"), *QUIETLY, "pipx"], check=True)
    return found


def test_the_wheel_carries_what_the_command_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "bluegreen/py.typed" in names
    assert not [name for name in names if name.startswith("tests")]
    for folder in ("nginx", "compose", "docs"):
        there = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert there
        assert {f"bluegreen/_shipped/{path.relative_to(ROOT)}" for path in there} <= names


def test_the_pythons_that_are_promised_are_the_ones_that_are_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [it.rpartition(" ")[2] for it in project["classifiers"] if "Python :: 3." in it]
    assert tuple(named) == PROMISED
    assert project["requires-python"] == f">={PROMISED[0]}"
    assert find(OWN), "at least one is always tried"


@pytest.mark.parametrize(
    "version", [pytest.param(it, marks=[] if it == OWN else [pytest.mark.long]) for it in PROMISED]
)
def test_the_installed_command_does_the_main_job(
    version: str, wheel: Path, pipx: Pipx, make_project: Make, request: pytest.FixtureRequest
) -> None:
    """As people install it, on this Python, with every warning an error."""
    python = find(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine: NOT tried")
    pipx.run("install", "--python", str(python), str(wheel))
    request.addfinalizer(lambda: pipx.run("uninstall", "bluegreen"))
    assert f"Python {version}" in pipx.run("list")
    shop = make_project(PLAIN)
    shop.command = (str(pipx.bluegreen),)
    shop.variables |= {"PUBLIC": str(shop.port), "PYTHONWARNINGS": "error"}

    def run(*arguments: str, **more: str) -> str:
        done = shop.ok(*arguments, **more)
        for word in ("Warning", "Exception ignored", "Traceback"):
            assert word not in done.err
        return done.out

    assert run("--version") == "bluegreen 0.1.0\n"
    assert "Usage:" in run("--help")
    run("init", "--write")
    block = shop.file.read_text()
    assert "x-bluegreen:\n" in block
    shop.write(block.replace("x-bluegreen:\n", "x-bluegreen:\n" + ON_THIS_MACHINE))
    for arguments, greeting, color in (
        (("up",), "one", "blue"), (("switch",), "two", "green"), (("flip-back",), "two", "blue"),
    ):  # fmt: skip
        run(*arguments, GREETING=greeting)
        assert shop.color() == color
    assert "blue" in run("status")
    assert json.loads(run("status", "--json"))["live"]["color"] == "blue"
    run("history")
    run("down", "--yes")
    assert shop.containers() == []


@pytest.mark.long
def test_without_compose_the_command_says_how_to_install_it(installed: Path, lean: Project, tmp_path: Path) -> None:
    """No plugin, no docker-compose; then one that is too old."""
    bare = tmp_path / "bin"
    bare.mkdir()

    def up() -> subprocess.CompletedProcess[str]:
        settings = {**lean.environment({}), "PATH": str(bare)}
        return subprocess.run(
            [str(installed), "up"], cwd=lean.folder, env=settings, capture_output=True, text=True, check=False
        )

    done = up()
    assert done.returncode == 2
    assert "Docker Compose is missing." in done.stderr
    assert "sudo apt-get install docker-compose-v2" in done.stderr
    (bare / "docker-compose").write_text("#!/bin/sh\necho 1.29.2\n")
    (bare / "docker-compose").chmod(0o755)
    done = up()
    assert done.returncode == 2
    assert "Docker Compose is too old." in done.stderr
    assert "docker-compose 1.29.2" in done.stderr
    assert "Compose 2.20.0 or newer" in done.stderr


def test_make_targets_for_ci_pass_file_tag_and_args(lean: Project) -> None:
    settings = lean.environment({})
    folder = f"FILE={lean.file}"

    def make(target: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", target, folder, f"BLUEGREEN={BIN / 'bluegreen'}", *more],
            cwd=ROOT, env=settings, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert make("up").returncode == 0
    done = make("switch", "ARGS=--force --json", "TAG=1.4.2")
    assert done.returncode == 0, done.stderr
    assert '"outcome": "switched"' in done.stdout
    assert make("flip-back").returncode == 0
    assert "live   blue" in make("status").stdout
    assert make("switch", "TAG=1.4.2", "ARGS=--image web=127.0.0.1:9/no:1").returncode != 0
