"""Values that must not be shown: what the Compose file gives to services, remembered to be masked.

A traceback is nobody's message, so every value is taken out of it. What a migration, a hook or an answer says is
read by a person, so only what looks like a secret is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SHORTEST = 6  # characters; shorter values would mask half of every text
MASK = "*****"
SECRET = re.compile(r"pass|pwd|secret|token|key|credential|auth|salt|dsn|private", re.IGNORECASE)
URL_WITH_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
_known: set[str] = set()
_secret: set[str] = set()


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable of this name and value is one that is not to be written down."""
    return len(value) >= SHORTEST and bool(SECRET.search(name) or URL_WITH_PASSWORD.match(value))


def remember(document: Mapping[str, Any]) -> None:
    """Takes the values of environments, build arguments and contents from a resolved Compose document."""
    for service in (document.get("services") or {}).values():
        build = service.get("build") if isinstance(service.get("build"), Mapping) else {}
        for values in (service.get("environment"), (build or {}).get("args")):
            remember_variables(values if isinstance(values, Mapping) else {})
    for kind in ("secrets", "configs"):
        for entry in (document.get(kind) or {}).values():
            if isinstance(entry, Mapping):
                remember_variables({"secret": entry.get("content")})


def remember_variables(values: Mapping[str, object]) -> None:
    """Takes variables by their names and values."""
    for name, value in values.items():
        if isinstance(value, str) and len(value) >= SHORTEST:
            _known.add(value)
            if looks_secret(name, value):
                _secret.add(value)


def masked(text: str) -> str:
    """The text without any of the remembered values."""
    return _without(_known, text)


def without_secrets(text: str) -> str:
    """The text without those of the remembered values that look like secrets."""
    return _without(_secret, text)


def _without(values: set[str], text: str) -> str:
    for value in sorted(values, key=len, reverse=True):  # the longest go first, one may contain another
        text = text.replace(value, MASK).replace(repr(value)[1:-1], MASK)
    return text
