"""`profiles: [release]` in a person's Compose file: added when that was said, and shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bluegreen.cli import output
from bluegreen.errors import BluegreenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bluegreen.cli.app import App
    from bluegreen.compose.profiles import Profiles


def to_say(document: Mapping[str, Any]) -> str:
    """What the services of the block lack for a plain `docker compose up`; empty: nothing."""
    from bluegreen.compose.profiles import without
    from bluegreen.domain.needed import unmet

    services, names = document.get("services") or {}, _own(document)
    if found := without(services, names):
        return f"no profile: {', '.join(found)}. To add profiles: [release]"
    met = [f"{it} requires {name}" for it, name in unmet(services, names)]
    return f"{', '.join(met)}, so a plain docker compose up refuses the file. To add required: false" if met else ""


def _own(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The services of the block; none when it is not valid: other verbs say so."""
    from bluegreen.settings.parse import InvalidSettings, parse_settings

    try:
        return tuple(parse_settings(document.get("x-bluegreen"), document.get("services") or {}).own_services())
    except InvalidSettings:
        return ()


def add(app: App, file: Path) -> Profiles:
    """Adds what is missing to the Compose file. Raises BluegreenError."""
    from bluegreen.compose import profiles

    folder = app.project_directory
    names = _own(app.compose.resolve(folder))
    return profiles.add(app.compose, file, folder, names) if names else profiles.Profiles()


def said(found: Profiles, file: Path) -> Iterator[str]:
    """What was done, a line for each change; and what a person must type by hand."""
    for name in found.added:
        yield f"added      profiles: [release] to {name}"
    for name, awaited in found.optional:
        why = "Compose refuses to wait for what it leaves out"
        yield f"changed    depends_on of {name}: {awaited} has required: false ({why})"
    for name, why in found.left.items():
        yield f"Note: {output.clean(f'{name} got no profile: {why}. By hand, in {file}:')}"
        yield from (f"    {line}" for line in by_hand(name))


def by_hand(name: str) -> list[str]:
    return [f"{name}:", "  profiles: [release]"]


def fields(found: Profiles) -> dict[str, Any]:
    return {
        "added": found.added, "not_required": [f"{name}.{it}" for name, it in found.optional], "left": dict(found.left),
    }  # fmt: skip


def after_adoption(app: App, json_: bool) -> list[str]:
    """What plain Compose ran is ours now: asks on a terminal whether to write that. Returns what to show."""
    names = [name for name in app.stack.settings.own_services() if not app.stack.services[name].get("profiles")]
    file = app.compose_file
    if not names or file is None:
        return []
    services = ", ".join(names)
    if not json_ and output.terminal(sys.stdin) and output.terminal(sys.stderr):
        words = f"Add profiles: [release] to {services} in {file}, so that a plain docker compose up leaves them out?"
        if click.confirm(output.clean(words), default=True, err=True):
            return _added(app, file)
    lines = "; ".join(" ".join(by_hand(name)) for name in names)
    command = f"{app.command} init --write"
    return [f"A plain docker compose up would start {services} beside the colors. To keep it from that: {command}"
            f" (adds to {file}: {lines})"]  # fmt: skip


def _added(app: App, file: Path) -> list[str]:
    try:
        for line in said(add(app, file), file):
            output.note(line)
    except (BluegreenError, OSError) as error:  # the take-over is complete
        why = error.strerror if isinstance(error, OSError) else error
        return [f"No profile was added to {file}: {why}."]
    return []
