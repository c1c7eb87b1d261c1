"""The record of a release: its services as they were, without any value of an environment variable. Pure.

A variable is kept by its name and a keyed hash, which shows whether its value has changed. A release that is brought
back gets today's values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bluegreen.domain.app import Route, Stack
from bluegreen.domain.release import Image
from bluegreen.domain.secrets import looks_secret
from bluegreen.errors import BluegreenError

Hash = Callable[[str], str]
# If another key repeats a value (a password in a command), a reference to the variable is kept in its place.
REFERENCE = re.compile(r"\x00env:([^\x00]+)\x00")
NOT_KEPT = ("build", "environment", "profiles")  # the image is kept by its id; variables by name


@dataclass(frozen=True)
class Difference:
    """What changed from one release to another, as it is shown."""

    images: tuple[str, ...] = ()  # services
    keys: tuple[str, ...] = ()  # SERVICE.KEY
    variables: tuple[str, ...] = ()  # SERVICE.NAME, with + for new ones and - for those that are gone


def written_down(
    stack: Stack, names: Sequence[str], replicas: Mapping[str, int], keyed: Hash, interpolated: Mapping[str, str]
) -> dict[str, Any]:
    """The definition of a release, as the journal keeps it.

    `interpolated`: the variables that the Compose file interpolates; of a secret among them only the name is kept.
    """
    settings = stack.settings
    return {
        "services": {name: _without_values(stack.services[name], keyed, interpolated) for name in names},
        "routes": [route.as_dict() for route in _kept_routes(stack, interpolated)],
        "jobs": list(settings.jobs),
        "replicas": dict(replicas),
        "max_body": settings.proxy.max_body,
        "read_timeout": settings.proxy.read_timeout,
        "reversible": settings.migrate.reversible if settings.migrate else True,
        **({"redirect": dict(settings.redirect)} if settings.redirect else {}),
    }


def _kept_routes(stack: Stack, interpolated: Mapping[str, str]) -> tuple[Route, ...]:
    from bluegreen.domain import asked  # what only looks does without

    return asked.kept(stack.settings.routes, stack.services, lambda: interpolated)


@dataclass(frozen=True)
class Restored:
    """A kept release, ready to be released again."""

    release: int
    stack: Stack  # of today, with the release's services, routes and jobs in it
    images: Mapping[str, Image]
    definition: str
    differing: tuple[str, ...]  # SERVICE.NAME: variables that have another value today, or none
    revision: str = ""  # the revision it was made from, and its subject
    subject: str = ""


def restore(
    record: Mapping[str, Any],
    today: Stack,
    keyed: Hash,
    define: Callable[[Stack], str],
    interpolated: Mapping[str, str],
) -> Restored:
    """The release of a journal's record with today's values of its variables.

    `define` gives the definition of a stack, for a release that comes back with other values. Raises
    BluegreenError when the Compose file no longer has what its services use.
    """
    kept = record["services"]
    routes = tuple(map(Route.from_dict, kept["routes"]))
    names = dict.fromkeys([*(route.service for route in routes), *kept["jobs"]])
    services, differing = dict(today.services), []
    for name in names:
        services[name], changed = _with_values(
            kept["services"][name], today.services.get(name) or {}, keyed, interpolated
        )
        differing += [f"{name}.{variable}" for variable in changed]
    if gone := sorted({what for name in names for what in _absent(services[name], today)}):
        raise BluegreenError(
            f"Release {record['number']} needs parts that the Compose file no longer has.", code="release-parts-gone",
            failed=", ".join(gone),
            expected="the networks, volumes, secrets and configs that it had", retry="safe, after they are back",
            next="put them back into the Compose file",
        )  # fmt: skip
    routes = tuple(_with_headers(route, services[route.service], today) for route in routes)
    proxy = replace(today.settings.proxy, max_body=kept["max_body"], read_timeout=kept["read_timeout"])
    settings = replace(
        today.settings, routes=routes, jobs=tuple(kept["jobs"]), proxy=proxy, migrate=None,
        redirect=dict(kept.get("redirect") or {}),
    )  # fmt: skip
    stack = replace(today, settings=settings, services=services)
    images = {name: Image(**record["images"][name]) for name in names}
    definition = define(stack) if differing else str(record["definition"])
    said = {name: str(record.get(name) or "") for name in ("revision", "subject")}
    return Restored(record["number"], stack, images, definition, tuple(differing), **said)


def _with_headers(route: Route, service: Mapping[str, Any], today: Stack) -> Route:
    """The route with the secrets of its check: from today's variables, else from the file."""
    from bluegreen.domain import asked

    same = [it.health.request_headers for it in today.settings.routes if it.service == route.service]
    given = {name: str(value or "") for name, value in (service.get("environment") or {}).items()}
    return replace(route, health=asked.unsealed(route.health, given, same[0] if same else {}))


