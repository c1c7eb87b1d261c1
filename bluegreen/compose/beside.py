"""Plain Compose's containers of a release beside bluegreen's: without a port first, then with nginx's."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bluegreen.compose.found import ask
from bluegreen.compose.run import Compose, resolved
from bluegreen.errors import BluegreenError

UP = ("up", "--detach", "--no-deps", "--no-build")


class Beside:
    """PlainPort by Compose itself. It writes no file but the one that `down` writes too."""

    def __init__(self, compose: Compose, app: str, folder: Path) -> None:
        self._compose, self._app, self._folder = compose, app, folder

    def start(self, images: Mapping[str, str], services: Sequence[str]) -> None:
        """Starts these services from these images, published on no port of this machine. Raises BluegreenError."""
        document = without_ports(json.loads(resolved(self._compose)), images, services)
        where = ["--project-name", self._app, "--project-directory", str(self._folder)]
        command = [*self._compose.command(), "--ansi", "never", *where, "--file", "-", "--profile", "*"]
        _run([*command, *UP, *services], input=json.dumps(document))

    def create(self, override: Mapping[str, Any], services: Sequence[str]) -> None:
        """Creates the containers as the printed command would, and starts none. Raises BluegreenError."""
        self._typed(override, services, ["--no-start", "--no-deps", "--no-build"])

    def serve(self, override: Mapping[str, Any], services: Sequence[str]) -> None:
        """Starts these services as the printed command would. Raises BluegreenError."""
        self._typed(override, services, ["-d", "--no-deps", "--no-build"])

    def command(self, override: Mapping[str, Any], services: Sequence[str]) -> str:
        """The command to type for the same result."""
        return self._compose.plain_command(override, services)

    def _typed(self, override: Mapping[str, Any], services: Sequence[str], how: Sequence[str]) -> None:
        words = shlex.split(self.command(override, services))
        at = len(words) - len(services) - 1  # before -d
        _run([*words[:at], *how, *services])


def without_ports(document: dict[str, Any], images: Mapping[str, str], services: Sequence[str]) -> dict[str, Any]:
    """The project, as Compose printed it, with these services changed so that they can run beside bluegreen's. Pure."""
    for name in services:
        service = document["services"][name]
        service.pop("ports", None)
        service.pop("build", None)
        service |= {"image": images[name], "pull_policy": "never"}
    return document


def _run(command: Sequence[str], **more: Any) -> None:
    done = ask(list(command), **more)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise BluegreenError(
            "Compose did not start the plain containers.", code="plain-not-started",
            failed=lines[-1][:300] if lines else f"docker compose ended with {done.returncode}",
            expected="the release's services beside the colors", retry="safe, after the cause is fixed",
            lines=lines[-10:],
        )  # fmt: skip
