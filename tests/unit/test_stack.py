"""From Compose's document to a stack."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.settings.stack import make_stack

DOCUMENT: dict[str, Any] = {
    "name": "shop",
    "x-bluegreen": {"service": "web", "port": 8000},
    "services": {
        "web": {"image": "shop", "profiles": ["release"], "ports": [{"target": 8000, "published": "80"}]},
        "redis": {"image": "redis"},
        "debug": {"image": "debug", "profiles": ["debug"]},
    },
}


def test_shared_services_are_those_that_plain_compose_would_start() -> None:
    assert make_stack(DOCUMENT, "/srv", [], lambda *_: []).shared == ("redis",)
    assert make_stack(DOCUMENT, "/srv", ["debug"], lambda *_: []).shared == ("redis", "debug")


def test_what_is_dropped_is_said() -> None:
    (notice,) = make_stack(DOCUMENT, "/srv", [], lambda *_: []).notices
    assert notice.startswith("web: port 80 is not published; nginx publishes ")
    ports = [{"target": 22, "published": "2222"}, {"target": 9, "published": "9", "protocol": "udp"}]
    other = {"web": {**DOCUMENT["services"]["web"], "ports": ports}, "nginx": {"depends_on": {"web": {}}}}
    ssh, udp, nginx = make_stack({**DOCUMENT, "services": other}, "/srv", [], lambda *_: []).notices
    assert ssh == "web: port 2222 is not published any more: two colors cannot both publish it."
    assert "port 9/udp" in udp
    assert nginx.startswith("nginx is shared and depends on web")
    bare = {**DOCUMENT, "services": {"web": {"image": "shop"}}}
    (notice,) = make_stack(bare, "/srv", [], lambda *_: []).notices
    assert "web has no profile" in notice


def test_what_has_no_effect_in_compose_either_is_said() -> None:
    deploy = {"mode": "global", "placement": {"constraints": ["a == b"]}, "update_config": {}, "replicas": 2}
    service = {
        "image": "shop", "profiles": ["release"], "deploy": deploy,
        "secrets": [{"source": "file", "mode": "0400"}, {"source": "text", "mode": "0400"}, {"source": "file"}],
    }  # fmt: skip
    secrets = {"file": {"file": "/srv/key"}, "text": {"environment": "KEY", "content": "x"}}
    document = {**DOCUMENT, "services": {"web": service}, "secrets": secrets}
    swarm, mode = make_stack(document, "/srv", [], lambda *_: []).notices
    assert swarm == "web: deploy.placement, deploy.mode has no effect outside a swarm, here as in plain Compose."
    assert mode == "web: mode of secrets.file has no effect on a file, here as in plain Compose."


def test_what_both_colors_write_to_is_named() -> None:
    volumes = [
        {"type": "volume", "source": "data", "target": "/d"}, {"type": "volume", "target": "/scratch"},
        {"type": "bind", "source": "/srv/up", "target": "/u"},
        {"type": "bind", "source": "/srv/c", "target": "/c", "read_only": True}, {"type": "tmpfs", "target": "/t"},
    ]  # fmt: skip
    service = {"image": "shop", "profiles": ["release"], "volumes": volumes}
    both, anew = make_stack({**DOCUMENT, "services": {"web": service}}, "/srv", [], lambda *_: []).together
    assert both == "web: both colors write to data, /srv/up while both run."
    assert anew == "web: /scratch is an anonymous volume: every release starts with a new one."


@pytest.mark.parametrize(
    ("document", "refused", "line"),
    [
        (
            {key: value for key, value in DOCUMENT.items() if key != "x-bluegreen"},
            [],
            "add to the top level:  x-bluegreen:",
        ),
        ({**DOCUMENT, "x-bluegreen": {"service": "wbe", "port": 1}}, [], "x-bluegreen.service: found wbe"),
        (DOCUMENT, [("services.web.container_name", "two colors")], "services.web.container_name: two colors"),
    ],
    ids=["no block", "bad block", "refused key"],
)
def test_everything_wrong_with_the_file_is_exit_2_with_every_problem(document: Any, refused: Any, line: str) -> None:
    with pytest.raises(BluegreenError) as error:
        make_stack(document, "/srv", [], lambda *_: refused)
    assert error.value.exit_code == ExitCode.USAGE
    assert any(found.startswith(line) for found in error.value.lines), error.value.lines


@pytest.mark.parametrize(
    ("service", "key"),
    [({"scale": 0}, "scale"), ({"deploy": {"replicas": 0}}, "deploy.replicas"),
     ({"scale": 0, "deploy": {"replicas": 2}}, "scale"), ({"scale": "0"}, "scale")],
)  # fmt: skip
def test_a_routed_service_of_no_containers_is_refused_by_its_key(service: dict[str, Any], key: str) -> None:
    services = {**DOCUMENT["services"], "web": {**DOCUMENT["services"]["web"], **service}}
    with pytest.raises(BluegreenError) as error:
        make_stack({**DOCUMENT, "services": services}, "/srv", [], lambda *_: [])
    assert error.value.lines == [f"services.web.{key}: 0 containers cannot answer; only a job may have 0"]
    assert error.value.exit_code == ExitCode.USAGE


def test_a_job_may_have_none() -> None:
    document = {**DOCUMENT, "x-bluegreen": {"service": "web", "port": 8000, "jobs": ["redis"]}}
    services = {**DOCUMENT["services"], "redis": {"image": "redis", "scale": 0, "profiles": ["release"]}}
    assert make_stack({**document, "services": services}, "/srv", [], lambda *_: []).settings.jobs == ("redis",)


@pytest.mark.parametrize(
    ("networks", "services", "path"),
    [
        ({"bluegreen": {"name": "shop_bluegreen"}}, {}, "networks.bluegreen"),
        ({"front": {"name": "shop_bluegreen_public", "external": True}}, {}, "networks.front"),
        ({"bluegreen_green": None}, {}, "networks.bluegreen_green"),
        ({}, {"blue-web": {"image": "x"}}, "services.blue-web"),
        ({}, {"green-web": {"image": "x", "profiles": ["never"]}}, "services.green-web"),
    ],
)
def test_names_that_are_ours_on_the_engine_are_refused_by_their_key(networks: Any, services: Any, path: str) -> None:
    document = {**DOCUMENT, "networks": networks, "services": {**DOCUMENT["services"], **services}}
    with pytest.raises(BluegreenError) as error:
        make_stack(document, "/srv", [], lambda *_: [])
    assert [line.partition(":")[0] for line in error.value.lines] == [path]
    assert error.value.exit_code is ExitCode.USAGE


def test_names_that_only_look_like_ours_are_not() -> None:
    networks = {"bluegreen": {"name": "elsewhere"}, "blue": {"name": "shop_blue"}}
    services = {**DOCUMENT["services"], "web-blue": {"image": "x"}, "blue": {"image": "x"}}
    assert make_stack({**DOCUMENT, "networks": networks, "services": services}, "/srv", [], lambda *_: [])
