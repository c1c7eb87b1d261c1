"""Values that must not be shown: what the Compose file gives to services, remembered to be masked in tracebacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SHORTEST = 6  # characters; shorter values would mask half of every text
MASK = "*****"
_known: set[str] = set()


def remember(document: Mapping[str, Any]) -> None:
    """Takes the values of environments, build arguments and contents from a resolved Compose document."""
    for service in (document.get("services") or {}).values():
        build = service.get("build") if isinstance(service.get("build"), Mapping) else {}
        for values in (service.get("environment"), (build or {}).get("args")):
            _add((values or {}).values() if isinstance(values, Mapping) else ())
    for kind in ("secrets", "configs"):
        for entry in (document.get(kind) or {}).values():
            _add([entry.get("content")] if isinstance(entry, Mapping) else ())


def remember_values(values: Iterable[object]) -> None:
    """Takes values that come from the environment."""
    _add(values)


def _add(values: Iterable[object]) -> None:
    _known.update(value for value in values if isinstance(value, str) and len(value) >= SHORTEST)


def masked(text: str) -> str:
    """The text without any of the remembered values; the longest go first, one may contain another."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, MASK).replace(repr(value)[1:-1], MASK)
    return text
