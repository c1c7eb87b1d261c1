"""From a resolved Compose service to what the Engine is asked to create: pure, one function per group of keys.

The spellings on the right are those of the Engine's API (POST /containers/create). Compose's document is
meant to be read by Compose again, so every literal `$` stands as `$$` in it and is unescaped here.
A key that stands in no group is refused by name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

NANOSECONDS = 1_000_000_000
DURATIONS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
}

Service = Mapping[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What a translation must know of the app besides the service itself."""

    volumes: Mapping[str, Mapping[str, Any]]  # top-level volumes, by key
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class Part:
    """A piece of the create request: the container's config and its host config."""

    config: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A key of a service that a color cannot honour, and why."""

    key: str
    reason: str


def unescape(value: Any) -> Any:
    """Compose's `$$` back to `$`, everywhere in a value."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, Mapping):
        return {key: unescape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [unescape(entry) for entry in value]
    return value


def nanoseconds(text: Any) -> int:
    """A duration as Go's time package writes it ("1m30s", "500ms") in nanoseconds; a number is that already.

    Raises ValueError.
    """
    if isinstance(text, int | float):
        return int(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration: {text!r}")
    return round(sum(float(number) * DURATIONS[unit] for number, unit in parts))


def create_request(service: Service, surroundings: Surroundings) -> dict[str, Any]:
    """The body of POST /containers/create without image, names, networks and labels of ours."""
    service = unescape(dict(service))
    whole = Part()
    for translate in dict.fromkeys(translate for _, translate in GROUPS):
        part = translate(service, surroundings)
        whole.config.update(part.config)
        for key, value in part.host.items():
            if isinstance(value, list) and key in whole.host:
                whole.host[key] = [*whole.host[key], *value]
            else:
                whole.host[key] = value
    return {**whole.config, "HostConfig": whole.host}


def refusals(service: Service) -> list[Refusal]:
    """Every key of this service that a color cannot honour, with its reason."""
    unknown = [key for key in service if key not in KNOWN and service[key] not in (None, [], {}, "", False)]
    found = [Refusal(key, REASONS.get(key, LATER)) for key in unknown]
    return [*found, *_mount_refusals(service), *_network_refusals(service), *_deploy_refusals(service)]


def _mount_refusals(service: Service) -> Iterable[Refusal]:
    for mount in service.get("volumes") or []:
        if mount.get("type") not in ("bind", "volume", "tmpfs"):
            yield Refusal("volumes", f"a mount of type {mount.get('type')} is not supported")
        if (mount.get("volume") or {}).get("subpath"):
            yield Refusal("volumes.volume.subpath", LATER)


def _network_refusals(service: Service) -> Iterable[Refusal]:
    for name, network in (service.get("networks") or {}).items():
        for key in network or {}:
            if key in ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address"):
                yield Refusal(f"networks.{name}.{key}", "both colors would need the same address")
            elif key not in ("aliases", "priority", "driver_opts"):
                yield Refusal(f"networks.{name}.{key}", LATER)


def _deploy_refusals(service: Service) -> Iterable[Refusal]:
    deploy = service.get("deploy") or {}
    yield from (Refusal(f"deploy.{key}", LATER) for key in deploy if key not in _DEPLOY_KEYS and deploy[key])
    if ((deploy.get("resources") or {}).get("reservations") or {}).get("devices"):
        yield Refusal("deploy.resources.reservations.devices", LATER)
    if (mode := deploy.get("mode")) not in (None, "replicated"):
        yield Refusal("deploy.mode", f"{mode} is for swarms; a color has a number of replicas")


# -- the groups


def _process(service: Service, _: Surroundings) -> Part:
    part = Part()
    # Compose: null means the image's own; an empty list clears it.
    if service.get("command") is not None:
        part.config["Cmd"] = _words(service["command"])
    if service.get("entrypoint") is not None:
        part.config["Entrypoint"] = _words(service["entrypoint"]) or [""]
    for key, name in (("working_dir", "WorkingDir"), ("user", "User"), ("stop_signal", "StopSignal")):
        if service.get(key):
            part.config[name] = service[key]
    if service.get("tty"):
        part.config["Tty"] = True
    if service.get("stdin_open"):
        part.config["OpenStdin"] = True
    if service.get("init") is not None:
        part.host["Init"] = bool(service["init"])
    if service.get("stop_grace_period"):
        part.config["StopTimeout"] = -(-nanoseconds(service["stop_grace_period"]) // NANOSECONDS)
    if service.get("group_add"):
        part.host["GroupAdd"] = [str(group) for group in service["group_add"]]
    return part


def _words(value: Any) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]


def _environment(service: Service, _: Surroundings) -> Part:
    environment = service.get("environment") or {}
    # null: Compose found no value for a variable that was named alone; the container does not get it.
    return Part({"Env": [f"{name}={value}" for name, value in environment.items() if value is not None]})


def _names(service: Service, _: Surroundings) -> Part:
    part = Part()
    if service.get("hostname"):
        part.config["Hostname"] = service["hostname"]
    if service.get("domainname"):
        part.config["Domainname"] = service["domainname"]
    if service.get("extra_hosts"):
        hosts = service["extra_hosts"]
        pairs = hosts.items() if isinstance(hosts, Mapping) else (entry.split("=", 1) for entry in hosts)
        part.host["ExtraHosts"] = [
            f"{name}:{address}" for name, found in pairs for address in (found if isinstance(found, list) else [found])
        ]
    for key, name in (("dns", "Dns"), ("dns_search", "DnsSearch"), ("dns_opt", "DnsOptions")):
        if service.get(key):
            value = service[key]
            part.host[name] = [value] if isinstance(value, str) else list(value)
    return part


def _mounts(service: Service, surroundings: Surroundings) -> Part:
    binds: list[str] = []
    mounts: list[dict[str, Any]] = []
    for mount in service.get("volumes") or []:
        kind, target = mount["type"], mount["target"]
        if kind == "bind":
            entry = {
                "Type": "bind",
                "Source": mount["source"],
                "Target": target,
                "ReadOnly": bool(mount.get("read_only")),
            }
            bind = mount.get("bind") or {}
            if bind.get("create_host_path", True) and "propagation" not in bind:
                # The Engine makes a missing folder only for this older spelling, as Compose relies on.
                mode = ("ro" if mount.get("read_only") else "rw") + (
                    f",{bind['selinux']}" if bind.get("selinux") else ""
                )
                binds.append(f"{mount['source']}:{target}:{mode}")
                continue
            if bind.get("propagation"):
                entry["BindOptions"] = {"Propagation": bind["propagation"]}
            mounts.append(entry)
        elif kind == "volume":
            entry = {"Type": "volume", "Target": target, "ReadOnly": bool(mount.get("read_only"))}
            if mount.get("source"):
                entry["Source"] = (surroundings.volumes.get(mount["source"]) or {}).get("name", mount["source"])
            if (mount.get("volume") or {}).get("nocopy"):
                entry["VolumeOptions"] = {"NoCopy": True}
            mounts.append(entry)
        else:
            mounts.append(_tmpfs_mount(mount))
    mounts += _file_mounts(service, surroundings)
    part = Part(host={"Mounts": mounts} if mounts else {})
    if binds:
        part.host["Binds"] = binds
    if service.get("tmpfs"):
        entries = [service["tmpfs"]] if isinstance(service["tmpfs"], str) else service["tmpfs"]
        part.host["Tmpfs"] = dict(entry.partition(":")[::2] for entry in entries)
    return part


def _tmpfs_mount(mount: Mapping[str, Any]) -> dict[str, Any]:
    options = mount.get("tmpfs") or {}
    entry: dict[str, Any] = {
        "Type": "tmpfs",
        "Target": mount["target"],
        "ReadOnly": bool(mount.get("read_only")),
    }
    translated = {}
    if options.get("size"):
        translated["SizeBytes"] = int(options["size"])
    if options.get("mode"):
        translated["Mode"] = int(options["mode"])
    if translated:
        entry["TmpfsOptions"] = translated
    return entry


def _file_mounts(service: Service, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Secrets and configs that are files: mounted read-only, as Compose does it."""
    mounts = []
    for key, defined, folder in (
        ("secrets", surroundings.secrets, "/run/secrets"),
        ("configs", surroundings.configs, "/"),
    ):
        for use in service.get(key) or []:
            source = (defined.get(use["source"]) or {}).get("file")
            if source is None:
                continue  # refused by `file_refusals` before anything is created
            target = str(PurePosixPath(folder) / (use.get("target") or use["source"]))
            mounts.append({"Type": "bind", "Source": source, "Target": target, "ReadOnly": True})
    return mounts


def file_refusals(service: Service, surroundings: Surroundings) -> list[Refusal]:
    """Secrets and configs of a service that are not files."""
    return [
        Refusal(f"{key}.{use['source']}", "only those that are a file can be given to a color in this version")
        for key, defined in (("secrets", surroundings.secrets), ("configs", surroundings.configs))
        for use in service.get(key) or []
        if not (defined.get(use["source"]) or {}).get("file")
    ]


def _health(service: Service, _: Surroundings) -> Part:
    check = service.get("healthcheck")
    if not check:
        return Part()
    if check.get("disable"):
        return Part({"Healthcheck": {"Test": ["NONE"]}})
    translated: dict[str, Any] = {}
    if check.get("test"):
        translated["Test"] = check["test"]
    for key, name in (("interval", "Interval"), ("timeout", "Timeout"), ("start_period", "StartPeriod")):
        if check.get(key) is not None:
            translated[name] = nanoseconds(check[key])
    if check.get("start_interval") is not None:
        translated["StartInterval"] = nanoseconds(check["start_interval"])
    if check.get("retries") is not None:
        translated["Retries"] = int(check["retries"])
    return Part({"Healthcheck": translated})


def _restart(service: Service, _: Surroundings) -> Part:
    """As the Compose file says. For routed services `always` replaces this later (`routed_restart`)."""
    text = service.get("restart")
    policy = (service.get("deploy") or {}).get("restart_policy") or {}
    if not text and policy:
        # compose-go: condition any is always, on-failure keeps its attempts, none is no
        condition = policy.get("condition", "any")
        text = {"any": "always", "none": "no"}.get(condition, condition)
        if condition == "on-failure" and policy.get("max_attempts"):
            text = f"on-failure:{policy['max_attempts']}"
    return Part(host={"RestartPolicy": restart_policy(text or "no")})


def restart_policy(text: str) -> dict[str, Any]:
    name, _, attempts = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(attempts or 0)}


def restart_text(policy: Mapping[str, Any]) -> str:
    """The inverse of `restart_policy`."""
    attempts = policy["MaximumRetryCount"]
    return f"{policy['Name']}:{attempts}" if attempts else str(policy["Name"])


def _rights(service: Service, _: Surroundings) -> Part:
    part = Part()
    for key, name in (
        ("cap_add", "CapAdd"), ("cap_drop", "CapDrop"), ("security_opt", "SecurityOpt"),
    ):  # fmt: skip
        if service.get(key):
            part.host[name] = list(service[key])
    for key, name in (("privileged", "Privileged"), ("read_only", "ReadonlyRootfs")):
        if service.get(key):
            part.host[name] = True
    for key, name in (
        ("ipc", "IpcMode"), ("pid", "PidMode"), ("userns_mode", "UsernsMode"), ("cgroup_parent", "CgroupParent"),
        ("runtime", "Runtime"), ("cgroup", "CgroupnsMode"),
    ):  # fmt: skip
        if service.get(key):
            part.host[name] = service[key]
    if service.get("sysctls"):
        part.host["Sysctls"] = {name: str(value) for name, value in service["sysctls"].items()}
    return part


def _limits(service: Service, _: Surroundings) -> Part:
    resources = (service.get("deploy") or {}).get("resources") or {}
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    host: dict[str, Any] = {}
    for value, name in (
        (limits.get("memory") or service.get("mem_limit"), "Memory"),
        (reserved.get("memory") or service.get("mem_reservation"), "MemoryReservation"),
        (service.get("memswap_limit"), "MemorySwap"),
        (service.get("mem_swappiness"), "MemorySwappiness"),
        (service.get("shm_size"), "ShmSize"),
        (limits.get("pids") or service.get("pids_limit"), "PidsLimit"),
        (service.get("cpu_shares"), "CpuShares"),
        (service.get("cpu_period"), "CpuPeriod"),
        (service.get("cpu_quota"), "CpuQuota"),
        (service.get("oom_score_adj"), "OomScoreAdj"),
    ):
        if value is not None:
            host[name] = int(value)
    if cpus := limits.get("cpus") or service.get("cpus"):
        host["NanoCpus"] = round(float(cpus) * NANOSECONDS)
    if service.get("cpuset"):
        host["CpusetCpus"] = service["cpuset"]
    if service.get("oom_kill_disable"):
        host["OomKillDisable"] = True
    if service.get("ulimits"):
        host["Ulimits"] = [_ulimit(name, value) for name, value in service["ulimits"].items()]
    return Part(host=host)


def _ulimit(name: str, value: Any) -> dict[str, Any]:
    soft, hard = (value["soft"], value["hard"]) if isinstance(value, Mapping) else (value, value)
    return {"Name": name, "Soft": soft, "Hard": hard}


def _devices(service: Service, _: Surroundings) -> Part:
    devices = []
    for device in service.get("devices") or []:
        if isinstance(device, str):
            source, target, permissions = [*device.split(":"), "", ""][:3]
        else:
            source, target, permissions = device["source"], device.get("target"), device.get("permissions")
        devices.append(
            {
                "PathOnHost": source,
                "PathInContainer": target or source,
                "CgroupPermissions": permissions or "rwm",
            }
        )
    return Part(host={"Devices": devices} if devices else {})


def _logging(service: Service, _: Surroundings) -> Part:
    logging = service.get("logging")
    if not logging:
        return Part()
    return Part(host={"LogConfig": {"Type": logging.get("driver", ""), "Config": logging.get("options") or {}}})


def _labels(service: Service, _: Surroundings) -> Part:
    return Part({"Labels": {name: str(value) for name, value in (service.get("labels") or {}).items()}})


def _ports(service: Service, _: Surroundings) -> Part:
    """`expose` is kept; what `ports` publishes is nginx's business now."""
    exposed = [str(port) for port in service.get("expose") or []]
    exposed += [f"{port['target']}/{port.get('protocol', 'tcp')}" for port in service.get("ports") or []]
    ports: dict[str, dict[str, str]] = {port if "/" in port else f"{port}/tcp": {} for port in exposed}
    return Part({"ExposedPorts": ports} if ports else {})


def _nothing(_: Service, __: Surroundings) -> Part:
    return Part()


Group = Callable[[Service, Surroundings], Part]
GROUPS: tuple[tuple[str, Group], ...] = (
    ("command entrypoint working_dir user stop_signal stop_grace_period tty stdin_open init group_add", _process),
    ("environment", _environment),
    ("hostname domainname extra_hosts dns dns_search dns_opt", _names),
    ("volumes tmpfs secrets configs", _mounts),
    ("healthcheck", _health),
    ("restart", _restart),
    ("cap_add cap_drop security_opt privileged read_only ipc pid userns_mode cgroup_parent cgroup", _rights),
    ("runtime sysctls", _rights),
    ("mem_limit mem_reservation memswap_limit mem_swappiness shm_size pids_limit oom_score_adj", _limits),
    ("cpu_shares cpu_period cpu_quota cpus cpuset oom_kill_disable ulimits", _limits),
    ("devices", _devices),
    ("logging", _logging),
    ("labels", _labels),
    ("expose ports", _ports),
    # Honoured elsewhere: images, replicas, networks and order; or of no effect on a container.
    ("image build pull_policy platform deploy scale networks depends_on", _nothing),
    ("profiles env_file attach develop", _nothing),
)
KNOWN = frozenset(key for keys, _ in GROUPS for key in keys.split())
_DEPLOY_KEYS = (
    "replicas",
    "resources",
    "restart_policy",
    "placement",
    "mode",
    "update_config",
    "rollback_config",
    "labels",
    "endpoint_mode",
)
LATER = "this version of bluegreen cannot give it to a color"
REASONS = {
    "container_name": "two colors cannot share one name; they are called APP-COLOR-SERVICE-N",
    "network_mode": "a color needs an address of its own on the app's network",
    "mac_address": "both colors would need the same address",
}


def replicas(service: Service) -> int:
    """How many containers of this service a color has."""
    deployed = (service.get("deploy") or {}).get("replicas")
    wanted = deployed if deployed is not None else service.get("scale")
    return 1 if wanted is None else int(wanted)


def routed_restart(service: Service, request: dict[str, Any]) -> None:
    """Makes what serves traffic come back after anything: `always`, unless the file says "no" in so many words.

    After the Engine's daemon alone was killed it starts only `always` again, not `unless-stopped`.
    """
    if service.get("restart") != "no":
        request["HostConfig"]["RestartPolicy"] = restart_policy("always")


def published(service: Service) -> list[str]:
    """The host ports that a service publishes by itself, for a notice: nginx publishes instead."""
    return [str(port.get("published") or port["target"]) for port in service.get("ports") or []]
