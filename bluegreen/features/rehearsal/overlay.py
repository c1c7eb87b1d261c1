"""A rehearsal beside production: the override file that keeps the two apart, and what forbids a rehearsal. Pure.

The overlay is merged by Compose itself, with its tags !override and !reset (Compose 2.24.4). It has no value of a
variable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bluegreen.domain.app import Stack
from bluegreen.domain.release import Image

OLDEST_COMPOSE = (2, 24, 4)
SUFFIX = "-rehearsal"
COPY_LIMIT = 50 * 1000 * 1000  # bytes; a smaller writable folder is copied without --copy-volumes
# Databases and queues. One outside the file would be migrated and written to by the rehearsal.
STORES = r"postgres(?:ql)?|mysql|mariadb|mssql|sqlserver|oracle|redis|rediss|valkey|memcached|mongodb|amqps?|nats|kafka"
URL = re.compile(rf"^(?:{STORES})(?:\+[a-z0-9]+)?(?:\+srv)?://(?:[^/@\s]*@)?(\[[^\]]+\]|[^/:?\s]+)", re.IGNORECASE)
HOST_NAME = re.compile(
    r"(?:.*_)?(?:DB|DATABASE|POSTGRES(?:QL)?|PG|MYSQL|MARIADB|REDIS|VALKEY|MONGO(?:DB)?|RABBIT(?:MQ)?|AMQP|KAFKA|NATS)"
    r"_?HOST(?:NAME)?",
    re.IGNORECASE,
)
LOCAL = ("localhost", "127.0.0.1", "[::1]", "")


@dataclass(frozen=True)
class Mount:
    """A folder of this machine that a service may write into, or one of its volumes."""

    service: str
    source: str
    target: str
    shared: bool  # of a shared service, which creates its data again


@dataclass(frozen=True)
class Overlay:
    """The content of one overlay. `images`: exact images of release services; without one, that of the file."""

    name: str
    listen: str
    preview: str
    folders: Mapping[Mount, str | None] = field(default_factory=dict)  # a copy of it; None: an empty volume
    images: Mapping[str, Image] = field(default_factory=dict)
    nothing_expected: str = ""  # an empty file: the rehearsal asks recorded answers itself
    own: Mapping[str, str] = field(default_factory=dict)  # service with a listener of its own -> another one


def refusals(stack: Stack, outside: bool) -> list[str]:
    """Why a rehearsal could touch production; empty: it cannot."""
    return [why for name in _taking_part(stack) for why in _against(stack, name, outside)]


def _against(stack: Stack, name: str, outside: bool) -> Iterator[str]:
    service = stack.services[name]
    if service.get("network_mode") == "host":
        yield f"{name} has network_mode: host, so it would use the ports of production"
    for mount in service.get("volumes") or []:
        if str(mount.get("source") or "").endswith("docker.sock"):
            yield f"{name} mounts the Docker socket, so it could change the containers of production"
    if not outside:
        yield from (f"{name}.{variable} points outside the Compose file" for variable in _outside(stack, service))


def _outside(stack: Stack, service: Mapping[str, Any]) -> Iterator[str]:
    inside = {*stack.services, *LOCAL}
    inside |= {alias for it in stack.services.values() for use in (it.get("networks") or {}).values()
               for alias in (use or {}).get("aliases") or []}  # fmt: skip
    for variable, value in (service.get("environment") or {}).items():
        url = URL.match(str(value or ""))
        host = url[1] if url else str(value or "") if HOST_NAME.fullmatch(variable) else ""
        if host.partition(":")[0] not in inside and host not in inside:
            yield variable


def _taking_part(stack: Stack) -> tuple[str, ...]:
    once = [stack.settings.migrate.run.service] if stack.settings.migrate and stack.settings.migrate.run.service else []
    return tuple(dict.fromkeys([*stack.settings.release_services(), *once, *stack.shared]))


def folders(stack: Stack) -> list[Mount]:
    """The folders of this machine that a service of the rehearsal could write into."""
    return [
        Mount(name, mount["source"], mount["target"], name in stack.shared)
        for name in _taking_part(stack)
        for mount in stack.services[name].get("volumes") or []
        if mount["type"] == "bind" and not mount.get("read_only")
    ]


def volumes(stack: Stack) -> list[tuple[str, str]]:
    """(key, production's name) of the named volumes that take part."""
    keys = {
        mount["source"]
        for name in _taking_part(stack)
        for mount in stack.services[name].get("volumes") or []
        if mount["type"] == "volume" and mount.get("source")
    }
    return [(key, stack.volumes[key].get("name", key)) for key in sorted(keys)]


def built_references(stack: Stack, name: str) -> dict[str, str]:
    """Service -> its own image name in the rehearsal: a build must not move production's tags."""
    built = {
        stack.image_reference(it): f"{name}-{it}:rehearsal"
        for it in _taking_part(stack)
        if stack.services[it].get("build")
    }
    references = {it: stack.image_reference(it) for it in _taking_part(stack)}
    return {it: built[reference] for it, reference in references.items() if reference in built}


def text(stack: Stack, overlay: Overlay) -> str:
    """The overlay as Compose reads it."""
    lines = [
        f"name: {_quoted(overlay.name)}", "x-bluegreen:", f"  listen: !override {_quoted(overlay.listen)}",
        f"  preview: !override {_quoted(overlay.preview)}", "  hooks: !reset null", "  require: !reset null",
        f"  expected: !override {_quoted(overlay.nothing_expected)}",
    ]  # fmt: skip
    lines += ["  tls: !reset null"] if stack.settings.tls else []  # no certificate is asked for
    lines += ["  edge: !reset null"] if stack.settings.edge else []  # visitors of production do not come here
    lines += ["  notify: !reset null"] if stack.settings.notify else []  # a rehearsal sends no notice
    found = [key for key in ("labels", "networks") if getattr(stack.settings.proxy, key)]
    lines += ["  proxy:", *(f"    {key}: !reset null" for key in found)] if found else []
    lines += ["  services:"] if overlay.own else []
    lines += [f"    {_quoted(name)}: {{listen: !override {_quoted(at)}}}" for name, at in overlay.own.items()]
    built = built_references(stack, overlay.name)
    services = [line for name in stack.services for line in _service(stack, overlay, name, built)]
    lines += ["services:", *services] if services else []
    lines += _top("networks", stack.networks, stack.app, keep=("internal", "attachable", "enable_ipv6"))
    empty = [_volume_key(mount) for mount, copy in overlay.folders.items() if copy is None]
    lines += _top("volumes", stack.volumes, stack.app, keep=(), more=empty)
    return "\n".join(lines) + "\n"


def _service(stack: Stack, overlay: Overlay, name: str, built: Mapping[str, str]) -> Iterator[str]:
    service = stack.services[name]
    lines = ["container_name: !reset null"] if service.get("container_name") else []
    lines += ["ports: !reset []"] if service.get("ports") else []
    same = (it for it in overlay.images if name in built and built.get(it) == built[name])  # who builds what it runs
    if found := overlay.images.get(name) or overlay.images.get(next(same, "")):
        lines += [f"image: !override {_quoted(found.id)}", "pull_policy: !override never"]
        lines += ["build: !reset null"] if service.get("build") else []
    elif name in built:
        lines.append(f"image: !override {_quoted(built[name])}")
    mounts = [(mount, copy) for mount, copy in overlay.folders.items() if mount.service == name]
    if mounts:
        lines.append("volumes:")
        lines += [f"  - {json.dumps(_mount(mount, copy))}" for mount, copy in mounts]
    if lines:
        yield f"  {_quoted(name)}:"
        yield from (f"    {line}" for line in lines)


def _mount(mount: Mount, copy: str | None) -> dict[str, Any]:
    if copy is None:
        return {"type": "volume", "source": _volume_key(mount), "target": mount.target}
    return {"type": "bind", "source": copy.replace("$", "$$"), "target": mount.target}


def _volume_key(mount: Mount) -> str:
    return "rehearsal_" + re.sub(r"[^a-zA-Z0-9]+", "_", f"{mount.service}{mount.target}")


def _top(
    kind: str,
    defined: Mapping[str, Mapping[str, Any]],
    app: str,
    keep: Sequence[str],
    more: Sequence[str] = (),
) -> Iterator[str]:
    """Networks or volumes that are the rehearsal's own: without production's names, addresses and drivers' options."""
    changed = {
        key: {option: value for option, value in it.items() if option in keep}
        for key, it in defined.items()
        if it.get("external") or it.get("name") != f"{app}_{key}" or set(it) - {"name", "ipam"} or it.get("ipam")
    }
    if changed or more:
        yield f"{kind}:"
        yield from (f"  {_quoted(key)}: !override {json.dumps(it)}" for key, it in changed.items())
        yield from (f"  {_quoted(key)}: {{}}" for key in more)


def _quoted(value: str) -> str:
    """A YAML text, `$` doubled for Compose."""
    return json.dumps(value.replace("$", "$$"))


def verdict(
    before: Mapping[str, Iterable[str]], after: Mapping[str, Iterable[str]], same_data: bool
) -> tuple[list[str], list[str]]:
    """(requests with wrong answers of the next release, requests that cannot be compared here).

    `before` and `after` map recorded requests to the differences of their answers: from today's images in the
    rehearsal, and from the next release. If today's images differ too, the data is missing; unless it was copied.
    """
    wrong = [request for request, differences in after.items() if list(differences)]
    if same_data:
        return wrong, []
    return [it for it in wrong if not list(before.get(it, ()))], [it for it in wrong if list(before.get(it, ()))]
