"""From a resolved Compose service to what the Engine is asked to create: pure, one function per group of keys.

The spellings on the right are those of the Engine's API (POST /containers/create). What Compose itself does
with each key was read in its source (docker/compose, pkg/compose/create.go and convert.go); where that is
surprising, ours is the same and a comment says so. tests/engine/test_as_compose_would.py holds the two
against each other. A key that stands in no
group is refused by name.
"""

from __future__ import annotations

import re
import shlex
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bluegreen.places.docker import mounts as container_mounts
from bluegreen.places.docker.mounts import Surroundings

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
INTERFACE = "com.docker.network.endpoint.ifname"  # how the Engine's drivers call networks.*.interface_name
CDI = re.compile(r"^[A-Za-z][\w.-]*/[A-Za-z][\w.-]*=[\w.:-]+$")  # VENDOR/CLASS=NAME, a device that a driver describes

Service = Mapping[str, Any]


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


@dataclass(frozen=True)
class Need:
    """A key that an older Engine would ignore or misread: it needs this API version, so this Engine."""

    key: str
    api: str
    engine: str


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
    """The body of POST /containers/create without image, networks, and names and labels of ours."""
    # Compose attaches no terminal of its own, and says so in these two.
    whole = Part({"AttachStdout": True, "AttachStderr": True})
    for translate in dict.fromkeys(translate for _, translate in GROUPS):
        part = translate(service, surroundings)
        whole.config.update(part.config)
        for key, value in part.host.items():
            if isinstance(value, list) and key in whole.host:
                whole.host[key] = [*whole.host[key], *value]
            else:
                whole.host[key] = value
    return {**whole.config, "HostConfig": whole.host}


def endpoint(use: Mapping[str, Any] | None, links: Iterable[str] = ()) -> dict[str, Any]:
    """How a container stands on one network of the Compose file.

    Without the service's own name and aliases: two colors would share them. Both are given on the
    network of the color.
    """
    use = use or {}
    options = dict(use.get("driver_opts") or {})
    if use.get("interface_name"):
        options[INTERFACE] = use["interface_name"]
    found: dict[str, Any] = {"DriverOpts": options or None, "Links": list(links) or None}
    if use.get("gw_priority"):
        found["GwPriority"] = int(use["gw_priority"])
    return found


def networks_by_priority(service: Service) -> list[tuple[str, Mapping[str, Any]]]:
    """The networks of a service in Compose's order: the highest priority first, then by name."""
    uses = service.get("networks") or {}
    return sorted(
        ((name, use or {}) for name, use in uses.items()),
        key=lambda item: (-int(item[1].get("priority") or 0), item[0]),
    )


def links(service: Service, surroundings: Surroundings, app: str, number: int) -> list[str]:
    """CONTAINER:ALIAS for each link. Compose gives three names, and numbers two of them after the *asking* replica."""
    found = []
    for text in service.get("links") or []:
        linked, _, alias = text.partition(":")
        for _, name in surroundings.containers.get(linked, ()):
            found += [f"{name}:{alias or linked}", f"{name}:{linked}-{number}", f"{name}:{app}-{linked}-{number}"]
    for text in service.get("external_links") or []:
        name, _, alias = text.partition(":")
        found.append(f"{name}:{alias or name}")
    return found


def leans_on(service: Service) -> list[str]:
    """Services whose containers must exist before this one can be created."""
    names = [text.partition(":")[0] for key in ("links", "volumes_from") for text in service.get(key) or []]
    names += [service[key].partition(":")[2] for key in ("ipc", "pid") if _of_service(service.get(key))]
    return [name for name in dict.fromkeys(names) if name != "container"]


def refusals(service: Service, surroundings: Surroundings) -> list[Refusal]:
    """Every key of this service that a color cannot honour, with its reason."""
    unknown = [key for key in service if key not in KNOWN and service[key] not in (None, [], {}, "", False)]
    found = [Refusal(key, REASONS.get(key, LATER)) for key in unknown]
    found += [Refusal(key, reason) for key, reason in container_mounts.refusals(service, surroundings)]
    return [*found, *_network_refusals(service), *_health_refusals(service)]


def _network_refusals(service: Service) -> Iterable[Refusal]:
    for name, use in (service.get("networks") or {}).items():
        for key in use or {}:
            if key in ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address"):
                yield Refusal(f"networks.{name}.{key}", SAME_ADDRESS)
            elif key not in ("aliases", "priority", "driver_opts", "gw_priority", "interface_name"):
                yield Refusal(f"networks.{name}.{key}", LATER)


