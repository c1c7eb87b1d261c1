"""Other apps, Compose projects and containers on the same machine: whose they are, and how both get room."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bluegreen.domain.app import Listen
from bluegreen.domain.owner import Owner
from bluegreen.places.docker.engine import Engine
from tests.fakes.site import Site, Tell

OTHER_APP = {"bluegreen.app": "first", "bluegreen.role": "proxy", "bluegreen.project": "/srv/first"}
COMPOSE = {
    "com.docker.compose.project": "blog", "com.docker.compose.service": "web",
    "com.docker.compose.project.working_dir": "/srv/blog",
}  # fmt: skip


def holding(shop: Site, port: int, name: str, labels: dict[str, str]) -> None:
    bindings = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]}
    shop.engine.add(name, Labels=labels, HostConfig={"PortBindings": bindings})


def finding(found: Any, name: str, outcome: str = "failed") -> list[dict[str, str]]:
    return [it for it in found["findings"] if (it["name"], it["outcome"]) == (name, outcome)]


# -- the usual preview


@pytest.fixture
def usual(shop: Site) -> Site:
    """The block names no preview."""
    del shop.document["x-bluegreen"]["preview"]
    return shop


def test_a_usual_preview_that_is_held_makes_room_for_a_free_one_which_stays(
    usual: Site, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    holding(usual, 8081, "first-proxy", OTHER_APP)
    holding(usual, 8082, "third", {})
    assert usual.run("up") == 0
    said = capsys.readouterr().err
    assert "127.0.0.1:8081 is held by first-proxy, the proxy of the app first (/srv/first)" in said
    assert "preview is 127.0.0.1:8083" in said
    assert tell("status")[1]["preview"] == "127.0.0.1:8083"
    usual.engine.containers.pop("id-first-proxy")
    usual.release("shop:2")
    assert tell("switch")[0] == 0
    assert tell("status")[1]["preview"] == "127.0.0.1:8083", "it stays, although the usual one is free again"
    code, again = tell("up")
    assert (code, again["outcome"]) == (0, "unchanged"), again


def test_check_and_a_dry_run_say_so_and_write_nothing(usual: Site, tell: Tell) -> None:
    holding(usual, 8081, "first-proxy", OTHER_APP)
    code, found = tell("check")
    assert code == 0
    assert any("preview is 127.0.0.1:8082" in it["found"] for it in finding(found, "settings", "warning"))
    _, plan = tell("up", "--dry-run")
    assert any("preview is 127.0.0.1:8082" in words for words in plan["notices"])
    assert not usual.state.exists()


def test_a_public_port_is_not_taken_for_it(usual: Site, tell: Tell) -> None:
    usual.document["x-bluegreen"]["listen"] = [8123, 8082]
    holding(usual, 8081, "first-proxy", OTHER_APP)
    assert tell("up")[0] == 0
    assert tell("status")[1]["preview"] == "127.0.0.1:8083"


@pytest.mark.parametrize("text", ["", "nonsense", "127.0.0.1:0", "127.0.0.1:99999999999", ":80", "\xff"])
def test_a_note_of_it_that_makes_no_sense_is_none(usual: Site, tell: Tell, text: str) -> None:
    assert tell("up")[0] == 0
    (usual.state / "preview").write_text(text, encoding="latin-1")
    assert tell("status")[1]["preview"] == "127.0.0.1:8081"
    assert tell("check")[0] == 0


def test_a_preview_that_the_block_names_is_the_person_s(shop: Site, tell: Tell) -> None:
    holding(shop, 8124, "first-proxy", OTHER_APP)
    code, found = tell("up")
    assert code == 1
    assert "the proxy of the app first (/srv/first)" in found["error"]["summary"]
    assert "docker stop" not in found["error"]["next"], "another app's proxy serves people"
    assert found["error"]["next"].startswith("bluegreen apps")


# -- ports and names


@pytest.mark.parametrize(
    ("labels", "words", "way"),
    [
        (OTHER_APP, "the proxy of the app first", "bluegreen apps"),
        (COMPOSE, "web of the Compose project blog (/srv/blog)", "docker compose -p blog stop web"),
        ({}, "container them", "docker stop them"),
    ],
)
def test_who_holds_a_port_is_told_with_one_finding_and_one_remedy(
    shop: Site, tell: Tell, labels: dict[str, str], words: str, way: str
) -> None:
    holding(shop, 8123, "them", labels)
    code, found = tell("check")
    assert code == 1
    (wrong,) = [it for it in found["findings"] if it["outcome"] == "failed"]
    assert words in wrong["found"]
    assert wrong["fix"].startswith(way)
    _, refused = tell("up")
    assert (refused["error"]["summary"], refused["error"]["next"]) == (wrong["found"], wrong["fix"])


@pytest.mark.parametrize(
    ("name", "labels", "words", "way"),
    [
        ("shop-green-web-2", COMPOSE, "web of the Compose project blog", "docker compose -p blog rm --stop web"),
        ("shop-green-worker-1", {}, "container shop-green-worker-1", "docker rename shop-green-worker-1"),
        ("shop-green-web-1", OTHER_APP, "of the app first", "bluegreen apps"),
    ],
)
def test_a_name_that_somebody_else_holds_is_told_before_anything_is_removed(
    live: Site, tell: Tell, name: str, labels: dict[str, str], words: str, way: str
) -> None:
    live.engine.add(name, "exited", Labels=labels)
    _, found = tell("check")
    (wrong,) = finding(found, "names")
    assert words in wrong["found"]
    assert wrong["fix"].startswith(way)
    live.release("shop:2")
    before = set(live.engine.containers)
    code, refused = tell("switch")
    assert (code, refused["error"]["next"]) == (1, wrong["fix"])
    assert set(live.engine.containers) == before
    assert [it["step"] for it in refused["steps"]] == ["image"], "after it something may be removed"


def test_the_proxy_s_name_and_a_container_name_of_a_shared_service_count(shop: Site, tell: Tell) -> None:
    shop.document["services"]["db"]["container_name"] = "database"
    shop.engine.add("database", "exited", Labels=COMPOSE)
    shop.engine.add("shop-proxy", "created", Labels={})
    code, found = tell("check")
    assert code == 1
    assert {it["expected"] for it in finding(found, "names")} == {
        "shop-proxy free for the proxy", "database free for db",
    }  # fmt: skip


def test_one_s_own_containers_hold_no_name(live: Site, tell: Tell) -> None:
    live.document["services"]["db"]["container_name"] = "shop-db-1"
    _, found = tell("check")
    assert not finding(found, "names")


def test_labels_that_are_absent_are_no_owner(shop: Site) -> None:
    from bluegreen.places.docker.api import Api

    shop.engine.add("bare", Labels=None)
    owners = Engine(Api("shop")).owners()
    assert owners["bare"] == Owner("bare", running=True)
    assert json.dumps(sorted(owners)) == '["bare", "shop-db-1"]'
    assert Engine(Api("shop")).port_holder(Listen("127.0.0.1", 1)) is None


# -- plain Compose, by habit


def habit(site: Site, service: str, state: str = "running") -> str:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
    site.engine.add(f"shop-{service}-1", state, Labels=labels | {"com.docker.compose.oneoff": "False"})
    return f"shop-{service}-1"


@pytest.mark.parametrize(("service", "outcome"), [("worker", "failed"), ("web", "warning")])
@pytest.mark.parametrize("state", ["running", "restarting", "paused"])
def test_what_plain_compose_runs_beside_the_colors_is_seen(
    live: Site, tell: Tell, capsys: pytest.CaptureFixture[str], service: str, outcome: str, state: str
) -> None:
    name = habit(live, service, state)
    assert tell("status")[1]["beside"] == [name]
    assert live.run("status") == 0
    assert f"plain Compose also runs {name}" in capsys.readouterr().out
    code, found = tell("check")
    (it,) = [it for it in found["findings"] if it["name"] == "beside"]
    assert (it["outcome"], code) == (outcome, 1 if outcome == "failed" else 0)
    assert it["fix"].startswith("bluegreen up --adopt")
    assert tell("up", "--adopt")[0] == 0
    assert tell("status")[1]["beside"] == []
    assert name not in {it.name for it in live.engine.containers.values()}


@pytest.mark.parametrize(("service", "state"), [("db", "running"), ("worker", "exited"), ("elsewhere", "running")])
def test_what_is_shared_or_stopped_is_not_beside(live: Site, tell: Tell, service: str, state: str) -> None:
    if service != "db":
        habit(live, service, state)
    assert tell("status")[1]["beside"] == []
    assert not [it for it in tell("check")[1]["findings"] if it["name"] == "beside"]
