"""What runs in a container and how it is called: command, environment, names, mounts, health, labels, ports."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from bluegreen.domain import labelled
from bluegreen.domain.units import SECOND
from bluegreen.places.docker import mounts as container_mounts
from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.part import Part, Refusal, Service, nanoseconds


def health_refusals(service: Service) -> Iterable[Refusal]:
    check = service.get("healthcheck") or {}
    if check.get("start_interval") is not None and check.get("start_period") is None:
        yield Refusal("healthcheck.start_interval", "Compose itself wants start_period beside it")


def process_part(service: Service, _: Surroundings) -> Part:
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
        part.config["StopTimeout"] = nanoseconds(service["stop_grace_period"]) // SECOND
    if service.get("group_add"):
        part.host["GroupAdd"] = [str(group) for group in service["group_add"]]
    return part


def _words(value: Any) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]


def environment_part(service: Service, _: Surroundings) -> Part:
    environment = service.get("environment") or {}
    # A name without a value anywhere goes to the Engine bare, which takes the variable away from the image's.
    return Part(
        {"Env": [name if value is None else f"{name}={value}" for name, value in environment.items()]}
        if environment
        else {}
    )


def names_part(service: Service, _: Surroundings) -> Part:
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


def mounts_part(service: Service, surroundings: Surroundings) -> Part:
    return Part(host=container_mounts.host_config(service, surroundings))


def health_part(service: Service, _: Surroundings) -> Part:
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


def logging_part(service: Service, _: Surroundings) -> Part:
    logging = service.get("logging")
    if not logging:
        return Part()
    return Part(host={"LogConfig": {"Type": logging.get("driver", ""), "Config": logging.get("options") or {}}})


def labels_part(service: Service, _: Surroundings) -> Part:
    kept = labelled.without(service.get("labels") or {})  # two colors are not for another proxy's pool
    return Part({"Labels": {name: str(value) for name, value in kept.items()}})


def ports_part(service: Service, __: Surroundings) -> Part:
    """`expose` is kept; what `ports` publishes is nginx's business now."""
    exposed = [f"{port['target']}/{port.get('protocol', 'tcp')}" for port in service.get("ports") or []]
    for text in service.get("expose") or []:
        ports, _, protocol = str(text).partition("/")
        first, _, last = ports.partition("-")
        exposed += [f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1)]
    return Part({"ExposedPorts": {port: {} for port in exposed}} if exposed else {})


def nothing_part(_: Service, __: Surroundings) -> Part:
    return Part()
