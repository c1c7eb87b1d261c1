"""What a color and the proxy are made of: from the resolved Compose document to containers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from bluegreen.compose.run import Compose, resolve_shipped
from bluegreen.domain.app import OneOff, Stack
from bluegreen.domain.color import (
    LABEL_APP,
    LABEL_COLOR,
    LABEL_DEFINITION,
    LABEL_NUMBER,
    LABEL_PROJECT,
    LABEL_RELEASE,
    LABEL_RESTART,
    LABEL_ROLE,
    LABEL_SERVICE,
    LABEL_STATE,
    Color,
    OnceRole,
    Role,
)
from bluegreen.domain.release import Image
from bluegreen.domain.world import Replica
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.places.docker import images
from bluegreen.places.docker import mounts as container_mounts
from bluegreen.places.docker import spec as container_spec
from bluegreen.places.docker.addresses import (
    addresses,
    color_network_name,
    container_name,
    network_name,
    once_name,
    proxy_name,
)
from bluegreen.places.docker.containers import Engine
from bluegreen.places.docker.mounts import Surroundings

Tell = Callable[[str], None]


class OrderLike(Protocol):
    """One container that a color is to have (see operations.ports.Order)."""

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


class ImageWishLike(Protocol):
    """How the image of a service is found (see operations.ports.ImageWish)."""

    @property
    def build(self) -> bool: ...
    @property
    def pull(self) -> bool: ...
    @property
    def override(self) -> str | None: ...
    @property
    def pinned(self) -> Image | None: ...


class Colors:
    """Makes what a color needs, and the proxy in front."""

    def __init__(
        self, engine: Engine, compose: Compose, state: Path, proxy_user: tuple[int, int], proxy_file: Path
    ) -> None:
        self._engine = engine
        self._compose = compose
        self._state = state
        self._proxy_user = proxy_user
        self._proxy_file = proxy_file

    # -- the ground

    def ensure_network(self) -> None:
        self._engine.ensure_network()

    def ensure_ground(self, stack: Stack, color: Color, tell: Tell) -> None:
        """Networks and volumes that the release services use: Compose makes those of the file, we ours."""
        self._engine.ensure_network()
        if _meets(stack):
            self._engine.ensure_color_network(color)
        names = stack.settings.own_services()
        wanted: list[tuple[Callable[[str], bool], str, Mapping[str, Any]]] = []
        mounts: list[Mapping[str, Any]] = []
        for service in (stack.services[name] for name in names):
            wanted += [
                (self._engine.network_there, "network", stack.networks[key]) for key in service.get("networks") or {}
            ]
            mounts += service.get("volumes") or []
        sources = {mount["source"] for mount in mounts if mount["type"] == "volume" and mount.get("source")}
        wanted += [(self._engine.volume_there, "volume", stack.volumes[key]) for key in sorted(sources)]
        missing = [(kind, defined) for there, kind, defined in wanted if not there(defined["name"])]
        for kind, defined in missing:
            if defined.get("external"):
                raise BluegreenError(
                    f"The external {kind} {defined['name']} does not exist.",
                    failed=f"the Engine has no {kind} {defined['name']}", expected=f"a {kind} made beforehand",
                    retry="safe", next=f"docker {kind} create {defined['name']}",
                )  # fmt: skip
        if missing:
            self._compose.ensure_ground(names, tell)
        for reference in dict.fromkeys(mount["source"] for mount in mounts if mount["type"] == "image"):
            self._pulled(reference, {}, False, tell)

    def free_addresses(self, release: int, count: int, avoid: frozenset[str]) -> list[str]:
        return addresses(self._engine.ensure_network(), release, count, avoid)

    def dependency(self, service: str) -> tuple[str, str | None, int] | None:
        """(state, Docker's health, exit code) of a shared service that Compose runs; None: it is not there."""
        found = self._engine.of_compose(service)
        if not found:
            return None
        state = self._engine.api.inspect_container(found[0][0])["State"]
        return state["Status"], (state.get("Health") or {}).get("Status"), state["ExitCode"]

    # -- images

    def image(self, stack: Stack, service_name: str, wish: ImageWishLike, tell: Tell) -> Image:
        """The image that a service is to run, built or pulled as wished, pinned by its id.

        A service with `build` is built at every release, and pulled only where pull_policy says so; what
        cannot be pulled is built then, as Compose does it.
        """
        service = stack.services[service_name]
        if wish.pinned:
            return self._still_there(service_name, wish.pinned)
        if wish.override:
            return self._pulled(wish.override, service, wish.pull, tell)
        reference = stack.image_reference(service_name)
        if not service.get("build"):
            return self._pulled(reference, service, wish.pull, tell)
        if images.refresh_due(service.get("pull_policy") or "", self._engine.image(reference)):
            try:
                return replace(images.pull(self._engine, reference, _platform(service), tell), ours=True)
            except BluegreenError as error:
                if not wish.build:
                    raise
                tell(f"{reference} cannot be pulled, so it is built: {error}")
        if wish.build or service.get("pull_policy") == "build":
            self._compose.build(service_name, wish.pull, tell)
        there = images.pinned(self._engine, reference)
        if there is None:
            raise BluegreenError(
                f"The image of {service_name} has not been built.",
                failed=f"the Engine has no image {reference}", expected="a build before a start",
                retry="safe", next="the same command without --no-build",
            )  # fmt: skip
        return replace(there, ours=True)

    def _still_there(self, service: str, image: Image) -> Image:
        if self._engine.image(image.id) is None:
            raise BluegreenError(
                f"The image of {service} is gone.", failed=f"the Engine does not have {image.id}, once {image.ref}",
                expected="a release whose images were kept (x-bluegreen.keep)", retry="not useful",
                next=f"{COMMAND} history (shows which releases are kept)",
            )  # fmt: skip
        return image

    def there(self, image: str) -> bool:
        return self.image_id(image) is not None

    def image_id(self, reference: str) -> str | None:
        """The image that a name means now; None: there is none."""
        found = self._engine.image(reference)
        return str(found["Id"]) if found else None

    def remove_image(self, image: str, references: frozenset[str]) -> bool:
        """Removes an image that has no other names than these and that nothing uses; whether it is gone."""
        return self._engine.remove_image(image, references)

    def _pulled(self, reference: str, service: Mapping[str, Any], always: bool, tell: Tell) -> Image:
        policy = service.get("pull_policy") or ""
        found = self._engine.image(reference)
        fits = found is not None and images.fits(found, _platform(service))
        if policy == "never" and not always:
            if found is None or not fits:
                raise BluegreenError(
                    f"The image {reference} is not there{'' if found is None else ' for this platform'}.",
                    failed="pull_policy is never, and the Engine does not have it",
                    expected="an image loaded beforehand", retry="safe", next=f"docker pull {reference}",
                )  # fmt: skip
            return Image(reference, found["Id"])
        if found and fits and not always and not images.refresh_due(policy, found):
            return Image(reference, found["Id"])
        pulled = images.pull(self._engine, reference, _platform(service), tell)
        return replace(pulled, ours=found is None or pulled.id != found["Id"])

    # -- containers of a color

    def create(self, stack: Stack, order: OrderLike) -> str:
        """Creates one container of a color, on the app's network with its address; returns the id."""
        service = stack.services[order.service]
        ground = self._surroundings(stack, service, order.color)
        request = container_spec.create_request(service, ground)
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
        links = container_spec.links(service, ground, stack.app, order.number)
        if links:
            request["HostConfig"]["Links"] = links
        name = container_name(stack.app, order.color, order.service, order.number)
        endpoints = self._endpoints(stack, service, order, links)
        return self._made(name, request, endpoints, service, ground)

    def create_once(
        self, stack: Stack, once: OneOff, role: OnceRole, image: Image, release: int, variables: Mapping[str, str]
    ) -> str:
        """Creates the container of a one-off run of a service; returns the id.

        It stands on the service's own networks, without a name there, and is no replica: nginx cannot reach it.
        """
        name = once.service or ""
        service = stack.services[name]
        ground = self._surroundings(stack, service, None)
        request = container_spec.create_request(service, ground)
        request["HostConfig"]["RestartPolicy"] = container_spec.restart_policy("no")
        request["Image"] = image.id
        if once.command:
            request["Cmd"] = list(once.command)
        request["Env"] = self._environment(request.get("Env", []), variables)
        request["Labels"] = {
            **request.get("Labels", {}), LABEL_APP: stack.app, LABEL_ROLE: role, LABEL_SERVICE: name,
            LABEL_RELEASE: str(release),
        }  # fmt: skip
        endpoints = {
            stack.networks[key]["name"]: container_spec.endpoint(use)
            for key, use in container_spec.networks_by_priority(service)
        }
        return self._made(once_name(stack.app, role, name, release), request, endpoints, service, ground)

    def _surroundings(self, stack: Stack, service: Mapping[str, Any], color: Color | None) -> Surroundings:
        return Surroundings(
            stack.volumes, stack.secrets, stack.configs, self._leaned_on(stack, service, color),
            _seccomp_profiles(service, Path(stack.project_directory)),
        )  # fmt: skip

    def _environment(self, written: Sequence[str], ours: Mapping[str, str]) -> list[str]:
        """The proxies of the Docker CLI's configuration, what the service says, and our own, in this order."""
        named = {entry.partition("=")[0] for entry in written}
        proxies = self._engine.proxy_environment()
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
        ground: Surroundings,
    ) -> str:
        container = self._engine.create(name, request, endpoints, _platform(service))
        try:
            for file in container_mounts.copied_files(service, ground):
                self._engine.copy_file(container, file)
        except BluegreenError:
            self._engine.remove(container)
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

    def _leaned_on(
        self, stack: Stack, service: Mapping[str, Any], color: Color | None
    ) -> dict[str, tuple[tuple[str, str], ...]]:
        """The containers that links, volumes_from, ipc and pid of a service mean: its color's, or Compose's."""
        found = {}
        for name in container_spec.leans_on(service):
            if color and name in stack.settings.release_services():
                count = container_spec.replicas(stack.services[name])
                names = [container_name(stack.app, color, name, number) for number in range(1, count + 1)]
                found[name] = tuple((mine, mine) for mine in names)
            else:
                found[name] = self._engine.of_compose(name)
                if not found[name]:
                    raise BluegreenError(
                        f"A container of the service {name} is missing.", failed="Compose runs none",
                        expected=f"{name} to run: another service names it in links, volumes_from, ipc or pid",
                        retry="safe", next=f"docker compose up -d {name}",
                    )  # fmt: skip
        return found

    def restart_as_defined(self, replica: Replica) -> None:
        """Gives a container the restart policy that its service asks for."""
        self._engine.set_restart(replica.id, container_spec.restart_policy(replica.restart))

    # -- the proxy

    def nginx_version(self, stack: Stack, tell: Tell) -> str:
        """The version of nginx in the proxy's image, asked of the image itself; pulls it if need be."""
        image = self._pulled(stack.settings.proxy.image, {}, False, tell)
        _, output = self._engine.run_once(image.id, ["nginx", "-v"], {"NetworkDisabled": True})
        match = re.search(r"nginx/(\S+)", output)
        return match[1] if match else output.strip()[:100]

    def proxy_definition(self, stack: Stack) -> str:
        """A fingerprint of all that only a new proxy container can change."""
        service = self._proxy_service(stack)
        return hashlib.sha256(json.dumps([service, self._bindings(stack)], sort_keys=True).encode()).hexdigest()[:16]

    def ensure_proxy(self, stack: Stack, tell: Tell, published: bool = True) -> str:
        """The proxy's container, made, made anew or started as needed; says which.

        Unless `published` it stands on the app's own network only, which is internal: it answers on its
        sockets, and nobody outside sees it before `publish_proxy`.
        """
        existing = self._engine.proxy()
        if existing and existing.definition == self.proxy_definition(stack):
            if published and not existing.published:
                self.publish_proxy(existing.id, stack)
            if not existing.running:
                self.start_proxy(existing.id, stack)
                return "started"
            return "running" if existing.published else "published"
        if existing:
            self._engine.stop(existing.id, 1)
            self._engine.remove(existing.id)
        container = self._create_proxy(stack, tell)
        try:
            if published:
                self.publish_proxy(container, stack)
            self.start_proxy(container, stack)
        except BluegreenError:
            self._engine.remove(container)
            raise
        return "made anew" if existing else "started"

    def _create_proxy(self, stack: Stack, tell: Tell) -> str:
        subnet = self._engine.ensure_network()
        request = container_spec.create_request(self._proxy_service(stack), Surroundings({}))
        request["Image"] = self._pulled(stack.settings.proxy.image, {}, False, tell).id
        bindings = self._bindings(stack)
        request["ExposedPorts"] = {port: {} for port in bindings}
        request["HostConfig"]["PortBindings"] = bindings
        definition = self.proxy_definition(stack)
        request["Labels"] = {
            LABEL_APP: stack.app, LABEL_ROLE: "proxy", LABEL_DEFINITION: definition,
            LABEL_STATE: str(self._state), LABEL_PROJECT: stack.project_directory,
        }  # fmt: skip
        endpoints = {network_name(stack.app): {"IPAMConfig": {"IPv4Address": subnet.proxy}}}
        return self._engine.create(proxy_name(stack.app), request, endpoints)

    def publish_proxy(self, container: str, stack: Stack) -> None:
        """Publishes the ports of a proxy, running or not. Raises BluegreenError when one is taken."""
        self._with_ports(stack, lambda: self._engine.publish(container))

    def start_proxy(self, container: str, stack: Stack) -> None:
        """Starts a proxy's container. Raises BluegreenError when one of its ports is taken."""
        self._with_ports(stack, lambda: self._engine.start(container))

    def _with_ports(self, stack: Stack, act: Callable[[], None]) -> None:
        try:
            act()
        except BluegreenError as error:
            if "port is already allocated" in error.failed or "address already in use" in error.failed:
                wanted = stack.settings.listeners()
                holders = [name for listen in wanted if (name := self._engine.port_holder(listen))]
                raise BluegreenError(
                    "A port of this machine that nginx is to be published on is taken.",
                    failed=f"{', '.join(holders)} holds it" if holders else error.failed,
                    expected=f"{', '.join(map(str, wanted))} free (listen and preview in x-bluegreen)",
                    retry="safe, when the port is free or another is chosen",
                    next="ss -ltnp (shows who holds it)",
                ) from None
            raise

    def _proxy_service(self, stack: Stack) -> Mapping[str, Any]:
        variables = {
            "BLUEGREEN_PROXY_IMAGE": stack.settings.proxy.image,
            "BLUEGREEN_PROXY_USER": ":".join(map(str, self._proxy_user)),
            "BLUEGREEN_STATE": str(self._state),
        }
        service: Mapping[str, Any] = resolve_shipped(self._proxy_file, variables)["services"]["proxy"]
        return service

    @staticmethod
    def _bindings(stack: Stack) -> dict[str, list[dict[str, str]]]:
        bindings: dict[str, list[dict[str, str]]] = {}
        for listen in stack.settings.listeners():
            binding = {"HostIp": listen.address.strip("[]"), "HostPort": str(listen.port)}
            bindings.setdefault(f"{listen.port}/tcp", []).append(binding)
        return bindings


