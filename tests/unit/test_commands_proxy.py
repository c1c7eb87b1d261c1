"""Whole commands about the proxy itself: the image that it runs from, and whom it believes."""

from __future__ import annotations

import ipaddress
import re

import pytest

from bluegreen.frontdoor import succession
from tests.fakes.engine_api import Container
from tests.fakes.site import Site, Tell

NAME = "nginx:1.30-alpine"
RUNS = "sha256:nginx-1.30-alpine"


def _moved(live: Site, identity: str = "sha256:nginx-1.30.7") -> str:
    """Somebody has pulled the proxy's image, and its name means another one now."""
    live.engine.images[RUNS]["RepoTags"] = []
    live.engine.images[identity] = {"Id": identity, "RepoTags": [NAME], "Size": 1000, "Os": "linux"}
    return identity


def _finding(tell: Tell) -> dict[str, str]:
    (found,) = [it for it in tell("check")[1]["findings"] if it["name"] == "nginx's image"]
    return dict(found)


def test_a_newer_image_of_the_proxy_is_told_and_taken_over_by_up(
    live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell("status")[1]["proxy_image"] == {
        "ref": NAME,
        "id": RUNS,
        "nginx": "1.30.6",
        "newer": None,
        "newer_nginx": None,
    }
    assert _finding(tell)["outcome"] == "ok"
    fresh, before = _moved(live), live.engine.named("shop-proxy")
    assert tell("status")[1]["proxy_image"]["newer"] == fresh
    live.run("status")
    assert f"nginx       there is a newer {NAME} (to take it over: bluegreen up)" in capsys.readouterr().out
    live.engine.images[fresh]["Config"] = {"Env": ["PATH=/", "NGINX_VERSION=1.31.0"]}
    live.run("status")
    assert f"there is a newer {NAME}: 1.30.6 -> 1.31.0 (to take it over" in capsys.readouterr().out
    found = _finding(tell)
    assert (found["outcome"], found["fix"]) == ("warning", "bluegreen up (another nginx takes over, no request waits)")
    live.run("up", "--dry-run")
    planned = f"{NAME} now points to another image; another nginx takes over, no request waits"
    assert planned in capsys.readouterr().out
    assert live.engine.named("shop-proxy") is before, "a plan changes nothing"
    live.release("shop:2")
    assert tell("switch")[0] == 0
    assert live.engine.named("shop-proxy") is before, "a switch loses no request"
    code, said = tell("up")
    assert (code, said["outcome"]) == (0, "repaired"), said
    assert live.engine.named("shop-proxy") is before, "it has the ports"
    assert live.engine.named("shop-proxy-2").body["Image"] == fresh
    assert live.engine.named("shop-proxy-2").policy["Name"] == "always"
    assert (live.state / "nginx" / "serving").read_text() == "shop-proxy-2\n"
    assert tell("status")[1]["proxy_image"]["newer"] is None
    assert tell("status")[1]["drift"] is None
    assert tell("up")[1]["outcome"] == "unchanged"


@pytest.mark.parametrize("why", ["refuses the file", "is too old"])
def test_a_newer_image_that_would_not_serve_costs_nothing(live: Site, tell: Tell, why: str) -> None:
    def once(it: Container) -> tuple[int, bytes]:
        version = b"nginx version: nginx/1.26.0\n" if why == "is too old" else b"nginx version: nginx/1.31.0\n"
        refused = why == "refuses the file" and it.body["Image"] != RUNS and "-t" in str(it.body)
        return (1, version + b'nginx: [emerg] unknown directive "x"\n') if refused else (0, version)

    _moved(live)
    live.engine.once = once
    before = live.engine.named("shop-proxy")
    code, said = tell("up")
    assert code == 1, said
    assert live.engine.named("shop-proxy") is before
    assert before.state == "running"
    assert tell("status")[1]["live"]["replicas"]["web"]["healthy"] == 2


def test_a_registry_that_has_a_newer_image_of_the_proxy_is_told_by_check(live: Site, tell: Tell) -> None:
    live.engine.images[RUNS]["RepoDigests"] = ["nginx@sha256:old"]
    live.engine.registry[NAME] = "sha256:old"
    assert _finding(tell)["outcome"] == "ok"
    live.engine.registry[NAME] = "sha256:new"
    found = _finding(tell)
    assert found["found"] == f"{NAME} points to another image in its registry"
    assert found["fix"].startswith(f"docker pull {NAME}, then bluegreen up")
    assert tell("status")[1]["proxy_image"]["newer"] is None, "a look at this machine alone"
    del live.engine.registry[NAME]  # a registry that does not answer
    assert _finding(tell)["outcome"] == "ok"


def test_a_proxy_of_an_older_bluegreen_is_asked_about_by_the_name_in_the_settings(live: Site, tell: Tell) -> None:
    for label in ("bluegreen.image", "bluegreen.ports"):
        del live.engine.named("shop-proxy").labels[label]
    fresh = _moved(live)
    assert tell("status")[1]["proxy_image"] == {
        "ref": "",
        "id": RUNS,
        "nginx": "1.30.6",
        "newer": None,
        "newer_nginx": None,
    }
    assert _finding(tell)["outcome"] == "warning"
    assert tell("up")[0] == 0
    assert live.engine.named("shop-proxy").body["Image"] == fresh


def test_an_image_whose_name_is_gone_stays(live: Site, tell: Tell) -> None:
    live.engine.images[RUNS]["RepoTags"] = []
    assert tell("up")[1]["outcome"] == "unchanged"
    assert tell("status")[1]["proxy_image"]["newer"] is None


@pytest.mark.parametrize(
    ("trust", "gateway"), [(["127.0.0.1"], True), (["::1", "10.0.0.0/8"], True), (["10.0.0.0/8"], False), ([], False)]
)
def test_this_machine_is_believed_where_nginx_sees_it(shop: Site, tell: Tell, trust: list[str], gateway: bool) -> None:
    shop.document["x-bluegreen"] |= {"listen": "127.0.0.1:8123", "proxy": {"trust": trust}}
    code, said = tell("up")
    assert code == 0, said
    (pool,) = shop.engine.networks["shop_bluegreen_public"]["IPAM"]["Config"]
    at = str(ipaddress.ip_network(pool["Subnet"])[1])
    text = (shop.state / "nginx" / "nginx.conf").read_text()
    believed = re.findall(r"set_real_ip_from (\S+);", text)
    assert (at in believed) is gateway, believed
    assert (f"{at} 1;" in text) is gateway
    assert tell("up")[1]["outcome"] == "unchanged"


def test_the_public_network_is_there_before_the_first_file(shop: Site, tell: Tell) -> None:
    """The gateway's address is in that file: the one with which a take-over begins as well."""
    shop.document["x-bluegreen"] |= {"listen": "127.0.0.1:8123", "proxy": {"trust": ["127.0.0.1"]}}
    assert tell("up")[0] == 0
    made = [it for it in shop.engine.asked if it in ("POST /networks/create", "POST /containers/create")]
    assert made[:3] == ["POST /networks/create"] * 3, "the public one, and the app's own: once to learn its subnet"


def _nginx_folder(live: Site) -> set[str]:
    kept = {"succeeding", "serving"}
    return {path.name for path in (live.state / "nginx").iterdir()} & kept | {
        path.name for path in (live.state / "run").iterdir() if path.name in ("was", "is", "first-serves")
    }


def test_one_takes_over_after_the_other_and_those_before_go(live: Site, tell: Tell) -> None:
    for number in (2, 3):
        for image in live.engine.images.values():
            image["RepoTags"] = [it for it in image.get("RepoTags") or [] if it != NAME]
        fresh = _moved(live, f"sha256:nginx-{number}")
        assert tell("up")[0] == 0
        assert live.engine.named(f"shop-proxy-{number}").body["Image"] == fresh
        assert tell("up")[1]["outcome"] == "unchanged"
        live.release("shop:2")
        assert tell("switch", "--force")[0] == 0
        assert tell("flip-back")[0] == 0
    names = sorted(it.name for it in live.engine.containers.values() if it.labels.get("bluegreen.role") == "proxy")
    assert names in (["shop-proxy", "shop-proxy-3"], ["shop-proxy", "shop-proxy-2", "shop-proxy-3"])
    assert live.engine.named("shop-proxy-3").state == "running"
    assert _nginx_folder(live) == {"serving"}
    assert tell("down", "--yes")[0] == 0
    assert not [it for it in live.engine.containers.values() if it.labels.get("bluegreen.app") == "shop"]


def test_one_that_does_not_start_leaves_the_other_serving(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "START_TIMEOUT", 0.2)
    _moved(live)
    live.mute = True
    code, said = tell("up")
    assert code == 1, said
    assert "does not answer" in said["error"]["failed"]
    assert (_nginx_folder(live), tell("status")[1]["drift"]) == (set(), None)
    live.mute = False
    live.release("shop:2")
    assert tell("switch")[0] == 0
    assert tell("up")[0] == 0
    assert _nginx_folder(live) == {"serving"}


def test_one_that_does_not_end_is_ended_by_the_next_command(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never two of which one is forgotten: it would serve old addresses after the next release."""
    monkeypatch.setattr(succession, "END_TIMEOUT", 0.2)
    _moved(live)
    live.stays = True
    assert tell("up")[0] == 1
    assert _nginx_folder(live) == {"serving", "succeeding", "was", "is"}
    live.release("shop:2")
    assert tell("switch")[0] == 1, "before anything is loaded"
    live.stays = False
    assert tell("switch")[0] == 0
    assert _nginx_folder(live) == {"serving"}
    assert tell("up")[1]["outcome"] == "unchanged"


def test_listen_is_published_by_another_container_with_a_moment_without_answers(
    live: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    live.document["x-bluegreen"]["listen"] = "8199"
    live.run("up", "--dry-run")
    assert "its settings have changed; it restarts, and gives no answers for a moment" in capsys.readouterr().out
