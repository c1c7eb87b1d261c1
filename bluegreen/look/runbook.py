"""The facts of the runbook: from what is really configured, for a person at three in the morning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluegreen.domain.app import Stack
from bluegreen.flow.answers import load
from bluegreen.flow.observe import observe
from bluegreen.flow.values import Tools
from bluegreen.look.history import history
from bluegreen.look.status import status

RELEASES = 5  # how many of the last ones the page has


@dataclass(frozen=True)
class Facts:
    """What the page says. `state` has the fields of `status --json`, `releases` those of `history --json`."""

    app: str
    folder: str
    command: str
    stack: Stack
    state: dict[str, Any]
    releases: list[dict[str, Any]]
    nginx: str | None
    expected: int  # recorded answers


def runbook(tools: Tools, stack: Stack, urls: list[str], preview: str | None) -> Facts:
    """Looks, changes nothing."""
    tools.compose.interpolated(Path(stack.project_directory))  # a secret in a hook's arguments must be masked
    world = observe(tools)
    recorded = load(tools, stack.settings, stack.project_directory)
    return Facts(
        stack.app, stack.project_directory, tools.command, stack, status(tools, urls, preview),
        history(tools, RELEASES), world.proxy.name if world.proxy else None, len(recorded),
    )  # fmt: skip
