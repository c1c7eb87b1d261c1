"""Images that a release holds by a name of ours, and what counts as the same image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain.release import Image
from bluegreen.places.docker.held import PLAIN, held_name
from bluegreen.places.docker.images import content
from tests.fakes.app import App

BUILT: dict[str, Any] = {
    "Id": "sha256:index1", "Os": "linux", "Architecture": "amd64", "Config": {"Cmd": ["serve"], "Env": ["A=1"]},
    "RootFS": {"Type": "layers", "Layers": ["sha256:a", "sha256:b"]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("app", "service", "name"),
    [
        ("shop", "web", "bluegreen/shop/web:41"),
        ("my_shop", "web-api.v2", "bluegreen/my_shop/web-api.v2:41"),
        ("shop", "Web", "bluegreen/shop/web-"),
        ("shop-", "web", "bluegreen/shop-"),
        ("shop", "a__b", "bluegreen/shop/a-b-"),
        ("shop", "---", "bluegreen/shop/x-"),
    ],
)
def test_every_app_and_service_has_a_name_that_docker_takes(app: str, service: str, name: str) -> None:
    found = held_name(app, service, 41)
    assert found.startswith(name)
    assert all(PLAIN.fullmatch(part) for part in found.removesuffix(":41").split("/"))


def test_names_that_differ_in_signs_alone_do_not_meet() -> None:
    services = ("Web", "wEb", "web", "a-b", "a_b", "a__b", "A-b")
    assert len({held_name("shop", service, 1) for service in services}) == len(services)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"Id": "sha256:index2"}, True),  # another index around it
        ({"Created": "later", "RepoTags": ["x:1"]}, True),
        ({"Config": {"Cmd": ["serve"], "Env": ["A=1"], "Image": "sha256:step"}}, True),  # the classic builder's
        ({"Config": {"Cmd": ["serve"], "Env": ["A=2"]}}, False),
        ({"Config": {"Cmd": ["serve"], "Env": ["A=1"], "Labels": {"v": "2"}}}, False),
        ({"RootFS": {"Layers": ["sha256:a", "sha256:c"]}}, False),
        ({"RootFS": {"Layers": ["sha256:a"]}}, False),
        ({"Architecture": "arm64"}, False),
        ({"RootFS": {}}, False),  # not told: then the id decides
    ],
)
def test_what_would_run_is_compared_and_not_the_index_around_it(change: dict[str, Any], same: bool) -> None:
    other = BUILT | {"Id": "sha256:index2"} | change
    before = Image("shop-web", BUILT["Id"], content=content(BUILT))
    assert before.same_as(Image("shop-web", other["Id"], content=content(other))) is same
    assert before.same_as(replace(before, ref="other"))


def test_images_are_held_while_their_release_is_kept(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.run("up")
    for number in range(2, 9):
        app.content = f"content {number}"
        done = app.run("switch")
        assert done is not None
        assert done.outcome == "switched"
    held = [name for name in app.machine.images if name.startswith("bluegreen/shop/web:")]
    assert sorted(held) == [f"bluegreen/shop/web:{number}" for number in (4, 5, 6, 7, 8)], "keep is 5"


def test_an_image_of_a_release_that_failed_is_held_until_the_next_one_is_live(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.run("up")
    app.machine.sick.add("2")
    app.content = "two"
    app.run("switch")
    assert "bluegreen/shop/web:1" in app.machine.images, "the live one is held whatever fails"
    app.content = "three"
    app.run("switch")
    held = sorted(name for name in app.machine.images if name.startswith("bluegreen/shop/web:"))
    assert held == ["bluegreen/shop/web:1", "bluegreen/shop/web:3"]
