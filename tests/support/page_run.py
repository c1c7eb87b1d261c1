"""Runs the commands of a page as a person would type them, in a folder with the files that the page shows.

What is changed on the way, and nothing else: the app's name, the ports, the images of nginx and Python (this machine
may reach no registry), and where nginx listens if the page leaves the default.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.blocks import Block
from tests.support.files import SERVER
from tests.support.machine import docker, images
from tests.support.project import Project

IMAGE = "FROM {python}\nWORKDIR /srv\nCOPY server.py .\n"
LINE_TIMEOUT = 240  # seconds for one line
CURL = """#!/usr/bin/env python3
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[-1]).read().decode(), end="")
"""


@dataclass
class PageRun:
    """One run: a folder that stands for the reader's, and how its lines went."""

    project: Project
    tools: Path  # programs that a reader has and this machine may not
    folder: Path = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.project.folder
        if self.project.file.exists() and not self.project.compose:
            self.project.file.unlink()
        self.tools.mkdir(exist_ok=True)
        plugins = self.tools / "docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        if found := shutil.which("docker-compose", path=self._path()):
            (plugins / "docker-compose").symlink_to(found)
        if not shutil.which("curl"):
            (self.tools / "curl").write_text(CURL)
            (self.tools / "curl").chmod(0o755)

    def _path(self) -> str:
        return f"{self.tools}:{self.project.environment({})['PATH']}"

    def _environment(self) -> dict[str, str]:
        mine = {
            "PATH": self._path(), "DOCKER_CONFIG": str(self.tools / "docker"), "IMAGE": self.project.name,
            "LISTEN": f"127.0.0.1:{self.project.port}", "PREVIEW": f"127.0.0.1:{self.project.preview_port}",
        }  # fmt: skip
        found = self.project.environment(mine)
        del found["COMPOSE_PROJECT_NAME"]
        return found

    def image(self) -> None:
        """The image `shop` of the pages: a server of the standard library."""
        context = self.tools / "image"
        context.mkdir()
        (context / "server.py").write_text(SERVER)
        (context / "Dockerfile").write_text(IMAGE.format(python=images()["PYTHON_IMAGE"]))
        docker("build", "-q", "-t", self.project.name, str(context))

    def remove(self) -> None:
        """Everything that the run made."""
        self.project.clean()
        if found := docker("images", "-q", self.project.name).split():
            subprocess.run(["docker", "rmi", "-f", *dict.fromkeys(found)], capture_output=True, check=False)

    def local(self, text: str) -> str:
        """A text of a page with this run's name, ports and images."""
        port, preview = self.project.port, self.project.preview_port
        for pattern, mine in (
            (r"(?<![\w./-])shop(?![\w.])", self.project.name),
            (r'"8080:', f'"127.0.0.1:{port}:'),
            (r"listen: 8080", f'listen: "127.0.0.1:{port}"'),
            (r"localhost:8081", f"127.0.0.1:{preview}"),
            (r"localhost(:8080)?/", f"127.0.0.1:{port}/"),
            (r"\b([Pp])ort 8080", rf"\1ort 127.0.0.1:{port}"),
            (r"nginx:1\.30-alpine", images()["NGINX_IMAGE"]),
        ):
            text = re.sub(pattern, mine, text)
        return text

    def file(self, path: str, text: str) -> None:
        """A file that the page shows."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.local(text) + "\n")
        self._settle()

    def _settle(self) -> None:
        """Where the block leaves the default, nginx gets ports that are free here, and an image that is here."""
        if not (path := self.folder / "compose.yaml").exists():
            return
        text = path.read_text()
        if not (head := re.search(r"^x-bluegreen:\n", text, re.MULTILINE)):
            return
        image = f'image: "{images()["NGINX_IMAGE"]}"'
        text = re.sub(r'(?m)^(  listen: )"172\.17\.0\.1:8080"', rf'\1"127.0.0.1:{self.project.port}"', text)
        text = re.sub(r"(?m)^(  proxy: \{)(?!image)", rf"\1{image}, ", text)
        block = re.split(r"^\S", text[head.end() :], maxsplit=1, flags=re.MULTILINE)[0]
        wanted = {
            "listen": f'"127.0.0.1:{self.project.port}"', "preview": f'"127.0.0.1:{self.project.preview_port}"',
            "proxy": f"{{{image}}}",
        }  # fmt: skip
        lines = [f"  {key}: {value}\n" for key, value in wanted.items() if f"\n  {key}:" not in f"\n{block}"]
        path.write_text(text[: head.end()] + "".join(lines) + text[head.end() :])

    def play(self, found: list[Block], before: Callable[[str], None] = lambda _: None) -> None:
        """Writes the files and types the lines of these blocks; `before` is called with each line first."""
        for block in found:
            if block.mark == "file":
                self.file(block.words.split()[1], block.text)
                continue
            for typed, shown in _lines(block):
                before(typed)
                self.type(typed, shown, str(block))

    def type(self, typed: str, shown: list[str], where: str) -> None:
        """Types one line. Raises AssertionError if it ends in another way than the page says."""
        if typed.startswith("cd "):
            self.folder = self.folder / typed.removeprefix("cd ")
            return
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", self.local(typed)], cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=LINE_TIMEOUT,
        )  # fmt: skip
        self.seconds[typed] = time.monotonic() - began
        told = f"{where}: $ {typed}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        fails = any(line.startswith("Error: ") for line in shown)
        assert bool(done.returncode) == fails, told
        output = _plain(done.stdout + done.stderr)
        for line in shown:
            assert _plain(self.local(line)) in output, f"the page shows {line!r}\n{told}"
        self._settle()


def _lines(block: Block) -> list[tuple[str, list[str]]]:
    """What is typed in a block, and the lines that the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        typed, _, rest = re.sub(r"\\\n\s*", "", part).partition("\n")
        found.append((typed, [line for line in rest.splitlines() if line.strip() and line.strip() != "…"]))
    return found


def _plain(text: str) -> str:
    """Without what differs from run to run: numbers, and the space between words."""
    return re.sub(r"\d+([.,]\d+)?", "N", " ".join(text.split()))


def scenarios(blocks: list[Block]) -> dict[str, list[Block]]:
    """The blocks of pages that are run, by the name in their mark."""
    found: dict[str, list[Block]] = {}
    for block in blocks:
        if block.mark in ("run", "file"):
            found.setdefault(block.words.split()[0], []).append(block)
    return found
