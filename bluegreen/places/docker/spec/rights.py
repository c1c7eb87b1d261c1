"""Rights and namespaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.part import Part, Service


def depends_on_containers(service: Service) -> list[str]:
    """Services whose containers must exist before this one can be created."""
    names = [text.partition(":")[0] for key in ("links", "volumes_from") for text in service.get(key) or []]
    names += [service[key].partition(":")[2] for key in ("ipc", "pid") if _of_service(service.get(key))]
    return [name for name in dict.fromkeys(names) if name != "container"]


def rights_part(service: Service, _: Surroundings) -> Part:
    part = Part()
    for key, name in (("cap_add", "CapAdd"), ("cap_drop", "CapDrop")):
        if service.get(key):
            part.host[name] = _capabilities(service[key])
    for key, name in (("privileged", "Privileged"), ("read_only", "ReadonlyRootfs")):
        if service.get(key):
            part.host[name] = True
    for key, name in (("sysctls", "Sysctls"), ("annotations", "Annotations"), ("storage_opt", "StorageOpt")):
        if service.get(key):
            part.host[name] = {name: str(value) for name, value in service[key].items()}
    return part


def _capabilities(asked: Iterable[str]) -> list[str]:
    """In the one spelling that Docker's own clients send: CAP_NET_ADMIN for net_admin; ALL means every one."""
    names = {str(name).upper().removeprefix("CAP_") for name in asked}
    return ["ALL"] if "ALL" in names else sorted(f"CAP_{name}" for name in names)


def namespaces_part(service: Service, surroundings: Surroundings) -> Part:
    part = Part()
    for key, name in (
        ("userns_mode", "UsernsMode"), ("cgroup_parent", "CgroupParent"), ("runtime", "Runtime"),
        ("cgroup", "CgroupnsMode"), ("uts", "UTSMode"), ("isolation", "Isolation"), ("ipc", "IpcMode"),
        ("pid", "PidMode"),
    ):  # fmt: skip
        if value := service.get(key):
            if _of_service(value):
                value = f"container:{surroundings.containers[value.partition(':')[2]][0][0]}"
            part.host[name] = value
    return part


def _of_service(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("service:")


def security_part(service: Service, surroundings: Surroundings) -> Part:
    """As the Docker CLI reads them: `systempaths=unconfined` and a seccomp file are the client's to translate."""
    part = Part()
    options = []
    for option in service.get("security_opt") or []:
        if option == "systempaths=unconfined":
            part.host["MaskedPaths"], part.host["ReadonlyPaths"] = [], []
        elif path := seccomp_file(option):
            options.append(f"seccomp={surroundings.seccomp[path]}")
        else:
            options.append(option)
    if options:
        part.host["SecurityOpt"] = options
    return part


def seccomp_file(option: str) -> str | None:
    """The file that a security option names as its seccomp profile; None: it names none."""
    key, _, value = option.partition("=") if "=" in option else option.partition(":")
    return value if key == "seccomp" and value not in ("", "unconfined", "builtin") else None
