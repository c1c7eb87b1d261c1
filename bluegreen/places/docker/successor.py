"""A container whose nginx takes over from the one that serves, in the network of the one that has the ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bluegreen.domain.color import LABEL_AFTER, LABEL_APP, LABEL_ROLE
from bluegreen.frontdoor import succession
from bluegreen.places.docker import creation
from bluegreen.places.docker.addresses import proxy_name
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.containers import Containers
from bluegreen.places.docker.spec import restart_policy

MOST_LEAVING = 4  # containers whose nginx ends when its last connection does

Run = Callable[[Sequence[str]], tuple[int, str]]


class Successor:
    """NewNginx on one Engine; not made before it starts. Every method raises BluegreenError."""

    def __init__(self, api: Api, name: str, request: Mapping[str, Any], try_out: Run) -> None:
        """`try_out` runs a command in a container of the same image."""
        self._api, self.name, self._request, self.try_out = api, name, request, try_out

    def start(self) -> None:
        """Makes and starts it; nothing but this start brings it back."""
        container = creation.create(self._api, self.name, self._request, {})
        Containers(self._api).start(container)

    @translated
    def keep(self) -> None:
        """It starts with the machine from now on."""
        self._api.client.update_container(self.name, restart_policy=restart_policy("always"))


@translated
def of(api: Api, state: Path, request: dict[str, Any], try_out: Run) -> Successor:
    """The next one of this app. `request`: what every container of the proxy has. Those that have ended go."""
    there = _all(api)
    first, serves = _two(api, state, there)
    holder = first["Id"] if first else proxy_name(api.app)
    taken, leaving = [], 0
    for it in there:  # the newest first. One that still runs answers what it was asked, such as a WebSocket
        number = it["Names"][0].rpartition("-")[2]
        taken += [int(number)] if LABEL_AFTER in it["Labels"] and number.isdecimal() else []
        if it not in (first, serves) and (it["State"] != "running" or leaving >= MOST_LEAVING):
            Containers(api).remove(it["Id"])
        leaving += it not in (first, serves)
    name = f"{proxy_name(api.app)}-{max([1, *taken]) + 1}"
    host = {key: value for key, value in request["HostConfig"].items() if key != "Sysctls"}  # they are the network's
    host |= {"NetworkMode": f"container:{holder}", "RestartPolicy": restart_policy("no")}  # until it serves
    body = {
        **request, "Env": [*(request.get("Env") or []), f"BLUEGREEN_ME={name}"], "HostConfig": host,
        "Labels": {**request["Labels"], LABEL_AFTER: holder},
    }  # fmt: skip
    return Successor(api, name, body, try_out)


def found(api: Api, state: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """(the container that has the ports, the one whose nginx serves); without the second: the first; None: no proxy."""
    return _two(api, state, _all(api))


def _two(api: Api, state: Path, there: Sequence[dict[str, Any]]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    name = succession.serving(f"{state}/nginx", proxy_name(api.app))
    first = next((it for it in there if LABEL_AFTER not in it["Labels"]), None)
    return first, next((it for it in there if it["Names"][0] == f"/{name}"), first)


@translated
def forget(api: Api, state: Path) -> None:
    """The first container's nginx serves again, once it starts; the others go."""
    for it in _all(api):
        if LABEL_AFTER in it["Labels"]:
            Containers(api).remove(it["Id"])
    succession.forget(f"{state}/nginx")


def _all(api: Api) -> list[dict[str, Any]]:
    label = {"label": [f"{LABEL_APP}={api.app}", f"{LABEL_ROLE}=proxy"]}
    there: list[dict[str, Any]] = api.client.containers(all=True, filters=label)
    return there
