"""Which Engine a command talks to: where the Docker CLI would find it, if that is on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluegreen.errors import BluegreenError
from bluegreen.files import Unfit, text
from bluegreen.unix_http import listener

DEFAULT = "unix:///var/run/docker.sock"


def engine_address(environment: Mapping[str, str]) -> str:
    """The Engine's address: DOCKER_HOST, then DOCKER_CONTEXT, then the CLI's current context, then the default.

    Source: Docker's documentation, "Docker contexts". Raises BluegreenError for an Engine elsewhere.
    """
    if host := environment.get("DOCKER_HOST"):
        return _here(host, "DOCKER_HOST")
    name = environment.get("DOCKER_CONTEXT") or _configured(environment).get("currentContext")
    if not name or name == "default":
        return DEFAULT
    from docker.context import ContextAPI  # loads all of docker-py; the default needs none of it
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_context(name)
    except DockerException:
        context = None
    if context is None and (host := _written(name, environment)):
        return _here(host, f"the Docker context {name}")
    if context is None:
        raise BluegreenError(
            f"There is no Docker context {name}.", code="no-such-context",
            failed=f"the Docker command is set to use {name}",
            expected="a context that docker context ls lists", retry="safe", next="docker context ls",
        )  # fmt: skip
    return _here(str(context.Host), f"the Docker context {name}")


def _written(name: str, environment: Mapping[str, str]) -> str | None:
    """The address of a context, from its own file: docker-py looks only where there is a config.json beside it.

    Source: the Docker CLI's store of contexts; a folder is called by the SHA-256 of its name.
    """
    folder = Path(_folder(environment), "contexts", "meta", hashlib.sha256(name.encode()).hexdigest())
    try:
        host = json.loads(text(str(folder / "meta.json")))["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return str(host) or None


def _folder(environment: Mapping[str, str]) -> str:
    return environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")


def _here(address: str, source: str) -> str:
    if address.startswith("unix://"):
        return address
    raise BluegreenError(
        "bluegreen runs on the machine of its Engine: nginx and the command share a folder and its sockets.",
        code="engine-elsewhere",
        failed=f"{source} is {address}", expected="a Unix socket of this machine, such as unix:///var/run/docker.sock",
        retry="not useful from here", next="log in to that machine and run bluegreen there",
    )  # fmt: skip


def _configured(environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(text(os.path.join(_folder(environment), "config.json")))
    except Unfit as error:  # docker-py and Compose would read it too, and wait for ever
        raise BluegreenError(
            "The configuration of the Docker command is no file.", code="not-a-file",
            failed=f"{error.filename}: {error.strerror}",
            expected="a file, or none", retry="safe, after the cause is fixed", next=f"ls -l {error.filename}",
        ) from None  # fmt: skip
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def refuse_rootless(information: Mapping[str, Any]) -> None:
    """Raises BluegreenError for an Engine whose root is not this machine's; `information` is what GET /info answers."""
    options = information.get("SecurityOptions") or []
    if any("name=userns" in option for option in options):
        raise BluegreenError(
            "An Engine with userns-remap is not supported: nginx could not use the sockets of the state folder.",
            code="engine-not-supported",
            failed="this Engine maps the users of its containers to others (userns-remap)",
            expected="an Engine without it", retry="not useful",
            next="take userns-remap out of /etc/docker/daemon.json, and restart Docker",
        )  # fmt: skip
    if any("name=rootless" in option for option in options):
        raise BluegreenError(
            "A rootless Engine is not supported: its containers cannot use the folder and sockets that nginx needs.",
            code="engine-not-supported",
            failed="this Engine says that it is rootless", expected="an Engine that root runs",
            retry="not useful", next="the Engine of the distribution: sudo apt-get install docker.io",
        )  # fmt: skip


def in_our_network(path: str) -> bool:
    """Whether who listens on this socket runs in our network namespace; unknown counts as yes.

    Source: namespaces(7), /proc/PID/ns/net.
    """
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(path)
            process, _ = listener(asked)
        return process == 0 or os.stat(f"/proc/{process}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino
    except OSError:
        return True
