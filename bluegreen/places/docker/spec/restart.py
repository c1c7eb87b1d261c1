"""Restart policies, as Compose asks for them and as what serves traffic needs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.part import Part, Service


def restart_part(service: Service, _: Surroundings) -> Part:
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


def routed_restart(service: Service, request: dict[str, Any]) -> None:
    """Makes what serves traffic come back after anything: `always`, unless the file says "no" in so many words.

    After the Engine's daemon alone was killed it starts only `always` again, not `unless-stopped`.
    """
    said = service.get("restart") or (service.get("deploy") or {}).get("restart_policy")
    if not said or _restart_asked(service) != "no":
        request["HostConfig"]["RestartPolicy"] = restart_policy("always")
