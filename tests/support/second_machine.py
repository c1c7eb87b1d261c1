"""A machine inside this one: an Engine of its own that can be killed, slowed, started again, or have its power cut.

Everything of it lives in one process namespace, one mount namespace and one network namespace: ending the first
process of it ends the Engine, containerd and every container at once, as a power cut does. Its disk stays.
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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.support.machine import ROOT
from tests.support.second_engine import CACHE, copy_image, get_inside

START_TIMEOUT = 60.0  # seconds until the Engine must answer
# $1 the unpacked system (/: this one), $2 the Engine's data, $3 the folder of its socket, $4 what containers mount
INSIDE = """
set -e
mount --make-rprivate /
if [ "$1" = / ]; then
    mount -t tmpfs tmpfs /run
    mount --bind "$2" /var/lib/docker
    mkdir -p /run/engine
    mount --bind "$3" /run/engine
    mount -t proc proc /proc
else
    mount --bind "$1" "$1"
    mkdir -p "$1/run" "$1/var/lib/docker" "$1$4"
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/run"
    mkdir -p "$1/run/engine"
    mount --bind "$2" "$1/var/lib/docker"
    mount --bind "$3" "$1/run/engine"
    mount --bind "$4" "$1$4"
    cd "$1"
    mkdir -p former-root
    pivot_root . former-root
    umount -l /former-root
fi
echo up >/run/up
# The first process: it outlives the Engine and takes in orphans.
while :; do sleep 1000 & wait; done
"""
DAEMON = ("dockerd", "--host", "unix:///run/engine/docker.sock", "--group", "0")


@dataclass
class Machine:
    """One machine. `version`: 20.10 is the Engine of this system, 28 the newer one."""

    folder: Path  # what its containers mount, by the same path
    version: Literal["20.10", "28"]
    work: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="bgt-m-")))
    namespace: str = field(default_factory=lambda: f"bgt-{uuid.uuid4().hex[:8]}")
    _first: subprocess.Popen[bytes] | None = None
    _daemon: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.work}/socket/docker.sock"

    @property
    def data(self) -> Path:
        return self.work / "data"

    def boot(self) -> None:
        """Power on: an empty network, the disk as it was, the Engine started."""
        for name in ("data", "socket"):
            (self.work / name).mkdir(exist_ok=True)
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        subprocess.run(["ip", "-n", self.namespace, "link", "set", "lo", "up"], check=True)
        system = "/" if self.version == "20.10" else str(CACHE / "engine28")
        self._first = self._spawn(
            "nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--mount", "--pid", "--fork", "--kill-child",
            "bash", "-c", INSIDE, "machine", system, str(self.data), str(self.work / "socket"), str(self.folder),
        )  # fmt: skip
        self.start_engine()

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.work / "log").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _inside(self) -> int:
        """The process id, out here, of the machine's first process."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert self._first is not None
            children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()
            if children and self.run_in(int(children[0]), "test", "-e", "/run/up").returncode == 0:
                return int(children[0])
            time.sleep(0.05)
        raise RuntimeError((self.work / "log").read_text()[-2000:])

    def run_in(self, pid: int, *command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["nsenter", "--target", str(pid), "--mount", "--pid", "--net", *command], capture_output=True, check=False
        )

    def start_engine(self) -> float:
        """Starts the daemon and waits for its answer; seconds that took."""
        began = time.monotonic()
        self._daemon = self._spawn("nsenter", "--target", str(self._inside()), "--mount", "--pid", "--net", *DAEMON)
        while subprocess.run(["docker", "-H", self.host, "version"], capture_output=True, check=False).returncode:
            if self._daemon.poll() is not None or time.monotonic() - began > START_TIMEOUT:
                sys.stderr.write((self.work / "log").read_text(errors="replace")[-3000:])
                raise RuntimeError("the machine's Engine did not answer; the end of its log is above")
            time.sleep(0.1)
        return time.monotonic() - began

    def engine_pid(self) -> int:
        """The daemon itself: nsenter forks when it enters a process namespace."""
        assert self._daemon is not None
        children = Path(f"/proc/{self._daemon.pid}/task/{self._daemon.pid}/children").read_text().split()
        return int(children[0]) if children else self._daemon.pid

    def kill_engine(self) -> None:
        """SIGKILL to the daemon alone: containerd and the containers live on."""
        assert self._daemon is not None
        os.kill(self.engine_pid(), signal.SIGKILL)
        self._daemon.wait()

    @contextmanager
    def hanging_engine(self) -> Iterator[None]:
        """The daemon is stopped for a while: it accepts and never answers. nsenter stops with it."""
        assert self._daemon is not None
        pid = self.engine_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for number in (pid, self._daemon.pid):
                os.kill(number, signal.SIGCONT)

    def cut_power(self) -> None:
        """Every process of the machine ends at once; its network is gone, its disk stays."""
        assert self._first is not None
        os.kill(self._inside(), signal.SIGKILL)
        self._first.wait()
        if self._daemon:
            self._daemon.wait()
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", "-H", self.host, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def in_network(self, *command: str) -> list[str]:
        """A command that sees the machine's 127.0.0.1."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *command]

    def get(self, port: int, path: str = "/", host: str = "localhost") -> dict[str, Any] | None:
        """One GET to the machine's loopback; None: no right answer."""
        return get_inside(self.namespace, port, path, host=host)

    @contextmanager
    def load(self, port: int, mix: dict[str, int]) -> Iterator[dict[str, Any]]:
        """Clients inside the machine's network; the yielded dictionary is filled in at the end."""
        found: dict[str, Any] = {}
        process = subprocess.Popen(
            self.in_network(sys.executable, "-m", "tests.support.load", str(port), json.dumps(mix)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        try:
            time.sleep(0.5)
            yield found
        finally:
            out, _ = process.communicate("stop\n", timeout=90)
            found.update(json.loads(out))


@contextmanager
def machine(folder: Path, version: Literal["20.10", "28"], images: list[str], disk: str = "") -> Iterator[Machine]:
    """A running machine with these images. `disk`: the size of its disk, such as 700m; else as large as this one's."""
    subprocess.run([ROOT / "tests" / "machine" / "second_engine.sh"], check=True)
    made = Machine(folder, version)
    if disk:
        made.data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "tmpfs", made.data], check=True)
    try:
        made.boot()
        for image in images:
            copy_image(image, made.host)
        yield made
    finally:
        with suppress(Exception):
            made.cut_power()
        if disk:
            subprocess.run(["umount", "-l", made.data], check=False)
        shutil.rmtree(made.work, ignore_errors=True)
