"""The mounts of a container, and the files that are copied into it: pure, as Compose translates them.

Compose hands most mounts to the Engine in the older spelling (`Binds`), because only that one makes a
missing host folder, and the rest as `Mounts`. Which is which shows in what the Engine reports, so the same
choice is made here. Source: docker/compose, pkg/compose/create.go and secrets.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Service = Mapping[str, Any]
Mount = Mapping[str, Any]

SECRETS, CONFIGS = "/run/secrets/", "/"
RECURSIVE = {"disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive", "readonly": "ReadOnlyForceRecursive"}


@dataclass(frozen=True)
class Surroundings:
    """What a translation must know of the app, other than the service itself, spelled as Compose's document has it.

    `containers` are those that links, `volumes_from`, `ipc` and `pid` may name: service to (id, name) of each.
    `seccomp` are the profiles that `security_opt` names: path as written to the file's JSON text.
    """

    volumes: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    containers: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    seccomp: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CopiedFile:
    """A secret or config whose content Compose copies into the container between creation and start."""

    path: str
    content: str
    mode: int
    uid: int
    gid: int
    owned: bool  # whether an owner was asked for


def host_config(service: Service, surroundings: Surroundings) -> dict[str, Any]:
    """`Binds`, `Mounts`, `Tmpfs` and similar ones in a container's host config."""
    binds: list[str] = []
    mounts: list[dict[str, Any]] = []
    written = service.get("volumes") or []
    # One mount for each place; of two, Compose takes the later one.
    for mount in {mount["target"]: mount for mount in written}.values():
        if bind := _bind_text(mount, surroundings):
            binds.append(bind)
        else:
            mounts.append(_mount(mount, surroundings))
    taken = {mount["target"] for mount in written}
    mounts += [mount for mount in _file_mounts(service, surroundings) if mount["Target"] not in taken]
    found: dict[str, Any] = {}
    if binds:
        found["Binds"] = binds
    if mounts:
        found["Mounts"] = mounts
    if entries := _listed(service.get("tmpfs")):
        found["Tmpfs"] = dict(entry.partition(":")[::2] for entry in entries)
    if service.get("volumes_from"):
        found["VolumesFrom"] = [_volumes_from(text, surroundings) for text in service["volumes_from"]]
    return found


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _bind_text(mount: Mount, surroundings: Surroundings) -> str | None:
    """SOURCE:TARGET:OPTIONS, for what that spelling can say; None: the mount needs the newer one."""
    bind, volume = mount.get("bind"), mount.get("volume") or {}
    if mount["type"] == "bind":
        if bind and (not bind.get("create_host_path", True) or bind.get("propagation") or bind.get("recursive")):
            return None
        source = mount["source"]
    elif mount["type"] == "volume":
        defined = surroundings.volumes.get(mount.get("source") or "")
        if defined is None or volume.get("labels") or volume.get("subpath") or volume.get("nocopy"):
            return None
        source = defined.get("name") or mount["source"]
    else:
        return None
    options = ["ro" if mount.get("read_only") else "rw"]
    options += [bind["selinux"]] if bind and bind.get("selinux") else []
    return f"{source}:{mount['target']}:{','.join(options)}"


def _mount(mount: Mount, surroundings: Surroundings) -> dict[str, Any]:
    kind = mount["type"]
    source = mount.get("source") or ""
    if kind == "volume":
        source = (surroundings.volumes.get(source) or {}).get("name") or source
    translated: dict[str, Any] = {
        "Type": kind, "Source": source, "Target": mount["target"], "ReadOnly": bool(mount.get("read_only")),
    }  # fmt: skip
    if mount.get("consistency"):
        translated["Consistency"] = mount["consistency"]
    options = mount.get(kind)
    if options is not None:
        name = f"{kind.capitalize()}Options"
        translated[name] = {key: value for key, value in _OPTIONS[kind](options).items() if value}
    return translated


