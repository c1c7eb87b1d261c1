"""How a Python project is installed, and with which Python. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

Installer = Literal["requirements", "pyproject", "uv", "poetry", "pipenv", "none"]
REQUIREMENTS = (
    "requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt",
    "app/requirements.txt", "src/requirements.txt",
)  # fmt: skip
PYTHONS = ("3.13", "3.12", "3.11", "3.14", "3.10")  # in the order of preference


def installer(files: Mapping[str, str]) -> Installer | None:
    """By what a project says; None: it says nothing."""
    if "pyproject.toml" in files and "uv.lock" in files:
        return "uv"
    if "pyproject.toml" in files and "poetry.lock" in files:
        return "poetry"
    if requirements(files):
        return "requirements"
    if "Pipfile" in files:
        return "pipenv"
    return "pyproject" if "pyproject.toml" in files or "setup.py" in files else None


def requirements(files: Mapping[str, str]) -> str:
    return next((path for path in REQUIREMENTS if path in files), "")


def how(which: Installer, files: Mapping[str, str]) -> str:
    return {
        "uv": "uv sync, from uv.lock", "poetry": "poetry install, from poetry.lock",
        "requirements": f"pip install -r {requirements(files)}", "pyproject": "pip install of the project itself",
        "pipenv": "pipenv install, from the Pipfile", "none": "your Dockerfile does it",
    }[which]  # fmt: skip


def project(files: Mapping[str, str]) -> dict[str, Any]:
    try:
        return tomllib.loads(files.get("pyproject.toml", ""))
    except tomllib.TOMLDecodeError:
        return {}


def version(files: Mapping[str, str], found: Mapping[str, Any]) -> tuple[str, str]:
    """(the Python to run with, why)."""
    named = re.match(r"\s*(?:cpython-?)?(\d+\.\d+)", files.get(".python-version", ""))
    if named:
        return named[1], f"{named[1]}, from .python-version"
    poetry = ((found.get("tool") or {}).get("poetry") or {}).get("dependencies") or {}
    pipfile = re.search(r"python_(?:full_)?version\s*=\s*[\"']([\d.]+)", files.get("Pipfile", ""))
    said = (
        (found.get("project") or {}).get("requires-python") or poetry.get("python") or (pipfile[1] if pipfile else "")
    )
    wanted = str(said if not isinstance(said, Mapping) else said.get("version") or "")
    exact = re.fullmatch(r"\s*(?:===?)?\s*(\d+\.\d+\.\d+)\s*", wanted)
    if exact:
        return exact[1], f"{exact[1]}, the only one that the project allows"
    fitting = [it for it in PYTHONS if any(_allows(part, it) for part in wanted.split("||"))]
    chosen = fitting[0] if fitting else PYTHONS[0]
    return chosen, f"{chosen}, which {wanted} allows" if wanted else f"{chosen}: the project names none"


def _allows(wanted: str, candidate: str) -> bool:
    """Whether a version of Python fits a specifier, by its first two numbers. By PEP 440, and Poetry's ^ and ~."""
    number = _number(candidate)
    for operator, text in re.findall(r"(>=|<=|==|~=|!=|>|<|\^|~)?\s*(\d+(?:\.\d+)*)(?:\.\*)?", wanted):
        limit = _number(text)
        whole = text.count(".") == 0
        if operator in (">=", "^", "~=", ">") and number < limit:
            return False
        if (operator == "^" or operator == "~=") and number[0] != limit[0]:
            return False
        if operator == "<" and (number >= limit and not (text.count(".") == 2 and number == limit)):
            return False
        if operator == "<=" and number > limit:
            return False
        if operator in ("==", "", "~") and (number[0] != limit[0] or (not whole and number != limit)):
            return False
        if operator == "!=" and number == limit and text.count(".") < 2:
            return False
    return True


def _number(text: str) -> tuple[int, int]:
    parts = [*text.split("."), "0"]
    return int(parts[0]), int(parts[1])


def names(files: Mapping[str, str], found: Mapping[str, Any]) -> str:
    """Everything that the project installs, as one text in small letters."""
    texts = [files.get(requirements(files), ""), files.get("Pipfile", ""), files.get("setup.py", "")]
    texts += list((found.get("project") or {}).get("dependencies") or [])
    poetry = ((found.get("tool") or {}).get("poetry") or {}).get("dependencies") or {}
    texts += [f"{name} {value}" for name, value in poetry.items()]
    return "\n".join(texts).lower()
