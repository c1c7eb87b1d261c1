"""A block as YAML text for a Compose file. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

PLAIN = re.compile(r"^[A-Za-z0-9_/.][A-Za-z0-9_/.~-]*$")
KEYWORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "True", "False", "Yes", "No", "On", "Off"})


def text(block: Mapping[str, Any], indent: str = "") -> str:
    """All of the block (`$` doubled, because Compose reads variables)."""
    return "".join(f"{indent}{line}\n" for line in ["x-bluegreen:", *_lines(block)])


def _lines(block: Mapping[str, Any]) -> Iterable[str]:
    for key, value in block.items():
        if key == "services":
            yield "  services:"
            yield from (f"    {_scalar(name)}: {_flow(entry)}" for name, entry in value.items())
        else:
            yield f"  {key}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(entry) for entry in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A YAML scalar: plain where that is safe, in double quotes elsewhere, `$` doubled for Compose."""
    found = str(value)
    if isinstance(value, int) or (
        PLAIN.match(found) and not found.replace(".", "").isdigit() and found not in KEYWORDS
    ):
        return found
    return json.dumps(found.replace("$", "$$"))
