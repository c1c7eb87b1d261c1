"""The container of nginx: made, published, started, restarted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bluegreen.compose.run import resolve_shipped
from bluegreen.domain import edge
from bluegreen.domain.app import Stack
from bluegreen.domain.color import (
    LABEL_APP,
    LABEL_DEFINITION,
    LABEL_EDGE,
    LABEL_IMAGE,
    LABEL_LISTEN,
    LABEL_PORTS,
    LABEL_PREVIEW,
    LABEL_PROJECT,
    LABEL_ROLE,
    LABEL_STATE,
    LABEL_TLS,
)
from bluegreen.domain.world import ProxyContainer
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import succession
from bluegreen.frontdoor.route import VOLUMES
from bluegreen.places.docker import creation, successor
from bluegreen.places.docker import spec as container_spec
from bluegreen.places.docker.addresses import network_name, proxy_name, public_network_name
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.commands import run_task
from bluegreen.places.docker.containers import Containers, address_on
from bluegreen.places.docker.engine import Engine
from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.networks import Networks
from bluegreen.places.docker.service_images import ServiceImages
from bluegreen.places.docker.successor import Successor

Tell = Callable[[str], None]
MIGRATES = Path("/proc/sys/net/ipv4/tcp_migrate_req")
CONF, RUN = "/etc/bluegreen", "/run/bluegreen"  # as compose/proxy.yaml mounts the folders of the state


class Proxy:
    """ProxyPort on one Engine. `user`: who nginx runs as; `file`: the Compose file that we ship.

    Every method raises BluegreenError.
    """

    def __init__(
        self, api: Api, networks: Networks, images: ServiceImages, state: Path, user: tuple[int, int], file: Path
    ) -> None:
        self._api, self._networks, self._images = api, networks, images
        self._containers = Containers(api)
        self._state, self._user, self._file = state, user, file
        self._resolved: dict[str, Mapping[str, Any]] = {}  # variables -> the service of `file`
        self._asked: str | None = None  # the version, when the image has said it already

    @translated
    def container(self) -> ProxyContainer | None:
        """The proxy as it is, in any state; None: there is none."""
        entry, serves = successor.found(self._api, self._state)
        if entry is None or serves is None:
            return None
        return ProxyContainer(
            entry["Id"], entry["Names"][0].lstrip("/"), _worse(entry, serves),
            serves["Labels"].get(LABEL_DEFINITION, ""),
            address_on(entry, network_name(self._api.app)),
            public_network_name(self._api.app) in (entry["NetworkSettings"]["Networks"] or {}),
            listen=tuple(listen.split()) if (listen := entry["Labels"].get(LABEL_LISTEN)) is not None else None,
            preview=entry["Labels"].get(LABEL_PREVIEW) or None,
            tls=tuple(entry["Labels"].get(LABEL_TLS, "").split()), edge=entry["Labels"].get(LABEL_EDGE, ""),
            image=serves["ImageID"], reference=serves["Labels"].get(LABEL_IMAGE, ""),
            ports=entry["Labels"].get(LABEL_PORTS, ""), serving=serves["Names"][0].lstrip("/"),
            first_serves=succession.first_serves(f"{self._state}/nginx"),
        )  # fmt: skip

    @translated
    def restart(self, container: str, grace: int) -> None:
        """Stops and starts the first container; its folders are mounted again, and its own nginx serves."""
        successor.forget(self._api, self._state)
        self._api.client.restart(container, timeout=grace)

    def version(self, stack: Stack, tell: Tell) -> str:
        """The version of nginx in the proxy's image, asked of the image itself; pulls it if need be."""
        image = self._images.pulled(stack.settings.proxy.image, {}, False, tell)
        if self._asked is not None:
            return self._asked
        _, output = run_task(self._api, image.id, ["nginx", "-v"], {"NetworkDisabled": True})
        return _version(output)

    def try_out(self, stack: Stack, command: Sequence[str], tell: Tell) -> tuple[int, str]:
        """Runs a command in a container like the proxy, for an nginx that does not run; (exit code, both streams)."""
        image = self._images.pulled(stack.settings.proxy.image, {}, False, tell)
        request = {
            "User": ":".join(map(str, self._user)), "NetworkDisabled": True,
            "HostConfig": {
                "Binds": [f"{self._state}/nginx:{CONF}:ro"],
                "Tmpfs": dict.fromkeys(
                    [RUN, edge.SOCKETS] if stack.settings.edge else [RUN],
                    f"uid={self._user[0]},gid={self._user[1]},mode=0755",
                ),
                "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            },
        }  # fmt: skip
        both = ["sh", "-c", 'nginx -v && exec "$@"', "sh", *command]  # one container for what run_proxy asks next
        code, output = run_task(self._api, image.id, both, request)
        self._asked = _version(output)
        return code, output

    def definition(self, stack: Stack) -> str:
        """A fingerprint of all that only a new proxy container can change."""
        return _hash([self._service(stack), _bindings(stack), *_volumes(stack), *_of_first(stack)])

    def ports(self, stack: Stack) -> str:
        """A fingerprint of what only another container with the ports can change; the rest a successor can."""
        service = self._service(stack)
        own = [service.get(key) for key in ("user", "entrypoint", "sysctls", "volumes")]
        return _hash([_bindings(stack), *own, *_of_first(stack)])

    def successor(self, stack: Stack, tell: Tell) -> Successor:
        """A container like the proxy's, in its network: its nginx can take over. It is made when it starts."""
        request = self._request(stack, tell)
        return successor.of(self._api, self._state, request, lambda command: self.try_out(stack, command, tell))

    def ensure(self, stack: Stack, tell: Tell, published: bool = True) -> str:
        """The proxy's container, made, recreated or started as needed; says which.

        Unless `published` it is on the app's own network only, which is internal: it answers on its
        sockets, and nobody outside sees it before `publish`.
        """
        existing = self.container()
        if existing and existing.first_serves:
            successor.forget(self._api, self._state)
            existing = self.container()
        if (
            existing
            and existing.definition == self.definition(stack)
            and _same_image(existing, self._images.id_of(stack.settings.proxy.image))
        ):
            if published and not existing.published:
                self.publish(existing.id, stack)
            if not existing.running:
                successor.forget(self._api, self._state)
                if existing.state == "restarting":  # the Engine waits longer and longer between two tries
                    self._containers.stop(existing.id, 1)
                self._start(existing.id, stack)
                return "started"
            return "running" if existing.published else "published"
        _refuse_missing(self._networks, stack)
        if existing:
            self._containers.stop(existing.id, 1)
            self._containers.remove(existing.id)
            successor.forget(self._api, self._state)
        else:
            succession.forget(f"{self._state}/nginx")
        container = self._create(stack, tell)
        try:
            if published:
                self.publish(container, stack)
            self._start(container, stack)
        except BluegreenError:
            self._containers.remove(container)
            raise
        return "recreated" if existing else "started"

    def _create(self, stack: Stack, tell: Tell) -> str:
        subnet = self._networks.ensure()
        request = self._request(stack, tell)
        bindings = _bindings(stack)
        request["ExposedPorts"] = {port: {} for port in bindings}
        request["HostConfig"]["PortBindings"] = bindings
        if MIGRATES.exists():  # what waits for a worker that ends is handed to another; Linux 5.14
            request["HostConfig"].setdefault("Sysctls", {})["net.ipv4.tcp_migrate_req"] = "1"
        wanted = stack.settings.proxy
        request["Labels"] = {**wanted.labels, **request["Labels"], LABEL_PORTS: self.ports(stack)}
        endpoints = {network_name(stack.app): {"IPAMConfig": {"IPv4Address": subnet.proxy}}}
        container = creation.create(self._api, proxy_name(stack.app), request, endpoints)
        for network in wanted.networks:
            self._api.client.connect_container_to_network(container, network)
        return container

    def _request(self, stack: Stack, tell: Tell) -> dict[str, Any]:
        """What every container of the proxy has."""
        request: dict[str, Any] = container_spec.create_request(self._service(stack), Surroundings({}))
        request["Image"] = self._images.pulled(stack.settings.proxy.image, {}, False, tell).id
        request["HostConfig"]["Mounts"] = [*(request["HostConfig"].get("Mounts") or []), *_volumes(stack)]
        request["Labels"] = {
            LABEL_APP: stack.app, LABEL_ROLE: "proxy", LABEL_DEFINITION: self.definition(stack),
            LABEL_STATE: str(self._state), LABEL_PROJECT: stack.project_directory,
            LABEL_LISTEN: " ".join(map(str, stack.settings.listen)),
            LABEL_PREVIEW: str(stack.settings.preview or ""),
            LABEL_IMAGE: stack.settings.proxy.image,
            **({LABEL_TLS: " ".join(map(str, stack.settings.tls.listen))} if stack.settings.tls else {}),
            **({LABEL_EDGE: edge.label(stack.settings.edge)} if stack.settings.edge else {}),
        }  # fmt: skip
        return request

    def publish(self, container: str, stack: Stack) -> None:
        """Publishes the ports of a proxy, running or not. Raises BluegreenError when one is taken."""
        self._with_ports(stack, lambda: self._networks.publish(container))

    def _start(self, container: str, stack: Stack) -> None:
        """Starts a proxy's container. Raises BluegreenError when one of its ports is taken."""
        self._with_ports(stack, lambda: self._containers.start(container))

    def _with_ports(self, stack: Stack, act: Callable[[], None]) -> None:
        try:
            act()
        except BluegreenError as error:
            if "port is already allocated" in error.failed or "address already in use" in error.failed:
                wanted = stack.settings.listeners()
                holders = [name for listen in wanted if (name := Engine(self._api).port_holder(listen))]
                owners = Engine(self._api).owners()
                known = [owners[name].words if name in owners else name for name in holders]
                raise BluegreenError(
                    "A port that nginx must be published on is taken.",
                    code="port-taken",
                    failed=f"{'; '.join(known)} holds it" if holders else error.failed,
                    expected=f"{', '.join(map(str, wanted))} free (listen, tls.listen and preview in x-bluegreen)",
                    retry="safe, when the port is free or another is chosen",
                    next="ss -ltnp (shows who holds it)",
                ) from None
            raise

    def _service(self, stack: Stack) -> Mapping[str, Any]:
        variables = {
            "BLUEGREEN_PROXY_IMAGE": stack.settings.proxy.image,
            "BLUEGREEN_PROXY_USER": ":".join(map(str, self._user)),
            "BLUEGREEN_STATE": str(self._state),
        }
        key = json.dumps(variables)
        if key not in self._resolved:  # each is a process of Compose
            self._resolved[key] = resolve_shipped(self._file, variables)["services"]["proxy"]
        return self._resolved[key]


def _refuse_missing(networks: Networks, stack: Stack) -> None:
    """Raises BluegreenError for a network of proxy.networks that is not there, while nothing has changed."""
    for network in stack.settings.proxy.networks:
        if not networks.exists(network):
            raise BluegreenError(
                f"The network {network} does not exist.", code="external-missing",
                failed=f"x-bluegreen.proxy.networks names {network}",
                expected="networks that exist: of the proxy in front, which makes them",
                retry="safe, after it exists", next="docker network ls",
            )  # fmt: skip


def _same_image(existing: ProxyContainer, means: str | None) -> bool:
    """Whether its image's name still means the image that it runs from; nobody's word counts as yes."""
    return means is None or means == existing.image


def _hash(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _worse(first: Mapping[str, Any], serves: Mapping[str, Any]) -> str:
    """The state of a proxy of two containers: of the one that does not run."""
    return str(first["State"] if first["State"] != "running" else serves["State"])


def _version(output: str) -> str:
    match = re.search(r"nginx/(\S+)", output)
    return match[1] if match else output.strip()[:100]


def _volumes(stack: Stack) -> list[dict[str, object]]:
    """The volumes whose files nginx serves, and folders of this machine."""
    return [
        {"Type": "volume", "Source": it.name, "Target": f"{VOLUMES}{it.prefix}", "ReadOnly": True}
        for it in stack.settings.files if it.volume
    ] + [
        {"Type": "bind", "Source": it.source, "Target": it.target, "ReadOnly": not it.writable} for it in stack.binds
    ]  # fmt: skip


def _of_first(stack: Stack) -> list[object]:
    """What else only another container with the ports can change; nothing for an app without all of this."""
    at_edge = [edge.label(stack.settings.edge), *map(asdict, stack.binds)] if stack.settings.edge else []
    proxy = stack.settings.proxy
    return [*at_edge, *([dict(proxy.labels), *proxy.networks] if proxy.labels or proxy.networks else [])]


def _bindings(stack: Stack) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for listen in stack.settings.listeners():
        binding = {"HostIp": listen.address.strip("[]"), "HostPort": str(listen.port)}
        bindings.setdefault(f"{listen.port}/tcp", []).append(binding)
    return bindings
