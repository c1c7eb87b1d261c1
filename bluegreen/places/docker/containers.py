"""Containers, networks and volumes of one app, through docker-py's low-level client.

docker-py's exceptions end here: callers meet BluegreenError.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import ipaddress
import os
import re
import socket
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import version_gte

from bluegreen.domain.app import Listen
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
    OnceRole,
)
from bluegreen.domain.world import EngineFacts, ImageFacts, OnceContainer, PlainContainer, ProxyContainer, Replica
from bluegreen.errors import BluegreenError
from bluegreen.places.docker.addresses import (
    Subnet,
    color_network_name,
    network_name,
    overlap,
    proxy_name,
    public_network_name,
)
from bluegreen.places.docker.connection import DEFAULT, engine_address, refuse_rootless
from bluegreen.places.docker.mounts import CopiedFile

MAX_TEXT = 1024 * 1024  # bytes of a file that is read out of a container
TIMEOUT = 60.0  # seconds for one call to the Engine; pulls and builds stream and have none
PROXY_VARIABLES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "ftpProxy": "FTP_PROXY",
    "noProxy": "NO_PROXY",
    "allProxy": "ALL_PROXY",
}
P = ParamSpec("P")
R = TypeVar("R")


def translated(call: Callable[P, R]) -> Callable[P, R]:
    """docker-py's and requests' exceptions as the error that a person meets."""

    @functools.wraps(call)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except APIError as error:
            text = str(error.explanation or error)
            raise BluegreenError(
                "The Docker Engine refused a request.",
                failed=" ".join(text.split())[:400],
                expected="the Engine to carry it out",
                retry="safe, after the cause is mended",
            ) from None
        except (DockerException, requests.exceptions.RequestException) as error:
            raise unreachable(error) from None

    return wrapped


def unreachable(error: Exception) -> BluegreenError:
    """No answer from the Engine: because it is not there, or because this user may not ask."""
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return BluegreenError(
            "This user may not talk to the Docker Engine.",
            failed="permission denied on the Engine's socket",
            expected="root, or a member of the group docker",
            retry="safe",
            next="sudo usermod -aG docker $USER, then log in again",
        )
    return BluegreenError(
        "The Docker Engine does not answer.",
        failed=" ".join(text.split())[:200],
        expected="a running Engine on DOCKER_HOST or /var/run/docker.sock",
        retry="safe, when it runs",
        next="sudo systemctl start docker (or install it: sudo apt-get install docker.io)",
    )


def _is_taken(listen: Listen) -> bool:
    address = listen.address.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, listen.port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


class Engine:
    """The Docker Engine, as much of it as one app needs."""

    def __init__(self, app: str) -> None:
        self.app = app
        self._subnet: Subnet | None = None

    @functools.cached_property
    def api(self) -> Any:
        """docker-py's low-level client; its stubs lack what is used here, so it is Any."""
        try:
            return docker.APIClient(engine_address(os.environ), version="auto", timeout=int(TIMEOUT))
        except (DockerException, requests.exceptions.RequestException) as error:
            raise unreachable(error) from None

    @translated
    def api_version(self) -> str:
        """The API version that this Engine and docker-py agreed upon, such as 1.41."""
        version: str = self.api.api_version
        return version

    def proxy_environment(self) -> dict[str, str]:
        """The proxy variables that the Docker CLI's own configuration gives to every container.

        Source: Docker's documentation, "Use a proxy server with the Docker CLI": for this Engine or as default.
        """
        proxies = self.api._general_configs.get("proxies") or {}
        chosen = proxies.get(os.environ.get("DOCKER_HOST") or DEFAULT) or proxies.get("default")
        found = {}
        for key, name in PROXY_VARIABLES.items():
            if value := (chosen or {}).get(key):
                found[name] = found[name.lower()] = value
        return found

    # -- looking

    @translated
    def of_compose(self, service: str) -> tuple[tuple[str, str], ...]:
        """(id, name) of the containers that Compose itself runs of a service, in any state, by number."""
        labels = [f"com.docker.compose.project={self.app}", f"com.docker.compose.service={service}"]
        labels.append("com.docker.compose.oneoff=False")
        found = self.api.containers(all=True, filters={"label": labels})
        found.sort(key=lambda entry: int(entry["Labels"].get("com.docker.compose.container-number") or 0))
        return tuple((entry["Id"], entry["Names"][0].lstrip("/")) for entry in found)

    @translated
    def replicas(self) -> tuple[Replica, ...]:
        """Every container of a color, in any state, ordered by name."""
        found = self.api.containers(all=True, filters={"label": [f"{LABEL_APP}={self.app}", LABEL_COLOR]})
        return tuple(sorted(map(self._replica, found), key=lambda replica: replica.name))

    def _replica(self, found: Mapping[str, Any]) -> Replica:
        labels, status = found["Labels"], found["Status"]
        return Replica(
            id=found["Id"],
            name=found["Names"][0].lstrip("/"),
            color=labels[LABEL_COLOR],
            service=labels[LABEL_SERVICE],
            number=int(labels[LABEL_NUMBER]),
            release=int(labels[LABEL_RELEASE]),
            role=labels[LABEL_ROLE],
            state=found["State"],
            # The list gives Docker's health check only in words: "Up 3 seconds (health: starting)".
            health=next((word for word in ("unhealthy", "healthy", "starting") if f"{word})" in status), None),
            address=self._address(found, network_name(self.app)),
            image_id=found["ImageID"],
            definition=labels.get(LABEL_DEFINITION, ""),
            status=status,
            restart=labels.get(LABEL_RESTART, "always"),
        )

    @staticmethod
    def _address(found: Mapping[str, Any], network: str) -> str | None:
        endpoint = (found["NetworkSettings"]["Networks"] or {}).get(network)
        if not endpoint:
            return None
        wanted = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
        return endpoint.get("IPAddress") or wanted or None

    @translated
    def proxy(self) -> ProxyContainer | None:
        found = self.api.containers(all=True, filters={"label": [f"{LABEL_APP}={self.app}", f"{LABEL_ROLE}=proxy"]})
        if not found:
            return None
        entry = found[0]
        return ProxyContainer(
            entry["Id"], entry["Names"][0].lstrip("/"), entry["State"], entry["Labels"].get(LABEL_DEFINITION, ""),
            self._address(entry, network_name(self.app)),
            public_network_name(self.app) in (entry["NetworkSettings"]["Networks"] or {}),
        )  # fmt: skip

    @translated
    def plain_containers(self) -> tuple[PlainContainer, ...]:
        """The containers that plain Compose made of any service of this app, in any state, by name."""
        label = [f"com.docker.compose.project={self.app}", "com.docker.compose.oneoff=False"]
        return tuple(
            PlainContainer(
                entry["Id"],
                entry["Names"][0].lstrip("/"),
                entry["Labels"]["com.docker.compose.service"],
                entry["State"] in ("running", "restarting", "paused"),
            )
            for entry in sorted(
                self.api.containers(all=True, filters={"label": label}), key=lambda it: str(it["Names"])
            )
        )

    @translated
    def port_holder(self, listen: Listen) -> str | None:
        """Who holds a port that nginx is to be published on: a container's name, "" for no container, None for nobody.

        Our own proxy does not count. A port that this user may not try counts as free.
        """
        for entry in self.api.containers():
            published = any(
                port.get("PublicPort") == listen.port and overlap(port.get("IP", ""), listen) for port in entry["Ports"]
            )
            if published and f"/{proxy_name(self.app)}" not in entry["Names"]:
                return str(entry["Names"][0].lstrip("/"))
            if published:
                return None
        return "" if _is_taken(listen) else None

    @translated
    def publish(self, container: str) -> None:
        """Connects the proxy to its public network, running or not: its ports are published from then on."""
        name = public_network_name(self.app)
        if not self.network_there(name):
            self.api.create_network(name, driver="bridge", labels={LABEL_APP: self.app, LABEL_ROLE: "network"})
        self.api.connect_container_to_network(container, name)

    @translated
    def remove_keeping_volumes(self, container: str) -> None:
        """Removes a stopped container; anonymous volumes stay as well."""
        self.api.remove_container(container, force=True, v=False)

    @translated
    def log_tail(self, container: str, lines: int) -> list[str]:
        """The last lines that a container wrote, both streams."""
        output: bytes = self.api.logs(container, tail=lines, stdout=True, stderr=True)
        return output.decode(errors="replace").splitlines()

    @translated
    def follow_log(self, container: str, tail: int | None, follow: bool) -> Iterator[bytes]:
        """What a container writes, as it arrives; ends with the container unless `follow` is off before."""
        stream: Iterator[bytes] = self.api.logs(
            container, stream=True, follow=follow, timestamps=True, tail=tail if tail is not None else "all"
        )
        return stream

    @translated
    def end_of(self, container: str) -> int | None:
        """The exit code of a container that was started; None: it runs."""
        state = self.api.inspect_container(container)["State"]
        return None if state["Running"] or state["Status"] == "created" else int(state["ExitCode"])

    @translated
    def exit_of(self, container: str) -> tuple[int, int, str]:
        """(exit code, restarts, Engine's own words) of a container's last end."""
        found = self.api.inspect_container(container)
        return found["State"]["ExitCode"], found["RestartCount"], found["State"].get("Error", "")

    # -- the app's network

    @translated
    def subnet(self) -> Subnet | None:
        """The app's network as it is; None: there is none that addresses can be given out in."""
        if self._subnet is None:  # once there it stays as it is, for as long as the app is
            pool = self._pool()
            self._subnet = Subnet(ipaddress.IPv4Network(pool["Subnet"])) if pool and pool.get("IPRange") else None
        return self._subnet

    def _pool(self) -> Mapping[str, Any] | None:
        try:
            found = self.api.inspect_network(network_name(self.app))
        except NotFound:
            return None
        pool: Mapping[str, Any] = found["IPAM"]["Config"][0]
        return pool

    @translated
    def ensure_network(self) -> Subnet:
        """The app's network, made if there is none, with the subnet that the Engine itself picks.

        The Engine gives fixed addresses only in a subnet that was named, so the network is made twice:
        once to learn which subnet is free, once with that subnet named and its upper half left to the Engine.
        It is internal: a service reaches of the outside world what its own networks let it reach, no more.
        """
        if existing := self.subnet():
            return existing
        refuse_rootless(self.api.info())
        name = network_name(self.app)
        labels = {LABEL_APP: self.app, LABEL_ROLE: "network"}
        if self._pool() is None:  # else a command was killed between the two
            self.api.create_network(name, driver="bridge", labels=labels)
        learned = self._pool()
        if learned is None:
            raise BluegreenError(
                "The Engine lost the network that it had just made.",
                failed=name,
                expected="it to be there",
                retry="safe",
            )
        picked = Subnet(ipaddress.IPv4Network(learned["Subnet"]))
        self.api.remove_network(name)
        pool = {"Subnet": str(picked.network), "IPRange": str(picked.dynamic), "Gateway": picked.gateway}
        self.api.create_network(
            name, driver="bridge", internal=True, labels=labels, ipam={"Driver": "default", "Config": [pool]}
        )
        return picked

    @translated
    def ensure_color_network(self, color: Color) -> None:
        """The network on which the services of one color find each other by their Compose names."""
        name = color_network_name(self.app, color)
        if not self.network_there(name):
            labels = {LABEL_APP: self.app, LABEL_ROLE: "network", LABEL_COLOR: color}
            self.api.create_network(name, driver="bridge", labels=labels)

    @translated
    def network_there(self, name: str) -> bool:
        return bool(self.api.networks(filters={"name": f"^{re.escape(name)}$"}))

    @translated
    def volume_there(self, name: str) -> bool:
        try:
            self.api.inspect_volume(name)
        except NotFound:
            return False
        return True

    # -- containers

    @translated
    def create(
        self,
        name: str,
        request: Mapping[str, Any],
        endpoints: Mapping[str, Mapping[str, Any]],
        platform: str | None = None,
    ) -> str:
        """Creates a container on its networks and returns its id. `endpoints`: the first is its main one."""
        names = list(endpoints)
        body = dict(request)
        # Engines before API 1.44 take one network at creation; the others are added before the start.
        first = names if version_gte(self.api_version(), "1.44") else names[:1]
        body["NetworkingConfig"] = {"EndpointsConfig": {name: dict(endpoints[name]) for name in first}}
        if names:
            body["HostConfig"] = {**body.get("HostConfig", {}), "NetworkMode": names[0]}
        identity = self._create(body, name, platform)
        for network in names[len(first) :]:
            self.api.connect_container_to_network(identity, network, **_endpoint(endpoints[network]))
        return identity

    def _create(self, body: Mapping[str, Any], name: str, platform: str | None) -> str:
        """Creates a container; one of ours with that name, left by a command that was killed, goes first."""
        try:
            return str(self.api.create_container_from_config(body, name, platform)["Id"])
        except APIError as error:
            if error.status_code != 409:
                raise
            found = self.api.inspect_container(name)
            if (found["Config"]["Labels"] or {}).get(LABEL_APP) != self.app or found["State"]["Running"]:
                raise
            self.remove(found["Id"])
            return str(self.api.create_container_from_config(body, name, platform)["Id"])

    @translated
    def copy_file(self, container: str, file: CopiedFile) -> None:
        """Puts a file into a container that has not been started."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            content = file.content.encode()
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(content), file.mode, file.uid, file.gid
            archive.addfile(entry, io.BytesIO(content))
        # As docker-py's put_archive, which does not know copyUIDGID; Compose asks for it with an owner.
        parameters = {"path": "/", **({"copyUIDGID": "true"} if file.owned else {})}
        api = self.api
        answer = api._put(api._url("/containers/{0}/archive", container), params=parameters, data=packed.getvalue())
        api._raise_for_status(answer)

    @translated
    def start(self, container: str) -> None:
        self.api.start(container)

    @translated
    def stop(self, container: str, grace: int | None = None) -> None:
        """The stop signal, then after `grace` seconds (None: the container's own) the kill."""
        with self._patient():
            self.api.stop(container, timeout=grace)

    @translated
    def connect(self, container: str, address: str) -> None:
        """Puts a container back on the app's network, at the address that nginx knows."""
        self.api.connect_container_to_network(container, network_name(self.app), ipv4_address=address)

    @translated
    def restart(self, container: str, grace: int) -> None:
        """Stops and starts a container; its folders are mounted anew."""
        self.api.restart(container, timeout=grace)

    @translated
    def remove(self, container: str) -> None:
        """Removes a container with its anonymous volumes; one that is gone already is fine."""
        try:
            self.api.remove_container(container, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # 409: its removal is under way
                raise

    @translated
    def set_restart(self, container: str, policy: Mapping[str, Any]) -> None:
        """Changes the restart policy of a container that exists."""
        self.api.update_container(container, restart_policy=dict(policy))

    @translated
    def signal(self, container: str, signal: str) -> None:
        self.api.kill(container, signal)

    @translated
    def run_in(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Runs a command in a running container; (exit code, both streams)."""
        execution = self.api.exec_create(container, list(command), stdout=True, stderr=True)
        output = self.api.exec_start(execution["Id"])
        code = self.api.exec_inspect(execution["Id"])["ExitCode"]
        return code, output.decode(errors="replace")

    @translated
    def run_once(self, image: str, command: Sequence[str], request: Mapping[str, Any]) -> tuple[int, str]:
        """Runs a command in a container that exists for it only; (exit code, both streams)."""
        labels = {LABEL_APP: self.app, LABEL_ROLE: "once"}
        body = {**request, "Image": image, "Entrypoint": list(command), "Cmd": [], "Labels": labels}
        container = self.api.create_container_from_config(body)["Id"]
        try:
            self.api.start(container)
            code = self.api.wait(container)["StatusCode"]
            return code, self.api.logs(container).decode(errors="replace")
        finally:
            self.remove(container)

    @translated
    def once_containers(self, role: OnceRole) -> tuple[OnceContainer, ...]:
        """The containers of one-off runs that are still there: killed commands left them."""
        label = {"label": [f"{LABEL_APP}={self.app}", f"{LABEL_ROLE}={role}"]}
        found = (self.api.inspect_container(entry["Id"]) for entry in self.api.containers(all=True, filters=label))
        return tuple(
            OnceContainer(
                it["Id"], it["Name"].lstrip("/"), int(it["Config"]["Labels"].get(LABEL_RELEASE) or 0),
                it["State"]["Running"], None if it["State"]["Running"] else it["State"]["ExitCode"],
            )
            for it in found
        )  # fmt: skip

    @translated
    def remove_once(self) -> None:
        """Removes containers of `run_once` that a killed command left."""
        label = {"label": [f"{LABEL_APP}={self.app}", f"{LABEL_ROLE}=once"]}
        for entry in self.api.containers(all=True, filters=label):
            self.remove(entry["Id"])

    # -- the end

    @translated
    def remove_leftovers(self) -> list[str]:
        """Removes every container and network with this app's label; returns their names."""
        gone = []
        label = {"label": f"{LABEL_APP}={self.app}"}
        for entry in self.api.containers(all=True, filters=label):
            self.remove(entry["Id"])
            gone.append(entry["Names"][0].lstrip("/"))
        for entry in self.api.networks(filters=label):
            self.api.remove_network(entry["Id"])
            gone.append(entry["Name"])
        return gone

    @translated
    def remove_compose_network(self, name: str) -> bool:
        """Removes a network of the Compose file if nobody uses it."""
        try:
            self.api.remove_network(name)
        except (NotFound, APIError):
            return False
        return True

    @translated
    def remove_volume(self, name: str) -> bool:
        try:
            self.api.remove_volume(name)
        except NotFound:
            return False
        return True

    def image(self, reference: str) -> Mapping[str, Any] | None:
        """What the Engine knows of an image; None: it does not have it."""
        try:
            found: Mapping[str, Any] = self.api.inspect_image(reference)
        except ImageNotFound:
            return None
        except (DockerException, requests.exceptions.RequestException) as error:
            raise unreachable(error) from None
        return found

    @translated
    def facts(self) -> EngineFacts:
        found = self.api.version()
        info = self.api.info()
        return EngineFacts(found["Version"], self.api_version(), info["DockerRootDir"])

    @translated
    def image_facts(self, reference: str) -> ImageFacts | None:
        """Size and user of an image that the Engine has; None: it has none of this name."""
        found = self.image(reference)
        return ImageFacts(found["Size"], (found.get("Config") or {}).get("User") or "") if found else None

    def in_registry(self, reference: str) -> str | None:
        """Why the registry would not give an image, asked without pulling it; None: it would.

        Source: Engine API, DistributionInspect.
        """
        try:
            self.api.inspect_distribution(reference)
        except APIError as error:
            return " ".join(str(error.explanation or error).split())[:200]
        except (DockerException, requests.exceptions.RequestException) as error:
            return " ".join(str(error).split())[:200]
        return None

    @translated
    def text_of(self, container: str, path: str) -> str | None:
        """A small text file in a container, running or not; None: there is none."""
        try:
            stream, facts = self.api.get_archive(container, path)
        except NotFound:
            return None
        if facts["size"] > MAX_TEXT:
            return None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.next()
            file = archive.extractfile(member) if member and member.isfile() else None
            return file.read().decode(errors="replace") if file else None

    @translated
    def volumes_of_compose(self) -> list[str]:
        """The named volumes that Compose made for this app."""
        found = self.api.volumes(filters={"label": f"com.docker.compose.project={self.app}"})
        return [entry["Name"] for entry in found["Volumes"] or []]

    @translated
    def tag(self, image: str, reference: str) -> None:
        name, _, tag = reference.rpartition(":")
        self.api.tag(image, name, tag)

    @translated
    def untag(self, reference: str) -> None:
        """Takes a name away; an image without any goes as well. One that is not there is fine."""
        with contextlib.suppress(ImageNotFound):
            self.api.remove_image(reference)

    @translated
    def volume_size(self, name: str, image: str) -> int:
        """What a named volume holds, in bytes, counted in a container of this image."""
        _, output = self.run_once(image, ["du", "-sk", "/from"], _mounting(f"{name}:/from:ro"))
        return int(output.split()[0]) * 1024

    @translated
    def copy_volume(self, name: str, to: str, labels: Mapping[str, str], image: str) -> None:
        """A new volume with what another one holds, owners and modes included. Raises BluegreenError."""
        self.api.create_volume(to, labels=dict(labels))
        code, output = self.run_once(image, ["cp", "-a", "/from/.", "/to/"], _mounting(f"{name}:/from:ro", f"{to}:/to"))
        if code:
            raise BluegreenError(
                f"The volume {name} could not be copied.", failed=output.strip()[:300], expected="cp -a to end well"
            )

    @translated
    def volume_path(self, name: str) -> str | None:
        """Where a named volume of the local driver lies on this machine; None: there is none."""
        try:
            return str(self.api.inspect_volume(name)["Mountpoint"])
        except NotFound:
            return None

    @translated
    def remove_image(self, image: str, references: frozenset[str]) -> bool:
        """Removes an image whose only names are these; one that a container or another image needs stays.

        Without force: the Engine itself answers 409 for what is in use. Source: Engine API, ImageDelete.
        """
        found = self.image(image)
        if found is None:
            return True
        tags = found.get("RepoTags") or []
        used = self.api.containers(all=True, filters={"ancestor": found["Id"]}, limit=1)
        if used or not set(tags) <= references:
            return False
        try:
            for name in tags or [image]:
                self.api.remove_image(name)
        except ImageNotFound:
            return True
        except APIError as error:
            if error.status_code != 409:
                raise
            return False
        return True

    @translated
    def _patient(self) -> _Patience:
        return _Patience(self.api)

    def close(self) -> None:
        if "api" in self.__dict__:
            self.api.close()


class _Patience:
    """No time limit on the client's side while a call runs that may take as long as a grace period."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __enter__(self) -> None:
        self._before, self._api.timeout = self._api.timeout, None

    def __exit__(self, *_: object) -> None:
        self._api.timeout = self._before


def _mounting(*binds: str) -> dict[str, Any]:
    return {"HostConfig": {"Binds": list(binds)}, "User": "0", "NetworkDisabled": True}


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
