"""A project of its own for one test: a folder, a unique name, free ports; nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bluegreen.state import folder
from tests.support.machine import BIN, EXAMPLE, ROOT, docker, environment, free_port
from tests.support.schemas import valid

SERVICE_IMAGE = "bluegreen-test/shop"  # built once from the example; the tests share its layers
VERB_TIMEOUT = 240  # seconds for one command
KILLED_TIMEOUT = 60.0  # seconds for one that is to be ended on its way
REMOVAL_TRIES = 10  # 0.3 s apart


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    returned: float  # monotonic clock
    arguments: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """What --json printed; it has to be what the verb's schema says."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        valid(self.arguments, found)
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
        """Where bluegreen keeps what it must remember of this app."""
        if named := self.variables.get(folder.VARIABLE):
            return Path(named)
        return Path(folder.home(self.environment({})) or "/nowhere", self.name)

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
        return Done(done.returncode, done.stdout, done.stderr, now - began, now, arguments)

    def run_killed(self, *arguments: str, at: Mapping[str, Any], **more: str) -> tuple[Done, list[dict[str, Any]]]:
        """Runs the command in a session of its own and ends it `at` a point of a step (see tests.support.killed).

        How it ended, and what it reported: a line for each step with its events, and one for the kill.
        """
        report = self.folder.parent / f"report-{uuid.uuid4().hex[:8]}"
        environment = self.environment(more) | {"KILL_AT": json.dumps({**at, "report": str(report)})}
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.killed", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
            env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
            timeout=KILLED_TIMEOUT, start_new_session=True,
        )  # fmt: skip
        now = time.monotonic()
        lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
        return Done(done.returncode, done.stdout, done.stderr, now - began, now), lines

    def ok(self, *arguments: str, **more: str) -> Done:
        done = self.run(*arguments, **more)
        assert done.code == 0, f"bluegreen {' '.join(arguments)}: {done}\n{self.logs()}"
        return done

    def status(self) -> dict[str, Any]:
        """Whether it is up (exit code 0) or not (1)."""
        done = self.run("status", "--json")
        assert done.code in (0, 1), done
        found = done.json()
        assert "questions" in found, done
        return found

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

    def answers(self) -> bool:
        """Whether the public listener answers."""
        with contextlib.suppress(OSError):
            return self.get("/")[0] == 200
        return False

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
        """Removes everything that carries this project's label, ours or Compose's; warns of what does not go."""
        labels = (f"bluegreen.app={self.name}", f"com.docker.compose.project={self.name}")
        for label in labels:
            if found := docker("ps", "-aq", "--filter", f"label={label}").split():
                subprocess.run(["docker", "rm", "-f", "-v", *found], capture_output=True, check=False)
        for kind in ("network", "volume"):
            for label in labels:
                for name in docker(kind, "ls", "-q", "--filter", f"label={label}").split():
                    if why := _remove(kind, name):
                        excuse = late(name) if kind == "network" else None
                        if excuse:  # the suite's last line says it again
                            print(f"{self.name}: {excuse}")
                        else:
                            warnings.warn(f"{self.name}: {kind} {name} is left: {why}", stacklevel=2)
        if held := docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"bluegreen/{self.name}*/*").split():
            subprocess.run(["docker", "rmi", *held], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)


def _remove(kind: str, name: str) -> str:
    """Removes a network or volume, again while the Engine still takes leave of containers; "" or why it stays.

    An Engine call whose client was killed can leave an endpoint without a container; it is disconnected by its name.
    """
    why = ""
    for _ in range(REMOVAL_TRIES):
        done = subprocess.run(["docker", kind, "rm", name], capture_output=True, text=True, check=False)
        if done.returncode == 0 or f"No such {kind}" in done.stderr:
            return ""
        why = done.stderr.strip()
        if kind == "network":
            for endpoint in docker("network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{end}}", name).split():
                why += f"; {endpoint} is on it"
                subprocess.run(
                    ["docker", "network", "disconnect", "-f", name, endpoint], capture_output=True, check=False
                )
        time.sleep(0.3)
    return why


def leftovers(prefix: str = "bgt-") -> list[str]:
    """Everything whose name starts so (by default: of any test project) that is still there."""
    found = []
    for listing in (
        ("ps", "-a", "--format", "{{.Names}}"),
        ("network", "ls", "--format", "{{.Name}}"),
        ("volume", "ls", "--format", "{{.Name}}"),
    ):
        found += [name for name in docker(*listing).split() if name.startswith((prefix, f"bluegreen-{prefix}"))]
    states = Path(folder.home(os.environ) or "/nowhere")
    found += [path.name for start in ("", "bluegreen-") for path in states.glob(f"{start}{prefix}*")]
    with contextlib.suppress(OSError):  # not empty: somebody has an app here
        states.rmdir()
    return found


def late(network: str) -> str | None:
    """What to say of an empty network that its test could not remove; None: it is left, and that is a defect.

    Seen on 20.10 when several clients make and remove containers at once: its store counts one endpoint of the
    network and holds none, for a while or until it is started again. Nobody but the Engine can mend that.
    """
    done = subprocess.run(["docker", "network", "inspect", network], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"network {network}: gone since"
    if json.loads(done.stdout)[0]["Containers"]:
        sys.stdout.write(done.stdout)
        return None
    done = subprocess.run(["docker", "network", "rm", network], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return f"network {network}: empty, and removed only now"
    if "has active endpoints" in done.stderr:
        return f"network {network}: empty, but the Engine has miscounted it; gone when the Engine restarts"
    return None


if __name__ == "__main__":
    left = leftovers()
    networks = [name for name in docker("network", "ls", "--format", "{{.Name}}").split() if name in left]
    excused = {name: words for name in networks if (words := late(name))}
    sys.stdout.writelines(f"{words}\n" for words in excused.values())
    left = [name for name in left if name not in excused]
    sys.stdout.write(f"left behind: {', '.join(left)}\n" if left else "nothing left behind\n")
    sys.exit(bool(left))
