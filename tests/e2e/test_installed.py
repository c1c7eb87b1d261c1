"""The built wheel in an empty environment: the command, its templates and compose files."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.machine import BIN, ROOT
from tests.support.project import Project


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
    return folder / "bin" / "bluegreen"


def test_the_wheel_carries_templates_and_compose_files(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "nginx/nginx.conf.j2",
        "compose/proxy.yaml",
        "compose/example/compose.yaml",
        "compose/example/Dockerfile",
    ):
        assert f"bluegreen/_shipped/{name}" in names
    assert "bluegreen/py.typed" in names
    assert not [name for name in names if name.startswith("tests")]


def test_the_installed_command_does_the_main_job(installed: Path, lean: Project) -> None:
    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(installed), *arguments], cwd=lean.folder, env=lean.environment(more), capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    assert run("--version").stdout == "bluegreen 0.1.0\n"
    for arguments, color in ((("up",), "blue"), (("switch", "--force"), "green"), (("flip-back",), "blue")):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        assert lean.color() == color
    assert run("down", "--yes").returncode == 0


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
