"""The JSON Schema of the block, for editors."""

from __future__ import annotations

from typing import Any

from bluegreen.domain.units import BYTES, DURATION, SIZE
from bluegreen.settings.blocks import Block


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the block, for editors: they see it before Compose interpolates it."""
    schema: dict[str, Any] = _for_editors(Block.model_json_schema(by_alias=True))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "x-bluegreen"
    long = {"required": ["services"]}
    short: dict[str, Any] = {"required": ["service", "port"], "not": long}
    none_of_the_short = {"anyOf": [{"required": ["service"]}, {"required": ["port"]}]}
    schema["anyOf"] = [short, {**long, "not": none_of_the_short}]
    return schema


INTERPOLATED = {"type": "string", "pattern": r"\$\{?[A-Za-z_]"}  # ${TAG}, $TAG, ${PORT:-8000}: any type comes of it
NOTES = ("title", "description", "default", "examples")


def _size(count: int) -> str:
    return f"{count // BYTES['m']}m" if count % BYTES["m"] == 0 else f"{count // BYTES['k']}k"


def _for_editors(node: Any) -> Any:
    """Takes what Compose would interpolate for any value, and shows defaults as a person writes them."""
    if isinstance(node, list):
        return [_for_editors(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    found = {key: _for_editors(entry) for key, entry in node.items()}
    patterns = [option.get("pattern") for option in (node, *node.get("anyOf", [])) if isinstance(option, dict)]
    if DURATION.pattern in patterns and isinstance(node.get("default"), float):
        found["default"] = f"{node['default']:g}s"
    if SIZE.pattern in patterns and isinstance(node.get("default"), int):
        found["default"] = _size(node["default"])
    if {"type": "null"} in found.get("anyOf", []):  # a key that is there has a value
        found["anyOf"] = [option for option in found["anyOf"] if option != {"type": "null"}]
        found.pop("default", None)
    kinds = found.get("type", [])
    if {"integer", "number", "boolean", "string"} & set([kinds] if isinstance(kinds, str) else kinds):
        notes = {key: found.pop(key) for key in NOTES if key in found}
        return {"anyOf": [found, INTERPOLATED], **notes}
    return found