def _health_refusals(service: Service) -> Iterable[Refusal]:
    check = service.get("healthcheck") or {}
    if check.get("start_interval") is not None and check.get("start_period") is None:
        yield Refusal("healthcheck.start_interval", "Compose itself wants start_period beside it")


def needs(service: Service) -> list[Need]:
    """What this service asks of the Engine that not every Engine has.

    Source: the Engine's API version history. An older Engine takes the request and leaves these out.
    """
    found = [Need("annotations", "1.43", "24")] if service.get("annotations") else []
    if (service.get("healthcheck") or {}).get("start_interval") is not None:
        found.append(Need("healthcheck.start_interval", "1.44", "25"))
    for mount in service.get("volumes") or []:
        if (mount.get("volume") or {}).get("subpath"):
            found.append(Need("volumes.volume.subpath", "1.45", "26"))
        if (mount.get("bind") or {}).get("recursive") in ("writable", "readonly"):
            found.append(Need("volumes.bind.recursive", "1.44", "25"))
        if mount.get("type") == "image":
            found.append(Need("volumes of type image", "1.48", "28"))
    for name, use in (service.get("networks") or {}).items():
        if (use or {}).get("gw_priority"):
            found.append(Need(f"networks.{name}.gw_priority", "1.48", "28"))
        if (use or {}).get("interface_name"):
            found.append(Need(f"networks.{name}.interface_name", "1.49", "28.1"))
    if any(_is_cdi(device) for device in service.get("devices") or []):
        found.append(Need("devices (CDI)", "1.44", "25"))
    return found


# -- the groups


def _process(service: Service, _: Surroundings) -> Part:
    part = Part()
    # null: the image's own. An empty entrypoint clears it; an empty command does not, as the Engine has it.
    for key, name in (("command", "Cmd"), ("entrypoint", "Entrypoint")):
        if service.get(key) is not None:
            part.config[name] = _words(service[key])
    for key, name in (("working_dir", "WorkingDir"), ("user", "User"), ("stop_signal", "StopSignal")):
        if service.get(key):
            part.config[name] = service[key]
    if service.get("tty"):
        part.config["Tty"] = True
    if service.get("stdin_open"):
        part.config["OpenStdin"] = True
    if service.get("init") is not None:
        part.host["Init"] = bool(service["init"])
    if service.get("stop_grace_period") is not None:
        # Compose cuts off fractions of a second: 2500ms is 2 s.
        part.config["StopTimeout"] = nanoseconds(service["stop_grace_period"]) // NANOSECONDS
    if service.get("group_add"):
        part.host["GroupAdd"] = [str(group) for group in service["group_add"]]
    return part


def _words(value: Any) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]


def _environment(service: Service, _: Surroundings) -> Part:
    environment = service.get("environment") or {}
    # A name without a value anywhere goes to the Engine bare, which takes the variable away from the image's.
    return Part(
        {"Env": [name if value is None else f"{name}={value}" for name, value in environment.items()]}
        if environment
        else {}
    )


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
    return Part(host=container_mounts.host_config(service, surroundings))


def _health(service: Service, _: Surroundings) -> Part:
    check = service.get("healthcheck")
    if not check:
        return Part()
    translated: dict[str, Any] = {}
    if check.get("disable"):
        translated["Test"] = ["NONE"]
    elif check.get("test"):
        translated["Test"] = check["test"]
    for key, name in (
        ("interval", "Interval"), ("timeout", "Timeout"), ("start_period", "StartPeriod"),
        ("start_interval", "StartInterval"),
    ):  # fmt: skip
        if check.get(key) is not None:
            translated[name] = nanoseconds(check[key])
    if check.get("retries") is not None:
        translated["Retries"] = int(check["retries"])
    return Part({"Healthcheck": translated})


def _restart(service: Service, _: Surroundings) -> Part:
    """As the Compose file says. For routed services `always` replaces this later (`routed_restart`)."""
    return Part(host={"RestartPolicy": restart_policy(_restart_asked(service))})


def _restart_asked(service: Service) -> str:
    """NAME[:ATTEMPTS]. deploy.restart_policy, where it is there, wins over restart, even in plain Compose."""
    policy = (service.get("deploy") or {}).get("restart_policy")
    if policy is None:
        return service.get("restart") or "no"
    condition = policy.get("condition") or "no"
    name = {"any": "always", "none": "no"}.get(condition, condition)
    return f"{name}:{policy['max_attempts']}" if policy.get("max_attempts") else name


def restart_policy(text: str) -> dict[str, Any]:
    name, _, attempts = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(attempts or 0)}


def restart_text(policy: Mapping[str, Any]) -> str:
    """The inverse of `restart_policy`."""
    attempts = policy["MaximumRetryCount"]
    return f"{policy['Name']}:{attempts}" if attempts else str(policy["Name"])


