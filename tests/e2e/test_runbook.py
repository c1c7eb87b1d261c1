"""The runbook: a page for this very app, every command of which is run here as it stands."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import docker
from tests.support.project import Project

SAID = ("--owner", "Ada", "--note", "safe | until\x1b Friday")
WHOLE = (
    LEAN.replace(
        "  drain: 2s\n",
        """  drain: 0s
  jobs: [worker]
  require: [owner, note]
  migrate: {service: schema}
  hooks: {after_switch: [[echo, "moved it"]], before_switch: {service: schema}}
""",
    )
    + """  worker: {profiles: [release], image: "${PYTHON_IMAGE}", command: [sleep, "600"], stop_grace_period: 0s}
  schema: {profiles: [release], image: "${PYTHON_IMAGE}", command: ["true"]}
  cache: {image: "${PYTHON_IMAGE}", command: [sleep, "600"], stop_grace_period: 0s, restart: always}
"""
)


def _commands(page: str) -> list[str]:
    fenced = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    tables = [word for line in page.splitlines() if line.startswith("| ") for word in re.findall(r"`([^`]+)`", line)]
    return [*fenced, *(word for word in tables if word.split()[0] in ("bluegreen", "docker"))]


def _type(project: Project, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=project.folder, env=project.environment({}), capture_output=True, text=True,
        check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.long
def test_every_command_of_the_runbook_can_be_typed_as_it_stands(make_project: Make) -> None:
    project = make_project(WHOLE)
    assert "Nothing is live yet." in project.ok("runbook").out
    assert not project.state.exists()
    project.ok("up")
    project.ok("expect", "--record", "GET", "/health")
    for greeting in ("two", "three"):
        project.ok("switch", *SAID, GREETING=greeting)
    page = project.ok("runbook", GREETING="three").out
    for words in (
        f"# Runbook: {project.name}", "Live is **blue**, release 3.", f"cd {project.folder}",
        "- `web`: any host, path `/`, port 8000", "- `worker`: a job", "- `cache`: shared by both colors",
        "- `schema`: the migration, once for each release", "- hook `echo 'moved it'`: when traffic has moved",
        "- hook `schema`: before traffic moves", "Every release must answer 1 recorded request in the same way.",
        "Every release says its owner, note.", "Release 2 is on standby on green", "bluegreen switch --to 1 --dry-run",
        f"curl -fsS http://127.0.0.1:{project.port}/health", r"| Ada | live | - | safe \| until",
    ):  # fmt: skip
        assert words in page, (words, page)
    assert all(char.isprintable() for line in page.splitlines() for char in line)
    commands = _commands(page)
    assert len(commands) >= 20, commands
    assert {"bluegreen flip-back", "bluegreen status", "bluegreen up", "bluegreen logs worker"} <= set(commands)
    for command in dict.fromkeys(commands):
        done = _type(project, command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert docker("inspect", "-f", "{{.State.Running}}", f"{project.name}-proxy") == "true"
