"""Engines that somebody has configured: without iptables, with IPv6 for every network, without a userland proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.files import LEAN, SERVER
from tests.support.machine import images
from tests.support.project import Project
from tests.support.second_engine import Second, second_engine

ODD: dict[str, Mapping[str, object]] = {
    "no iptables": {"iptables": False, "ip6tables": False},
    "IPv6 in every network": {
        "ipv6": True, "fixed-cidr-v6": "fd00:211::/64",
        "default-network-opts": {"bridge": {"com.docker.network.enable_ipv6": "true"}},
    },
    "no userland proxy": {"userland-proxy": False},
    "networks apart and small": {"icc": False, "default-address-pools": [{"base": "10.212.0.0/24", "size": 28}]},
}  # fmt: skip


@pytest.fixture(params=list(ODD))
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Project, Second]]:
    project = Project(tmp_path / "project", LEAN)
    (project.folder / "server.py").write_text(SERVER)
    with second_engine(
        project.folder, [images()["PYTHON_IMAGE"], images()["NGINX_IMAGE"]], ODD[request.param]
    ) as second:
        project.variables |= {"DOCKER_HOST": second.host, "BLUEGREEN_STATE_FOLDER": str(project.folder / "state")}
        yield project, second


@pytest.mark.long
def test_the_main_job_on_an_engine_that_somebody_configured(there: tuple[Project, Second]) -> None:
    project, second = there

    def color(port: int) -> str:
        """Who answers, as somebody on that Engine's machine sees it."""
        return str((second.get(port) or {})["color"])

    assert project.run("check").code in (0, 1)
    project.ok("up")
    assert color(project.port) == "blue"
    project.ok("switch", GREETING="two")
    assert (color(project.port), color(project.preview_port)) == ("green", "blue")
    project.ok("flip-back")
    assert (color(project.port), color(project.preview_port)) == ("blue", "green")
    project.ok("switch", GREETING="three")
    state = project.status()
    assert (state["drift"], state["live"]["replicas"]["web"]["healthy"]) == (None, 1)
    assert color(project.port) == "green"
    project.ok("up")
    project.ok("down", "--yes")
