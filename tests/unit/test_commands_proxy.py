"""Whole commands about the proxy itself: the image that it runs from, and whom it believes."""

from __future__ import annotations

import ipaddress
import re

import pytest

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
    assert f"nginx       there is a newer {NAME} (restart nginx with it: bluegreen up)" in capsys.readouterr().out
    live.engine.images[fresh]["Config"] = {"Env": ["PATH=/", "NGINX_VERSION=1.31.0"]}
    live.run("status")
    assert f"there is a newer {NAME}: 1.30.6 -> 1.31.0 (restart nginx" in capsys.readouterr().out
    found = _finding(tell)
    assert (found["outcome"], found["fix"]) == ("warning", "bluegreen up (restarts nginx: a moment without answers)")
    live.run("up", "--dry-run")
    planned = f"{NAME} now points to another image; it restarts, and gives no answers for a moment"
    assert planned in capsys.readouterr().out
    assert live.engine.named("shop-proxy") is before, "a plan changes nothing"
    live.release("shop:2")
    assert tell("switch")[0] == 0
    assert live.engine.named("shop-proxy") is before, "a switch loses no request"
    code, said = tell("up")
    assert (code, said["outcome"]) == (0, "repaired"), said
    assert live.engine.named("shop-proxy").body["Image"] == fresh
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
    del live.engine.named("shop-proxy").labels["bluegreen.image"]
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
