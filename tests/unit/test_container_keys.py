"""Each key of a service, and what the Engine is asked for because of it."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.refused import refusals
from bluegreen.places.docker.spec import create_request, depends_on_containers, endpoint, links, networks_by_priority

GROUND = Surroundings(
    volumes={"data": {"name": "shop_data"}}, containers={"db": (("id-1", "shop-db-1"), ("id-2", "shop-db-2"))},
    seccomp={"p.json": "{}"},
)  # fmt: skip


def _request(**service: Any) -> dict[str, Any]:
    return create_request(service, GROUND)


def _host(**service: Any) -> dict[str, Any]:
    found: dict[str, Any] = _request(**service)["HostConfig"]
    return found


@pytest.mark.parametrize(
    ("service", "asked"),
    [
        ({"mem_limit": "10", "mem_reservation": "5"}, {"Memory": 10, "MemoryReservation": 5}),
        (
            {"mem_limit": "10", "deploy": {"resources": {"limits": {"memory": "20", "pids": 3}}}},
            {"Memory": 20, "PidsLimit": 3},
        ),
        (
            {"deploy": {"resources": {"reservations": {"memory": "7"}}}, "mem_reservation": "5"},
            {"MemoryReservation": 7},
        ),
        (
            {"pids_limit": 9, "mem_swappiness": 0, "oom_score_adj": -5},
            {"PidsLimit": 9, "MemorySwappiness": 0, "OomScoreAdj": -5},
        ),
        (
            {"cpu_percent": 0.5, "cpus": 1.5, "cpuset": "0-1"},
            {"CpuPercent": 50, "NanoCpus": 1_500_000_000, "CpusetCpus": "0-1"},
        ),
        ({"cpus": 2, "deploy": {"resources": {"limits": {"cpus": 0.25}}}}, {"NanoCpus": 250_000_000}),
        ({"oom_kill_disable": True}, {"OomKillDisable": True}),
        ({}, {"OomKillDisable": False}),
        (
            {"ulimits": {"nproc": 5, "core": {"Hard": 2}}},
            {
                "Ulimits": [
                    {"Name": "nproc", "Soft": 5, "Hard": 5},
                    {"Name": "core", "Soft": 0, "Hard": 2},
                ]
            },
        ),
        (
            {"blkio_config": {"weight": 300, "device_read_bps": [{"path": "/dev/sda", "rate": "1024"}]}},
            {"BlkioWeight": 300, "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1024}]},
        ),
        (
            {"blkio_config": {"weight_device": [{"Path": "/dev/sda", "Weight": 5}]}},
            {"BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 5}]},
        ),
        (
            {"devices": [{"source": "/dev/a"}, {"source": "/dev/b", "target": "/dev/c", "permissions": "r"}]},
            {
                "Devices": [
                    {"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"},
                    {"PathOnHost": "/dev/b", "PathInContainer": "/dev/c", "CgroupPermissions": "r"},
                ]
            },
        ),
        (
            {"devices": [{"source": "vendor.com/gpu=all"}]},
            {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/gpu=all"]}]},
        ),
        (
            {"gpus": [{"count": "all"}]},
            {
                "DeviceRequests": [
                    {"Driver": "", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": None},
                ]
            },
        ),
        (
            {
                "deploy": {
                    "resources": {
                        "reservations": {
                            "devices": [
                                {
                                    "driver": "nvidia",
                                    "device_ids": ["1"],
                                    "capabilities": ["tpu"],
                                    "options": {"a": "b"},
                                },
                            ]
                        }
                    }
                }
            },
            {
                "DeviceRequests": [
                    {
                        "Driver": "nvidia",
                        "Count": 0,
                        "DeviceIDs": ["1"],
                        "Capabilities": [["tpu"]],
                        "Options": {"a": "b"},
                    },
                ]
            },
        ),
        ({"device_cgroup_rules": ["c 1:3 mr"]}, {"DeviceCgroupRules": ["c 1:3 mr"]}),
        (
            {"cap_add": ["net_admin", "CAP_SYS_TIME"], "cap_drop": ["all", "chown"]},
            {"CapAdd": ["CAP_NET_ADMIN", "CAP_SYS_TIME"], "CapDrop": ["ALL"]},
        ),
        ({"privileged": True, "read_only": True}, {"Privileged": True, "ReadonlyRootfs": True}),
        ({"sysctls": {"a": 1}, "storage_opt": {"size": "1G"}}, {"Sysctls": {"a": "1"}, "StorageOpt": {"size": "1G"}}),
        (
            {"pid": "host", "ipc": "service:db", "cgroup": "private", "uts": "host"},
            {"PidMode": "host", "IpcMode": "container:id-1", "CgroupnsMode": "private", "UTSMode": "host"},
        ),
        (
            {"security_opt": ["systempaths=unconfined", "label:disable"]},
            {"MaskedPaths": [], "ReadonlyPaths": [], "SecurityOpt": ["label:disable"]},
        ),
        (
            {"security_opt": ["seccomp:p.json", "seccomp=unconfined", "seccomp=builtin", "apparmor=p.json"]},
            {"SecurityOpt": ["seccomp={}", "seccomp=unconfined", "seccomp=builtin", "apparmor=p.json"]},
        ),
        ({"init": False}, {"Init": False}),
        ({"init": True, "group_add": [5]}, {"Init": True, "GroupAdd": ["5"]}),
        (
            {"extra_hosts": {"a": ["1.1.1.1", "2.2.2.2"], "b": "3.3.3.3"}},
            {"ExtraHosts": ["a:1.1.1.1", "a:2.2.2.2", "b:3.3.3.3"]},
        ),
        (
            {"extra_hosts": ["a=1.1.1.1"], "dns": "9.9.9.9", "dns_search": ["x"]},
            {"ExtraHosts": ["a:1.1.1.1"], "Dns": ["9.9.9.9"], "DnsSearch": ["x"]},
        ),
        ({"logging": {"driver": "local"}}, {"LogConfig": {"Type": "local", "Config": {}}}),
    ],
)
def test_what_the_host_is_asked_for(service: dict[str, Any], asked: dict[str, Any]) -> None:
    assert {key: value for key, value in _host(**service).items() if key in asked} == asked


def test_what_was_not_asked_for_is_not_there() -> None:
    for key in (
        "Devices", "DeviceRequests", "DeviceCgroupRules", "SecurityOpt", "CapAdd", "Privileged", "Ulimits", "Memory",
        "NanoCpus", "CpuPercent", "BlkioWeight", "Init", "LogConfig", "ExtraHosts", "MaskedPaths", "PidMode",
    ):  # fmt: skip
        assert key not in _host(image="a"), key


@pytest.mark.parametrize(
    ("service", "asked"),
    [
        ({"command": "echo 'a b'"}, {"Cmd": ["echo", "a b"]}), ({"entrypoint": ["a", 1]}, {"Entrypoint": ["a", "1"]}),
        ({"tty": True, "stdin_open": True, "user": "5", "working_dir": "/w"},
         {"Tty": True, "OpenStdin": True, "User": "5", "WorkingDir": "/w"}),
        ({"stop_grace_period": "2500ms", "stop_signal": "SIGINT"}, {"StopTimeout": 2, "StopSignal": "SIGINT"}),
        ({"stop_grace_period": "0s"}, {"StopTimeout": 0}),
        ({"hostname": "h", "domainname": "d"}, {"Hostname": "h", "Domainname": "d"}),
        ({"labels": {"a": 1}}, {"Labels": {"a": "1"}}), ({"environment": {"A": "1"}}, {"Env": ["A=1"]}),
        ({"healthcheck": {"start_period": "1s", "retries": 0}}, {"Healthcheck": {"StartPeriod": 10**9, "Retries": 0}}),
        ({"expose": ["1-3", "5/udp"], "ports": [{"target": 9}]},
         {"ExposedPorts": {"9/tcp": {}, "1/tcp": {}, "2/tcp": {}, "3/tcp": {}, "5/udp": {}}}),
    ],
)  # fmt: skip
def test_what_the_container_is_made_with(service: dict[str, Any], asked: dict[str, Any]) -> None:
    found = _request(**service)
    assert {key: found.get(key) for key in asked} == asked


@pytest.mark.parametrize(
    "key", ["Tty", "OpenStdin", "User", "StopTimeout", "Cmd", "Env", "Healthcheck", "ExposedPorts"]
)
def test_the_images_own_stays_where_nothing_is_said(key: str) -> None:
    assert key not in _request(image="a")


def test_how_a_container_stands_on_its_networks() -> None:
    assert endpoint(None) == {"DriverOpts": None, "Links": None}
    use = {"driver_opts": {"a": "b"}, "interface_name": "eth7", "gw_priority": "3", "aliases": ["x"]}
    assert endpoint(use, ["db:d"]) == {
        "DriverOpts": {"a": "b", "com.docker.network.endpoint.ifname": "eth7"}, "Links": ["db:d"], "GwPriority": 3,
    }  # fmt: skip
    uses = {"b": None, "a": {"priority": 1}, "c": {"priority": 5}, "d": {"priority": 1}}
    assert [name for name, _ in networks_by_priority({"networks": uses})] == ["c", "a", "d", "b"]
    assert networks_by_priority({}) == []


def test_links_have_composes_three_names() -> None:
    found = links({"links": ["db", "db:d", "none"], "external_links": ["x", "y:z"]}, GROUND, "shop", 3)
    assert found == [
        "shop-db-1:db",
        "shop-db-1:db-3",
        "shop-db-1:shop-db-3",
        "shop-db-2:db",
        "shop-db-2:db-3",
        "shop-db-2:shop-db-3",
        "shop-db-1:d",
        "shop-db-1:db-3",
        "shop-db-1:shop-db-3",
        "shop-db-2:d",
        "shop-db-2:db-3",
        "shop-db-2:shop-db-3",
        "x:x",
        "y:z",
    ]
    named = {"links": ["a:b"], "volumes_from": ["c:ro", "container:x"], "ipc": "service:d", "pid": "host"}
    assert depends_on_containers(named) == [
        "a", "c", "d",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("command", "a 'b"), ("entrypoint", "'"), ("expose", ["x"]), ("extra_hosts", ["a"]), ("gpus", "all"),
        ("mem_limit", "1e3"), ("shm_size", "64m"), ("restart", "on-failure:y"), ("stop_grace_period", "5 minutes"),
        ("devices", ["/dev/null:/dev/null:r"]), ("healthcheck", {"test": ["NONE"], "interval": "soon"}),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_by_its_service_before_anything_is_made(key: str, value: Any) -> None:
    document = {"services": {"web": {"image": "x", key: value}}}
    ((path, reason),) = refusals(document, ["web"], lambda: "1.44")
    assert path.startswith("services.web")
    assert reason
