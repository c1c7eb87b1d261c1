"""The end of an app: what goes, what stays, what is said, and the lines of logs that a person asks for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.cli import rehearsing
from bluegreen.cli.app import App
from bluegreen.cli.rehearsing import Stage
from bluegreen.compose.options import Options
from bluegreen.domain.app import Route, Settings, Stack
from bluegreen.domain.routing import Routing
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow import down as downs
from tests.fakes.noted import Noted, done, tools
from tests.fakes.site import Site
from tests.unit.worlds import PROXY, replicas, slot

WEB, API = Route("web", 8000), Route("api", 9000, "/api")
STACK = Stack(
    "shop", Settings((WEB, API)), {"web": {}, "api": {}, "db": {}},
    {"back": {"name": "shop_back"}, "x": {"external": True}},
    {"data": {"name": "shop_data"}, "plain": {}, "theirs": {"external": True}}, {}, {}, ("db",), "/srv",
)  # fmt: skip


def _ends(
    monkeypatch: pytest.MonkeyPatch, routes: tuple[Route, ...] = (WEB, API), **more: Any
) -> tuple[Any, list[Any]]:
    """(tools, what the journal was told) of an app that is live in blue."""
    intended = Routing("shop", 5, "blue", {"blue": replace(slot("blue", 1), routes=routes)}, None, None, 0.0)
    world = World("shop", PROXY, None, intended, replicas("blue", 1))
    monkeypatch.setattr(downs, "observe", lambda _: world)
    journal: list[Any] = []
    operations = Noted(journal, start=4, unfinished=None)
    ports: dict[str, Any] = {
        "engine": {"remove_leftovers": ["a", "b"]},
        "compose": {"plain_command": "docker compose up"},
    }
    return tools(journal=SimpleNamespace(operations=operations), **{**ports, **more}), journal


def test_containers_end_before_networks_and_shared_services_last(monkeypatch: pytest.MonkeyPatch) -> None:
    it, journal = _ends(monkeypatch)
    result = downs.down(it, STACK, volumes=False)
    assert result.outcome == "down"
    acts = [call for call in done(it) if not call.startswith("stop")]
    assert acts == ["remove_leftovers", "down False", "remove_network shop_back", f"plain_command {it.log[-1][1]}"]
    assert [outcome for _, outcome, _ in it.told.ended] == ["done"] * 3
    assert it.told.ended[1][2].startswith("2 containers and networks")
    assert result.live == {"color": "blue", "release": 1}
    assert "volumes stay" in result.message
    assert result.next == "docker compose up"
    assert it.log[-1][2] == ["db", "web", "worker"], "shared services first"
    assert [call[0] for call in journal] == ["unfinished", "start", "step", "step", "step", "end"]
    alone, published = result.warnings
    assert alone.startswith("Nothing answers now. The command above starts release 1, which was live,")
    assert "docker compose up -d alone starts what was built or pulled last" in alone
    assert published == "Plain Compose publishes web only. nginx also routed api: visitors do not reach it."


def test_volumes_go_only_when_asked_and_external_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    it, _ = _ends(monkeypatch, (WEB,))
    result = downs.down(it, STACK, volumes=True)
    assert [call[1] for call in it.log if call[0] == "remove_volume"] == ["shop_data", "plain"]
    assert "volumes stay" not in result.message
    assert not [it for it in result.warnings if "publishes" in it], "one route is published as it was"
    assert ("down", True) in [call[:2] for call in it.log]


def test_without_a_compose_file_nothing_of_compose_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    it, _ = _ends(monkeypatch)
    result = downs.down(it, None, volumes=False)
    assert (result.outcome, result.next, result.warnings) == ("down", "", []), "there is no command above"
    assert not [call for call in done(it) if call.startswith(("down", "plain", "remove_network"))]
    assert downs._end_shared(it, None, volumes=True) == "left as they are"


def test_an_end_that_fails_half_way_can_be_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, expected in (("", "bluegreen -p shop down"), ("docker ps", "docker ps")):
        it, journal = _ends(monkeypatch, engine={"remove_leftovers": BluegreenError("busy", next=given)})
        result = downs.down(it, STACK, volumes=False)
        assert result.error is not None
        assert (result.outcome, result.error.traffic, result.error.next) == ("failed", "none: down has begun", expected)
        assert journal[-1][:3] == ("end", 4, "failed")
        assert "down False" not in done(it)


# -- volumes on the stage of a rehearsal


def test_volumes_are_measured_and_copied_for_the_stage(live: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def size(_: Any, name: str, image: str) -> int:
        asked.append(("size", name, image))
        return 7

    monkeypatch.setattr("bluegreen.places.docker.volumes.size", size)
    monkeypatch.setattr("bluegreen.places.docker.volumes.copy", lambda _, *given: asked.append(given))
    live.run("status")
    app = App(Options())
    stage = Stage(app, app.stack)
    assert stage.volume_size("shop_data") == 7
    stage.copy_volume("data", "shop_data")
    labels = {"com.docker.compose.project": "shop-rehearsal", "com.docker.compose.volume": "data"}
    assert asked == [
        ("size", "shop_data", "nginx:1.30-alpine"),
        ("shop_data", "shop-rehearsal_data", labels, "nginx:1.30-alpine"),
    ]
    assert len(set(rehearsing._free_ports(3))) == 3


def test_an_image_that_was_there_before_a_rehearsal_and_is_gone_is_nobodys_problem(shop: Site) -> None:
    folder = shop.folder / "rehearsal"
    folder.mkdir()
    shop.engine.pulled("kept:1")
    job = rehearsing.CleanupJob(
        "shop-rehearsal", str(folder), ("false",), ("never:1",), (("gone:1", "sha256:x"), ("none:1", None))
    )
    assert rehearsing.take_away(job, {}) == []
    names = {name for image in shop.engine.images.values() for name in image["RepoTags"]}
    assert {"kept:1", "shop:1"} <= names
    assert not folder.exists()