def _platform(service: Mapping[str, Any]) -> str | None:
    return service.get("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM")


def _meets(stack: Stack) -> bool:
    """Whether services of one color may want to find each other by name."""
    services = stack.settings.release_services()
    aliases = any(
        (use or {}).get("aliases") for name in services for use in (stack.services[name].get("networks") or {}).values()
    )
    return len(services) > 1 or aliases


def fingerprint(salt: bytes, text: str) -> str:
    """A keyed hash: tells whether a text with secrets in it has changed, and nothing else about it."""
    return hmac.new(salt, text.encode(), "sha256").hexdigest()[:32]


def _seccomp_profiles(service: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The seccomp profiles that a service names, as compact JSON; relative to the project's folder."""
    found = {}
    for option in service.get("security_opt") or []:
        if path := container_spec.seccomp_file(option):
            try:
                found[path] = json.dumps(json.loads((folder / path).read_text()), separators=(",", ":"))
            except (OSError, ValueError) as error:
                raise BluegreenError(
                    f"The seccomp profile {path} cannot be read.", failed=str(error), expected="a JSON file",
                    retry="safe, when it is there",
                ) from None  # fmt: skip
    return found


def refusals(
    document: Mapping[str, Any], names: Sequence[str], api_version: Callable[[], str]
) -> list[tuple[str, str]]:
    """Every key of the release services that a color cannot honour: (key path, reason).

    `document` is Compose's. The Engine is asked for its API version only when a key depends on it.
    """
    ground = Surroundings(document.get("volumes") or {}, document.get("secrets") or {}, document.get("configs") or {})
    found: list[tuple[str, str]] = []
    for name in names:
        service = document["services"][name]
        found += [(f"services.{name}.{it.key}", it.reason) for it in container_spec.refusals(service, ground)]
        for need in container_spec.needs(service):
            if _version(api_version()) < _version(need.api):
                reason = (
                    f"Docker Engine {need.engine} or newer has it (API {need.api}); this one speaks {api_version()}"
                )
                found.append((f"services.{name}.{need.key}", reason))
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
