"""A FastAPI project without a Compose file: how it is laid out, and what it takes to run it. Pure.

Guesses are told with their reasons: the person reads them beside the files that were written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Installer = Literal["requirements", "pyproject", "uv", "poetry"]
APP = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*(?::\s*[\w.]+\s*)?=\s*(?:fastapi\.)?FastAPI\(", re.MULTILINE)
FACTORY = re.compile(r"^(?:async\s+)?def\s+(?P<name>\w+)\(\s*\)\s*->\s*(?:fastapi\.)?FastAPI\s*:", re.MULTILINE)
ROUTE = re.compile(r"@\w+\.(?:get|api_route|route)\(\s*['\"](?P<path>/[^'\"{}]*)['\"]")
HEALTH = re.compile(r"/(?:health|healthz|healthcheck|health-check|livez|readyz|ping|status|up|alive)/?$")
VARIABLE = re.compile(r"os\.environ\[\s*['\"]([A-Z][A-Z0-9_]*)['\"]\s*\]")
LIKELY = ("main.py", "app.py", "asgi.py", "server.py", "api.py", "__init__.py")
PYTHONS = ("3.13", "3.12", "3.11", "3.14", "3.10")  # in the order of preference
PORT = 8000
WITHOUT_HEALTH = "/openapi.json"  # what every FastAPI application answers that was not told otherwise


@dataclass(frozen=True)
class Layout:
    """What was found. `decisions`: (what, why), in the order of the files; `advice` is for the person to do."""

    app: str  # MODULE:NAME, as uvicorn takes it
    factory: bool
    installer: Installer
    python: str
    health: str
    source: str  # the folder that modules are imported from: "." or "src"
    needs_uvicorn: bool
    alembic: bool
    package: bool  # whether the project itself is installed
    decisions: tuple[tuple[str, str], ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    path: str
    name: str
    factory: bool

    @property
    def rank(self) -> tuple[int, int, int, str]:
        parts = self.path.split("/")
        likely = LIKELY.index(parts[-1]) if parts[-1] in LIKELY else len(LIKELY)
        return (self.factory, likely, len(parts), self.path)


@dataclass
class _Said:
    decisions: list[tuple[str, str]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def find_layout(files: Mapping[str, str]) -> Layout | None:
    """The layout of a project, from its paths and texts; None: no FastAPI application, or no way to install it."""
    candidates = sorted(_candidates(files), key=lambda it: it.rank)
    installer = _installer(files)
    if not candidates or installer is None:
        return None
    chosen, said = candidates[0], _Said()
    source = "src" if chosen.path.startswith("src/") else "."
    module = chosen.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    others = [it.path for it in candidates[1:] if it.path != chosen.path]
    beside = f" (also in {', '.join(others[:3])})" if others else ""
    said.decisions.append(("app", f"{module}:{chosen.name}, the FastAPI application of {chosen.path}{beside}"))
    project = _project(files)
    said.decisions.append(("install", _how(installer)))
    python = _python(files, project, said)
    health = _health(files, said)
    needs = _needs_uvicorn(files, project)
    if needs:
        said.decisions.append(("server", "uvicorn is installed as well: the project's requirements do not name it"))
    alembic = "alembic.ini" in files
    if alembic:
        said.decisions.append(("migrate", "alembic upgrade head, once for each release: alembic.ini is there"))
    if unset := sorted({name for text in files.values() for name in VARIABLE.findall(text)}):
        said.advice.append(f"The application asks for {', '.join(unset)}: put them into .env, which web reads.")
    package = bool(project.get("build-system")) and installer != "requirements"
    return Layout(
        f"{module}:{chosen.name}", chosen.factory, installer, python, health, source, needs, alembic, package,
        tuple(said.decisions), tuple(said.advice),
    )  # fmt: skip


def _candidates(files: Mapping[str, str]) -> Iterator[_Candidate]:
    for path, text in files.items():
        if path.endswith(".py"):
            yield from (_Candidate(path, match["name"], False) for match in APP.finditer(text))
            yield from (_Candidate(path, match["name"], True) for match in FACTORY.finditer(text))


def _installer(files: Mapping[str, str]) -> Installer | None:
    if "pyproject.toml" in files and "uv.lock" in files:
        return "uv"
    if "pyproject.toml" in files and "poetry.lock" in files:
        return "poetry"
    if "requirements.txt" in files:
        return "requirements"
    return "pyproject" if "pyproject.toml" in files else None


def _how(installer: Installer) -> str:
    return {
        "uv": "uv sync, from uv.lock", "poetry": "poetry install, from poetry.lock",
        "requirements": "pip install -r requirements.txt", "pyproject": "pip install of the project itself",
    }[installer]  # fmt: skip


def _project(files: Mapping[str, str]) -> dict[str, Any]:
    try:
        return tomllib.loads(files.get("pyproject.toml", ""))
    except tomllib.TOMLDecodeError:
        return {}


def _python(files: Mapping[str, str], project: Mapping[str, Any], said: _Said) -> str:
    named = re.match(r"\s*(?:cpython-?)?(\d+\.\d+)", files.get(".python-version", ""))
    if named:
        said.decisions.append(("python", f"{named[1]}, from .python-version"))
        return named[1]
    poetry = (project.get("tool") or {}).get("poetry") or {}
    wanted = str(
        (project.get("project") or {}).get("requires-python") or (poetry.get("dependencies") or {}).get("python") or ""
    )
    fitting = [version for version in PYTHONS if _allows(wanted, version)]
    chosen = fitting[0] if fitting else PYTHONS[0]
    said.decisions.append(
        ("python", f"{chosen}, which {wanted} allows" if wanted else f"{chosen}: the project names none")
    )
    return chosen


def _allows(wanted: str, version: str) -> bool:
    """Whether a version of Python fits a specifier, by its first two numbers. Source: PEP 440; poetry's caret."""
    number = _number(version)
    for operator, text in re.findall(r"(>=|<=|==|~=|!=|>|<|\^)?\s*(\d+(?:\.\d+)?)", wanted):
        limit = _number(text)
        if operator in (">=", "^", "~=", "") and number < limit:
            return False
        if (operator == "<" and number >= limit) or (operator == "<=" and number > limit):
            return False
        if operator == ">" and number < limit:
            return False
        if (operator == "==" and number != limit) or (operator == "!=" and number == limit):
            return False
    return True


def _number(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _health(files: Mapping[str, str], said: _Said) -> str:
    routes = [match["path"] for path, text in files.items() if path.endswith(".py") for match in ROUTE.finditer(text)]
    found = sorted((path for path in routes if HEALTH.search(path)), key=lambda path: (len(path), path))
    if found:
        said.decisions.append(("health", f"{found[0]}, a route of the application"))
        return found[0]
    said.decisions.append(("health", f"{WITHOUT_HEALTH}: no route is called health"))
    said.advice.append("A route /health that asks what the service needs (its database) would prove more.")
    return WITHOUT_HEALTH


def _needs_uvicorn(files: Mapping[str, str], project: Mapping[str, Any]) -> bool:
    texts = [files.get("requirements.txt", "")]
    texts += list((project.get("project") or {}).get("dependencies") or [])
    poetry = ((project.get("tool") or {}).get("poetry") or {}).get("dependencies") or {}
    texts += [f"{name} {value}" for name, value in poetry.items()]
    everything = "\n".join(texts).lower()
    return not re.search(r"uvicorn|fastapi-cli|fastapi\s*\[[^\]]*\b(?:standard|all)\b|fastapi .*standard", everything)
