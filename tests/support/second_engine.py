"""A second, newer Docker Engine beside the machine's own: unpacked into a folder, in a network of its own.

Its files come from Debian's packages and are cached; the daemon lives as long as the `with` block, in a
network namespace and a mount namespace that end with it. It is reached by its socket only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.machine import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bluegreen"
BUILDX = CACHE / "engine28" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-buildx"
START_TIMEOUT = 60.0  # seconds until the daemon must answer
STOP_TIMEOUT = 30.0
ASK = """
import sys, urllib.request as u
request = u.Request(sys.argv[1], headers={"Host": sys.argv[3]})
print(u.urlopen(request, timeout=float(sys.argv[2])).read().decode())
"""
# $1 the unpacked system, $2 the daemon's data, $3 the folder of its socket, $4 a folder that containers mount
INSIDE = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mkdir -p "$1/engine" "$1/var/lib/docker" "$1$4"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
mount --bind "$2" "$1/var/lib/docker"
mount --bind "$3" "$1/engine"
mount --bind "$4" "$1$4"
cd "$1"
mkdir -p former-root
# Not chroot: in there, what is executed in a running container later would see this system and not the container.
pivot_root . former-root
umount -l /former-root
exec dockerd --config-file /engine/daemon.json --host unix:///engine/docker.sock --group 0 </dev/null
"""


@dataclass(frozen=True)
class Second:
    """Where the second Engine is reached, and the network namespace that its published ports are in."""

    host: str
    namespace: str

    def get(self, port: int) -> dict[str, Any] | None:
        """One GET to the loopback of that Engine's machine; None: no right answer."""
        return get_inside(self.namespace, port, timeout=10)


def get_inside(
    namespace: str, port: int, path: str = "/", timeout: float = 2, host: str = "localhost"
) -> dict[str, Any] | None:
    """One GET to the loopback of a network namespace, answered with JSON within `timeout` seconds; else None."""
    done = subprocess.run(
        ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", ASK,
         f"http://127.0.0.1:{port}{path}", str(timeout), host],
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    with suppress(ValueError):
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None
    return None


@contextmanager
def second_engine(folder: Path, images: list[str], settings: Mapping[str, object] | None = None) -> Iterator[Second]:
    """Starts Engine 28. `folder` is visible to its containers by the same path; `settings`: of its daemon.json."""
    subprocess.run([ROOT / "tests" / "machine" / "second_engine.sh"], check=True)  # at once, when it was unpacked
    system = CACHE / "engine28"
    work = Path(tempfile.mkdtemp(prefix="bgt-engine-"))
    for name in ("data", "socket"):
        (work / name).mkdir()
    (work / "socket" / "daemon.json").write_text(json.dumps(settings or {}))
    namespace = f"bgt-{uuid.uuid4().hex[:8]}"
    host = f"unix://{work}/socket/docker.sock"
    log = (work / "log").open("wb")
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
    daemon = subprocess.Popen(
        [
            "nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount",
            "bash", "-c", INSIDE, "dockerd", str(system), str(work / "data"), str(work / "socket"), str(folder),
        ],
        stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _wait(host, daemon, work / "log")
        for image in images:
            copy_image(image, host)
        yield Second(host, namespace)
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        log.close()
        subprocess.run(["ip", "netns", "del", namespace], check=False)
        shutil.rmtree(work, ignore_errors=True)


def _wait(host: str, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while subprocess.run(["docker", "-H", host, "version"], capture_output=True, check=False).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            sys.stderr.write(log.read_text(errors="replace")[-3000:])
            raise RuntimeError("the second Engine did not answer; the end of its log is above")
        time.sleep(0.2)


def copy_image(image: str, host: str) -> None:
    """Gives an image of this machine's Engine to another one."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as packed:
        subprocess.run(["docker", "-H", host, "load"], stdin=packed.stdout, stdout=subprocess.DEVNULL, check=True)
    assert packed.returncode == 0, f"docker save {image}"
