"""The containers of one app: looked at, started, stopped, removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from docker.errors import APIError, NotFound

from bluegreen.domain.color import (
    LABEL_APP,
    LABEL_COLOR,
    LABEL_DEFINITION,
    LABEL_NUMBER,
    LABEL_RELEASE,
    LABEL_RESTART,
    LABEL_ROLE,
    LABEL_SERVICE,
    Place,
    TaskRole,
)
from bluegreen.domain.world import DockerHealth, Replica, TaskContainer
from bluegreen.places.docker.addresses import container_name, network_name
from bluegreen.places.docker.api import translated
from bluegreen.places.docker.logs import Logs, remember
from bluegreen.places.docker.spec import restart_policy

NANO = 1_000_000_000  # the Engine counts in nanoseconds


class Containers(Logs):
    """ContainersPort on one Engine. Every method raises BluegreenError."""

    @translated
    def replicas(self) -> tuple[Replica, ...]:
        """Every container of a color, in any state, ordered by name."""
        found = self._api.client.containers(all=True, filters={"label": [f"{LABEL_APP}={self._api.app}", LABEL_COLOR]})
        return tuple(sorted((_replica(it, self._api.app) for it in found), key=lambda replica: replica.name))

    @translated
    def task_containers(self, role: TaskRole) -> tuple[TaskContainer, ...]:
        """The containers of one-off runs that are still there: killed commands left them."""
        label = {"label": [f"{LABEL_APP}={self._api.app}", f"{LABEL_ROLE}={role}"]}
        client = self._api.client
        found = (client.inspect_container(entry["Id"]) for entry in client.containers(all=True, filters=label))
        return tuple(
            TaskContainer(
                it["Id"], it["Name"].lstrip("/"), int(it["Config"]["Labels"].get(LABEL_RELEASE) or 0),
                it["State"]["Running"], None if it["State"]["Running"] else it["State"]["ExitCode"],
            )
            for it in found
        )  # fmt: skip

    @translated
    def start(self, container: str) -> None:
        """Starts a container, in whatever state it is: one that somebody has paused goes on."""
        try:
            self._api.client.start(container)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            if not self._api.client.inspect_container(container)["State"].get("Paused"):
                raise
            self._api.client.unpause(container)

    @translated
    def stop(self, container: str, grace: int | None = None) -> None:
        """The stop signal, then after `grace` seconds (None: the container's own) the kill."""
        with self._api.patient():
            self._api.client.stop(container, timeout=grace)

    @translated
    def connect(self, container: str, address: str) -> str:
        """Puts a container on the app's network, at this address; one that is on it stays where it is. Its address."""
        name, client = network_name(self._api.app), self._api.client
        there = (client.inspect_container(container)["NetworkSettings"]["Networks"] or {}).get(name)
        if there and there.get("IPAddress"):
            return str(there["IPAddress"])
        if there:
            client.disconnect_container_from_network(container, name, force=True)
        client.connect_container_to_network(container, name, ipv4_address=address)
        return address

    @translated
    def remove(self, container: str, volumes: bool = True) -> None:
        """Removes a container, with its anonymous volumes by default; one that is gone already is fine."""
        try:
            self._api.client.remove_container(container, force=True, v=volumes)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # 409: its removal is under way
                raise

    @translated
    def never_restart(self, container: str) -> None:
        """Nothing but a start brings a container back from now on: no restart of the Engine, no crash."""
        self._api.client.update_container(container, restart_policy=restart_policy("no"))

    @translated
    def restart_as_defined(self, replica: Replica) -> None:
        """Gives a container the restart policy that its service asks for."""
        self._api.client.update_container(replica.id, restart_policy=restart_policy(replica.restart))

    @translated
    def move(self, replica: Replica, place: Place) -> None:
        """Gives a container the name that says where it belongs; its address stays its own."""
        name = container_name(self._api.app, replica.color, replica.service, replica.number, place)
        self._api.client.rename(replica.id, name)

    @translated
    def end_of(self, container: str) -> int | None:
        """The exit code of a container that was started; None: it runs."""
        state = self._api.client.inspect_container(container)["State"]
        return None if state["Running"] or state["Status"] == "created" else int(state["ExitCode"])

    @translated
    def docker_health(self, container: str) -> DockerHealth:
        """Docker's own health check, as its service or its image has it, and its last try."""
        found = self._api.client.inspect_container(container)
        policy = found["Config"].get("Healthcheck") or {}
        usual = {"StartPeriod": 0, "Interval": 30 * NANO, "Timeout": 30 * NANO}  # as the Engine takes what is 0
        patience = sum((policy.get(name) or seconds) / NANO for name, seconds in usual.items())
        last = ((found["State"].get("Health") or {}).get("Log") or [{}])[-1]
        return DockerHealth(patience, last.get("ExitCode"), last.get("Output") or "")

    @translated
    def exit_of(self, container: str) -> tuple[int, int, str]:
        """(exit code, restarts, Engine's own words) of a container's last end."""
        found = self._api.client.inspect_container(container)
        remember(found)
        return found["State"]["ExitCode"], found["RestartCount"], found["State"].get("Error", "")

    @translated
    def memory(self, container: str) -> int | None:
        """Bytes that the processes of a container have in memory; None: nobody can count them.

        Not by the Engine's own statistics: they take a second for each container, also when one sample is asked for.
        """
        try:
            found = self._api.client.top(container, "-o pid,rss")
        except APIError:  # it does not run, or there is no ps where the Engine is
            return None
        return _resident(found.get("Processes") or [])


def _resident(processes: Iterable[Sequence[str]]) -> int | None:
    sizes = [int(row[1]) for row in processes if len(row) > 1 and row[1].isdigit()]  # in KiB, ps(1)
    return 1024 * sum(sizes) if sizes else None


def _replica(found: Mapping[str, Any], app: str) -> Replica:
    labels, status, name = found["Labels"], found["Status"], found["Names"][0].lstrip("/")
    return Replica(
        id=found["Id"],
        name=name,
        place=_place(name),
        color=labels[LABEL_COLOR],
        service=labels[LABEL_SERVICE],
        number=int(labels[LABEL_NUMBER]),
        release=int(labels[LABEL_RELEASE]),
        role=labels[LABEL_ROLE],
        state=found["State"],
        # The list gives Docker's health check only in words: "Up 3 seconds (health: starting)".
        health=next((word for word in ("unhealthy", "healthy", "starting") if f"{word})" in status), None),
        address=address_on(found, network_name(app)),
        image_id=found["ImageID"],
        definition=labels.get(LABEL_DEFINITION, ""),
        status=status,
        restart=labels.get(LABEL_RESTART, "always"),
    )


def _place(name: str) -> Place:
    """Where a container belongs, by the end of its name; one that a person has renamed counts as in its slot."""
    return "aside" if name.endswith("-aside") else "failed" if name.endswith("-failed") else "slot"


def address_on(found: Mapping[str, Any], network: str) -> str | None:
    """The address of a listed container on a network; None: it is not on it."""
    endpoint = (found["NetworkSettings"]["Networks"] or {}).get(network)
    if not endpoint:
        return None
    wanted = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
    return endpoint.get("IPAddress") or wanted or None
