"""How a FastAPI project is laid out, told from its files."""

from __future__ import annotations

import json

import pytest
import yaml

from bluegreen.features.init.layout import find_layout
from bluegreen.features.init.scaffold import scaffold

APP = "from fastapi import FastAPI\napp = FastAPI()\n"


@pytest.mark.parametrize(
    ("files", "app", "installer", "python", "health", "needs_uvicorn"),
    [
        ({"main.py": APP, "requirements.txt": "fastapi\n"}, "main:app", "requirements", "3.13", "/openapi.json", True),
        (
            {"shop/main.py": "api: FastAPI = FastAPI(title='x')\n@api.get('/healthz')\n", "pyproject.toml":
             '[project]\nrequires-python = ">=3.11,<3.13"\ndependencies = ["fastapi[standard]"]\n'},
            "shop.main:api", "pyproject", "3.12", "/healthz", False,
        ),
        (
            {"src/shop/__init__.py": APP, "uv.lock": "", ".python-version": "3.14.1\n", "pyproject.toml":
             '[project]\ndependencies = ["fastapi", "uvicorn>=0.3"]\n'},
            "shop:app", "uv", "3.14", "/openapi.json", False,
        ),
        (
            {"src/shop/web.py": "def create_app() -> FastAPI:\n", "poetry.lock": "", "pyproject.toml":
             '[tool.poetry.dependencies]\npython = "^3.11"\nfastapi = "*"\nuvicorn = "*"\n'},
            "shop.web:create_app", "poetry", "3.13", "/openapi.json", False,
        ),
        ({"a/deep/x.py": APP, "app/main.py": APP, "requirements.txt": "FastAPI[all]\n"}, "app.main:app", "requirements",
         "3.13", "/openapi.json", False),
    ],
)  # fmt: skip
def test_a_layout_is_told_from_the_files(
    files: dict[str, str], app: str, installer: str, python: str, health: str, needs_uvicorn: bool
) -> None:
    found = find_layout(files)
    assert found is not None
    assert (found.app, found.installer, found.python, found.health) == (app, installer, python, health)
    assert found.needs_uvicorn == needs_uvicorn
    assert found.factory == ("create_app" in app)
    written, _ = scaffold(found, "My Shop!", files)
    assert json.loads(written["Dockerfile"].rpartition("CMD ")[2])[:2] == ["uvicorn", app]
    compose = yaml.safe_load(written["compose.yaml"])
    assert compose["x-bluegreen"]["health"] == health
    assert compose["services"]["web"]["image"] == "${IMAGE:-my-shop}:${TAG:-dev}"
    assert yaml.safe_load(written[".github/workflows/release.yml"])["jobs"]["release"]["env"]["TAG"] == (
        "${{ github.ref_name }}"
    )


@pytest.mark.parametrize(
    "files", [{"main.py": APP}, {"requirements.txt": "fastapi"}, {"main.py": "x = 1", "requirements.txt": ""}]
)
def test_a_project_without_an_application_or_a_way_to_install_it_is_none(files: dict[str, str]) -> None:
    assert find_layout(files) is None


def test_nothing_that_is_there_is_written_over() -> None:
    files = {"main.py": APP, "requirements.txt": "uvicorn", "Makefile": "all:", "Dockerfile": "FROM x",
             ".github/workflows/release.yml": "", "alembic.ini": ""}  # fmt: skip
    layout = find_layout(files)
    assert layout is not None
    written, advice = scaffold(layout, "shop", files)
    assert set(written) == {"compose.yaml", ".dockerignore", "bluegreen.mk", ".github/workflows/bluegreen.yml"}
    assert "Dockerfile exists already and stays as it is." in advice
    assert yaml.safe_load(written["compose.yaml"])["x-bluegreen"]["migrate"] == {"service": "migrate"}


def test_variables_that_the_code_asks_for_are_named() -> None:
    layout = find_layout(
        {"main.py": APP + "os.environ['SECRET_KEY']\nos.environ.get('OTHER')\n", "requirements.txt": ""}
    )
    assert layout is not None
    assert any("SECRET_KEY" in words and "OTHER" not in words for words in layout.advice)
