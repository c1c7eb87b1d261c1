"""How a project migrates its database today: a service for it, a command in another one's, its code. Pure."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from bluegreen.features.init import dockerfile, kinds
from bluegreen.features.init.fronts import Files, below
from bluegreen.features.init.kinds import Service, Services

RUNNER = r"(?:(?:poetry|uv|pdm|pipenv|hatch) run |bundle exec |npx |yarn |pnpm (?:exec )?|npm exec )?"
COMMANDS = re.compile(
    rf"(?<![\w/.-])(?P<all>{RUNNER}(?:"
    r"(?:python3?(?:\.\d+)? )?-?m?\s?alembic(?: -c \S+| --config \S+)* upgrade \w+"
    r"|(?:python3?(?:\.\d+)? )?(?:\./)?(?:[\w./-]*/)?manage\.py migrate(?: --?[\w=-]+)*"
    r"|django-admin migrate(?: --?[\w=-]+)*"
    r"|(?:\./)?(?:bin/)?(?:rails|rake) db:(?:migrate|prepare)"
    r"|(?:python3? -m )?flask(?: --app \S+)? db upgrade"
    r"|prisma migrate deploy|sequelize(?:-cli)? db:migrate|knex migrate:latest|typeorm migration:run(?: -d \S+)?"
    r"|(?:node )?(?:\./)?ace migration:run --force|drizzle-kit migrate"
    r"|aerich upgrade|php artisan migrate(?: --force)?|(?:npm|yarn|pnpm) run (?:db:)?migrat\w*(?::\w+)?"
    r"|(?:php )?bin/console doctrine:migrations:migrate(?: --?[\w-]+)*"
    r"))(?=$|[\s\"';&|])"
)
TOOL_IMAGES = re.compile(r"^(?:flyway|liquibase|migrate|dbmate|atlas|goose|sqitch|schemahero)$")
NAMES = re.compile(
    r"(?:^|[-_])(?:migrat\w*|prestart|pre[-_]?deploy|db[-_]?(?:init|setup|upgrade)|init[-_]?db|schema)(?:$|[-_])"
)
RELEASE = re.compile(r"^release\s*:\s*(?P<command>.+)$", re.MULTILINE)
SHELL = re.compile(r"[|&;<>$`*?(){}]")


@dataclass(frozen=True)
class Found:
    """What to put into `migrate`, and why. `advice` is for the person to do."""

    block: dict[str, Any]
    why: str
    advice: str = ""


def find(services: Services, released: list[str], files: Files, project: str) -> Found | None:
    """How migrations run today, the most certain way first; `released`: the routed services, then the jobs."""
    if own := _service(services, released):
        return Found({"service": own}, f"{own} does it today, before {released[0]} starts")
    for name in released:
        if command := _command(kinds.words(services[name])):
            said = f"Remove it from the command of {name}: there it runs once for each replica, and at each restart."
            return Found({"service": name, "command": command}, f"the command of {name} does it today", said)
    for name, service in services.items():
        if (
            name not in released
            and _of_project(service, services, released)
            and (command := _command(kinds.words(service)))
        ):
            if kinds.is_other(name, service) or kinds.is_proxy(name, service) or kinds.is_worker(name, service):
                continue
            return Found({"service": name}, f"its command is {' '.join(command)}")
    name = released[0]
    written = next(_written(files, project, kinds.context(services[name])), None)
    if written:
        return Found({"service": name, "command": written[0]}, written[1])
    for name in released:
        if found := _code(services[name], files):
            return Found({"service": name, "command": found[0]}, found[1], found[2])
    return None


def _service(services: Services, released: list[str]) -> str | None:
    """A service that ends before the released ones begin, and is a migration: by its image, command, name or code."""
    waited = kinds.waited_for(services, set(released))
    found = []
    for name in [*waited, *(it for it in services if it not in waited)]:
        service = services[name]
        if name in released or kinds.is_other(name, service):
            continue
        tool = TOOL_IMAGES.match(kinds.image_name(service)) is not None
        if not tool and not _of_project(service, services, released):
            continue
        once = name in waited or kinds.runs_once(name, service, services)
        named = bool(NAMES.search(name)) and not kinds.published(service)
        if tool or named or (once and COMMANDS.search(kinds.words(service))):
            return name
        if name in waited:
            found.append(name)  # the same code, once, before each start: whatever it is called
    return found[0] if found else None


def _of_project(service: Service, services: Services, released: list[str]) -> bool:
    return any(kinds.same_code(service, services[it]) for it in released) or (
        kinds.built(service) and kinds.context(service) in [kinds.context(services[it]) for it in released]
    )


def _command(text: str) -> list[str] | None:
    """The migration in a longer command, as a list of arguments."""
    found = COMMANDS.search(text)
    return _listed(found["all"]) if found else None


def _listed(text: str) -> list[str]:
    """A command as a list; through a shell only where it needs one."""
    if SHELL.search(text):
        return ["sh", "-c", text]
    try:
        return shlex.split(text)
    except ValueError:
        return ["sh", "-c", text]


def _written(files: Files, project: str, folder: str | None) -> Iterator[tuple[list[str], str]]:
    """What a platform's own file says to run before each release."""
    for place in dict.fromkeys(filter(None, (folder, project))):
        here = below(files, str(place))
        if found := RELEASE.search(here.get("Procfile", "")):
            yield _listed(found["command"].strip()), "release: of the Procfile"
        if text := here.get("fly.toml"):
            try:
                command = (tomllib.loads(text).get("deploy") or {}).get("release_command")
            except tomllib.TOMLDecodeError:
                command = None
            if command:
                yield _listed(str(command)), "release_command of fly.toml"
        for name in ("render.yaml", "railway.toml", "railway.json", "heroku.yml"):
            found = re.search(r"preDeployCommand\"?\s*[:=]\s*\[?\s*[\"']?([^\"'\]\n]+)", here.get(name, ""))
            if found:
                yield _listed(found[1].strip()), f"preDeployCommand of {name}"


