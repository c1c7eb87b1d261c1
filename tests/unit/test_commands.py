"""Whole commands on a machine that is not real: what a person types, and what is on the Engine afterwards."""

from __future__ import annotations

import sqlite3

import pytest

from bluegreen.frontdoor import change
from tests.fakes.journals import is_open
from tests.fakes.site import Site, Tell

RELEASE_2 = {"color": "green", "release": 2}
RELEASE_1 = {"color": "blue", "release": 1}


def _steps(found: dict[str, object]) -> list[str]:
    return [it["step"] for it in found["steps"]]  # type: ignore[attr-defined]  # the fields of --json


@pytest.mark.whole
def test_the_life_of_an_app(shop: Site, tell: Tell) -> None:
    code, found = tell("up")
    assert (code, found["outcome"], found["live"]) == (0, "switched", RELEASE_1), found
    assert (shop.running("blue"), shop.running("blue", "worker")) == (2, 1)
    assert any(line.endswith("up --detach --no-deps db") for line in shop.asked_of_compose)
    shop.release("shop:2")
    code, found = tell("switch")
    assert (code, found["outcome"], found["live"], found["previous"]) == (0, "switched", RELEASE_2, RELEASE_1), found
    assert (shop.running("green"), shop.running("green", "worker"), shop.running("blue", "worker")) == (2, 1, 0)
    assert shop.running("blue") == 2, "the way back is warm"
    code, found = tell("flip-back")
    assert (code, found["outcome"], found["live"], found["previous"]) == (0, "flipped-back", RELEASE_1, RELEASE_2), (
        found
    )
    assert (shop.running("blue", "worker"), shop.running("green", "worker")) == (1, 0)
    assert shop.nginx is not None
    assert (shop.nginx.live, shop.nginx.loaded.live) == ("blue", "blue")
    code, found = tell("down", "--yes")
    assert (code, found["outcome"]) == (0, "down")
    assert [it.name for it in shop.engine.containers.values()] == ["shop-db-1"]
    assert shop.engine.networks == {}
    assert not (shop.state / "nginx").exists()


def test_a_container_is_made_as_compose_would_and_knows_whose_it_is(live: Site) -> None:
    first, second = live.replicas("blue")
    assert (first.name, second.name) == ("shop-blue-web-1", "shop-blue-web-2")
    assert first.address("shop_bluegreen") != second.address("shop_bluegreen")
    assert set(first.networks) == {"shop_bluegreen", "shop_bluegreen_blue"}
    assert first.networks["shop_bluegreen_blue"]["Aliases"] == ["web"]
    assert first.body["Image"] == "sha256:shop-1"
    assert {"BLUEGREEN_COLOR=blue", "BLUEGREEN_RELEASE=1"} <= set(first.body["Env"])
    assert first.labels["bluegreen.number"] == "1"
    (worker,) = live.replicas("blue", "worker")
    assert (worker.policy["Name"], worker.labels["bluegreen.role"]) == ("always", "job")
    proxy = live.engine.named("shop-proxy")
    assert proxy.body["HostConfig"]["PortBindings"] == {
        "8123/tcp": [{"HostIp": "", "HostPort": "8123"}], "8124/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8124"}],
    }  # fmt: skip
    assert {"shop_bluegreen", "shop_bluegreen_public"} == set(proxy.networks)
    assert live.engine.networks["shop_bluegreen"]["Internal"] is True
    assert live.engine.networks["shop_bluegreen_public"]["Internal"] is False
    assert live.state.stat().st_mode & 0o777 == 0o700


