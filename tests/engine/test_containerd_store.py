"""What Engine 29 does by default: the containerd image store, and BuildKit with its attestations.

Ids are digests of an index that differs with each build, and an image goes the moment its name moves on.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.files import LEAN, SERVER
from tests.support.machine import images
from tests.support.project import Project
from tests.support.second_engine import BUILDX, Second, second_engine

BUILT = LEAN.replace(
    "    image: ${WEB_IMAGE:-${PYTHON_IMAGE}}\n",
    '    build: {context: app, args: {PYTHON_IMAGE: "${PYTHON_IMAGE}", VERSION: "${VERSION:-1}"}}\n',
)
DOCKERFILE = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nARG VERSION\nENV VERSION=${VERSION}\nCOPY server.py /server.py\n"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Project, Second]]:
    assert BUILT != LEAN
    project = Project(tmp_path / "project", BUILT)
    (project.folder / "server.py").write_text(SERVER)
    (project.folder / "app").mkdir()
    (project.folder / "app" / "server.py").write_text(SERVER)
    (project.folder / "app" / "Dockerfile").write_text(DOCKERFILE)
    plugins = tmp_path / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    store = {"features": {"containerd-snapshotter": True}}
    with second_engine(project.folder, [images()["PYTHON_IMAGE"], images()["NGINX_IMAGE"]], store) as second:
        (plugins / "docker-buildx").symlink_to(BUILDX)
        project.variables |= {
            "DOCKER_HOST": second.host, "DOCKER_CONFIG": str(plugins.parent),
            "BLUEGREEN_STATE_FOLDER": str(project.folder / "state"),
        }  # fmt: skip
        yield project, second


def _docker(second: Second, *words: str) -> str:
    done = subprocess.run(["docker", "-H", second.host, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.long
def test_images_of_kept_releases_stay_and_the_same_build_is_no_release(there: tuple[Project, Second]) -> None:
    project, second = there
    app = project.name
    project.ok("up", VERSION="1")
    first = project.status()["live"]["images"]["web"]["id"]
    done = project.ok("switch", "--json", VERSION="1")
    assert json.loads(done.out)["outcome"] == "unchanged", "the same, although the digest of its index is another"
    assert _docker(second, "image", "inspect", "-f", "{{.Id}}", f"{app}-web") != first, "BuildKit made another index"
    for version in ("2", "3"):
        project.ok("switch", VERSION=version)
        _docker(second, "image", "prune", "--force")
    assert project.run("switch", VERSION="4", BEHAVIOUR="sick", HEALTH_TIMEOUT="2s").code == 1
    _docker(second, "image", "prune", "--force")
    held = _docker(second, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"bluegreen/{app}/web").split()
    assert {f"bluegreen/{app}/web:{number}" for number in (1, 2, 3)} <= set(held)
    live = project.status()["live"]
    _docker(second, "rm", "--force", f"{app}-{live['color']}-web-1")
    project.ok("up", VERSION="3")
    assert project.status()["live"]["replicas"]["web"]["healthy"] == 1, "its image was there to make it again"
    project.ok("switch", "--to", "1")
    assert project.status()["live"]["images"]["web"]["id"] == first
