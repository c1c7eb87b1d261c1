"""Shared services that a release waits for: which, and which of them do not run."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.domain.app import Stack
from bluegreen.flow.values import Tools

DIFFERS = "the Compose file differs from what runs"


def asleep(tools: Tools, stack: Stack) -> dict[str, str]:
    """Shared services without which the release cannot start, and what is wrong with each; the others are absent."""
    found = {}
    for name, condition in _needed(stack):
        state = tools.colors.dependency(name)
        if state is None:
            found[name] = "has no container"
        elif state.asleep(condition):
            found[name] = state.lacks(condition)
    return found


def changed(tools: Tools, stack: Stack) -> tuple[str, ...]:
    """Shared services whose containers differ from the file: `up` lets Compose recreate them."""

    def running() -> dict[str, str]:
        return {it.service: it.definition for it in tools.engine.plain_containers() if it.definition}

    return tuple(tools.compose.changed(stack.shared, running)) if stack.shared else ()


def _needed(stack: Stack) -> Iterator[tuple[str, str]]:
    """(shared service, condition) of every depends_on of the release and of what those depend on in turn, each once."""
    seen: set[tuple[str, str]] = set()
    todo = list(stack.settings.own_services())
    while todo:
        for name, wanted in (stack.services[todo.pop()].get("depends_on") or {}).items():
            needed = (name, wanted.get("condition", "service_started"))
            if name in stack.shared and needed not in seen and wanted.get("required", True):
                seen.add(needed)
                todo.append(name)
                yield needed
