"""A project of its own for one test: a folder, a unique name, free ports; nothing is left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.machine import BIN, EXAMPLE, docker, environment, free_port

SERVICE_IMAGE = "bluegreen-test/shop"  # built once from the example; the tests share its layers
VERB_TIMEOUT = 240  # seconds for one command


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    returned: float  # monotonic clock

    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass
class Project:
    """A folder with a Compose file, and the installed command run in it."""

    folder: Path
    compose: str
    name: str = field(default_factory=lambda: f"bgt-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=free_port)
    preview_port: int = field(default_factory=free_port)
    variables: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (str(BIN / "bluegreen"),)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write(self.compose)

    @property
    def file(self) -> Path:
        return self.folder / "compose.yaml"

    @property
    def state(self) -> Path:
        return self.folder / ".bluegreen"

    def write(self, compose: str) -> None:
        self.file.write_text(compose)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return environment(
            **{
                "COMPOSE_PROJECT_NAME": self.name,
                "SHOP_NAME": self.name,
                "SHOP_IMAGE": SERVICE_IMAGE,
                "EXAMPLE": str(EXAMPLE),
                "SHOP_LISTEN": f"127.0.0.1:{self.port}",
                "SHOP_PREVIEW": f"127.0.0.1:{self.preview_port}",
                **self.variables,
                **more,
            }
        )

    def run(self, *arguments: str, **more: str) -> Done:
        """Runs the installed command as a person would, and waits for it."""
        began = time.monotonic()
        done = subprocess.run(
            [*self.command, *arguments], cwd=self.folder, env=self.environment(more),
            capture_output=True, text=True, check=False, timeout=VERB_TIMEOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        now = time.monotonic()
        return Done(done.returncode, done.stdout, done.stderr, now - began, now)

    def ok(self, *arguments: str, **more: str) -> Done:
        done = self.run(*arguments, **more)
        assert done.code == 0, f"bluegreen {' '.join(arguments)}: {done}\n{self.logs()}"
        return done

    def status(self) -> dict[str, Any]:
        return self.ok("status", "--json").json()

    def live(self) -> str:
        return str(self.status()["live"]["color"])

    def get(
        self, path: str = "/", *, preview: bool = False, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """One GET to the public or the preview listener; (status, body)."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.preview_port if preview else self.port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def color(self, *, preview: bool = False) -> str:
        status, body = self.get("/", preview=preview)
        assert status == 200, (status, body)
        return str(json.loads(body)["color"])

    def containers(self, *filters: str) -> list[str]:
        wanted = [part for label in filters for part in ("--filter", f"label={label}")]
        output = docker("ps", "-a", "--filter", f"label=bluegreen.app={self.name}", *wanted, "--format", "{{.Names}}")
        return sorted(output.split())

    def logs(self) -> str:
        """The last lines of every container, for a failing test."""
        shown = []
        for name in self.containers():
            done = subprocess.run(["docker", "logs", "--tail", "15", name], capture_output=True, text=True, check=False)
            shown.append(f"--- {name}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return "\n".join(shown)

    def clean(self) -> None:
        """Removes everything that carries this project's label, ours or Compose's."""
        for kind, remove in (("container", ("rm", "-f", "-v")), ("network", ("rm",)), ("volume", ("rm",))):
            for label in (f"bluegreen.app={self.name}", f"com.docker.compose.project={self.name}"):
                listing = ("ps", "-aq") if kind == "container" else (kind, "ls", "-q")
                found = docker(*listing, "--filter", f"label={label}").split()
                if found:
                    base = (kind,) if kind != "container" else ()
                    subprocess.run(["docker", *base, *remove, *found], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def leftovers(prefix: str = "bgt-") -> list[str]:
    """Everything whose name starts so (by default: of any test project) that is still there."""
    found = []
    for listing in (
        ("ps", "-a", "--format", "{{.Names}}"),
        ("network", "ls", "--format", "{{.Name}}"),
        ("volume", "ls", "--format", "{{.Name}}"),
    ):
        found += [name for name in docker(*listing).split() if name.startswith(prefix)]
    return found


def miscounted(network: str) -> bool:
    """Whether the Engine refuses to remove a network for an endpoint that it does not have.

    Seen on 20.10 when several clients make and remove containers at once: its store counts one endpoint of the
    network and holds none. Nobody but the Engine can mend that, and it does when it is started again.
    """
    done = subprocess.run(["docker", "network", "rm", network], capture_output=True, text=True, check=False)
    if "has active endpoints" not in done.stderr:
        return False
    return docker("network", "inspect", "-f", "{{len .Containers}}", network) == "0"


if __name__ == "__main__":
    left = leftovers()
    networks = [name for name in docker("network", "ls", "--format", "{{.Name}}").split() if name in left]
    lost_count = [name for name in networks if miscounted(name)]
    for name in lost_count:
        sys.stdout.write(f"network {name}: empty, but the Engine has miscounted it; gone when the Engine restarts\n")
    left = [name for name in left if name not in lost_count]
    sys.stdout.write(f"left behind: {', '.join(left)}\n" if left else "nothing left behind\n")
    sys.exit(bool(left))
