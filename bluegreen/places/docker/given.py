"""What the Engine knows that a container was given."""

from __future__ import annotations

from bluegreen.domain.color import LABEL_APP, LABEL_COLOR
from bluegreen.places.docker.addresses import network_name
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.containers import address_on


@translated
def variables(api: Api, address: str) -> dict[str, str]:
    """The environment of the app's container at this address; none: no container is there. Raises BluegreenError."""
    found = api.client.containers(all=True, filters={"label": [f"{LABEL_APP}={api.app}", LABEL_COLOR]})
    for it in found:
        if address_on(it, network_name(api.app)) == address:
            lines = api.client.inspect_container(it["Id"])["Config"].get("Env") or []
            return {name: value for name, _, value in (line.partition("=") for line in lines)}
    return {}
