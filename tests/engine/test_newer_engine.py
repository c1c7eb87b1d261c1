"""The main job on a newer Engine than this machine's: take over, switch, flip back, down."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_moving_in_and_out import PLAIN
from tests.support.files import SERVER
from tests.support.machine import images
from tests.support.project import Project
from tests.support.second_engine import Second, second_engine


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Project, Second]]:
    """A project on Engine 28; everything on it goes with it."""
    project = Project(tmp_path / "project", PLAIN)
    (project.folder / "server.py").write_text(SERVER)
    with second_engine(project.folder, [images()["PYTHON_IMAGE"], images()["NGINX_IMAGE"]]) as second:
        state = str(project.folder / "state")  # what that Engine can mount
        project.variables |= {
            "DOCKER_HOST": second.host, "PUBLIC": str(project.port), "BLUEGREEN_STATE_FOLDER": state,
        }  # fmt: skip
        yield project, second


def test_engine_28_does_the_main_job(there: tuple[Project, Second]) -> None:
    project, second = there

    def color(port: int = project.port) -> str | None:
        found: str | None = (second.get(port) or {})["color"]
        return found

    def compose(*arguments: str) -> None:
        subprocess.run(
            ["docker-compose", *arguments],
            cwd=project.folder,
            env=project.environment({}),
            check=True,
            capture_output=True,
        )

    compose("up", "-d", "--wait")
    assert color() is None
    done = project.run("up")
    assert f"is held by {project.name}-web-1, which plain Compose runs." in done.err, done
    done = project.ok("up", "--adopt")
    assert "Requests failed for at most" in done.out
    assert color() == "blue"
    project.ok("switch", GREETING="two")
    assert (color(), color(project.preview_port)) == ("green", "blue")
    project.ok("flip-back")
    assert (color(), color(project.preview_port)) == ("blue", "green")
    assert project.status()["live"]["replicas"]["web"]["healthy"] == 1
    done = project.ok("down", "--yes")
    assert re.search("To serve release 1 with plain Compose: docker[ -]compose", done.out)
