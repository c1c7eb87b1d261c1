"""docs/reference/json.md, from the schemas of what `--json` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bluegreen.cli.shapes import SHARED
from bluegreen.cli.shapes_verbs import VERBS, json_schema

HEAD = """# JSON

Every command that reports takes `--json`: the result is one JSON document on stdout, progress stays on stderr.

- Keys are added in any version. They are renamed or removed, and change their meaning, in a major version only.
- A program that reads it ignores keys that it does not know.
- Texts (`summary`, `detail`, `why` …) are for people and may change. Decide by exit code, `outcome` and `error.code`.
- `bluegreen schema VERB` prints the JSON Schema (2020-12) of a command; the tests hold every output to it.
- A command that fails before it begins prints the document *failure*. The exit codes: `bluegreen help exit-codes`.
- Moments are ISO 8601 in UTC, durations are seconds.
"""


def json_page() -> str:
    """The page: each command's documents, then the parts that several have."""
    lines = [HEAD]
    for verb in sorted(VERBS):
        schema = json_schema(verb)
        lines += [f"## {verb}", ""]
        for name, shape in VERBS[verb].items():
            if isinstance(shape, str):
                lines += [f"{shape} See [{name}](#{name}).", ""]
            else:
                lines += [schema["$defs"][name]["description"], "", *_table(shape), ""]
    lines += ["## Parts", ""]
    for name, shape in SHARED.items():
        lines += [f"### {name}", "", shape["description"], "", *_table(shape), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(shape: dict[str, Any]) -> Iterator[str]:
    yield from ("| property | type | meaning |", "| --- | --- | --- |")
    yield from _rows(shape, "")


def _rows(shape: dict[str, Any], at: str) -> Iterator[str]:
    for key, of in shape["properties"].items():
        missing = "" if key in shape["required"] else " May be absent."
        yield f"| `{at}{key}` | {_kind(of)} | {of.get('description', '')}{missing} |"
        inner = of["items"] if of.get("type") == "array" and "items" in of else of
        below = f"{at}{key}[]." if inner is not of else f"{at}{key}."
        if isinstance(inner.get("additionalProperties"), dict):
            inner, below = inner["additionalProperties"], f"{at}{key}.*."
        if "properties" in inner:
            yield from _rows(inner, below)


def _kind(of: dict[str, Any]) -> str:
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "anyOf" in of:
        return " or ".join(_kind(it) for it in of["anyOf"])
    if "enum" in of:
        return ", ".join("null" if it is None else f"`{it}`" for it in of["enum"])
    kinds = of["type"] if isinstance(of["type"], list) else [of["type"]]
    if "array" in kinds and "items" in of:
        return f"array of {_kind(of['items'])}"
    if isinstance(of.get("additionalProperties"), dict):
        return f"object: any key to {_kind(of['additionalProperties'])}"
    return " or ".join(kinds)
