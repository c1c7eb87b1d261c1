"""A color is what Compose would have made: every key, once by the real Compose, once by us, compared.

What may differ is named in INTENDED and in `_ours_for_theirs`; anything else that the Engine reports
differently of the two containers is a defect.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose.options import Options
from bluegreen.compose.run import Compose
from bluegreen.domain.app import Stack
from bluegreen.flow.values import ImageWish, Order
from bluegreen.places.docker import spec as container_spec
from bluegreen.places.docker.addresses import container_name
from bluegreen.places.docker.mounts import Surroundings, copied_files
from bluegreen.places.docker.place import Place, docker_place
from bluegreen.places.docker.refused import refusals
from bluegreen.settings.stack import make_stack
from tests.support.machine import docker as command
from tests.support.machine import environment
from tests.support.machine import images as base_images
from tests.support.project import Project
from tests.support.second_engine import second_engine

KEYS = Path(__file__).parent / "every_key"
WITH_FILES = ("secrets-short", "secrets-long", "secrets-of-a-user", "configs-short", "configs-long")
SHARED, ABSENT = "shared", "absent"
PROXY = "http://proxy.invalid:3128"
RESOLVED_AWAY = {"env_file", "label_file"}  # Compose's document has their content instead
# What this kernel or this storage driver refuses, from plain Compose as well; read, not compared.
NOT_HERE = {"cpu_rt_period", "cpu_rt_runtime", "storage_opt"}
ADDRESSES = 300  # more than there are containers here
ANONYMOUS = re.compile(r"[0-9a-f]{64}")
# Every intended difference, by the key of the Engine's report, and what is compared instead.
INTENDED = {
    "Config.Image": "Compose starts a name, we start what was checked: the id, compared as `Image`",
    "HostConfig.NetworkMode": "the first network of ours is APP_bluegreen, where nginx finds the container",
    "HostConfig.PortBindings": "nginx publishes, not the containers of two colors",
    "Config.Hostname": "where none was asked for it is the container's own id",
    "Config.Labels": "com.docker.compose.* and bluegreen.* left out, everything else compared",
    "Config.Env": "BLUEGREEN_COLOR and BLUEGREEN_RELEASE left out, everything else compared; without order",
    "HostConfig.RestartPolicy": "a job that is not live has none; compared is what our label will give it",
}


@dataclass
class Side:
    """One Engine, and the project on it."""

    project: Project
    host: str | None
    compose: Compose
    place: Place
    stack: Stack
    refused: dict[str, list[str]]  # services that this Engine is too old for, and the words

    @property
    def services(self) -> list[str]:
        return [name for name in self.stack.services if name not in (SHARED, ABSENT) and name not in self.refused]


@pytest.fixture(params=["the machine's Engine", pytest.param("Engine 28", marks=pytest.mark.long)], scope="module")
def side(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    folder = tmp_path_factory.mktemp("keys")
    shutil.copytree(KEYS, folder, dirs_exist_ok=True)
    (folder / "dotenv").rename(folder / ".env")
    (folder / "client").mkdir()
    proxies = {"default": {"httpProxy": PROXY, "noProxy": "*.internal", "allProxy": PROXY}}
    (folder / "client" / "config.json").write_text(json.dumps({"proxies": proxies}))
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        project = Project(folder, (KEYS / "compose.yaml").read_text())
        keys_image = f"bgt-keys/{project.name}"
        host = None
        if request.param == "Engine 28":
            host = stack.enter_context(second_engine(folder, [base_images()["PYTHON_IMAGE"]])).host
        variables = {
            "DOCKER_CONFIG": str(folder / "client"), "SHOP_NAME": project.name, "KEYS_IMAGE": keys_image,
            "FROM_SHELL": "shell", "A_SECRET": "s3cret $x\n",
        }  # fmt: skip
        for name, value in environment(**variables, **({"DOCKER_HOST": host} if host else {})).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        if not host:
            stack.callback(project.clean)
            stack.callback(_remove_images, project.name, keys_image)
        python = base_images()["PYTHON_IMAGE"]
        command("build", "-q", "-t", keys_image, "--build-arg", f"PYTHON_IMAGE={python}", str(folder))
        for kind in ("network", "volume"):
            command(kind, "create", "--label", f"bluegreen.app={project.name}", f"{project.name}-outside")
        command(
            "create", "--name", f"{project.name}-elsewhere", "--label", f"bluegreen.app={project.name}",
            base_images()["PYTHON_IMAGE"],
        )  # fmt: skip
        yield _made(project, host, folder)


def _made(project: Project, host: str | None, folder: Path) -> Side:
    compose = Compose(Options())
    document = compose.resolve(folder)
    place = docker_place(project.name, compose, folder / "state", (0, 0), Path("unused"))
    names = [name for name in document["services"] if name not in (SHARED, ABSENT)]
    refused: dict[str, list[str]] = {}
    for path, reason in refusals(document, names, place.api.version):
        refused.setdefault(path.split(".")[1], []).append(f"{path}: {reason}")
    names = [name for name in names if name not in refused]
    document["x-bluegreen"]["jobs"] = [name for name in names if name != document["x-bluegreen"]["service"]]
    stack = make_stack(document, str(folder), [], lambda found, asked: refusals(found, asked, place.api.version))
    profiles = [part for name in ("release", "other", *([] if refused else ["new"])) for part in ("--profile", name)]
    # Compose copies secrets and configs when it starts a container; everything else stands after `create`.
    for arguments in (["up", "-d", SHARED], ["create", "--build", "--no-recreate"], ["start", *WITH_FILES]):
        done = subprocess.run([*compose.command(), *profiles, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    place.colors.ensure_prerequisites(stack, "blue", lambda _: None)
    made = Side(project, host, compose, place, stack, refused)
    _create(made)
    return made


def _create(side: Side) -> None:
    free = iter(side.place.colors.free_addresses(1, ADDRESSES, frozenset()))
    for name in side.services:
        image = side.place.images.of_service(side.stack, name, ImageWish(build=False), lambda _: None)
        for number in range(1, container_spec.replicas(side.stack.services[name]) + 1):
            side.place.colors.create(side.stack, Order("blue", name, number, 1, "job", image, next(free), "d"))


def _remove_images(name: str, keys_image: str) -> None:
    found = command("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    mine = [image for image in found if image.startswith((f"{name}-", keys_image))]
    subprocess.run(["docker", "rmi", "-f", *mine], capture_output=True, check=False)


def test_every_key_makes_the_container_that_compose_makes(side: Side) -> None:
    assert len(side.services) >= 60
    wrong = []
    for name in side.services:
        for number in range(1, container_spec.replicas(side.stack.services[name]) + 1):
            theirs = side.place.api.client.inspect_container(f"{side.project.name}-{name}-{number}")
            ours = side.place.api.client.inspect_container(container_name(side.project.name, "blue", name, number))
            wrong += [f"{name}: {line}" for line in _differences(side, theirs, ours)]
    assert wrong == [], "\n".join(wrong)


def _differences(side: Side, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    left, right = _comparable(side, theirs), _comparable(side, ours)
    for key in sorted(left.keys() | right.keys()):
        if left.get(key) != right.get(key):
            yield f"{key}: Compose {left.get(key)!r}, bluegreen {right.get(key)!r}"


def _comparable(side: Side, found: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same of two containers, in one spelling; see INTENDED for what is left out."""
    result = {f"{part}.{key}": value for part in ("Config", "HostConfig") for key, value in found[part].items()}
    labels = result["Config.Labels"]
    result["Config.Labels"] = {
        name: value for name, value in labels.items() if not name.startswith(("com.docker.compose.", "bluegreen."))
    }
    environment = [entry for entry in result["Config.Env"] or [] if not entry.startswith("BLUEGREEN_")]
    result["Config.Env"] = sorted(environment)
    if result["Config.Hostname"] == found["Id"][:12]:
        del result["Config.Hostname"]
    asked = labels.get("bluegreen.restart")
    policy = container_spec.restart_policy(asked) if asked else result["HostConfig.RestartPolicy"]
    result["HostConfig.RestartPolicy"] = [policy["Name"] or "no", policy["MaximumRetryCount"]]
    for key in ("Config.Image", "HostConfig.NetworkMode", "HostConfig.PortBindings"):
        del result[key]
    for key, order in (("Binds", str), ("ExtraHosts", str), ("Ulimits", _by("Name")), ("Mounts", _by("Target"))):
        result[f"HostConfig.{key}"] = sorted(result.get(f"HostConfig.{key}") or [], key=order)
    result["Image"], result["Platform"] = found["Image"], found["Platform"]
    result["Mounts"] = sorted(map(_mounted, found["Mounts"]), key=_by("Destination"))
    result["Networks"] = _networks(side, found)
    # The Engine reports what was never asked for as null, "", [] or {}, depending on its version.
    return {key: value for key, value in result.items() if value not in (None, "", [], {})}


