"""Whether a service runs mounted code, or a server that watches its code: neither fits a release. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

CODE = re.compile(
    r"^(?:src|app|apps|code|source|api|backend|frontend|client|server|web|www|lib|libs|packages|project|config/routes"
    r"|pages|components|templates|views|routes|controllers|models)$"
)
DATA = re.compile(
    r"data|media|uploads?|logs?|static|storage|public|dist|tmp|temp|cache|certs?|secrets?|backups?|volumes?|conf(?:ig)?s?$"
    r"|migrations|fixtures|\.ssh|keys"
)
RELOADS = re.compile(
    r"--reload(?!-)|\bmanage\.py runserver(?:_plus)?\b|\bnodemon\b|\bflask\b.*--debug|\bfastapi dev\b|\bnext dev\b"
    r"|\bvite(?: dev)?$|\b(?:npm|yarn|pnpm) (?:run )?(?:dev|start:dev|watch)\b|\bwatchmedo\b|\bwatchfiles\b"
    r"|\btsx watch\b"
)


def mounted_code(service: Mapping[str, Any], project: str) -> list[tuple[str, str]]:
    """(folder, target) of each mount that puts the project's own code into the container."""
    build = service.get("build")
    context = str(build.get("context") or "") if isinstance(build, Mapping) else ""
    homes = [PurePosixPath(it) for it in (context, project) if it.startswith("/")]
    found = []
    for mount in service.get("volumes") or []:
        source = PurePosixPath(str(mount.get("source") or ""))
        if mount.get("type") == "bind" and source.is_absolute() and _is_code(source, homes):
            found.append((_shown(source, project), str(mount["target"])))
    return found


def _is_code(source: PurePosixPath, homes: list[PurePosixPath]) -> bool:
    for home in homes:
        if source == home or source in home.parents:
            return str(source) != "/"
        if home in source.parents and not DATA.search(source.name) and CODE.match(source.name):
            return True
    return False


def _shown(source: PurePosixPath, project: str) -> str:
    home = PurePosixPath(project)
    if source == home:
        return "this folder"
    return f"./{source.relative_to(home)}" if home in source.parents else str(source)


def reloads(service: Mapping[str, Any]) -> str | None:
    """The part of its command that watches the code; None: nothing does."""
    command = service.get("command") or []
    found = RELOADS.search(command if isinstance(command, str) else " ".join(map(str, command)))
    return found[0] if found else None
