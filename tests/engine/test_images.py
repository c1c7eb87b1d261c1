"""Images from a real registry: pulled when missing, pinned by id, pulled anew only when asked."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.machine import bridge_address, docker, free_port, images
from tests.support.project import Project

CONFIG = """
version: 0.1
storage: {filesystem: {rootdirectory: %s}}
log: {level: error}
http:
  addr: "127.0.0.1:%d"
"""
SECURED = """
  tls: {{certificate: {folder}/registry.crt, key: {folder}/registry.key}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""
CERTIFICATES = Path("/etc/docker/certs.d")  # where the Engine looks for the certificates of registries
USER, PASSWORD = "shop", "open sesame"
HTPASSWD = f"{USER}:$2b$05$lDWBK/KSTMhIKe6fGnxIaeTOEpWiVyKbPeWvIkumhCqScx6mizxLq\n"  # bcrypt of PASSWORD
HELPER = """#!/bin/sh
[ "$1" = get ] || exit 1
host=$(cat)
[ -e "$0.broken" ] && echo "the keyring is locked" && exit 1
printf '{"ServerURL":"%s","Username":"shop","Secret":"open sesame"}' "$host"
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of an empty registry on loopback, which ends with the test."""
    port = free_port()
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG % (tmp_path / "images", port))
    with _serving(config, f"http://127.0.0.1:{port}/v2/"):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def private(tmp_path: Path) -> Iterator[str]:
    """The same with TLS that the Engine verifies, and a password.

    On the bridge's own address: on loopback the Engine would take any certificate, and none.
    """
    port, address = free_port(), bridge_address()
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={address}",
            "-addext", f"subjectAltName=IP:{address}", "-keyout", tmp_path / "registry.key",
            "-out", tmp_path / "registry.crt",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    config = tmp_path / "registry.yml"
    written = CONFIG.replace("127.0.0.1", address) % (tmp_path / "images", port)
    config.write_text(written + SECURED.format(folder=tmp_path))
    trusted = CERTIFICATES / f"{address}:{port}"
    made = [folder for folder in (trusted, *trusted.parents) if not folder.exists()]
    trusted.mkdir(parents=True)
    try:
        shutil.copy(tmp_path / "registry.crt", trusted / "ca.crt")
        with _serving(config, f"https://{address}:{port}/v2/"):
            yield f"{address}:{port}"
    finally:
        (trusted / "ca.crt").unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()


@contextmanager
def _serving(config: Path, url: str) -> Iterator[None]:
    with subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 20
        while True:
            try:
                with httpx.Client(verify=False, timeout=2) as client:  # noqa: S501 - whether it answers at all
                    client.get(url)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the registry did not answer"
                time.sleep(0.1)
        try:
            yield
        finally:
            process.terminate()


def _push(reference: str, label: str, folder: Path, *login: str, keep: str = "") -> str:
    """Pushes an image of its own under this name, removes it here, and returns its id."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(f"FROM {images()['PYTHON_IMAGE']}\nLABEL which={label}\n")
    docker("build", "-q", "-t", reference, str(folder))
    identity = docker("inspect", "-f", "{{.Id}}", reference)
    docker(*login, "push", "-q", reference)
    if keep:
        docker("tag", reference, keep)
    docker("rmi", reference)
    return identity


@pytest.mark.long
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


@pytest.mark.long
def test_a_private_registry_is_asked_with_the_persons_own_login(lean: Project, private: str, tmp_path: Path) -> None:
    """TLS and a password: without a login, with `docker login`, with a credential helper; and by digest."""
    login, helper, tools = tmp_path / "login", tmp_path / "helper", tmp_path / "tools"
    for folder in (login, helper, tools):
        folder.mkdir()
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (login / "config.json").write_text(json.dumps({"auths": {private: {"auth": secret}}}))
    (helper / "config.json").write_text(json.dumps({"credHelpers": {private: "bgt-test"}}))
    (tools / "docker-credential-bgt-test").write_text(HELPER)
    (tools / "docker-credential-bgt-test").chmod(0o755)
    reference = f"{private}/shop:1"
    identity = _push(reference, "private", tmp_path / "build", "--config", str(login))
    try:
        lean.ok("up")
        done = lean.run("switch", WEB_IMAGE=reference)
        assert done.code == 1, done
        assert f"The image {reference} cannot be pulled." in done.err
        assert f"next      docker login {private}" in done.err
        done = lean.ok("switch", WEB_IMAGE=reference, DOCKER_CONFIG=str(login))
        assert lean.status()["live"]["images"]["web"] == {"ref": reference, "id": identity}
        assert PASSWORD not in done.out + done.err
        digest = docker("inspect", "-f", "{{index .RepoDigests 0}}", identity)
        _forget(lean, identity)
        path = f"{tools}:{lean.environment({})['PATH']}"
        by_digest = f"{private}/shop:1@{digest.partition('@')[2]}"
        broken = tools / "docker-credential-bgt-test.broken"
        broken.touch()
        done = lean.run("switch", "--force", WEB_IMAGE=by_digest, DOCKER_CONFIG=str(helper), PATH=path)
        assert done.code == 1
        assert f"next      docker login {private}" in done.err, done
        broken.unlink()
        lean.ok("switch", "--force", WEB_IMAGE=by_digest, DOCKER_CONFIG=str(helper), PATH=path)
        assert lean.status()["live"]["images"]["web"] == {"ref": by_digest, "id": identity}
    finally:
        lean.run("down", "--yes")
        subprocess.run(["docker", "rmi", "-f", identity], capture_output=True, check=False)


def _forget(project: Project, identity: str) -> None:
    """Both colors run another image, and the Engine has not this one any more."""
    for greeting in ("a", "b"):
        project.ok("switch", GREETING=greeting)
    docker("rmi", "-f", identity)


@pytest.mark.long
def test_pull_policy_is_honoured(lean: Project, registry: str, tmp_path: Path) -> None:
    reference = f"{registry}/shop:1"
    ids = [_push(reference, which, tmp_path / "build", keep=f"bgt-kept/{which}") for which in ("first", "second")]
    written = lean.file.read_text()

    def policy(name: str) -> None:
        lean.write(written.replace("    init: true\n", f"    init: true\n    pull_policy: {name}\n"))

    try:
        lean.ok("up")
        policy("never")
        done = lean.run("switch", WEB_IMAGE=reference)
        assert done.code == 1, done
        assert f"The image {reference} is not there." in done.err
        for name, pulled in (("missing", False), ("weekly", False), ("every_1s", True), ("always", True)):
            docker("tag", ids[0], reference)
            time.sleep(1.1)
            policy(name)
            lean.ok("switch", "--force", WEB_IMAGE=reference)
            assert lean.status()["live"]["images"]["web"]["id"] == ids[pulled], name
    finally:
        lean.run("down", "--yes")
        for identity in ids:
            subprocess.run(["docker", "rmi", "-f", identity], capture_output=True, check=False)


@pytest.mark.long
def test_an_image_of_another_platform_is_not_taken_for_the_right_one(
    lean: Project, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/shop:1"
    identity = _push(reference, "first", tmp_path / "build")
    lean.write(lean.file.read_text().replace("    init: true\n", "    init: true\n    platform: linux/s390x\n"))
    try:
        done = lean.run("up", WEB_IMAGE=reference)
        assert done.code == 1, done
        assert "platform" in done.err
    finally:
        lean.run("down", "--yes")
        subprocess.run(["docker", "rmi", "-f", identity], capture_output=True, check=False)
