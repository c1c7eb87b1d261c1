"""The generated parts of the README. `python -m tests.support.readme` writes them; a test compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from bluegreen.release import settings
from tests.support.machine import ROOT

README = ROOT / "README.md"
BLOCKS = (
    ("", settings.Block),
    ("services.NAME.", settings.ServiceBlock),
    ("health.", settings.HealthBlock),
    ("health.expect.", settings.ExpectBlock),
    ("proxy.", settings.ProxyBlock),
)
# Defaults as a person would write them, where the parsed value reads otherwise.
WRITTEN = {"proxy.max_body": "`100m`", "listen": "`80`", "preview": "`127.0.0.1:8081`", "health": "`/health`"}


def settings_table() -> str:
    """Every key with its default and meaning, from the classes that validate it."""
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *_rows()])


def _rows() -> Iterator[str]:
    for prefix, block in BLOCKS:
        for name, field in block.model_fields.items():
            key = f"{prefix}{field.alias or name}"
            yield f"| `{key}` | {WRITTEN.get(key) or _default(field)} | {field.description} |"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    return f"`{value:g}s`" if isinstance(value, float) else f"`{value}`"


def with_generated_parts(text: str) -> str:
    """The README with its generated parts as the code has them now."""
    return re.sub(
        r"(<!-- settings: [^>]*-->\n).*?(<!-- /settings -->)",
        lambda match: f"{match[1]}{settings_table()}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    README.write_text(with_generated_parts(README.read_text()))