def _rights(service: Service, _: Surroundings) -> Part:
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
    """In the one spelling that Docker's own clients send: CAP_NET_ADMIN for net_admin; ALL stands for every one."""
    names = {str(name).upper().removeprefix("CAP_") for name in asked}
    return ["ALL"] if "ALL" in names else sorted(f"CAP_{name}" for name in names)


def _namespaces(service: Service, surroundings: Surroundings) -> Part:
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


def _security(service: Service, surroundings: Surroundings) -> Part:
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
        (service.get("cpu_count"), "CpuCount"),
        (service.get("cpu_rt_period"), "CpuRealtimePeriod"),
        (service.get("cpu_rt_runtime"), "CpuRealtimeRuntime"),
        (service.get("oom_score_adj"), "OomScoreAdj"),
    ):
        if value is not None:
            host[name] = int(value)
    if service.get("cpu_percent"):
        host["CpuPercent"] = int(float(service["cpu_percent"]) * 100)
    if cpus := limits.get("cpus") or service.get("cpus"):
        host["NanoCpus"] = _nano_cpus(float(cpus))
    if service.get("cpuset"):
        host["CpusetCpus"] = service["cpuset"]
    host["OomKillDisable"] = bool(service.get("oom_kill_disable"))
    if service.get("ulimits"):
        host["Ulimits"] = [_ulimit(name, value) for name, value in service["ulimits"].items()]
    return Part(host=host)


def _nano_cpus(cpus: float) -> int:
    """Compose reckons in 32-bit floats."""

    def single(value: float) -> float:
        return float(struct.unpack("f", struct.pack("f", value))[0])

    return int(single(single(cpus) * NANOSECONDS))


def _ulimit(name: str, value: Any) -> dict[str, Any]:
    pair = {key.lower(): found for key, found in value.items()} if isinstance(value, Mapping) else None
    soft, hard = (pair.get("soft", 0), pair.get("hard", 0)) if pair is not None else (value, value)
    return {"Name": name, "Soft": soft, "Hard": hard}


def _block_devices(service: Service, _: Surroundings) -> Part:
    asked = service.get("blkio_config") or {}
    host: dict[str, Any] = {"BlkioWeight": int(asked["weight"])} if asked.get("weight") else {}
    for key, name, unit in (
        ("weight_device", "BlkioWeightDevice", "Weight"),
        ("device_read_bps", "BlkioDeviceReadBps", "Rate"),
        ("device_read_iops", "BlkioDeviceReadIOps", "Rate"),
        ("device_write_bps", "BlkioDeviceWriteBps", "Rate"),
        ("device_write_iops", "BlkioDeviceWriteIOps", "Rate"),
    ):
        devices = [{part.lower(): value for part, value in device.items()} for device in asked.get(key) or []]
        if devices:
            host[name] = [{"Path": device["path"], unit: int(device[unit.lower()])} for device in devices]
    return Part(host=host)


