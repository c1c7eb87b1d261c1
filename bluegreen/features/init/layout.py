"""A project without a Compose file: its layout, and what it needs to run. Pure.

Guesses are shown with their reasons, so that a person can read them before the files are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bluegreen.features.init import applications, dockerfile, pythons, routes, sqlite
from bluegreen.features.init.applications import Application
from bluegreen.features.init.pythons import Installer
from bluegreen.features.init.sqlite import Data

VARIABLE = re.compile(r"os\.environ\[\s*['\"]([A-Z][A-Z0-9_]*)['\"]\s*\]")
SERVED = re.compile(r"uvicorn|fastapi-cli|fastapi\s*\[[^\]]*\b(?:standard|all)\b|fastapi .*standard")
PORT = 8000
WITHOUT_HEALTH = "/openapi.json"  # what every FastAPI application answers by default


@dataclass(frozen=True)
class Layout:
    """What was found. `decisions`: (what, why), in the order of the files; `advice` is for the person to do."""

    app: str  # MODULE:NAME, as its server takes it; empty: the project's own Dockerfile starts it
    factory: bool
    installer: Installer
    python: str
    health: str
    source: str  # the folder that modules are imported from: "." or "src"
    needs_server: bool  # whether uvicorn or gunicorn is installed beside what the project names
    migrate: tuple[str, ...]  # a command; empty: none
    package: bool  # whether the project itself is installed
    server: str = "uvicorn"
    port: int = PORT
    requirements: str = ""
    data: Data | None = None  # an SQLite file
    decisions: tuple[tuple[str, str], ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def needs_uvicorn(self) -> bool:
        return self.needs_server and self.server == "uvicorn"


@dataclass(frozen=True)
class Missing:
    """Why no files can be proposed for a project: what is there, what is missing, and what to type."""

    there: str
    wanted: str
    command: str


@dataclass
class _Said:
    decisions: list[tuple[str, str]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def find_layout(files: Mapping[str, str]) -> Layout | None:
    """The layout of a project, from its paths and texts; None: no application, or no way to install it."""
    found = applications.find(files)
    installer = pythons.installer(files)
    own = "Dockerfile" in files
    if not own and (not found or installer is None):
        return None
    said = _Said()
    chosen = found[0] if found else None
    _tell_app(chosen, found, own, said)
    project = pythons.project(files)
    python, why = pythons.version(files, project)
    if not own:
        said.decisions.append(("install", pythons.how(installer or "none", files)))
        said.decisions.append(("python", why))
    health, port = _health(files, chosen, said), _port(files, said)
    server = "uvicorn" if chosen is None or chosen.asgi else "gunicorn"
    listed = pythons.names(files, project)
    needs = not own and not (SERVED.search(listed) if server == "uvicorn" else "gunicorn" in listed)
    if needs:
        said.decisions.append(
            ("server", f"{server} is installed too, because the project's requirements do not have it")
        )
    migrate = _migrate(files, chosen, said)
    data = sqlite.find(files)
    if data:
        said.decisions.append(("volume", f"data, at {sqlite.FOLDER}: for the SQLite file {data.file}"))
        said.advice += data.advice
    _advise(files, chosen, said)
    app = f"{chosen.module}:{chosen.name}" if chosen and not own else ""
    return Layout(
        app, bool(chosen and chosen.factory), installer or "none", python, health,
        chosen.source if chosen else ".", needs, migrate,
        bool(project.get("build-system")) and installer not in ("requirements", "pipenv"), server, port,
        pythons.requirements(files), data, tuple(said.decisions), tuple(said.advice),
    )  # fmt: skip


def missing(files: Mapping[str, str]) -> Missing | None:
    """Why there is an application, but no layout; None: there is no application."""
    found = applications.find(files)
    if not found or pythons.installer(files):
        return None
    needs = {"Django": "django"}.get(found[0].kind, found[0].kind.lower())
    server = "uvicorn" if found[0].asgi else "gunicorn"
    return Missing(
        f"{found[0].path} is a {found[0].kind} application",
        "requirements.txt or pyproject.toml, which says what to install",
        f"printf '%s\\n' {needs} {server} > requirements.txt",
    )  # fmt: skip


def _tell_app(chosen: Application | None, found: list[Application], own: bool, said: _Said) -> None:
    if own:
        said.decisions.append(("app", "your Dockerfile builds and starts it"))
        return
    if chosen is None:
        return
    others = list(dict.fromkeys(it.path for it in found[1:] if it.path != chosen.path))
    beside = f" (also in {', '.join(others[:3])})" if others else ""
    what = "the function that makes the" if chosen.factory else "the"
    said.decisions.append(
        ("app", f"{chosen.module}:{chosen.name}, {what} {chosen.kind} application of {chosen.path}{beside}")
    )


def _health(files: Mapping[str, str], chosen: Application | None, said: _Said) -> str:
    built = dockerfile.read(files.get("Dockerfile", ""))
    if built.health[1]:
        said.decisions.append(("health", f"{built.health[1]}: from the HEALTHCHECK of the Dockerfile"))
        return built.health[1]
    usual = WITHOUT_HEALTH if chosen and chosen.kind == "FastAPI" else "/"
    path, why = routes.health(files) or (usual, "a guess; it must answer 200")
    said.decisions.append(("health", f"{path}: {why}"))
    if not routes.HEALTH.search(path):
        said.advice.append("Better: a route /health that also checks what the service needs, such as its database.")
    return path


def _port(files: Mapping[str, str], said: _Said) -> int:
    """The port of the person's own Dockerfile; ours has the default."""
    built = dockerfile.read(files.get("Dockerfile", ""))
    named = dockerfile.command_port(built.command)
    exposed = built.exposed[0] if built.exposed else None
    if port := named or exposed:
        said.decisions.append(("port", f"{port}, from {'CMD' if named else 'EXPOSE'} of the Dockerfile"))
        return port
    usual, why = dockerfile.default_port({}, built) if built.base else (None, "")
    if usual:
        said.decisions.append(("port", f"{usual}, {why}"))
    return usual or PORT


def _migrate(files: Mapping[str, str], chosen: Application | None, said: _Said) -> tuple[str, ...]:
    if "alembic.ini" in files:
        said.decisions.append(("migrate", "alembic upgrade head, once for each release: alembic.ini is there"))
        return ("alembic", "upgrade", "head")
    if chosen and chosen.kind == "Django":
        manage = "src/manage.py" if "src/manage.py" in files else "manage.py"
        said.decisions.append(("migrate", f"{manage} migrate, once for each release"))
        return ("python", manage, "migrate", "--noinput")
    return ()


def _advise(files: Mapping[str, str], chosen: Application | None, said: _Said) -> None:
    if unset := sorted({name for text in files.values() for name in VARIABLE.findall(text)}):
        said.advice.append(f"The application reads {', '.join(unset)} from its environment: put them into .env.")
    if chosen and chosen.kind == "Django":
        said.advice.append("ALLOWED_HOSTS needs localhost: the health check sends this Host.")
        if not any("whitenoise" in text.lower() for text in files.values()):
            said.advice.append("Gunicorn serves no static files: add WhiteNoise to the application.")
