"""What `make setup` left on this machine: images and the command."""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
THOROUGH = bool(os.environ.get("THOROUGH"))  # `make test-faults`: what `make test` only samples, whole
EXAMPLE = ROOT / "compose" / "example"


@functools.cache
def images() -> dict[str, str]:
    """PYTHON_IMAGE, NGINX_IMAGE, VALKEY_IMAGE. Raises RuntimeError when `make setup` has not run."""
    file = Path(sys.prefix) / "images.env"
    if not file.exists():
        raise RuntimeError("make setup has not prepared this machine: no images.env in the virtual environment")
    return dict(line.split("=", 1) for line in file.read_text().split())


def environment(**more: str) -> dict[str, str]:
    """The environment of a person at this machine, with the images and whatever a test adds."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "DOCKER_HOST", "TERM") if name in os.environ}
    usual = {"BLUEGREEN_WATCH": "0s"}  # what has no visitors need not be watched; tests of watching say how long
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", **usual, **images(), **more}


PORTS_OF_A_WORKER = 3000  # tests that run side by side look in different places


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, outside the range of outgoing connections."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20000 + worker * PORTS_OF_A_WORKER + os.getpid() % 1000
    for port in range(first, 32000):
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port")


_given: set[int] = set()


def bridge_address() -> str:
    """This machine's own address on Docker's default bridge: the first of its subnet, unless another is named.

    An Engine that was never restarted does not name it (seen on 20.10).
    """
    pool = json.loads(docker("network", "inspect", "-f", "{{json .IPAM.Config}}", "bridge"))[0]
    return str(pool.get("Gateway") or ipaddress.ip_network(pool["Subnet"])[1])


def docker(*arguments: str) -> str:
    """The output of a docker command. Raises CalledProcessError."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
