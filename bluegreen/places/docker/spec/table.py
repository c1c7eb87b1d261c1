"""Which function knows which keys, what is refused, and the complete request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bluegreen.places.docker import mounts as container_mounts
from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.limits import block_devices_part, devices_part, is_cdi, limits_part
from bluegreen.places.docker.spec.networks import SAME_ADDRESS, network_refusals
from bluegreen.places.docker.spec.part import LATER, Need, Part, Refusal, Service
from bluegreen.places.docker.spec.process import (
    environment_part,
    health_part,
    health_refusals,
    labels_part,
    logging_part,
    mounts_part,
    names_part,
    nothing_part,
    ports_part,
    process_part,
)
from bluegreen.places.docker.spec.restart import restart_part
from bluegreen.places.docker.spec.rights import namespaces_part, rights_part, security_part


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


def refusals(service: Service, surroundings: Surroundings) -> list[Refusal]:
    """Every key of this service that a color cannot honour, with its reason."""
    unknown = [key for key in service if key not in KNOWN and service[key] not in (None, [], {}, "", False)]
    found = [Refusal(key, REASONS.get(key, LATER)) for key in unknown]
    found += [Refusal(key, reason) for key, reason in container_mounts.refusals(service, surroundings)]
    return [*found, *network_refusals(service), *health_refusals(service)]


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
    if any(is_cdi(device) for device in service.get("devices") or []):
        found.append(Need("devices (CDI)", "1.44", "25"))
    return found


Group = Callable[[Service, Surroundings], Part]


GROUPS: tuple[tuple[str, Group], ...] = (
    ("command entrypoint working_dir user stop_signal stop_grace_period tty stdin_open init group_add", process_part),
    ("environment env_file", environment_part),
    ("hostname domainname extra_hosts dns dns_search dns_opt", names_part),
    ("volumes tmpfs secrets configs volumes_from", mounts_part),
    ("healthcheck", health_part),
    ("restart", restart_part),
    ("cap_add cap_drop privileged read_only sysctls annotations storage_opt", rights_part),
    ("ipc pid userns_mode uts cgroup_parent cgroup isolation runtime", namespaces_part),
    ("security_opt", security_part),
    ("mem_limit mem_reservation memswap_limit mem_swappiness shm_size pids_limit oom_score_adj", limits_part),
    ("cpu_count cpu_percent cpu_shares cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpus cpuset", limits_part),
    ("oom_kill_disable ulimits", limits_part),
    ("blkio_config", block_devices_part),
    ("devices device_cgroup_rules gpus", devices_part),
    ("logging", logging_part),
    ("labels label_file", labels_part),
    ("expose ports", ports_part),
    # Honoured elsewhere: images, replicas, networks and order; or of no effect on a container.
    ("image build pull_policy platform deploy scale networks links external_links depends_on", nothing_part),
    ("profiles attach develop", nothing_part),
)


KNOWN = frozenset(key for keys, _ in GROUPS for key in keys.split())


HOOKS = "Compose runs it around its own start and stop of a container; put the command into the image's entrypoint"


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


# Keys whose meaning in a color differs from plain Compose: for the reference.
DIFFERENT = {
    "ports": "not published by the containers: nginx publishes `listen`. A notice names each",
    "restart": 'routed services run with `always` unless it is `"no"`: the Engine starts only `always` again after '
    "its daemon was killed",
    "networks": "the service is also on `APP_bluegreen`; its name and aliases are answered within its color only",
    "labels": "yours, and `bluegreen.*` instead of `com.docker.compose.*`; without those by which another "
    "proxy (Traefik, caddy-docker-proxy) would find both colors. A notice names each",
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
