"""This place: one Docker Engine on this machine, put together for one app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bluegreen.compose.run import Compose
from bluegreen.places.docker.api import Api
from bluegreen.places.docker.colors import Colors
from bluegreen.places.docker.containers import Containers
from bluegreen.places.docker.engine import Engine
from bluegreen.places.docker.networks import Networks
from bluegreen.places.docker.proxy import Proxy
from bluegreen.places.docker.service_images import ServiceImages


@dataclass(frozen=True)
class Place:
    """The ports of a place: each part does one thing, and a second kind of place implements the same five."""

    api: Api
    networks: Networks
    colors: Colors
    containers: Containers
    images: ServiceImages
    proxy: Proxy
    engine: Engine


def docker_place(app: str, compose: Compose, state: Path, user: tuple[int, int], proxy_file: Path) -> Place:
    """`user`: who nginx runs as; `proxy_file`: the Compose file of the proxy. Asks nothing of the Engine yet."""
    api = Api(app)
    networks, images = Networks(api), ServiceImages(api, compose)
    proxy = Proxy(api, networks, images, state, user, proxy_file)
    return Place(api, networks, Colors(api, networks, images, compose), Containers(api), images, proxy, Engine(api))
