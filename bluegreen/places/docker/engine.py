"""What else the Engine of this machine has and says: versions, ports that are held, what plain Compose runs."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from docker.errors import APIError, NotFound

from bluegreen.domain.app import Listen
from bluegreen.domain.color import LABEL_APP, LABEL_PROJECT, LABEL_ROLE
from bluegreen.domain.owner import Owner
from bluegreen.domain.world import EngineFacts, PlainContainer
from bluegreen.host.ports import process_on
from bluegreen.places.docker import connection, volumes
from bluegreen.places.docker.addresses import overlap, proxy_name
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.containers import Containers

COMPOSE = "com.docker.compose"  # of its labels
RUNS = ("running", "restarting", "paused")  # states in which a container holds what it uses
MAX_TEXT = 1024 * 1024  # bytes of a file that is read out of a container


class Engine:
    """EnginePort. Every method raises BluegreenError."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @translated
    def facts(self) -> EngineFacts:
        found = self._api.client.version()
        info = self._api.client.info()
        return EngineFacts(found["Version"], self._api.version(), info["DockerRootDir"])

    @translated
    def plain_containers(self) -> tuple[PlainContainer, ...]:
        """The containers that plain Compose made of any service of this app, in any state, by name."""
        label = [f"com.docker.compose.project={self._api.app}", "com.docker.compose.oneoff=False"]
        return tuple(
            PlainContainer(
                entry["Id"],
                entry["Names"][0].lstrip("/"),
                entry["Labels"]["com.docker.compose.service"],
                entry["State"] in RUNS,
                entry["Labels"].get(f"{COMPOSE}.config-hash", ""),
            )
            for entry in sorted(
                self._api.client.containers(all=True, filters={"label": label}), key=lambda it: str(it["Names"])
            )
        )

    @translated
    def port_holder(self, listen: Listen) -> str | None:
        """Who holds a port that nginx must be published on: a container's name, "" for no container, None for nobody.

        Our own proxy does not count. A port that this user may not try counts as free.
        """
        return self.port_holders([listen])[listen]

    @translated
    def port_holders(self, listeners: Sequence[Listen]) -> dict[Listen, str | None]:
        """The same of several, of which the Engine is asked once."""
        running = self._api.client.containers()
        return {listen: self._holder(running, listen) for listen in listeners}

    def _holder(self, running: Sequence[Mapping[str, Any]], listen: Listen) -> str | None:
        for entry in running:
            published = any(
                port.get("PublicPort") == listen.port
                and port.get("Type", "tcp") == "tcp"  # the same number of UDP is another port
                and overlap(port.get("IP", ""), listen)
                for port in entry["Ports"] or []
            )
            if published and f"/{proxy_name(self._api.app)}" not in entry["Names"]:
                return str(entry["Names"][0].lstrip("/"))
            if published:
                return None
        return "" if _is_taken(listen) else None

    def port_process(self, listen: Listen) -> str:
        """The process that holds a port, in words; empty: unknown."""
        return process_on(listen.address.strip("[]"), listen.port)

    @translated
    def owners(self) -> dict[str, Owner]:
        """Whose every container of this machine is that is not this app's, by its name."""
        found = {}
        for entry in self._api.client.containers(all=True):
            labels, name = entry["Labels"] or {}, entry["Names"][0].lstrip("/") if entry["Names"] else ""
            if labels.get(LABEL_APP) != self._api.app:
                found[name] = Owner(
                    name, labels.get(LABEL_APP, ""), labels.get(LABEL_ROLE, ""), labels.get(f"{COMPOSE}.project", ""),
                    labels.get(f"{COMPOSE}.service", ""),
                    labels.get(LABEL_PROJECT) or labels.get(f"{COMPOSE}.project.working_dir", ""),
                    entry["State"] in RUNS,
                )  # fmt: skip
        return found

    @translated
    def text_of(self, container: str, path: str) -> str | None:
        """A small text file in a container, running or not; None: there is none."""
        try:
            stream, facts = self._api.client.get_archive(container, path)
        except NotFound:
            return None
        if facts["size"] > MAX_TEXT:
            return None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.next()
            file = archive.extractfile(member) if member and member.isfile() else None
            return file.read().decode(errors="replace") if file else None

    def volume_path(self, name: str) -> str | None:
        """The folder of a named volume of the local driver on this machine; None: there is none."""
        return volumes.path(self._api, name)

    def publishes_here(self) -> bool:
        """Whether the Engine's published ports are ours to ask: it runs in our network namespace, or that is unknown.

        Source: unix(7), SO_PEERCRED; namespaces(7), /proc/PID/ns/net.
        """
        return connection.in_our_network(connection.engine_address(os.environ).removeprefix("unix://"))

    @translated
    def remove_tasks(self) -> None:
        """Removes containers of `run_task` that a killed command left."""
        label = {"label": [f"{LABEL_APP}={self._api.app}", f"{LABEL_ROLE}=once"]}
        for entry in self._api.client.containers(all=True, filters=label):
            Containers(self._api).remove(entry["Id"])

    @translated
    def remove_leftovers(self) -> list[str]:
        """Removes every container and network with this app's label; returns their names."""
        gone = []
        label = {"label": f"{LABEL_APP}={self._api.app}"}
        for entry in self._api.client.containers(all=True, filters=label):
            Containers(self._api).remove(entry["Id"])
            gone.append(entry["Names"][0].lstrip("/"))
        for entry in self._api.client.networks(filters=label):
            _empty(self._api, entry["Id"])
            self._api.client.remove_network(entry["Id"])
            gone.append(entry["Name"])
        return gone

    @translated
    def remove_network(self, name: str) -> bool:
        """Removes a network of the Compose file if nobody uses it."""
        try:
            self._api.client.remove_network(name)
        except (NotFound, APIError):
            return False
        return True

    def remove_volume(self, name: str) -> bool:
        """Removes a volume; False: there is none."""
        return volumes.remove(self._api, name)


def _empty(api: Api, network: str) -> None:
    """Takes whatever is still on a network off it: plain Compose's containers were asked there."""
    for container in api.client.inspect_network(network).get("Containers") or {}:
        with contextlib.suppress(APIError):  # it went by itself
            api.client.disconnect_container_from_network(container, network, force=True)


def _is_taken(listen: Listen) -> bool:
    address = listen.address.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, listen.port))
    except OSError as error:  # others: no such address here, no IPv6, not for this user
        return error.errno == errno.EADDRINUSE
    return False


@translated
def of_compose(api: Api, service: str) -> tuple[tuple[str, str], ...]:
    """(id, name) of the containers that Compose itself runs of a service, in any state, by number."""
    labels = [f"com.docker.compose.project={api.app}", f"com.docker.compose.service={service}"]
    labels.append("com.docker.compose.oneoff=False")
    found = api.client.containers(all=True, filters={"label": labels})
    found.sort(key=lambda entry: int(entry["Labels"].get("com.docker.compose.container-number") or 0))
    return tuple((entry["Id"], entry["Names"][0].lstrip("/")) for entry in found)