def _code(service: Service, files: Files) -> tuple[list[str], str, str] | None:
    """(command, why, advice) by the files in the folder that the image is built from."""
    folder = kinds.context(service)
    if folder is None:
        return None
    here = below(files, folder)
    prefix = _runner(service, files)
    for path, text in sorted(here.items()):
        started = _starts(path, service, files)
        if (
            path.endswith((".sh", "entrypoint", "docker-entrypoint", "start"))
            and started
            and (command := _command(text))
        ):
            return command, f"{path} does it at each start today", (
                f"Remove it from {path}: there it runs once for each replica, and at each restart."
            )  # fmt: skip
    built, workdir = dockerfile.of_service(service, files), str(service.get("working_dir") or "")
    return _by_tool(here, prefix, lambda path: dockerfile.path_in(built, path, workdir))


def _by_tool(here: Files, prefix: list[str], inside: Callable[[str], str]) -> tuple[list[str], str, str] | None:
    if path := _nearest(here, "alembic.ini"):
        named = ["-c", inside(path)] if "/" in inside(path) else []
        return [*prefix, "alembic", *named, "upgrade", "head"], f"{path} is there", ""
    if (path := _nearest(here, "manage.py")) and "django" in here[path]:
        return [*prefix, "python", inside(path), "migrate", "--noinput"], f"{path} is there: Django", ""
    if any(path.startswith("db/migrate/") or path == "db/schema.rb" for path in here) and "config/routes.rb" in here:
        return ["bundle", "exec", "rails", "db:migrate"], "db/migrate is there: Rails", ""
    if any(re.match(r"prisma/migrations/", path) for path in here):
        return ["npx", "prisma", "migrate", "deploy"], "prisma/migrations is there", ""
    if any(re.search(r"(?:^|/)migrations/env\.py$", path) for path in here) and any(
        "flask_migrate" in text or "Flask-Migrate" in text for text in here.values()
    ):
        return [*prefix, "flask", "db", "upgrade"], "migrations of Flask-Migrate are there", ""
    return None


def _nearest(here: Files, name: str) -> str | None:
    found = [path for path in here if path == name or path.endswith(f"/{name}")]
    return min(found, key=lambda path: (path.count("/"), path)) if found else None


def _runner(service: Service, files: Files) -> list[str]:
    """`uv run` or a similar prefix, when the service itself is started with it."""
    text = kinds.words(service) or dockerfile.of_service(service, files).command
    found = re.match(r"\W*(poetry|uv|pdm|pipenv|hatch) run\b", text)
    return [found[1], "run"] if found else []


def _starts(path: str, service: Service, files: Files) -> bool:
    """Whether a script is what the service starts: named by its command or by its Dockerfile."""
    built = dockerfile.of_service(service, files)
    name = PurePosixPath(path).name
    return any(name in text for text in (kinds.words(service), built.command))


def spelled(command: Iterable[str]) -> str:
    """A command for a person to read."""
    return json.dumps(list(command))
