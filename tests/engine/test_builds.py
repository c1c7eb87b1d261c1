"""`build:` in all its forms is built by the real Compose, with BuildKit, and pinned by the id of what came out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose.options import Options
from bluegreen.compose.run import Compose
from bluegreen.domain.app import Stack
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import ImageWish
from bluegreen.places.docker.place import docker_place
from bluegreen.settings.stack import make_stack
from tests.support.machine import environment
from tests.support.machine import images as base_images
from tests.support.project import Project
from tests.support.second_engine import BUILDX, second_engine

HERE = Path(__file__).parent / "builds"
WORDS = "not to be seen anywhere"
# service -> WHICH in the environment of its image
EXPECTED = {
    "text": "text", "long": "long", "named": "first", "tagged": "text", "runs-the-same": "first", "inline": "inline",
    "secret": "secret", "platforms": "text", "contexts": "contexts",
}  # fmt: skip


class Side:
    """One Engine and what builds on it."""

    def __init__(self, folder: Path, name: str, new: bool) -> None:
        compose = Compose(Options())
        document = compose.resolve(folder)
        names = [name for name, it in document["services"].items() if new or not it.get("profiles")]
        document["x-bluegreen"]["jobs"] = [name for name in names if name != "text"]
        self.stack: Stack = make_stack(document, str(folder), [], lambda *_: [])
        self.place = docker_place(name, compose, folder / "state", (0, 0), Path("unused"))
        self.said: list[str] = []

    def image(self, service: str, **wish: Any) -> dict[str, Any]:
        """What the Engine knows of the image that the service was pinned to."""
        pinned = self.place.images.of_service(self.stack, service, ImageWish(**wish), self.said.append)
        found: dict[str, Any] = self.place.api.client.inspect_image(pinned.id)
        assert found["Id"] == pinned.id
        return found


@pytest.fixture(params=["the machine's Engine", "Engine 28"], scope="module")
def side(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    folder = tmp_path_factory.mktemp("builds")
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    plugins = folder / "client" / "cli-plugins"
    plugins.mkdir(parents=True)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        project = Project(folder, (HERE / "compose.yaml").read_text())
        host = None
        if request.param == "Engine 28":
            host = stack.enter_context(second_engine(folder, [base_images()["PYTHON_IMAGE"]])).host
        (plugins / "docker-buildx").symlink_to(BUILDX)
        variables = {
            "DOCKER_CONFIG": str(plugins.parent), "SHOP_NAME": project.name, "A_SECRET": WORDS,
            **({"DOCKER_HOST": host} if host else {}),
        }  # fmt: skip
        for name, value in environment(**variables).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        made = Side(folder, project.name, new=bool(host))
        yield made
        if not host:
            _remove_images(project.name)


def _remove_images(name: str) -> None:
    done = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True, check=True
    )
    mine = [image for image in done.stdout.split() if name in image]
    subprocess.run(["docker", "rmi", "-f", *mine], capture_output=True, check=False)


def test_every_form_of_build_comes_out_as_it_says(side: Side) -> None:
    names = side.stack.settings.release_services()
    assert len(names) >= 8
    for service in sorted(names, key=lambda name: not side.stack.services[name].get("build")):
        found = side.image(service)
        variables = dict(entry.split("=", 1) for entry in found["Config"]["Env"] or [])
        assert variables["WHICH"] == EXPECTED[service], service
        if service == "long":
            assert variables["TARGET"] == "second"
            assert found["Config"]["Labels"]["built.by"] == "us"
        if service == "tagged":
            assert any(tag.endswith(":also") for tag in found["RepoTags"])
        if service == "platforms":
            assert (found["Os"], found["Architecture"]) == ("linux", "amd64")
    assert len(side.said) > len(names), "the progress of the builds is shown"
    assert WORDS not in "\n".join(side.said)


def test_without_building_it_is_what_is_there_and_a_policy_is_obeyed(side: Side) -> None:
    first = side.image("text")["Id"]
    (Path.cwd() / "context" / "which").write_text("changed\n")
    assert side.image("text", build=False)["Id"] == first
    assert side.image("text")["Id"] != first
    side.stack.services["text"]["pull_policy"] = "build"  # type: ignore[index]  # the test's own document
    (Path.cwd() / "context" / "which").write_text("again\n")
    changed = side.image("text", build=False)["Id"]
    assert changed != first, "pull_policy build builds even so"
    side.stack.services["named"]["pull_policy"] = "always"  # type: ignore[index]  # the test's own document
    side.said.clear()
    side.image("named")
    assert any("cannot be pulled, so it is built" in line for line in side.said)
    with pytest.raises(BluegreenError, match="cannot be pulled"):
        side.image("named", build=False)


def test_a_build_that_fails_says_so_and_shows_its_last_lines(side: Side) -> None:
    (Path.cwd() / "context" / "Dockerfile").write_text("FROM scratch\nCOPY absent /\n")
    with pytest.raises(BluegreenError, match=r"The image of tagged was not built\.") as error:
        side.image("tagged")
    assert "absent" in " ".join(error.value.lines)
