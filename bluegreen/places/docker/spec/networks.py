"""Networks, addresses and links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.part import LATER, Refusal, Service

INTERFACE = "com.docker.network.endpoint.ifname"  # how the Engine's drivers call networks.*.interface_name


def endpoint(use: Mapping[str, Any] | None, links: Iterable[str] = ()) -> dict[str, Any]:
    """How a container is on one network of the Compose file.

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


def network_refusals(service: Service) -> Iterable[Refusal]:
    for name, use in (service.get("networks") or {}).items():
        for key in use or {}:
            if key in ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address"):
                yield Refusal(f"networks.{name}.{key}", SAME_ADDRESS)
            elif key not in ("aliases", "priority", "driver_opts", "gw_priority", "interface_name"):
                yield Refusal(f"networks.{name}.{key}", LATER)


SAME_ADDRESS = "both colors would need the same address"
