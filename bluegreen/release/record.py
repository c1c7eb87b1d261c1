"""What is written down of a release: its services as they were, without one value of an environment variable.

Pure. A variable is kept by its name and a keyed hash, which tells whether its value has changed since. What a
release is brought back with are today's values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bluegreen.release.model import Stack

Hash = Callable[[str], str]
# A value that another key of the service repeats (a password in a command) is kept as a reference to its variable.
SECRET = re.compile(r"pass|pwd|secret|token|key|credential|auth|salt|dsn|private", re.IGNORECASE)
URL_WITH_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
SHORTEST = 6  # characters of such a value; a shorter one would be found everywhere
REFERENCE = re.compile(r"\x00env:([^\x00]+)\x00")
NOT_KEPT = ("build", "environment", "profiles")  # the image is kept by its id; variables by name


@dataclass(frozen=True)
class Difference:
    """What one release changed against another, as a person reads it."""

    images: tuple[str, ...] = ()  # services
    keys: tuple[str, ...] = ()  # SERVICE.KEY
    variables: tuple[str, ...] = ()  # SERVICE.NAME, with + for new ones and - for those that are gone

    def words(self) -> str:
        parts = [("images", self.images), ("keys", self.keys), ("environment", self.variables)]
        return "; ".join(f"{name} {', '.join(found)}" for name, found in parts if found)


def written_down(stack: Stack, names: Sequence[str], replicas: Mapping[str, int], keyed: Hash) -> dict[str, Any]:
    """The definition of a release, as the journal keeps it."""
    settings = stack.settings
    return {
        "services": {name: _without_values(stack.services[name], keyed) for name in names},
        "routes": [asdict(route) for route in settings.routes],
        "jobs": list(settings.jobs),
        "replicas": dict(replicas),
        "max_body": settings.proxy.max_body,
        "read_timeout": settings.proxy.read_timeout,
    }


def _without_values(service: Mapping[str, Any], keyed: Hash) -> dict[str, Any]:
    values = {name: value for name, value in (service.get("environment") or {}).items() if isinstance(value, str)}
    hidden = {
        value: name
        for name, value in values.items()
        if len(value) >= SHORTEST and (SECRET.search(name) or URL_WITH_PASSWORD.match(value))
    }
    kept = {key: _hidden(value, hidden) for key, value in service.items() if key not in NOT_KEPT}
    if service.get("build"):
        kept["build"] = keyed(repr(service["build"]))
    variables = service.get("environment") or {}
    return {**kept, "environment": {name: keyed(str(value)) for name, value in variables.items()}}


def _hidden(value: Any, hidden: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for secret in sorted(hidden, key=len, reverse=True):
            value = value.replace(secret, f"\x00env:{hidden[secret]}\x00")
        return value
    if isinstance(value, Mapping):
        return {key: _hidden(entry, hidden) for key, entry in value.items()}
    return [_hidden(entry, hidden) for entry in value] if isinstance(value, list) else value


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """What changed between two records of the journal (`images` and `services` of each)."""
    images = tuple(
        name
        for name, image in sorted(after["images"].items())
        if before["images"].get(name, {}).get("id") != image.get("id")
    )
    old, new = before["services"].get("services", {}), after["services"].get("services", {})
    keys: list[str] = [f"+{name}" for name in new if name not in old] + [f"-{name}" for name in old if name not in new]
    variables: list[str] = []
    for name in sorted(set(old) & set(new)):
        changed = sorted(key for key in {*old[name], *new[name]} if old[name].get(key) != new[name].get(key))
        keys += [f"{name}.{key}" for key in changed if key != "environment"]
        variables += [f"{name}.{it}" for it in changed_variables(old[name], new[name])]
    return Difference(images, tuple(keys), tuple(variables))


def changed_variables(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of environment variables whose hashes differ; + before new ones, - before those that are gone."""
    old, new = before.get("environment") or {}, after.get("environment") or {}
    signs = {name: "-" if name not in new else "+" if name not in old else "" for name in {*old, *new}}
    return [f"{signs[name]}{name}" for name in sorted(signs) if old.get(name) != new.get(name)]
