"""What `--json` printed, held to its schema; and which properties were seen."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from bluegreen.cli.shapes_verbs import VERBS, json_schema

SEEN: dict[str, set[str]] = {}  # verb to the properties that its outputs had, as paths


def valid(arguments: Sequence[str], found: dict[str, Any]) -> None:
    """Raises AssertionError when this is not what the verb's schema says. `arguments`: what was typed."""
    verb = next((word for word in arguments if word in VERBS), None)
    if verb is None:
        return
    documents = [name for name in (*VERBS[verb], "failure") if _fits(verb, name, found)]
    if not documents:
        wrong = min((list(_of(verb, name).iter_errors(found)) for name in (*VERBS[verb], "failure")), key=len)
        raise AssertionError(f"{verb} --json: " + "; ".join(f"{it.json_path}: {it.message}" for it in wrong[:3]))
    SEEN.setdefault(verb, set()).update(_paths(found))


@functools.cache
def _of(verb: str, name: str) -> Draft202012Validator:
    schema = json_schema(verb)
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def _fits(verb: str, name: str, found: dict[str, Any]) -> bool:
    return bool(_of(verb, name).is_valid(found))


def _paths(found: object, at: str = "") -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield f"{at}.{key}"
            yield from _paths(value, f"{at}.{key}")
    elif isinstance(found, list):
        for value in found:
            yield from _paths(value, f"{at}[]")


def properties(verb: str) -> set[str]:
    """Every property of the verb's own documents, as the paths of SEEN; keys that are names are `*`."""
    defs = json_schema(verb)["$defs"]

    def below(shape: dict[str, Any], at: str) -> Iterator[str]:
        for part in (shape, *shape.get("anyOf", ())):
            if "$ref" in part:
                yield from below(defs[part["$ref"].rpartition("/")[2]], at)
            for key, of in part.get("properties", {}).items():
                yield f"{at}.{key}"
                yield from below(of, f"{at}.{key}")
            if isinstance(part.get("items"), dict):
                yield from below(part["items"], f"{at}[]")
            if isinstance(part.get("additionalProperties"), dict):
                yield from below(part["additionalProperties"], f"{at}.*")

    return {path for name in VERBS[verb] for path in below(defs[name], "")}


def seen(verb: str) -> set[str]:
    """The properties of the verb's schema that outputs had so far in this process."""
    found = SEEN.get(verb, set())
    return {
        it for it in properties(verb) if any(re.fullmatch(re.escape(it).replace(r"\*", r"[^.]+"), at) for at in found)
    }
