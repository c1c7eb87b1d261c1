"""What the shell's completion offers for values: read from files alone. It asks no Engine, and prints no error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import click

MOST = 20  # releases that are offered, the newest first


def offers(
    find: Callable[[click.Context], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """A callback for click: those that begin with what is typed; none when anything goes wrong."""

    def complete(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
        try:
            return [word for word in find(context) if word.startswith(typed)]
        except Exception:  # noqa: BLE001 - a message would land in the middle of what somebody types
            return []

    return complete


def _state(context: click.Context) -> str | None:
    from bluegreen.state.folder import find

    options = context.find_object(object)
    files, name = getattr(options, "files", ()), getattr(options, "project_name", None)
    return find(list(files), name, os.environ)


def _routing(context: click.Context) -> dict[str, Any]:
    from bluegreen.frontdoor import disk, text

    state = _state(context)
    return (text.header(disk.read(f"{state}/nginx") or "") or {}) if state else {}


def colors_and_services(context: click.Context) -> list[str]:
    """For `logs`."""
    return ["blue", "green", "proxy", *services(context)]


def services(context: click.Context) -> list[str]:
    """The services of the releases that nginx knows."""
    slots = _routing(context).get("slots", {}).values()
    return list(dict.fromkeys(name for slot in slots for name in slot.get("replicas", {})))


def images(context: click.Context) -> list[str]:
    """For `--image`."""
    return [f"{name}=" for name in services(context)]


def releases(context: click.Context) -> list[str]:
    """The numbers of the newest releases."""
    from bluegreen.state.peek import newest

    state = _state(context)
    return list(map(str, newest(state, MOST))) if state else []


def topics(context: click.Context) -> list[str]:
    """For `help`: topics, commands and the codes of errors."""
    from bluegreen.cli.topics import names

    group = context.find_root().command
    return [*names(), *(group.list_commands(context) if isinstance(group, click.Group) else [])]


def documents(_: click.Context) -> list[str]:
    """For `schema`: the commands that print JSON."""
    from bluegreen.cli.shapes_verbs import VERBS

    return list(VERBS)
