"""Which Engine a command talks to: where the Docker CLI would find it, if that is on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluegreen.errors import BluegreenError

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

    context = ContextAPI.get_context(name)
    if context is None:
        raise BluegreenError(
            f"There is no Docker context {name}.", failed=f"the Docker CLI is told to use {name}",
            expected="a context that docker context ls lists", retry="safe", next="docker context ls",
        )  # fmt: skip
    return _here(str(context.Host), f"the Docker context {name}")


def _here(address: str, source: str) -> str:
    if address.startswith("unix://"):
        return address
    raise BluegreenError(
        "bluegreen runs on the machine of its Engine: nginx and the command share a folder and its sockets.",
        failed=f"{source} is {address}", expected="a Unix socket of this machine, such as unix:///var/run/docker.sock",
        retry="not useful from here", next="log in to that machine and run bluegreen there",
    )  # fmt: skip


def _configured(environment: Mapping[str, str]) -> dict[str, Any]:
    folder = environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        found = json.loads(Path(folder, "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def refuse_rootless(information: Mapping[str, Any]) -> None:
    """Raises BluegreenError for an Engine that runs without root; `information` is what GET /info answers."""
    if any("name=rootless" in option for option in information.get("SecurityOptions") or []):
        raise BluegreenError(
            "A rootless Engine is not supported: its containers cannot use the folder and sockets that nginx needs.",
            failed="this Engine says that it is rootless", expected="an Engine that root runs",
            retry="not useful", next="the Engine of the distribution: sudo apt-get install docker.io",
        )  # fmt: skip
