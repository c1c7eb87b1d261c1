"""What a color is made of: from the resolved Compose document to containers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bluegreen.compose.run import Compose
from bluegreen.domain.app import Stack, Task
from bluegreen.domain.color import (
    LABEL_APP,
    LABEL_COLOR,
    LABEL_DEFINITION,
    LABEL_NUMBER,
    LABEL_RELEASE,
    LABEL_RESTART,
    LABEL_ROLE,
    LABEL_SERVICE,
    Color,
    Role,
    TaskRole,
)
from bluegreen.domain.release import Image
from bluegreen.domain.world import SharedState
from bluegreen.errors import BluegreenError
from bluegreen.files import text
from bluegreen.places.docker import creation, volumes
from bluegreen.places.docker import mounts as container_mounts
from bluegreen.places.docker import spec as container_spec
from bluegreen.places.docker.addresses import addresses, color_network_name, container_name, network_name, task_name
from bluegreen.places.docker.api import Api
from bluegreen.places.docker.containers import Containers
from bluegreen.places.docker.engine import of_compose
from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.networks import Networks
from bluegreen.places.docker.service_images import ServiceImages, platform

Tell = Callable[[str], None]
LOG = {"Type": "json-file", "Config": {}}  # what a task writes is read, whatever the daemon does by default


class OrderLike(Protocol):
    """One container that a color is to have (see flow.values.Order)."""

    @property
    def color(self) -> Color: ...
    @property
    def service(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def release(self) -> int: ...
    @property
    def role(self) -> Role: ...
    @property
    def image(self) -> Image: ...
    @property
    def address(self) -> str: ...
    @property
    def definition(self) -> str: ...


class Colors:
    """ColorsPort on one Engine. Every method raises BluegreenError."""

    def __init__(self, api: Api, networks: Networks, images: ServiceImages, compose: Compose) -> None:
        self._api, self._networks, self._images, self._compose = api, networks, images, compose

    def ensure_network(self) -> None:
        """The app's own network."""
        self._networks.ensure()

    def ensure_prerequisites(self, stack: Stack, color: Color, tell: Tell) -> None:
        """Networks and volumes that the release services use: Compose makes those of the file, we ours."""
        self._networks.ensure()
        if _meets(stack):
            self._networks.ensure_color(color)
        names = stack.settings.own_services()
        wanted: list[tuple[Callable[[str], bool], str, Mapping[str, Any]]] = []
        mounts: list[Mapping[str, Any]] = []
        for service in (stack.services[name] for name in names):
            wanted += [(self._networks.exists, "network", stack.networks[key]) for key in service.get("networks") or {}]
            mounts += service.get("volumes") or []
        sources = {mount["source"] for mount in mounts if mount["type"] == "volume" and mount.get("source")}
        wanted += [(partial(volumes.exists, self._api), "volume", stack.volumes[key]) for key in sorted(sources)]
        missing = [(kind, defined) for there, kind, defined in wanted if not there(defined["name"])]
        for kind, defined in missing:
            if defined.get("external"):
                raise BluegreenError(
                    f"The external {kind} {defined['name']} does not exist.", code="external-missing",
                    failed=f"the Engine has no {kind} {defined['name']}", expected=f"a {kind} made beforehand",
                    retry="safe", next=f"docker {kind} create {defined['name']}",
                )  # fmt: skip
        if missing:
            self._compose.ensure_prerequisites(names, tell)
        for reference in dict.fromkeys(mount["source"] for mount in mounts if mount["type"] == "image"):
            self._images.pulled(reference, {}, False, tell)

    def free_addresses(self, release: int, count: int, avoid: frozenset[str]) -> list[str]:
        return addresses(self._networks.ensure(), release, count, avoid)

    def dependency(self, service: str) -> SharedState | None:
        """A shared service that Compose runs; None: it has no container."""
        found = of_compose(self._api, service)
        if not found:
            return None
        state = self._api.client.inspect_container(found[0][0])["State"]
        return SharedState(found[0][0], state["Status"], (state.get("Health") or {}).get("Status"), state["ExitCode"])

    def create(self, stack: Stack, order: OrderLike) -> str:
        """Creates one container of a color, on the app's network with its address; returns the id."""
        service = stack.services[order.service]
        around = self._surroundings(stack, service, order.color)
        request = container_spec.create_request(service, around)
        if order.role == "routed":
            container_spec.routed_restart(service, request)
        policy = request["HostConfig"]["RestartPolicy"]
        if order.role == "job":  # the idle color's must not run, whatever restarts; `restart_as_defined` ends that
            request["HostConfig"]["RestartPolicy"] = container_spec.restart_policy("no")
        request["Image"] = order.image.id
        ours = {"BLUEGREEN_COLOR": order.color, "BLUEGREEN_RELEASE": str(order.release)}
        request["Env"] = self._environment(request.get("Env", []), ours)
        request["Labels"] = {
            **request.get("Labels", {}),
            LABEL_APP: stack.app, LABEL_COLOR: order.color, LABEL_SERVICE: order.service,
            LABEL_RELEASE: str(order.release), LABEL_ROLE: order.role, LABEL_NUMBER: str(order.number),
            LABEL_DEFINITION: order.definition,
            LABEL_RESTART: container_spec.restart_text(policy),
        }  # fmt: skip
        links = container_spec.links(service, around, stack.app, order.number)
        if links:
            request["HostConfig"]["Links"] = links
        name = container_name(stack.app, order.color, order.service, order.number)
        endpoints = self._endpoints(stack, service, order, links)
        return self._made(name, request, endpoints, service, around)

    def create_task(
        self, stack: Stack, task: Task, role: TaskRole, image: Image, release: int, variables: Mapping[str, str]
    ) -> str:
        """Creates the container of a one-off run of a service; returns the id.

        It is on the service's own networks, without a name there, and is no replica: nginx cannot reach it.
        """
        name = task.service or ""
        service = stack.services[name]
        around = self._surroundings(stack, service, None)
        request = container_spec.create_request(service, around)
        request["HostConfig"]["RestartPolicy"] = container_spec.restart_policy("no")
        request["HostConfig"].setdefault("LogConfig", LOG)
        request["Image"] = image.id
        if task.command:
            request["Cmd"] = list(task.command)
        request["Env"] = self._environment(request.get("Env", []), variables)
        request["Labels"] = {
            **request.get("Labels", {}), LABEL_APP: stack.app, LABEL_ROLE: role, LABEL_SERVICE: name,
            LABEL_RELEASE: str(release),
        }  # fmt: skip
        endpoints = {
            stack.networks[key]["name"]: container_spec.endpoint(use)
            for key, use in container_spec.networks_by_priority(service)
        }
        return self._made(task_name(stack.app, role, name, release), request, endpoints, service, around)

    def _surroundings(self, stack: Stack, service: Mapping[str, Any], color: Color | None) -> Surroundings:
        return Surroundings(
            stack.volumes, stack.secrets, stack.configs, self._containers_depended_on(stack, service, color),
            _seccomp_profiles(service, Path(stack.project_directory)),
        )  # fmt: skip

    def _environment(self, written: Sequence[str], ours: Mapping[str, str]) -> list[str]:
        """The proxies of the Docker CLI's configuration, what the service says, and our own, in this order."""
        named = {entry.partition("=")[0] for entry in written}
        proxies = self._api.proxy_environment()
        return [
            *(f"{name}={value}" for name, value in proxies.items() if name not in named), *written,
            *(f"{name}={value}" for name, value in ours.items()),
        ]  # fmt: skip

    def _made(
        self,
        name: str,
        request: Mapping[str, Any],
        endpoints: Mapping[str, Mapping[str, Any]],
        service: Mapping[str, Any],
        around: Surroundings,
    ) -> str:
        container = creation.create(self._api, name, request, endpoints, platform(service))
        try:
            for file in container_mounts.copied_files(service, around):
                creation.copy_file(self._api, container, file)
        except BluegreenError:
            Containers(self._api).remove(container)
            raise
        return container

    def _endpoints(
        self, stack: Stack, service: Mapping[str, Any], order: OrderLike, links: list[str]
    ) -> dict[str, dict[str, Any]]:
        """The networks of a container: the app's with its address, its color's by name, those of the file.

        Names of release services resolve within the color only: on a network that both colors share, half
        of what blue asks of `api` would reach green.
        """
        endpoints: dict[str, dict[str, Any]] = {network_name(stack.app): {"IPAMConfig": {"IPv4Address": order.address}}}
        uses = container_spec.networks_by_priority(service)
        if _meets(stack):
            aliases = [alias for _, use in uses for alias in use.get("aliases") or []]
            linked = links if uses else []
            endpoints[color_network_name(stack.app, order.color)] = {
                "Aliases": [order.service, *aliases], "Links": linked,
            }  # fmt: skip
        for key, use in uses:
            endpoints[stack.networks[key]["name"]] = container_spec.endpoint(use, links)
        return endpoints

    def _containers_depended_on(
        self, stack: Stack, service: Mapping[str, Any], color: Color | None
    ) -> dict[str, tuple[tuple[str, str], ...]]:
        """The containers that links, volumes_from, ipc and pid of a service mean: its color's, or Compose's."""
        found = {}
        for name in container_spec.depends_on_containers(service):
            if color and name in stack.settings.release_services():
                count = container_spec.replicas(stack.services[name])
                names = [container_name(stack.app, color, name, number) for number in range(1, count + 1)]
                found[name] = tuple((mine, mine) for mine in names)
            else:
                found[name] = of_compose(self._api, name)
                if not found[name]:
                    raise BluegreenError(
                        f"A container of the service {name} is missing.", code="service-not-running",
                        failed="Compose runs none",
                        expected=f"{name} to run: another service names it in links, volumes_from, ipc or pid",
                        retry="safe", next=f"docker compose up -d {name}",
                    )  # fmt: skip
        return found


def _meets(stack: Stack) -> bool:
    """Whether services of one color may want to find each other by name."""
    services = stack.settings.release_services()
    aliases = any(
        (use or {}).get("aliases") for name in services for use in (stack.services[name].get("networks") or {}).values()
    )
    return len(services) > 1 or aliases


def _seccomp_profiles(service: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The seccomp profiles that a service names, as compact JSON; relative to the project's folder."""
    found = {}
    for option in service.get("security_opt") or []:
        if path := container_spec.seccomp_file(option):
            try:
                found[path] = json.dumps(json.loads(text(str(folder / path))), separators=(",", ":"))
            except (OSError, ValueError, RecursionError) as error:
                raise BluegreenError(
                    f"The seccomp profile {path} cannot be read.", code="cannot-read",
                    failed=str(error), expected="a JSON file",
                    retry="safe, when it is there",
                ) from None  # fmt: skip
    return found
