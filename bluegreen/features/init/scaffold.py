"""The files of `init` for a project that has no Compose file yet: a layout in, texts out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from bluegreen.features.init.layout import Layout
from bluegreen.features.init.sqlite import FOLDER

TEMPLATES = Path(__file__).parent / "templates"
MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
WORKFLOWS = (".github/workflows/release.yml", ".github/workflows/bluegreen.yml")
KEPT_OUT = (".env", ".git")  # of an image: secrets and history
SERVERS = {"uvicorn": '"uvicorn[standard]"', "gunicorn": "gunicorn"}


def scaffold(layout: Layout, folder_name: str, there: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """(files to write, what the person should know). `there`: what the project has; none of it is written over."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder_name.lower()).strip("-_") or "app"
    wanted = [("compose.yaml", "compose.yaml"), ("Dockerfile", "Dockerfile"), (".dockerignore", "dockerignore")]
    advice = list(layout.advice)
    if not set(MAKEFILES) & set(there):
        wanted.append(("Makefile", "Makefile"))
    elif "bluegreen.mk" not in there:
        wanted.append(("bluegreen.mk", "Makefile"))
        advice.append("You have a Makefile: add `include bluegreen.mk` to it for the targets.")
    if ".gitlab-ci.yml" in there:
        advice.append("You use GitLab CI: the commands for a job are in bluegreen help ci.")
    elif workflow := next((path for path in WORKFLOWS if path not in there), None):
        wanted.append((workflow, "release.yml"))
    files = {path: _rendered(template, layout, name) for path, template in wanted if path not in there}
    advice += [
        f"{path} exists already and stays as it is." for path, _ in wanted if path in there and path != ".dockerignore"
    ]
    return files, advice


def kept_out(files: Mapping[str, str]) -> list[str]:
    """Lines that a .dockerignore of the project lacks: without them secrets and history are in the image."""
    text = files.get(".dockerignore")
    if text is None:
        return []
    lines = {line.strip().strip("/").removeprefix("**/") for line in text.splitlines()}
    return [it for it in KEPT_OUT if not lines & {it, f"{it}*", f"*{it}", ".*", "*"}]


def _rendered(template: str, layout: Layout, name: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - what goes in was matched by patterns of letters, digits, dots and slashes
    )  # fmt: skip
    return environment.get_template(f"{template}.j2").render(
        layout=layout, name=name, data=_data(layout), server=SERVERS[layout.server], own=not layout.app
    )


def _data(layout: Layout) -> str:
    """The lines of a service that keep an SQLite file."""
    if layout.data is None:
        return ""
    said = layout.data
    lines = [f'volumes: ["data:{FOLDER}"]']
    if said.variable:
        value = json.dumps(f"${{{said.variable}:-{said.value}}}")
        lines.insert(0, f"environment: {{{said.variable}: {value}}}")
    return "".join(f"    {line}\n" for line in lines)
