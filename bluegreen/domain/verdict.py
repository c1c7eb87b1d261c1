"""Judges values: is this answer healthy?"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bluegreen.domain.app import Health


class Unreached(str):
    """A reason of our own nginx: the replica took no connection, or did not answer at all."""


SHOWN = 120  # characters of an answer that a message quotes


def judge(policy: Health, status: int, headers: Mapping[str, str], body: str) -> str | None:
    """Why this answer is not the expected one, in a phrase; None: it is. `headers` has lower-case names."""
    if status != policy.status:
        to = headers.get("location")
        return f"answered {status} to {shown(to)}" if to is not None else f"answered {status}: {shown(body)}"
    for name, value in policy.headers.items():
        if headers.get(name.lower()) != value:
            found = headers.get(name.lower())
            return f"answered {status} with {name}: {shown(found) if found is not None else 'absent'}"
    if policy.body is not None and not re.search(policy.body, body):
        return f"answered {status} with another body: {shown(body)}"
    if policy.json is not None:
        try:
            found_json = json.loads(body)
        except (ValueError, RecursionError):  # the second: nested deeper than anybody means
            return f"answered {status} without JSON: {shown(body)}"
        if not _contains(found_json, policy.json):
            return f"answered {status}: {shown(body)}"
    return None


def expectation(policy: Health) -> str:
    """The policy in words, for an error."""
    parts = [str(policy.status)]
    if policy.json is not None:
        parts.append(f"with {json.dumps(policy.json)}")
    if policy.headers:
        parts.append("with " + ", ".join(f"{name}: {value}" for name, value in policy.headers.items()))
    if policy.body is not None:
        parts.append(f"with a body that matches {policy.body}")
    return f"{' '.join(parts)}, {policy.successes} in a row"


def shown(text: str) -> str:
    """A short, printable, single-line quotation of foreign output."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _contains(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_contains, found, wanted))
    return bool(found == wanted)
