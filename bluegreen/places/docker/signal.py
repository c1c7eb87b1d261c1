"""A signal to a container without docker-py: what the end of a flip-back needs of the Engine. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping

from bluegreen.places.docker.connection import DEFAULT, engine_address
from bluegreen.unix_http import NoAnswer, post

TIMEOUT = 10.0  # seconds; it takes some milliseconds


def signal(container: str, name: str, environment: Mapping[str, str]) -> bool:
    """Whether the Engine has sent it. False: ask again with everything, which says why not.

    Source: Docker Engine API, ContainerKill; a path without a version is the newest that the Engine has.
    """
    address = engine_address(environment)
    if address != DEFAULT and not address.startswith("unix://"):
        return False
    try:
        return post(address.removeprefix("unix://"), f"/containers/{container}/kill?signal={name}", TIMEOUT) == 204
    except NoAnswer:
        return False
