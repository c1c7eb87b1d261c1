"""The connection to the Docker Engine, for one app. docker-py's exceptions end here: callers meet BluegreenError."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from bluegreen.domain import subnets
from bluegreen.errors import BluegreenError
from bluegreen.places.docker.connection import DEFAULT, engine_address

TIMEOUT = 60.0  # seconds for one call to the Engine; pulls and builds stream and have none
LOOKS = ("GET", "HEAD")
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
            raise subnets.none_left(text) or BluegreenError(
                "The Docker Engine refused a request.",
                code="engine-refused",
                failed=f"{' '.join(text.split())[:400]}{_asked(error)}",
                expected="the Engine to carry it out",
                retry="safe, after the cause is fixed",
            ) from None
        except (DockerException, requests.exceptions.RequestException) as error:
            raise unreachable(error) from None

    return wrapped


def _asked(error: APIError) -> str:
    """Which request it was, and what the Engine answered."""
    request = getattr(error.response, "request", None)
    if request is None or error.status_code is None:
        return ""
    path = re.sub(r"^[^/]*//[^/]*", "", str(request.url)).partition("?")[0]
    return f" ({request.method} {path}: {error.status_code})"


def unreachable(error: Exception) -> BluegreenError:
    """No answer from the Engine: because it is not there, or because this user may not ask."""
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return BluegreenError(
            "This user may not talk to the Docker Engine.",
            code="engine-permission",
            failed="permission denied on the Engine's socket",
            expected="root, or a member of the group docker",
            retry="safe",
            next="sudo usermod -aG docker $USER, then log in again",
        )
    return BluegreenError(
        "The Docker Engine does not answer.",
        code="engine-silent",
        failed=" ".join(text.split())[:200],
        expected="a running Engine on DOCKER_HOST or /var/run/docker.sock",
        retry="safe, when it runs",
        next="sudo systemctl start docker (or install it: sudo apt-get install docker.io)",
    )


class Api:
    """docker-py's low-level client, and the app whose containers are meant."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.held: Callable[[], None] = lambda: None  # raises BluegreenError: another one may act on this app by now

    @functools.cached_property
    def client(self) -> Any:
        """docker-py's low-level client; its stubs lack what is used here, so it is Any."""
        try:
            client: Any = docker.APIClient(engine_address(os.environ), version="auto", timeout=int(TIMEOUT))
            client.trust_env = False  # a socket of this machine has no proxy; asking for one takes a ms each time
            client.send = self._while_held(client.send)
            return client
        except (DockerException, requests.exceptions.RequestException) as error:
            raise unreachable(error) from None

    def _while_held(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Before each request that changes something: this command still holds the app."""

        def sent(request: Any, **more: Any) -> Any:
            if request.method not in LOOKS:
                self.held()
            return send(request, **more)

        return sent

    @translated
    def version(self) -> str:
        """The API version that this Engine and docker-py agreed on, such as 1.41."""
        version: str = self.client.api_version
        return version

    def proxy_environment(self) -> dict[str, str]:
        """The proxy variables that the Docker CLI's own configuration gives to every container.

        Source: Docker's documentation, "Use a proxy server with the Docker CLI": for this Engine or as default.
        """
        proxies = self.client._general_configs.get("proxies") or {}
        chosen = proxies.get(os.environ.get("DOCKER_HOST") or DEFAULT) or proxies.get("default")
        found = {}
        for key, name in PROXY_VARIABLES.items():
            if value := (chosen or {}).get(key):
                found[name] = found[name.lower()] = value
        return found

    def image(self, reference: str) -> Mapping[str, Any] | None:
        """What the Engine knows of an image; None: it does not have it."""
        try:
            found: Mapping[str, Any] = self.client.inspect_image(reference)
        except ImageNotFound:
            return None
        except (DockerException, requests.exceptions.RequestException) as error:
            raise unreachable(error) from None
        return found

    def patient(self) -> _Patience:
        return _Patience(self.client)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()


class _Patience:
    """No time limit on the client's side while a call runs that may take as long as a grace period."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __enter__(self) -> None:
        self._before, self._api.timeout = self._api.timeout, None

    def __exit__(self, *_: object) -> None:
        self._api.timeout = self._before
