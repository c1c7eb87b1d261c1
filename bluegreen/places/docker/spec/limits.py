"""Memory, processor, devices."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.part import Part, Service

CDI = re.compile(r"^[A-Za-z][\w.-]*/[A-Za-z][\w.-]*=[\w.:-]+$")  # VENDOR/CLASS=NAME, a device that a driver describes

BILLION = 1_000_000_000  # parts of one CPU, as the Engine counts


def limits_part(service: Service, _: Surroundings) -> Part:
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

    return int(single(single(cpus) * BILLION))


def _ulimit(name: str, value: Any) -> dict[str, Any]:
    pair = {key.lower(): found for key, found in value.items()} if isinstance(value, Mapping) else None
    soft, hard = (pair.get("soft", 0), pair.get("hard", 0)) if pair is not None else (value, value)
    return {"Name": name, "Soft": soft, "Hard": hard}


def block_devices_part(service: Service, _: Surroundings) -> Part:
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


def devices_part(service: Service, _: Surroundings) -> Part:
    devices, requests, described = [], [], []
    for device in service.get("devices") or []:
        if is_cdi(device):
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


def is_cdi(device: Mapping[str, Any]) -> bool:
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
