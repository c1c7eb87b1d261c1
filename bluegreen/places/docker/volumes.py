"""Volumes: looked at, copied, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker.errors import NotFound

from bluegreen.errors import BluegreenError
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.commands import run_task


def exists(api: Api, name: str) -> bool:
    """Whether there is a volume of this name."""
    return path(api, name) is not None


@translated
def path(api: Api, name: str) -> str | None:
    """The folder of a named volume of the local driver on this machine; None: there is none."""
    try:
        return str(api.client.inspect_volume(name)["Mountpoint"])
    except NotFound:
        return None


@translated
def remove(api: Api, name: str) -> bool:
    try:
        api.client.remove_volume(name)
    except NotFound:
        return False
    return True


@translated
def of_compose(api: Api) -> list[str]:
    """The named volumes that Compose made for this app."""
    found = api.client.volumes(filters={"label": f"com.docker.compose.project={api.app}"})
    return [entry["Name"] for entry in found["Volumes"] or []]


@translated
def size(api: Api, name: str, image: str) -> int:
    """What a named volume holds, in bytes, counted in a container of this image."""
    _, output = run_task(api, image, ["du", "-sk", "/from"], _mounting(f"{name}:/from:ro"))
    return int(output.split()[0]) * 1024


@translated
def copy(api: Api, name: str, to: str, labels: Mapping[str, str], image: str) -> None:
    """A new volume with what another one holds, owners and modes included. Raises BluegreenError."""
    api.client.create_volume(to, labels=dict(labels))
    code, output = run_task(api, image, ["cp", "-a", "/from/.", "/to/"], _mounting(f"{name}:/from:ro", f"{to}:/to"))
    if code:
        raise BluegreenError(
            f"The volume {name} could not be copied.",
            code="cannot-copy",
            failed=output.strip()[:300],
            expected="cp -a to end with exit code 0",
        )


def _mounting(*binds: str) -> dict[str, Any]:
    return {"HostConfig": {"Binds": list(binds)}, "User": "0", "NetworkDisabled": True}