def _bind_options(bind: Mapping[str, Any]) -> dict[str, Any]:
    options = {
        "Propagation": bind.get("propagation"), "CreateMountpoint": bool(bind.get("create_host_path", True)),
    }  # fmt: skip
    if bind.get("recursive") in RECURSIVE:
        options[RECURSIVE[bind["recursive"]]] = True
    return options


def _volume_options(volume: Mapping[str, Any]) -> dict[str, Any]:
    return {"NoCopy": volume.get("nocopy"), "Subpath": volume.get("subpath"), "Labels": volume.get("labels")}


def _tmpfs_options(tmpfs: Mapping[str, Any]) -> dict[str, Any]:
    return {"SizeBytes": int(tmpfs.get("size") or 0), "Mode": int(tmpfs.get("mode") or 0)}


def _image_options(image: Mapping[str, Any]) -> dict[str, Any]:
    return {"Subpath": image.get("subpath")}


_OPTIONS = {"bind": _bind_options, "volume": _volume_options, "tmpfs": _tmpfs_options, "image": _image_options}


def _volumes_from(text: str, surroundings: Surroundings) -> str:
    """The first container of a service, or the one that `container:NAME` names.

    Compose drops the `:ro` behind it, so that the volumes are writable; ours is the same.
    """
    first, *rest = text.split(":")
    return rest[0] if first == "container" else surroundings.containers[first][0][0]


def _uses(service: Service, surroundings: Surroundings) -> Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for kind, defined in (("secrets", surroundings.secrets), ("configs", surroundings.configs)):
        for use in service.get(kind) or []:
            yield kind, use, defined.get(use["source"]) or {}


def _target(kind: str, use: Mapping[str, Any]) -> str:
    folder = SECRETS if kind == "secrets" else CONFIGS
    target: str = use.get("target") or use["source"]
    return target if target.startswith("/") else folder + target


def _file_mounts(service: Service, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Secrets and configs that are files: mounted read-only. Compose ignores their uid, gid and mode."""
    found: dict[str, dict[str, Any]] = {}
    for kind, use, defined in _uses(service, surroundings):
        if defined.get("file") and not defined.get("environment") and not defined.get("content"):
            target = _target(kind, use)
            found[target] = {"Type": "bind", "Source": defined["file"], "Target": target, "ReadOnly": True}
            if kind == "secrets":
                found[target]["BindOptions"] = {}
    return list(found.values())


def _mode(value: Any) -> int:
    """0444 without one. Compose 5 writes octal text, Compose 2 a number."""
    return int(value, 8) if isinstance(value, str) else int(value or 0o444)


def copied_files(service: Service, surroundings: Surroundings) -> list[CopiedFile]:
    """Secrets and configs whose content comes from the Compose file or from the environment.

    An empty one is not copied at all, as in Compose.
    """
    return [
        CopiedFile(
            _target(kind, use), defined["content"], _mode(use.get("mode")),
            int(use.get("uid") or 0), int(use.get("gid") or 0), bool(use.get("uid") or use.get("gid")),
        )
        for kind, use, defined in _uses(service, surroundings)
        if defined.get("content")
    ]  # fmt: skip


def refusals(service: Service, surroundings: Surroundings) -> Iterable[tuple[str, str]]:
    """(key, reason) of mounts, secrets and configs that cannot be honoured."""
    for mount in service.get("volumes") or []:
        if mount.get("type") not in _OPTIONS:
            yield "volumes", f"a mount of type {mount.get('type')} is not for Linux containers of Compose"
    for kind, use, defined in _uses(service, surroundings):
        key = f"{kind}.{use['source']}"
        if defined.get("external"):
            yield key, "Compose itself supports external ones in swarms only"
        elif defined.get("driver") or defined.get("template_driver"):
            yield key, "Compose itself does not support drivers for it"
        elif service.get("read_only") and defined.get("content"):
            yield key, "it is copied into the container, and read_only forbids that (in Compose too): use file:"