@pytest.mark.whole
def test_what_a_person_reads(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("up") == 0
    first = capsys.readouterr()
    assert first.out.startswith("Running: http://localhost:8123/ (blue, release 1).\nNext release: bluegreen")
    notes = [line for line in first.err.splitlines() if line.startswith("Note: ")]
    assert [line.split()[1] for line in notes] == ["web", "worker"], "they have no profile"
    headline, *steps = first.err.splitlines()[len(notes) :]
    assert headline == "up to blue, release 1"
    assert " ".join(line.split()[1] for line in steps) == (
        "shared network proxy image create start health preview check route confirm seal jobs record"
    )
    shop.release("shop:2")
    assert shop.run("switch", "--owner", "Ada") == 0
    assert "To go back to release 1: bluegreen flip-back" in capsys.readouterr().out
    assert shop.run("flip-back") == 0
    back = capsys.readouterr()
    assert back.out.startswith("Flipped back: live is blue, release 1")
    assert back.err.splitlines()[0] == "flip-back to blue, release 1"


def test_a_second_up_changes_nothing(live: Site, tell: Tell) -> None:
    before = list(live.engine.containers)
    code, found = tell("up")
    assert (code, found["outcome"]) == (0, "unchanged"), found
    assert list(live.engine.containers) == before


@pytest.mark.whole
def test_up_mends_what_was_broken(live: Site, tell: Tell) -> None:
    gone, cut = live.replicas("blue")
    address = cut.address("shop_bluegreen")
    del live.engine.containers[gone.id]
    del cut.networks["shop_bluegreen"]
    (worker,) = live.replicas("blue", "worker")
    worker.state = "exited"
    assert tell("up", "--dry-run")[0] == 0
    assert live.running("blue", "worker") == 0, "a plan changes nothing"
    code, found = tell("up")
    assert (code, found["outcome"]) == (0, "repaired"), found
    assert {"recreate", "connect", "start"} <= set(_steps(found))
    assert (live.running("blue"), live.running("blue", "worker")) == (2, 1)
    assert cut.address("shop_bluegreen") == address, "where nginx knows it"
    assert live.nginx is not None
    served = live.nginx.loaded.slots["blue"].addresses["web"]
    assert served == tuple(it.address("shop_bluegreen") for it in live.replicas("blue"))
    assert tell("up")[1]["outcome"] == "unchanged"


@pytest.mark.whole
def test_up_starts_a_proxy_that_was_stopped_and_makes_one_that_is_gone(live: Site, tell: Tell) -> None:
    proxy = live.engine.named("shop-proxy")
    live.engine.stop({}, {}, proxy.id)
    code, found = tell("up")
    assert (code, found["outcome"], _steps(found)[:2]) == (0, "repaired", ["shared", "proxy"]), found
    assert live.engine.named("shop-proxy") is proxy
    live.engine.remove({}, {}, proxy.id)
    assert tell("up")[0] == 0
    assert live.engine.named("shop-proxy").state == "running"
    assert live.engine.named("shop-proxy") is not proxy


@pytest.mark.whole
def test_up_warms_the_way_back(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    tell("switch")
    for it in live.replicas("blue"):
        it.state = "exited"
    code, found = tell("up")
    assert (code, _steps(found)) == (0, ["shared", "warm"]), found
    assert (live.running("blue"), live.running("blue", "worker")) == (2, 0)
    live.sick.add(1)
    live.replicas("blue")[0].state = "exited"
    code, found = tell("up")
    assert code == 0
    assert "The way back, blue, is not healthy: web-1, web-2." in found["warnings"]


@pytest.mark.usefixtures("live")
def test_a_switch_says_that_there_is_nothing_new_unless_it_is_forced(tell: Tell) -> None:
    code, found = tell("switch")
    assert (code, found["outcome"], found["live"]) == (0, "unchanged", RELEASE_1)
    code, found = tell("switch", "--force")
    assert (code, found["outcome"], found["live"]) == (0, "switched", RELEASE_2)


def test_a_plan_is_shown_and_nothing_done(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    live.release("shop:2")
    before = live.engine.containers.copy()
    code, plan = tell("switch", "--dry-run")
    assert (code, plan["verb"], plan["target"], plan["release"]) == (0, "switch", "green", 2)
    assert [it["phase"] for it in plan["phases"]] == ["prepare", "cutover", "settle"]
    assert [it["step"] for it in plan["phases"][1]["steps"]] == ["route", "confirm"]
    for verb in ("switch", "prepare", "up"):
        assert live.run(verb, "--dry-run") == 0
        assert capsys.readouterr().out
    assert live.run("down", "--dry-run") == 0
    assert "down" in capsys.readouterr().out
    assert live.engine.containers == before


def test_prepare_stands_for_a_look_and_a_switch_goes_on_from_it(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    code, found = tell("prepare")
    assert (code, found["outcome"], found["live"]) == (0, "prepared", RELEASE_1)
    assert live.running("green") == 2
    made = live.replicas("green")
    code, back = tell("flip-back")
    assert (code, live.nginx.live if live.nginx else None) == (1, "blue")
    assert "prepared" in back["error"]["summary"]
    code, found = tell("switch")
    assert (code, found["live"]) == (0, RELEASE_2)
    assert live.replicas("green") == made
    assert "create" not in _steps(found)


def test_another_image_for_one_release(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = tell("switch", "--image", "web=shop:2")
    assert (code, found["live"]) == (0, RELEASE_2)
    assert {it.body["Image"] for it in live.replicas("green")} == {"sha256:shop-2"}
    assert {it.body["Image"] for it in live.replicas("green", "worker")} == {"sha256:shop-1"}
    for words in ("other=shop:2", "web", "web=", "=shop:2"):
        assert live.run("switch", "--image", words) == 2, words
    assert "which is not a release service" in capsys.readouterr().err


@pytest.mark.whole
def test_a_kept_release_comes_back_with_its_own_image(live: Site, tell: Tell) -> None:
    for reference in ("shop:2", "shop:3"):
        live.engine.pulled(reference)
        live.release(reference)
        assert tell("switch")[0] == 0
    code, found = tell("switch", "--to", "1")
    assert (code, found["live"]) == (0, {"color": "green", "release": 4}), found
    assert {it.body["Image"] for it in live.replicas("green")} == {"sha256:shop-1"}
    assert tell("show")[1]["restores"] == 1
    assert live.run("switch", "--to", "9") == 1
    assert live.run("switch", "--to", "1", "--pull") == 2


def test_a_sick_release_gets_no_traffic(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    live.sick.add(2)
    code, found = tell("switch")
    assert (code, found["outcome"], found["live"]) == (1, "failed", RELEASE_1)
    assert found["error"]["summary"] == "green did not become healthy in 0.3 s."
    assert "web-1 through the proxy answered 503: sick" in found["error"]["failed"]
    assert found["error"]["traffic"] == "blue, release 1 (unchanged)"
    assert live.running("green") == 0
    assert live.nginx is not None
    assert live.nginx.live == "blue"


@pytest.mark.whole
@pytest.mark.parametrize(("health", "code"), [("healthy", 0), ("unhealthy", 1), ("health: starting", 1)])
def test_dockers_own_health_check_counts(live: Site, tell: Tell, health: str, code: int) -> None:
    live.release("shop:2")
    for name in ("web", "worker"):
        live.document["services"][name]["healthcheck"] = {
            "test": ["CMD", "true"],
            "interval": "0.1s",
            "timeout": "0.1s",
        }
    changed = live.engine.changed

    def start(it: object, what: str) -> None:
        changed(it, what)  # type: ignore[arg-type]  # a container
        for replica in live.replicas("green"):
            replica.health = health

    live.engine.changed = start
    found = tell("switch")
    assert found[0] == code, found
    if code:
        assert f"check of web-1 says {health.removeprefix('health: ')}" in found[1]["error"]["failed"]


def test_a_release_that_ends_by_itself_is_not_waited_for(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    changed = live.engine.changed

    def start(it: object, what: str) -> None:
        changed(it, what)  # type: ignore[arg-type]  # a container
        for replica in live.replicas("green")[:1]:
            replica.state, replica.code, replica.output = "exited", 7, b"no database\n"

    live.engine.changed = start
    code, found = tell("switch")
    assert (code, found["error"]["failed"]) == (1, "exit code 7, 0 restarts")
    assert found["error"]["lines"] == ["web-1  no database"]


def test_nginx_that_does_not_load_its_file_stops_a_switch_before_traffic_moves(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "CONFIRM_TIMEOUT", 0.1)
    live.release("shop:2")
    live.deaf = True
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (1, "nginx did not load its new file.")
    assert live.nginx is not None
    assert live.nginx.live == "blue"


def test_nginx_that_does_not_follow_the_route_is_turned_back(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "ROUTE_TIMEOUT", 0.1)
    live.release("shop:2")
    live.stubborn = True
    code, found = tell("switch")
    assert code == 4, found
    assert found["error"]["summary"] == "Traffic could not be moved to green; it is back on blue."
    assert found["error"]["traffic"] == "blue (moved back, confirmed)"
    live.stubborn = False
    assert live.nginx is not None
    assert live.nginx.live == "blue", "the route says so as well"


@pytest.mark.whole
def test_nginx_that_dies_at_the_cutover_leaves_it_unknown(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "ROUTE_TIMEOUT", 0.1)
    from bluegreen.frontdoor import route

    turn = route.turn

    def die(nginx: str, color: str | None, percent: int = 100) -> None:
        turn(nginx, color, percent)
        if live.nginx and color == "green":
            live.nginx.end()
            for socket in (live.state / "run").glob("*.sock"):
                socket.unlink()

    monkeypatch.setattr(route, "turn", die)
    live.release("shop:2")
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (5, "It is not known where traffic goes.")
    assert "unknown" in found["error"]["traffic"]
    live.nginx = None


@pytest.mark.whole
def test_who_a_prepared_release_belongs_to_stays_when_another_one_switches_to_it(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    tell("prepare", "--owner", "ann", "--note", "one way")
    tell("switch")
    assert (tell("show", "2")[1]["owner"], tell("show", "2")[1]["note"]) == ("ann", "one way")
    live.release("shop:1")
    tell("prepare", "--owner", "ann")
    tell("switch", "--owner", "bob")
    assert tell("show", "3")[1]["owner"] == "bob", "what was typed counts"


@pytest.mark.whole
def test_a_release_whose_traffic_was_moved_back_is_called_so(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    live.stubborn = True  # nginx does not follow the route
    assert tell("switch")[0] == 4
    assert [it["outcome"] for it in tell("history")[1]["releases"] if it["release"] == 2] == ["moved back"]
    live.stubborn = False
    assert tell("switch")[0] == 0
    assert [it["outcome"] for it in tell("history")[1]["releases"] if it["release"] == 2] == ["live"]


def test_what_to_type_after_a_build_that_failed_is_no_log_of_nothing(live: Site, tell: Tell) -> None:
    live.document["services"]["web"]["image"] = "has-not:this"
    code, found = tell("switch")
    assert (code, found["error"]["next"]) == (1, "docker pull has-not:this")
    live.document["services"]["web"] |= {"build": {"context": "."}, "image": "shop:1"}
    (live.folder / "code").write_text("17\n")
    live.document["x-bluegreen"].pop("jobs", None)
    code, found = tell("switch")
    assert code in (1, 2), found
    assert "logs" not in found["error"]["next"]


@pytest.mark.whole
@pytest.mark.parametrize(
    "words", ["up", "switch --force", "flip-back", "prepare --force", "status", "history", "show", "down --yes"]
)
def test_a_verb_leaves_no_journal_open(two: Site, words: str, databases: list[sqlite3.Connection]) -> None:
    databases.clear()
    assert two.run(*words.split()) == 0
    assert databases
    assert not any(map(is_open, databases))