def _by(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda entry: str(entry[key])


def _mounted(mount: Mapping[str, Any]) -> dict[str, Any]:
    if mount["Type"] == "image":  # unpacked for each container anew
        return {**mount, "Source": "unpacked"}
    if ANONYMOUS.match(mount.get("Name", "")):
        return {**mount, "Name": "anonymous", "Source": "anonymous"}
    return dict(mount)


def _networks(side: Side, found: Mapping[str, Any]) -> dict[str, Any]:
    """The networks of the Compose file as they were asked for, and the names that a container answers to."""
    name, networks = side.project.name, found["NetworkSettings"]["Networks"]
    ours = {key for key in networks if key.startswith(f"{name}_bluegreen")}
    # The Engine adds these itself, at one moment or another.
    given = {found["Id"][:12], found["Name"].lstrip("/"), found["Config"]["Hostname"]}
    service = (
        found["Config"]["Labels"].get("com.docker.compose.service") or found["Config"]["Labels"]["bluegreen.service"]
    )
    asked = {
        key: {
            "DriverOpts": network["DriverOpts"] or {},
            "Links": sorted(network["Links"] or []),
            "GwPriority": network.get("GwPriority") or 0,
        }
        for key, network in networks.items()
        if key not in ours
    }
    answered = {alias for network in networks.values() for alias in network.get("Aliases") or []} - given
    assert service in answered, (service, answered)
    return {"asked": asked, "answered": sorted(answered)}


def test_no_key_is_called_honoured_that_is_not_compared(side: Side) -> None:
    used = {key for service in side.stack.services.values() for key, value in service.items() if value is not None}
    written = {key for key in RESOLVED_AWAY if f"{key}:" in (KEYS / "compose.yaml").read_text()}
    assert container_spec.KNOWN - used - written == NOT_HERE


def test_what_an_engine_is_too_old_for_is_refused_by_name(side: Side) -> None:
    new = [name for name, service in side.stack.services.items() if "new" in (service.get("profiles") or [])]
    if side.host:
        assert side.refused == {}
        return
    assert sorted(side.refused) == sorted(new)
    speaks = side.place.api.version()
    for name, reasons in side.refused.items():
        assert all(f"this one speaks {speaks}" in reason and "Docker Engine" in reason for reason in reasons), name


def test_secrets_and_configs_have_the_content_owner_and_mode_that_compose_gives_them(side: Side) -> None:
    compared = 0
    for name in side.services:
        service = side.stack.services[name]
        ground = Surroundings(side.stack.volumes, side.stack.secrets, side.stack.configs)
        for file in copied_files(service, ground):
            theirs = _file(side, f"{side.project.name}-{name}-1", file.path)
            ours = _file(side, container_name(side.project.name, "blue", name, 1), file.path)
            assert ours == theirs, (name, file.path)
            assert ours[-1] == file.content.encode()
            compared += 1
    assert compared >= 7


def _file(side: Side, container: str, path: str) -> tuple[int, int, int, bytes]:
    stream, _ = side.place.api.client.get_archive(container, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        entry = archive.getmembers()[0]
        content = archive.extractfile(entry)
        assert content is not None
        return entry.mode, entry.uid, entry.gid, content.read()


def test_an_intended_difference_is_really_there(side: Side) -> None:
    """A list of exceptions that nobody needs any more would hide defects."""
    name = "web-as-written"
    theirs = side.place.api.client.inspect_container(f"{side.project.name}-{name}-1")
    ours = side.place.api.client.inspect_container(container_name(side.project.name, "blue", name, 1))
    for key in INTENDED:
        part, _, field = key.partition(".")
        assert theirs[part][field] != ours[part][field], key
