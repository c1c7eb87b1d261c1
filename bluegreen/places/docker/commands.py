"""Commands in containers that run, and in containers that exist for one command only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from docker.errors import NotFound
from docker.utils.socket import frames_iter

from bluegreen.domain.color import LABEL_APP, LABEL_ROLE
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.containers import Containers


@translated
def send_signal(api: Api, container: str, name: str) -> None:
    api.client.kill(container, name)


@translated
def run_in(api: Api, container: str, command: Sequence[str]) -> tuple[int, str]:
    """Runs a command in a running container; (exit code, both streams)."""
    execution = api.client.exec_create(container, list(command), stdout=True, stderr=True)
    output = api.client.exec_start(execution["Id"])
    code = api.client.exec_inspect(execution["Id"])["ExitCode"]
    return code, output.decode(errors="replace")


@translated
def run_task(api: Api, image: str, command: Sequence[str], request: Mapping[str, Any]) -> tuple[int, str]:
    """Runs a command in a container that exists for it only; (exit code, both streams).

    Its output is taken as it is written: the Engine's logging driver may keep none, or not have it yet at the end.
    """
    labels = {LABEL_APP: api.app, LABEL_ROLE: "once"}
    body = {**request, "Image": image, "Entrypoint": list(command), "Cmd": [], "Labels": labels}
    container = api.client.create_container_from_config(body)["Id"]
    try:
        with api.patient(), _attached(api, container) as stream:
            api.client.start(container)
            frames: Any = frames_iter  # docker-py has no types
            output = b"".join(data for _, data in frames(stream, tty=False))
            code = api.client.wait(container)["StatusCode"]
        return code, output.decode(errors="replace")
    finally:
        Containers(api).remove(container)


@contextmanager
def _attached(api: Api, container: str) -> Iterator[Any]:
    """The streams of a container that has not been started."""
    stream = api.client.attach_socket(container, {"stdout": 1, "stderr": 1, "stream": 1})
    try:
        yield stream
    finally:
        stream._response.close()  # docker-py's: the answer that the socket belongs to
        stream.close()


class ProxyHandle:
    """What the front door needs of the place: a signal to the proxy, and a command in it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send_signal(self, container: str, name: str) -> None:
        send_signal(self._api, container, name)

    def run_in(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        return run_in(self._api, container, command)

    def discard(self, container: str) -> None:
        Containers(self._api).remove(container)

    def never_restart(self, container: str) -> None:
        Containers(self._api).never_restart(container)


@translated
def archive(api: Api, container: str, path: str) -> Iterator[bytes] | None:
    """A folder of a container, running or not, as a tar; None: there is none. Raises BluegreenError."""
    try:
        stream, _ = api.client.get_archive(container, f"{path}/.")
    except NotFound:
        return None
    pieces: Iterator[bytes] = iter(stream)
    return pieces
