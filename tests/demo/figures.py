"""`make figures`: what a release costs with bluegreen and with `docker compose up -d`, in one run on one machine."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.load import Load, Tally
from tests.support.machine import EXAMPLE, docker, environment
from tests.support.project import Project

MIX = {"get": 100}
RELEASES = 5

# The same example behind an nginx that Compose runs as well: what a repository without bluegreen has.
PLAIN_NGINX = "events {} http { server { listen 80; location / { proxy_pass http://web:8000; } } }"
PLAIN = """
services:
  proxy:
    image: ${NGINX_IMAGE}
    profiles: [release]
    command: [nginx, -g, "daemon off;", -c, /etc/plain/nginx.conf]
    volumes: ["./plain:/etc/plain:ro"]
    ports: ["${PLAIN_LISTEN}:80"]
    depends_on: [web]
  web:
    environment: {BLUEGREEN_COLOR: blue}
"""


def bluegreen(project: Project) -> tuple[list[float], list[float], list[float], Tally]:
    """Seconds of every switch and every flip-back, from typing a flip-back to the last answer of the color
    that it left, and what the clients saw."""
    switches, flips, typed = [], [], []
    with Load(project.port, MIX) as load:
        time.sleep(1)
        for number in range(RELEASES):
            switches.append(project.ok("switch", GREETING=f"release-{number}").seconds)
            began = time.monotonic()
            done = project.ok("flip-back", "--json")
            flips.append(done.seconds)
            typed.append((began, done.returned, done.json()["previous"]["color"]))
    last = [
        max(answer.sent for answer in load.tally.sent_between(began, end) if answer.color == left) - began
        for began, end, left in typed
    ]
    return switches, flips, last, load.tally


def plain(project: Project, port: int) -> tuple[list[float], Tally]:
    """The same releases with `docker compose up -d`, which recreates web in place."""
    settings = environment(**project.variables, SHOP_NAME=project.name, SHOP_IMAGE="bluegreen-test/shop")
    settings |= {"PLAIN_LISTEN": f"127.0.0.1:{port}"}

    def release(greeting: str) -> float:
        began = time.monotonic()
        subprocess.run(
            ["docker-compose", "-f", "compose.yaml", "-f", "plain.yaml", "--profile", "release",
             "up", "-d", "web", "proxy"],
            cwd=project.folder, env={**settings, "GREETING": greeting}, check=True, capture_output=True,
        )  # fmt: skip
        return time.monotonic() - began

    release("first")
    time.sleep(3)
    with Load(port, MIX) as load:
        time.sleep(1)
        seconds = []
        for number in range(RELEASES):
            seconds.append(release(f"release-{number}"))
            time.sleep(3)
    return seconds, load.tally


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="bluegreen-figures-"))
    shutil.copytree(EXAMPLE, folder / "shop", ignore=shutil.ignore_patterns(".bluegreen", "__pycache__"))
    text = (EXAMPLE / "compose.yaml").read_text().replace("127.0.0.1:8000:8000", "127.0.0.1::8000")
    project = Project(folder / "shop", text)
    (project.folder / "plain").mkdir()
    (project.folder / "plain" / "nginx.conf").write_text(PLAIN_NGINX)
    (project.folder / "plain.yaml").write_text(PLAIN)
    try:
        project.ok("up")
        switches, flips, last, ours = bluegreen(project)
        project.ok("down", "--yes")
        seconds, theirs = plain(project, project.port)
    finally:
        project.clean()
        shutil.rmtree(folder, ignore_errors=True)
    engine = docker("version", "--format", "{{.Server.Version}}")
    print(f"\n{sum(MIX.values())} keep-alive clients, {RELEASES} releases each, Docker Engine {engine}; medians\n")
    print("| | seconds | requests | lost |\n| --- | --- | --- | --- |")
    print(f"| `bluegreen switch` | {statistics.median(switches):.1f} | {len(ours.answers)} | {len(ours.lost)} |")
    print(f"| `bluegreen flip-back` | {statistics.median(flips):.2f} | | |")
    print(f"| … from typing it to the last new request at the color it leaves | {statistics.median(last):.2f} | | |")
    print(f"| `docker compose up -d` | {statistics.median(seconds):.1f} | {len(theirs.answers)} | {len(theirs.lost)} |")
    return int(bool(ours.lost))


if __name__ == "__main__":
    sys.exit(main())
