"""What a color and the proxy are made of: from the resolved Compose document to containers."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from bluegreen.engine import container_spec, images
from bluegreen.engine.compose import Compose, resolve_shipped
from bluegreen.engine.containers import (
    Engine,
    addresses,
    color_network_name,
    container_name,
    network_name,
    proxy_name,
)
from bluegreen.release.errors import BluegreenError
from bluegreen.release.model import (
    LABEL_APP,
    LABEL_COLOR,
    LABEL_DEFINITION,
    LABEL_NUMBER,
    LABEL_RELEASE,
    LABEL_RESTART,
    LABEL_ROLE,
    LABEL_SERVICE,
    Color,
    Image,
    Listen,
    Replica,
    Role,
    Stack,
)

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

    def ensure_ground(self, stack: Stack, color: Color) -> None:
        """Networks and volumes that the release services use."""
        self._engine.ensure_network()
        if _meets(stack):
            self._engine.ensure_color_network(color)
        services = [stack.services[name] for name in stack.settings.release_services()]
        for key in dict.fromkeys(key for service in services for key in service.get("networks") or {}):
            self._engine.ensure_compose_network(key, stack.networks[key])
        mounts = [mount for service in services for mount in service.get("volumes") or []]
        for key in dict.fromkeys(m["source"] for m in mounts if m["type"] == "volume" and m.get("source")):
            self._engine.ensure_volume(key, stack.volumes.get(key) or {})

    def free_addresses(self, release: int, count: int, avoid: frozenset[str]) -> list[str]:
        return addresses(self._engine.ensure_network(), release, count, avoid)

    def dependency(self, service: str) -> tuple[str, str | None, int] | None:
        """(state, Docker's health, exit code) of a shared service that Compose runs; None: it is not there."""
        label = [f"com.docker.compose.project={self._engine.app}", f"com.docker.compose.service={service}"]
        found = self._engine.api.containers(all=True, filters={"label": label})
        if not found:
            return None
        state = self._engine.api.inspect_container(found[0]["Id"])["State"]
        return state["Status"], (state.get("Health") or {}).get("Status"), state["ExitCode"]

    # -- images

    def image(self, stack: Stack, service_name: str, wish: ImageWishLike, tell: Tell) -> Image:
        """The image that a service is to run, built or pulled as wished, pinned by its id."""
        service = stack.services[service_name]
        if wish.override:
            return self._pulled(wish.override, service, wish.pull, tell)
        reference = service.get("image") or f"{stack.app}-{service_name}"
        if service.get("build"):
            if wish.build:
                self._compose.build(service_name, wish.pull, tell)
            image = images.pinned(self._engine, reference)
            if image is None:
                raise BluegreenError(
                    f"The image of {service_name} has not been built.",
                    failed=f"the Engine has no image {reference}", expected="a build before a start",
                    retry="safe", next="the same command without --no-build",
                )  # fmt: skip
            return image
        return self._pulled(reference, service, wish.pull or service.get("pull_policy") == "always", tell)

    def _pulled(self, reference: str, service: Mapping[str, Any], always: bool, tell: Tell) -> Image:
        there = None if always else images.pinned(self._engine, reference)
        if there is None and service.get("pull_policy") == "never":
            raise BluegreenError(
                f"The image {reference} is not there.", failed="pull_policy is never, and the Engine does not have it",
                expected="an image loaded beforehand", retry="safe", next=f"docker pull {reference}",
            )  # fmt: skip
        return there or images.pull(self._engine, reference, service.get("platform"), tell)

    # -- containers of a color

    def create(self, stack: Stack, order: OrderLike) -> str:
        """Creates one container of a color, on the app's network with its address; returns the id."""
        service = stack.services[order.service]
        ground = container_spec.Surroundings(stack.volumes, stack.secrets, stack.configs)
        request = container_spec.create_request(service, ground)
        if order.role == "routed":
            container_spec.routed_restart(service, request)
        policy = request["HostConfig"]["RestartPolicy"]
        if order.role == "job":  # the idle color's must not run, whatever restarts; `restart_as_defined` ends that
            request["HostConfig"]["RestartPolicy"] = container_spec.restart_policy("no")
        request["Image"] = order.image.id
        request["Env"] = [
            *request.get("Env", []),
            f"BLUEGREEN_COLOR={order.color}",
            f"BLUEGREEN_RELEASE={order.release}",
        ]
        request["Labels"] = {
            **request.get("Labels", {}),
            LABEL_APP: stack.app, LABEL_COLOR: order.color, LABEL_SERVICE: order.service,
            LABEL_RELEASE: str(order.release), LABEL_ROLE: order.role, LABEL_NUMBER: str(order.number),
            LABEL_DEFINITION: order.definition,
            LABEL_RESTART: container_spec.restart_text(policy),
        }  # fmt: skip
        name = container_name(stack.app, order.color, order.service, order.number)
        return self._engine.create(name, request, self._endpoints(stack, service, order), service.get("platform"))

    def _endpoints(self, stack: Stack, service: Mapping[str, Any], order: OrderLike) -> dict[str, dict[str, Any]]:
        """The networks of a container: the app's with its address, its color's by name, those of the file.

        Names of release services resolve within the color only: on a network that both colors share, half
        of what blue asks of `api` would reach green.
        """
        endpoints: dict[str, dict[str, Any]] = {network_name(stack.app): {"IPAMConfig": {"IPv4Address": order.address}}}
        uses = service.get("networks") or {}
        if _meets(stack):
            aliases = [alias for use in uses.values() for alias in (use or {}).get("aliases") or []]
            endpoints[color_network_name(stack.app, order.color)] = {"Aliases": [order.service, *aliases]}
        for key, use in sorted(uses.items(), key=lambda item: -((item[1] or {}).get("priority") or 0)):
            endpoints[stack.networks[key]["name"]] = {"DriverOpts": (use or {}).get("driver_opts")}
        return endpoints

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

    def ensure_proxy(self, stack: Stack, tell: Tell) -> str:
        """The proxy's container, made, made anew or started as needed; says which."""
        existing = self._engine.proxy()
        definition = self.proxy_definition(stack)
        subnet = self._engine.ensure_network()
        if existing and existing.definition == definition:
            if not existing.running:
                self._start(existing.id, stack)
                return "started"
            return "running"
        if existing:
            self._engine.stop(existing.id, 1)
            self._engine.remove(existing.id)
        service = self._proxy_service(stack)
        request = container_spec.create_request(service, container_spec.Surroundings({}))
        request["Image"] = self._pulled(stack.settings.proxy.image, {}, False, tell).id
        bindings = self._bindings(stack)
        request["ExposedPorts"] = {port: {} for port in bindings}
        request["HostConfig"]["PortBindings"] = bindings
        request["Labels"] = {LABEL_APP: stack.app, LABEL_ROLE: "proxy", LABEL_DEFINITION: definition}
        endpoints = {network_name(stack.app): {"IPAMConfig": {"IPv4Address": subnet.proxy}}}
        container = self._engine.create(proxy_name(stack.app), request, endpoints)
        try:
            self._start(container, stack)
        except BluegreenError:
            self._engine.remove(container)
            raise
        return "made anew" if existing else "started"

    def _start(self, container: str, stack: Stack) -> None:
        try:
            self._engine.start(container)
        except BluegreenError as error:
            if "port is already allocated" in error.failed or "address already in use" in error.failed:
                ports = ", ".join(map(str, (*stack.settings.listen, stack.settings.preview or "")))
                raise BluegreenError(
                    "A port of this machine that nginx is to be published on is taken.",
                    failed=error.failed,
                    expected=f"{ports.rstrip(', ')} free (listen and preview in x-bluegreen)",
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
        listens: list[Listen] = [
            *stack.settings.listen,
            *([stack.settings.preview] if stack.settings.preview else []),
        ]
        for listen in listens:
            binding = {"HostIp": listen.address.strip("[]"), "HostPort": str(listen.port)}
            bindings.setdefault(f"{listen.port}/tcp", []).append(binding)
        return bindings


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


def refusals(
    stack_services: Mapping[str, Mapping[str, Any]], names: list[str], ground: container_spec.Surroundings
) -> list[tuple[str, str]]:
    """Every key of the release services that a color cannot honour: (key path, reason)."""
    found: list[tuple[str, str]] = []
    for name in names:
        service = stack_services[name]
        refused = [*container_spec.refusals(service), *container_spec.file_refusals(service, ground)]
        found += [(f"services.{name}.{refusal.key}", refusal.reason) for refusal in refused]
    return found
