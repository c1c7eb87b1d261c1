"""Images from a real registry: pulled when missing, pinned by id, pulled anew only when asked."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import docker, free_port, images
from tests.support.project import Project

CONFIG = """
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:%d"}
log: {level: error}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of an empty registry on loopback, which ends with the test."""
    port = free_port()
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG % (tmp_path / "images", port))
    with subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the registry did not answer"
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
        process.terminate()


def _push(reference: str, label: str, folder: Path) -> str:
    """Pushes an image of its own under this name, removes it here, and returns its id."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(f"FROM {images()['PYTHON_IMAGE']}\nLABEL which={label}\n")
    docker("build", "-q", "-t", reference, str(folder))
    identity = docker("inspect", "-f", "{{.Id}}", reference)
    docker("push", "-q", reference)
    docker("rmi", reference)
    return identity


def test_images_are_pulled_when_missing_and_anew_only_when_asked(lean: Project, registry: str, tmp_path: Path) -> None:
    reference = f"{registry}/shop:1"
    first = _push(reference, "first", tmp_path / "build")
    try:
        lean.ok("up")
        done = lean.ok("switch", "--progress", "json", "--json", WEB_IMAGE=reference)
        assert f"{reference}: " in done.err, "progress of the pull is shown"
        assert "layers" in done.err
        assert lean.status()["live"]["images"]["web"] == {"ref": reference, "id": first}

        second = _push(reference, "second", tmp_path / "build")
        docker("tag", first, reference)
        assert lean.ok("switch", "--json", WEB_IMAGE=reference).json()["outcome"] == "unchanged", (
            "what is there is used"
        )
        assert lean.ok("switch", "--pull", "--json", WEB_IMAGE=reference).json()["outcome"] == "switched"
        assert lean.status()["live"]["images"]["web"]["id"] == second
        assert lean.status()["idle"]["images"]["web"]["id"] == first, "the way back keeps its own image"
        lean.ok("flip-back")
        assert docker("inspect", "-f", "{{.Image}}", f"{lean.name}-green-web-1") == first
    finally:
        lean.run("down", "--yes")
        for identity in (first, locals().get("second")):
            if identity:
                subprocess.run(["docker", "rmi", "-f", identity], capture_output=True, check=False)


def test_a_registry_that_does_not_have_the_image_says_so(lean: Project, registry: str) -> None:
    lean.ok("up")
    done = lean.run("switch", WEB_IMAGE=f"{registry}/shop:none")
    assert done.code == 1
    assert f"The image {registry}/shop:none cannot be pulled." in done.err
    assert "traffic   blue, release 1 (unchanged)" in done.err
    assert f"next      docker pull {registry}/shop:none" in done.err