def _with_values(
    kept: Mapping[str, Any], today: Mapping[str, Any], keyed: Hash, interpolated: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values = {name: value for name, value in (today.get("environment") or {}).items() if name in kept["environment"]}
    changed = [name for name, known in kept["environment"].items() if keyed(str(values.get(name))) != known]
    whole = _shown_again({key: value for key, value in kept.items() if key != "build"}, {**interpolated, **values})
    return {**whole, "environment": values}, tuple(sorted(changed))


def _shown_again(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: str(values.get(match[1]) or ""), value)
    if isinstance(value, Mapping):
        return {key: _shown_again(entry, values) for key, entry in value.items()}
    return [_shown_again(entry, values) for entry in value] if isinstance(value, list) else value


def _absent(service: Mapping[str, Any], today: Stack) -> Iterable[str]:
    used = [("network", key, today.networks) for key in service.get("networks") or {}]
    used += [
        ("volume", mount["source"], today.volumes)
        for mount in service.get("volumes") or []
        if mount["type"] == "volume" and mount.get("source")
    ]
    used += [("secret", it["source"], today.secrets) for it in service.get("secrets") or []]
    used += [("config", it["source"], today.configs) for it in service.get("configs") or []]
    yield from (f"{kind} {key}" for kind, key, there in used if key not in there)


def gone_back_from(moves: Sequence[tuple[str, int]]) -> set[int]:
    """The releases that somebody went back from and that have had no traffic since.

    `moves`: (verb, release that was live then) of each operation that moved traffic, the oldest first.
    """
    found: set[int] = set()
    live = 0
    for verb, release in moves:
        if verb == "flip-back" and release < live:
            found.add(live)
        found.discard(release)
        live = release
    return found


def kept_releases(records: Sequence[Mapping[str, Any]], standing: Iterable[int], keep: int) -> set[int]:
    """The numbers of the releases to keep: those in a slot, and the last `keep` that had traffic.

    `records` has the newest first.
    """
    served = [record["number"] for record in records if record["outcome"] == "live"]
    return {*standing, *served[:keep]}


def disposable(
    records: Sequence[Mapping[str, Any]], kept: set[int], orphans: Mapping[str, str]
) -> dict[str, frozenset[str]]:
    """Image ids to remove: releases of this app made or pulled them, and no kept release needs them; with their names.

    `orphans`: images that killed commands made (name by id).
    """
    needed = {image["id"] for record in records if record["number"] in kept for image in record["images"].values()}
    found: dict[str, set[str]] = {identity: {ref} for identity, ref in orphans.items() if identity not in needed}
    for record in records:
        for image in record["images"].values():
            if image["id"] not in needed:
                found.setdefault(image["id"], set()).update([image["ref"]] if image.get("ours") else [])
    return {identity: frozenset(names) for identity, names in found.items() if names}


def _without_values(service: Mapping[str, Any], keyed: Hash, interpolated: Mapping[str, str]) -> dict[str, Any]:
    values = {name: value for name, value in (service.get("environment") or {}).items() if isinstance(value, str)}
    hidden = {value: name for name, value in (*interpolated.items(), *values.items()) if looks_secret(name, value)}
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
    """Environment variables that changed, by name; + before new ones, - before removed ones."""
    old, new = before.get("environment") or {}, after.get("environment") or {}
    signs = {name: "-" if name not in new else "+" if name not in old else "" for name in {*old, *new}}
    return [f"{signs[name]}{name}" for name in sorted(signs) if old.get(name) != new.get(name)]


def defining_services(stack: Stack) -> tuple[str, ...]:
    """The services that define a release: those of a color, and the migration's; not those of hooks."""
    migration = stack.settings.migrate
    extra = [migration.run.service] if migration and migration.run.service else []
    return tuple(dict.fromkeys([*stack.settings.release_services(), *extra]))


def _started(service: Mapping[str, Any]) -> dict[str, Any]:
    """A service without what only plain Compose uses: its profiles."""
    return {key: value for key, value in service.items() if key != "profiles"}


def definition_of(stack: Stack) -> str:
    """Everything that defines a release, as one text: it is hashed with a key and never stored."""
    settings = stack.settings
    services = {name: _started(stack.services[name]) for name in defining_services(stack)}
    routes = [route.as_dict() for route in settings.routes]
    used = {
        (kind, use["source"])
        for it in services.values()
        for kind in ("secrets", "configs")
        for use in it.get(kind) or []
    }
    files = [[kind, key, getattr(stack, kind)[key]] for kind, key in sorted(used)]
    rest: list[object] = [settings.jobs, settings.proxy.max_body, settings.proxy.read_timeout, files]
    rest += [asdict(settings.migrate)] if settings.migrate else []
    rest += [{"redirect": settings.redirect}] if settings.redirect else []
    served = [asdict(it) for it in settings.files]
    rest += [{"files": served, "assets": settings.assets}] if served or settings.assets else []
    return json.dumps([services, routes, rest], sort_keys=True, default=str)
