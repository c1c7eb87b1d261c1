"""A container, created: on its networks, with its files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from docker.errors import APIError
from docker.utils import version_gte

from bluegreen.domain.color import LABEL_APP
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.containers import Containers
from bluegreen.places.docker.mounts import CopiedFile


@translated
def create(
    api: Api,
    name: str,
    request: Mapping[str, Any],
    endpoints: Mapping[str, Mapping[str, Any]],
    platform: str | None = None,
) -> str:
    """Creates a container on its networks and returns its id. `endpoints`: the first is its main one."""
    names = list(endpoints)
    body = dict(request)
    # Engines before API 1.44 take one network at creation; the others are added before the start.
    first = names if version_gte(api.version(), "1.44") else names[:1]
    body["NetworkingConfig"] = {"EndpointsConfig": {name: dict(endpoints[name]) for name in first}}
    if names:
        body["HostConfig"] = {**body.get("HostConfig", {}), "NetworkMode": names[0]}
    identity = _create(api, body, name, platform)
    for network in names[len(first) :]:
        api.client.connect_container_to_network(identity, network, **_endpoint(endpoints[network]))
    return identity


def _create(api: Api, body: Mapping[str, Any], name: str, platform: str | None) -> str:
    """Creates a container; one of ours with that name, left by a command that was killed, goes first."""
    try:
        return str(api.client.create_container_from_config(body, name, platform)["Id"])
    except APIError as error:
        if error.status_code != 409:
            raise
        found = api.client.inspect_container(name)
        if (found["Config"]["Labels"] or {}).get(LABEL_APP) != api.app or found["State"]["Running"]:
            raise
        Containers(api).remove(found["Id"])
        return str(api.client.create_container_from_config(body, name, platform)["Id"])


@translated
def copy_file(api: Api, container: str, file: CopiedFile) -> None:
    """Puts a file into a container that has not been started."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        content = file.content.encode()
        entry = tarfile.TarInfo(file.path.lstrip("/"))
        entry.size, entry.mode, entry.uid, entry.gid = len(content), file.mode, file.uid, file.gid
        archive.addfile(entry, io.BytesIO(content))
    # As docker-py's put_archive, which does not know copyUIDGID; Compose asks for it with an owner.
    parameters = {"path": "/", **({"copyUIDGID": "true"} if file.owned else {})}
    client = api.client
    answer = client._put(client._url("/containers/{0}/archive", container), params=parameters, data=packed.getvalue())
    client._raise_for_status(answer)


def _endpoint(settings: Mapping[str, Any]) -> dict[str, Any]:
    translated: dict[str, Any] = {}
    if settings.get("Aliases"):
        translated["aliases"] = list(settings["Aliases"])
    if address := (settings.get("IPAMConfig") or {}).get("IPv4Address"):
        translated["ipv4_address"] = address
    if settings.get("DriverOpts"):
        translated["driver_opt"] = dict(settings["DriverOpts"])
    if settings.get("Links"):
        translated["links"] = [tuple(link.split(":", 1)) for link in settings["Links"]]
    return translated
