"""The proxies of this machine: each app's, with what its labels say of it."""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.domain.color import LABEL_AFTER, LABEL_APP, LABEL_EDGE, LABEL_PROJECT, LABEL_ROLE, LABEL_STATE
from bluegreen.places.docker.addresses import proxy_name
from bluegreen.places.docker.api import Api, translated


@dataclass(frozen=True)
class Proxy:
    """`state`, `project`: folders, as they were when the container was made; empty for one of a bluegreen before."""

    app: str
    state: str
    project: str


@translated
def proxies() -> list[Proxy]:
    """Every proxy that the Engine has, running or not. Raises BluegreenError when it does not answer."""
    found = Api("").client.containers(all=True, filters={"label": [f"{LABEL_ROLE}=proxy"]})
    return [
        Proxy(it["Labels"].get(LABEL_APP, ""), it["Labels"].get(LABEL_STATE, ""), it["Labels"].get(LABEL_PROJECT, ""))
        for it in found
        if LABEL_AFTER not in it["Labels"]
    ]


@translated
def on_edge(name: str) -> set[str]:
    """The apps whose nginx was made for visitors who come through the edge of this name. Raises BluegreenError."""
    found = Api("").client.containers(all=True, filters={"label": [f"{LABEL_ROLE}=proxy", LABEL_EDGE]})
    return {it["Labels"][LABEL_APP] for it in found if it["Labels"][LABEL_EDGE].partition(" ")[0] == name}


@translated
def user(proxy: Proxy) -> int | None:
    """As whom a proxy runs: who made the app, unless that was root. Raises BluegreenError."""
    found = Api(proxy.app).client.inspect_container(proxy_name(proxy.app))["Config"].get("User") or ""
    number = found.partition(":")[0]
    return int(number) if number.isascii() and number.isdecimal() else None
