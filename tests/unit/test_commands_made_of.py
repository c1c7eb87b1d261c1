"""What a release is made of, on a machine that is not real: its images, files, networks and volumes."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from tests.fakes.site import Site, Tell


def _switch(tell: Tell, *words: str) -> tuple[int, str]:
    """(exit code, what failed)."""
    code, found = tell("switch", "--force", *words)
    return code, found["error"]["failed"] if found["error"] else ""


def _pulls(shop: Site) -> int:
    return sum(it.startswith("POST /images/create") for it in shop.engine.asked)


def _builds(shop: Site) -> list[str]:
    return [line.partition(" build ")[2] for line in shop.asked_of_compose if " build " in line]


def test_an_image_is_pulled_when_it_is_missing_or_asked_for(live: Site, tell: Tell) -> None:
    live.release("shop:3")
    code, failed = _switch(tell)
    assert (code, "pull access denied" in failed) == (1, True)
    live.engine.registry["shop:3"] = "x"
    assert (_switch(tell), _pulls(live)) == ((0, ""), 2), "worker has the same image"
    assert (_switch(tell), _pulls(live)) == ((0, ""), 2)
    assert _switch(tell, "--pull") == (0, "")
    assert _pulls(live) >= 3
    images = tell("show")[1]["images"]
    assert images["web"]["ref"] == "shop:3"


POLICIES: list[tuple[str | None, bool, int, int]] = [
    ("never", True, 0, 0), ("never", False, 1, 0), ("always", True, 0, 1), ("missing", True, 0, 0),
    ("missing", False, 0, 1), (None, False, 0, 1), ("daily", True, 0, 1),
]  # fmt: skip


def test_the_pull_policy(live: Site, tell: Tell) -> None:
    for number, (policy, there, code, pulls) in enumerate(POLICIES):
        name = f"other:{number}"
        live.document["services"]["web"] |= {"image": name, "pull_policy": policy}
        live.engine.registry[name] = "x"
        if there:
            live.engine.pulled(name)
        before = _pulls(live)
        assert _switch(tell)[0] == code, (policy, there)
        assert _pulls(live) - before == pulls, (policy, there)


def test_an_image_for_another_platform_is_not_the_one(live: Site, tell: Tell) -> None:
    live.engine.pulled("other:1", Architecture="arm64")
    live.document["services"]["web"] |= {"image": "other:1", "pull_policy": "never", "platform": "linux/amd64"}
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (1, "The image other:1 is not there for this platform.")
    live.document["services"]["web"]["platform"] = "linux/arm64"
    assert _switch(tell) == (0, "")


def test_what_is_built_is_built_at_every_release(live: Site, tell: Tell) -> None:
    web = live.document["services"]["web"]
    web["build"] = {"context": "."}
    assert _switch(tell) == (0, "")
    assert _builds(live) == ["web"]
    live.engine.registry["shop:1"] = "x"
    assert _switch(tell, "--pull") == (0, "")
    assert _builds(live)[1:] == ["--pull web"]
    assert _switch(tell, "--no-build") == (0, "")
    assert len(_builds(live)) == 2
    web["pull_policy"] = "build"
    assert _switch(tell, "--no-build") == (0, "")
    assert len(_builds(live)) == 3
    web |= {"image": "never-built:1", "pull_policy": "missing"}
    code, found = tell("switch", "--no-build")
    assert (code, found["error"]["summary"]) == (1, "The image of web has not been built.")
    assert found["error"]["next"] == "the same command without --no-build"


def test_what_cannot_be_pulled_is_built(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    live.document["services"]["web"] |= {"build": {"context": "."}, "pull_policy": "always"}
    assert live.run("switch", "--force", "--progress", "json") == 0
    assert "shop:1 cannot be pulled, so it is built" in capsys.readouterr().err
    assert _builds(live) == ["web"]
    code, failed = _switch(tell, "--no-build")
    assert (code, "pull access denied" in failed) == (1, True)
    live.engine.registry["shop:1"] = "x"
    assert _switch(tell) == (0, "")
    assert _builds(live) == ["web"], "it was pulled"


def test_images_that_a_release_brought_are_pruned_after_a_while(live: Site, tell: Tell) -> None:
    live.document["x-bluegreen"]["keep"] = 2
    for number in range(3, 8):
        live.engine.registry[f"shop:{number}"] = "x"
        live.release(f"shop:{number}")
        assert tell("switch")[0] == 0
    names = {name for image in live.engine.images.values() for name in image["RepoTags"]}
    assert {"shop:1", "shop:2"} <= names, "they were there before"
    assert "shop:3" not in names
    assert {"shop:6", "shop:7"} <= names
    assert [it["kept"] for it in tell("history")[1]["releases"]][:2] == [True, True]
    code, found = tell("switch", "--to", "2")
    assert code == 1
    assert "2" in found["error"]["summary"]


def test_networks_and_volumes_of_the_file_are_composes_to_make(live: Site, tell: Tell) -> None:
    services = live.document["services"]
    services["web"]["networks"] = {"back": {"priority": 1}, "front": {"aliases": ["shop"], "priority": 5}}
    services["web"]["volumes"] = [{"type": "volume", "source": "data", "target": "/data"}]
    live.document["networks"] |= {"back": {"name": "shop_back"}, "front": {"name": "shop_front"}}
    live.document["volumes"] = {"data": {"name": "shop_data"}}
    before = len(live.asked_of_compose)
    for name in ("shop_back", "shop_front"):
        live.engine.network_create({}, {"Name": name})
    assert _switch(tell) == (0, "")
    (line,) = [line for line in live.asked_of_compose[before:] if "--no-start" in line]
    assert line.endswith("--pull never --scale web=0 --scale worker=0 web worker")
    it = live.replicas("green")[0]
    assert list(it.networks) == ["shop_bluegreen", "shop_bluegreen_green", "shop_front", "shop_back"]
    assert it.networks["shop_bluegreen_green"]["Aliases"] == ["web", "shop"]
    assert not it.networks["shop_front"].get("Aliases"), "both colors would share it"
    live.engine.volume_create({}, {"Name": "shop_data"})
    before = len(live.asked_of_compose)
    assert _switch(tell) == (0, "")
    assert not [line for line in live.asked_of_compose[before:] if "--no-start" in line], "nothing is missing"


@pytest.mark.parametrize("kind", ["network", "volume"])
def test_what_is_external_has_to_be_there(live: Site, tell: Tell, kind: str) -> None:
    live.document[f"{kind}s"] = {"default": {"name": "shop_default"}, "edge": {"name": "edge", "external": True}}
    if kind == "network":
        live.document["services"]["web"]["networks"] = {"edge": None}
    else:
        live.document["services"]["web"]["volumes"] = [{"type": "volume", "source": "edge", "target": "/e"}]
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (1, f"The external {kind} edge does not exist.")
    assert found["error"]["next"] == f"docker {kind} create edge"
    made = live.engine.network_create if kind == "network" else live.engine.volume_create
    made({}, {"Name": "edge"})
    assert _switch(tell) == (0, "")


def test_secrets_with_a_content_are_put_into_the_container(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BG_KEY", "s3cr3t")
    live.document["secrets"] = {"key": {"environment": "BG_KEY"}}
    live.document["services"]["web"]["secrets"] = [{"source": "key", "target": "key"}]
    assert _switch(tell) == (0, "")
    with tarfile.open(fileobj=io.BytesIO(live.engine.files["shop-green-web-1", "/?"])) as archive:
        (entry,) = archive.getmembers()
        file = archive.extractfile(entry)
        assert file is not None
        assert (entry.name, file.read()) == ("run/secrets/key", b"s3cr3t")
    live.engine.refuse["PUT"] = (500, {"message": "read-only"})
    code, failed = _switch(tell)
    assert (code, failed.partition(" (PUT ")[0]) == (1, "read-only")
    monkeypatch.delenv("BG_KEY")
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (2, "The environment variable BG_KEY is not set.")


def test_what_leans_on_another_service_finds_its_container(live: Site, tell: Tell) -> None:
    live.document["services"]["web"]["links"] = ["db:database"]
    live.document["services"]["worker"]["pid"] = "service:web"
    assert _switch(tell) == (0, "")
    assert "shop-db-1:database" in live.replicas("green")[0].body["HostConfig"]["Links"]
    assert live.replicas("green", "worker")[0].body["HostConfig"]["PidMode"] == "container:shop-green-web-1"
    del live.engine.containers[live.database.id]
    code, found = tell("switch", "--force")
    assert (code, found["error"]["summary"]) == (1, "A container of the service db is missing.")


def test_a_seccomp_profile_is_read_and_handed_over(live: Site, tell: Tell) -> None:
    live.document["services"]["web"]["security_opt"] = ["seccomp=profile.json", "no-new-privileges:true"]
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (1, "The seccomp profile profile.json cannot be read.")
    (live.project / "profile.json").write_text('{ "a": 1 }')
    assert _switch(tell) == (0, "")
    assert live.replicas("green")[0].body["HostConfig"]["SecurityOpt"] == [
        'seccomp={"a":1}', "no-new-privileges:true",
    ]  # fmt: skip


def test_what_a_color_cannot_honour_is_refused_with_every_problem(live: Site, tell: Tell) -> None:
    live.document["services"]["web"] |= {"container_name": "x", "network_mode": "host"}
    live.document["services"]["worker"]["devices"] = [{"source": "vendor.com/class=all"}]
    code, found = tell("switch")
    assert code == 2
    text = json.dumps(found["error"]["lines"])
    assert "services.web.container_name" in text
    assert "services.web.network_mode" in text
    assert "worker" not in text, "API 1.44 has it"
    live.engine.refuse["GET /version"] = (200, {"Version": "24.0", "ApiVersion": "1.43", "MinAPIVersion": "1.24"})
    code, found = tell("switch")
    assert any("services.worker.devices" in it and "this one speaks 1.43" in it for it in found["error"]["lines"])


def test_a_port_that_is_taken_when_the_proxy_starts_is_named(shop: Site, tell: Tell) -> None:
    shop.engine.refuse["POST /networks/shop_bluegreen_public/connect"] = (
        500,
        {"message": "Bind: port is already allocated"},
    )
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (
        1, "A port that nginx must be published on is taken.",
    )  # fmt: skip
    assert found["error"]["failed"].startswith("Bind: port is already allocated (POST /v1.44/networks/")
    assert "shop-proxy" not in {it.name for it in shop.engine.containers.values()}
    shop.engine.refuse = {"POST /networks/shop_bluegreen_public/connect": (500, {"message": "no such device"})}
    code, found = tell("up")
    assert found["error"]["failed"].startswith("no such device (POST ")


def test_a_proxy_of_other_settings_is_made_anew(live: Site, tell: Tell) -> None:
    before = live.engine.named("shop-proxy").id
    live.document["x-bluegreen"]["listen"] = 8200
    code, found = tell("up")
    assert (code, found["outcome"]) == (0, "repaired"), found
    after = live.engine.named("shop-proxy")
    assert after.id != before
    assert "8200/tcp" in after.body["HostConfig"]["PortBindings"]
    assert tell("status")[1]["live"]["release"] == 1


def test_failover_answers_for_a_live_color_that_is_gone(live: Site, tell: Tell) -> None:
    live.document["x-bluegreen"]["failover"] = True
    live.release("shop:2")
    assert tell("switch")[0] == 0
    assert tell("status")[1]["failover"] == {"color": "blue", "serving": False}
    first, second = live.replicas("green")
    first.state = "exited"
    assert tell("status")[1]["failover"]["serving"] is False, "one still answers"
    second.state = "exited"
    assert tell("status")[1]["failover"] == {"color": "blue", "serving": True}
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (0, 1)