def _devices(service: Service, _: Surroundings) -> Part:
    devices, requests, described = [], [], []
    for device in service.get("devices") or []:
        if _is_cdi(device):
            described.append(device["source"])
            continue
        devices.append(
            {
                "PathOnHost": device["source"],
                "PathInContainer": device.get("target") or device["source"],
                "CgroupPermissions": device.get("permissions") or "rwm",
            }
        )
    if described:
        requests.append({"Driver": "cdi", "DeviceIDs": described})
    reserved = ((service.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
    requests += [_device_request(gpu, [*(gpu.get("capabilities") or []), "gpu"]) for gpu in service.get("gpus") or []]
    requests += [_device_request(asked, asked.get("capabilities") or []) for asked in reserved.get("devices") or []]
    host: dict[str, Any] = {"Devices": devices} if devices else {}
    if requests:
        host["DeviceRequests"] = requests
    if service.get("device_cgroup_rules"):
        host["DeviceCgroupRules"] = list(service["device_cgroup_rules"])
    return Part(host=host)


def _is_cdi(device: Mapping[str, Any]) -> bool:
    source = device.get("source", "")
    return source == device.get("target", source) and bool(CDI.match(source))


def _device_request(asked: Mapping[str, Any], capabilities: list[str]) -> dict[str, Any]:
    count = asked.get("count") or 0
    return {
        "Driver": asked.get("driver") or "",
        "Count": -1 if count == "all" else int(count),
        "DeviceIDs": list(asked.get("device_ids") or []) or None,
        "Capabilities": [capabilities],
        "Options": dict(asked.get("options") or {}) or None,
    }


def _logging(service: Service, _: Surroundings) -> Part:
    logging = service.get("logging")
    if not logging:
        return Part()
    return Part(host={"LogConfig": {"Type": logging.get("driver", ""), "Config": logging.get("options") or {}}})


def _labels(service: Service, _: Surroundings) -> Part:
    return Part({"Labels": {name: str(value) for name, value in (service.get("labels") or {}).items()}})


def _ports(service: Service, __: Surroundings) -> Part:
    """`expose` is kept; what `ports` publishes is nginx's business now."""
    exposed = [f"{port['target']}/{port.get('protocol', 'tcp')}" for port in service.get("ports") or []]
    for text in service.get("expose") or []:
        ports, _, protocol = str(text).partition("/")
        first, _, last = ports.partition("-")
        exposed += [f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1)]
    return Part({"ExposedPorts": {port: {} for port in exposed}} if exposed else {})


def _nothing(_: Service, __: Surroundings) -> Part:
    return Part()


Group = Callable[[Service, Surroundings], Part]
GROUPS: tuple[tuple[str, Group], ...] = (
    ("command entrypoint working_dir user stop_signal stop_grace_period tty stdin_open init group_add", _process),
    ("environment env_file", _environment),
    ("hostname domainname extra_hosts dns dns_search dns_opt", _names),
    ("volumes tmpfs secrets configs volumes_from", _mounts),
    ("healthcheck", _health),
    ("restart", _restart),
    ("cap_add cap_drop privileged read_only sysctls annotations storage_opt", _rights),
    ("ipc pid userns_mode uts cgroup_parent cgroup isolation runtime", _namespaces),
    ("security_opt", _security),
    ("mem_limit mem_reservation memswap_limit mem_swappiness shm_size pids_limit oom_score_adj", _limits),
    ("cpu_count cpu_percent cpu_shares cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpus cpuset", _limits),
    ("oom_kill_disable ulimits", _limits),
    ("blkio_config", _block_devices),
    ("devices device_cgroup_rules gpus", _devices),
    ("logging", _logging),
    ("labels label_file", _labels),
    ("expose ports", _ports),
    # Honoured elsewhere: images, replicas, networks and order; or of no effect on a container.
    ("image build pull_policy platform deploy scale networks links external_links depends_on", _nothing),
    ("profiles attach develop", _nothing),
)
KNOWN = frozenset(key for keys, _ in GROUPS for key in keys.split())
LATER = "this version of bluegreen does not know it"
HOOKS = "Compose runs it around its own start and stop of a container; put the command into the image's entrypoint"
SAME_ADDRESS = "both colors would need the same address"
REASONS = {
    "container_name": "two colors cannot share one name; take the line out: they are called APP-COLOR-SERVICE-N",
    "network_mode": "a color needs an address of its own on the app's network, where nginx reaches it",
    "mac_address": SAME_ADDRESS,
    "credential_spec": "it is for Windows containers",
    "pre_start": HOOKS,
    "post_start": HOOKS,
    "pre_stop": HOOKS,
    "provider": "a plugin of Compose runs it, not the Engine",
    "models": "a plugin of Compose runs them, not the Engine",
    "use_api_socket": "it hands the Engine's socket and your registry logins to both colors; mount the socket yourself",
}
# Keys whose meaning in a color differs from plain Compose: for the README.
DIFFERENT = {
    "ports": "not published by the containers: nginx publishes `listen`. A notice names each",
    "restart": 'routed services run with `always` unless it is `"no"`: the Engine starts only `always` again after '
    "its daemon was killed",
    "networks": "the service also stands on `APP_bluegreen`; its name and aliases are answered within its color only",
    "labels": "yours, and `bluegreen.*` instead of `com.docker.compose.*`",
    "environment": "yours, and `BLUEGREEN_COLOR` and `BLUEGREEN_RELEASE`",
    "volumes": "named ones and folders are the same for both colors, which write to them at the same time; an "
    "anonymous one is new with each release",
    "image": "started by the id that was checked, not by its name",
    "depends_on": "waits 120 s at most",
}


def replicas(service: Service) -> int:
    """How many containers of this service a color has."""
    deployed = (service.get("deploy") or {}).get("replicas")
    wanted = service.get("scale") if service.get("scale") is not None else deployed
    return 1 if wanted is None else int(wanted)


def routed_restart(service: Service, request: dict[str, Any]) -> None:
    """Makes what serves traffic come back after anything: `always`, unless the file says "no" in so many words.

    After the Engine's daemon alone was killed it starts only `always` again, not `unless-stopped`.
    """
    said = service.get("restart") or (service.get("deploy") or {}).get("restart_policy")
    if not said or _restart_asked(service) != "no":
        request["HostConfig"]["RestartPolicy"] = restart_policy("always")
