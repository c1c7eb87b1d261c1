"""What is asked of the Engine, and what its answers become, over a real Unix socket."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain.app import Listen
from bluegreen.errors import BluegreenError
from bluegreen.places.docker import images
from bluegreen.places.docker.containers import Engine
from bluegreen.places.docker.mounts import CopiedFile
from tests.fakes.engine_api import EngineApi, Serving

COLOR = {
    "bluegreen.app": "shop", "bluegreen.color": "blue", "bluegreen.service": "web", "bluegreen.number": "2",
    "bluegreen.release": "7", "bluegreen.role": "routed", "bluegreen.definition": "d",
}  # fmt: skip


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineApi]:
    with tempfile.TemporaryDirectory(prefix="bg-") as folder:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/s")
        monkeypatch.setenv("DOCKER_CONFIG", folder)
        Path(folder, "config.json").write_text(
            json.dumps({"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "", "ftpProxy": "f"}}})
        )
        engine = EngineApi()
        with Serving(engine, Path(folder, "s")):
            yield engine


@pytest.fixture
def engine(api: EngineApi) -> Iterator[Engine]:  # noqa: ARG001 - it listens
    found = Engine("shop")
    yield found
    found.close()


# -- looking


@pytest.mark.parametrize(
    ("health", "found"),
    [(None, None), ("healthy", "healthy"), ("unhealthy", "unhealthy"), ("health: starting", "starting")],
)  # fmt: skip
def test_a_replica_is_what_its_labels_and_its_state_say(
    api: EngineApi, engine: Engine, health: str | None, found: str | None
) -> None:
    at = {"shop_bluegreen": {"IPAMConfig": {"IPv4Address": "172.30.0.9"}}}
    api.add("b", Labels=COLOR | {"bluegreen.restart": "no"}, networks=at, Image="sha256:1").health = health
    api.add("a", "exited", Labels=COLOR)
    api.add("c", Labels=COLOR | {"bluegreen.app": "other"})
    first, second = engine.replicas()
    assert (first.name, first.running, first.address, first.restart) == ("a", False, None, "always")
    assert (second.color, second.service, second.number, second.release) == ("blue", "web", 2, 7)
    assert (second.address, second.image_id, second.health, second.restart) == ("172.30.0.9", "sha256:1", found, "no")
    api.named("b").state = "exited"
    assert engine.replicas()[1].address == "172.30.0.9", "the one that it will have again"


def test_the_proxy_is_published_when_it_is_on_the_public_network(api: EngineApi, engine: Engine) -> None:
    assert engine.proxy() is None
    it = api.add("p", Labels={"bluegreen.app": "shop", "bluegreen.role": "proxy", "bluegreen.definition": "x"})
    found = engine.proxy()
    assert found is not None
    assert (found.name, found.published, found.definition) == ("p", False, "x")
    engine.publish(it.id)
    engine.publish(it.id)
    assert list(api.networks) == ["shop_bluegreen_public"]
    found = engine.proxy()
    assert found is not None
    assert found.published


@pytest.mark.parametrize(
    ("name", "published", "wanted", "holder"),
    [
        ("x", "0.0.0.0", "", "x"), ("x", "127.0.0.1", "127.0.0.1", "x"), ("x", "127.0.0.1", "127.0.0.2", None),
        ("x", "127.0.0.1", "", "x"), ("x", "::", "[::1]", "x"), ("shop-proxy", "0.0.0.0", "", None),
    ],
)  # fmt: skip
def test_who_holds_a_port(
    api: EngineApi, engine: Engine, name: str, published: str, wanted: str, holder: str | None
) -> None:
    bindings = {"1/tcp": [{"HostIp": published, "HostPort": "48123"}]}
    api.add(name, HostConfig={"PortBindings": bindings})
    assert engine.port_holder(Listen(wanted, 48123)) == holder
    assert engine.port_holder(Listen(wanted, 48124)) is None


def test_a_process_that_is_no_container_holds_a_port(engine: Engine) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        assert engine.port_holder(Listen("127.0.0.1", busy.getsockname()[1])) == ""


def test_what_compose_runs(api: EngineApi, engine: Engine) -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False"}
    for name, service, number in (("z", "web", "2"), ("y", "web", "10"), ("x", "db", "1")):
        api.add(name, Labels=labels | {
            "com.docker.compose.service": service, "com.docker.compose.container-number": number,
        })  # fmt: skip
    api.add("once", Labels=labels | {"com.docker.compose.service": "web", "com.docker.compose.oneoff": "True"})
    assert engine.of_compose("web") == (("id-z", "z"), ("id-y", "y"))
    api.named("x").state = "restarting"
    api.named("y").state = "exited"
    assert [(it.name, it.running) for it in engine.plain_containers()] == [("x", True), ("y", False), ("z", True)]


def test_a_text_file_in_a_container(api: EngineApi, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def archive(content: bytes, kind: bytes = tarfile.REGTYPE) -> tuple[Iterator[bytes], dict[str, int]]:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo("passwd")
            entry.size, entry.type = len(content), kind
            tar.addfile(entry, io.BytesIO(content))
        return iter([packed.getvalue()]), {"size": len(content)}

    assert engine.text_of("none", "/etc/passwd") is None
    del api
    for content, kind, found in (
        (b"root:x:0", tarfile.REGTYPE, "root:x:0"), (b"", tarfile.DIRTYPE, None),
        (b"x" * (1024 * 1024 + 1), b"0", None), (b"x" * (1024 * 1024), b"0", "x" * (1024 * 1024)),
    ):  # fmt: skip
        packed = archive(content, kind)
        monkeypatch.setattr(engine.api, "get_archive", lambda *_, it=packed: it)
        assert engine.text_of("a", "/etc/passwd") == found


# -- acting


def test_the_network_is_made_with_the_subnet_that_the_engine_picked(api: EngineApi, engine: Engine) -> None:
    subnet = engine.ensure_network()
    (pool,) = api.networks["shop_bluegreen"]["IPAM"]["Config"]
    assert pool == {"Subnet": "172.30.0.0/24", "IPRange": "172.30.0.128/25", "Gateway": "172.30.0.1"}
    assert str(subnet.static) == "172.30.0.0/25"
    engine.ensure_network()
    asked = len(api.asked)
    assert engine.ensure_network() == subnet
    assert len(api.asked) == asked, "it stays as it is"
    assert [it for it in api.asked if it.startswith("POST")] == ["POST /networks/create"] * 2


def test_an_older_engine_gets_a_containers_networks_one_by_one(
    api: EngineApi, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        api.network_create({}, {"Name": name})
    ends: dict[str, dict[str, Any]] = {
        "one": {"IPAMConfig": {"IPv4Address": "172.30.0.9"}},
        "two": {"Aliases": ["web"], "Links": ["db:database"], "DriverOpts": {"a": "b"}},
    }
    assert set(api.named(engine.create("new", {"HostConfig": {"Init": True}}, ends)).networks) == {"one", "two"}
    monkeypatch.setattr(engine.api, "_version", "1.43")
    it = api.named(engine.create("old", {}, ends))
    assert it.body["HostConfig"]["NetworkMode"] == "one"
    assert list(it.body["NetworkingConfig"]["EndpointsConfig"]) == ["one"]
    assert it.networks["two"]["Aliases"] == ["web"]
    assert it.networks["two"]["Links"] == ["db:database"]
    assert it.networks["two"]["DriverOpts"] == {"a": "b"}
    assert "NetworkMode" not in (api.named(engine.create("none", {}, {})).body.get("HostConfig") or {})


def test_a_name_is_taken_again_only_from_what_a_killed_command_left(api: EngineApi, engine: Engine) -> None:
    api.add("left", "created", Labels={"bluegreen.app": "shop"})
    api.add("runs", "running", Labels={"bluegreen.app": "shop"})
    api.add("theirs", "created", Labels={"bluegreen.app": "other"})
    api.add("bare", "created")
    assert api.named(engine.create("left", {}, {})).id != "id-left"
    for name in ("runs", "theirs", "bare"):
        with pytest.raises(BluegreenError, match="already in use"):
            engine.create(name, {}, {})
        assert api.named(name).id == f"id-{name}"


@pytest.mark.parametrize("owned", [True, False])
def test_a_file_is_put_into_a_container_with_its_owner_and_mode(api: EngineApi, engine: Engine, owned: bool) -> None:
    api.add("web", "created")
    engine.copy_file("web", CopiedFile("/run/secrets/key", "sé", 0o400, 5, 6, owned))
    packed = api.files["web", "/?true" if owned else "/?"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.mode, entry.uid, entry.gid) == ("run/secrets/key", 0o400, 5, 6)
        file = archive.extractfile(entry)
        assert file is not None
        assert file.read().decode() == "sé"


def test_removing_what_is_gone_or_going_is_fine(api: EngineApi, engine: Engine) -> None:
    engine.remove("nobody")
    api.add("web")
    api.refuse["DELETE /containers/web"] = (409, {"message": "removal is already in progress"})
    engine.remove("web")
    api.refuse["DELETE /containers/web"] = (500, {"message": "no"})
    with pytest.raises(BluegreenError, match="refused a request"):
        engine.remove("web")
    api.refuse.clear()
    it = api.named("web")
    engine.remove_keeping_volumes("web")
    assert it.body["removed_with_volumes"] in (None, "False", "false", "0")
    api.add("web")
    it = api.named("web")
    engine.remove("web")
    assert it.body["removed_with_volumes"] in ("True", "true", "1")


def test_a_command_that_runs_once_leaves_nothing(api: EngineApi, engine: Engine) -> None:
    api.once = lambda it: (3, f"{it.body['Entrypoint']}".encode())
    assert engine.run_once("image", ["a", "b"], {"User": "0"}) == (3, "['a', 'b']")
    assert api.containers == {}
    api.refuse["/start"] = (500, {"message": "no"})
    with pytest.raises(BluegreenError):
        engine.run_once("image", ["a"], {})
    assert api.containers == {}
    api.add("left", Labels={"bluegreen.app": "shop", "bluegreen.role": "once"})
    api.add("other", Labels={"bluegreen.app": "shop", "bluegreen.role": "migration", "bluegreen.release": "4"})
    engine.remove_once()
    (found,) = engine.once_containers("migration")
    assert (found.name, found.release, found.running, found.exit_code) == ("other", 4, True, None)
    api.named("other").state, api.named("other").code = "exited", 5
    assert (engine.once_containers("migration")[0].exit_code, engine.once_containers("once")) == (5, ())
    assert (engine.end_of("other"), engine.exit_of("other")) == (5, (5, 0, ""))
    api.named("other").state = "created"
    assert engine.end_of("other") is None


def test_the_leftovers_of_an_app(api: EngineApi, engine: Engine) -> None:
    for name, app in (("a", "shop"), ("b", "other")):
        api.add(name, Labels={"bluegreen.app": app})
        api.network_create({}, {"Name": f"{name}_net", "Labels": {"bluegreen.app": app}})
        api.volume_create({}, {"Name": f"{name}_data", "Labels": {"com.docker.compose.project": app}})
    assert engine.remove_leftovers() == ["a", "a_net"]
    assert (list(api.containers), list(api.networks)) == (["id-b"], ["b_net"])
    assert engine.volumes_of_compose() == ["a_data"]
    assert (engine.remove_volume("a_data"), engine.remove_volume("a_data")) == (True, False)
    assert engine.volumes_of_compose() == []
    assert (engine.remove_compose_network("b_net"), engine.remove_compose_network("b_net")) == (True, False)
    assert (engine.volume_there("b_data"), engine.volume_there("a_data")) == (True, False)
    assert (engine.volume_path("b_data"), engine.volume_path("a_data")) == ("/volumes/b_data", None)
    api.once = lambda it: (0, b"12\t/from\n") if it.body["Entrypoint"][0] == "du" else (1, b"cp: no room\n")
    assert engine.volume_size("b_data", "i") == 12 * 1024
    with pytest.raises(BluegreenError, match=r"could not be copied\. \(cp: no room\)"):
        engine.copy_volume("b_data", "copy", {}, "i")
    api.once = lambda it: (0, str(it.body["HostConfig"]["Binds"]).encode())
    engine.copy_volume("b_data", "second", {"a": "b"}, "i")
    assert api.volumes["second"]["Labels"] == {"a": "b"}


# -- images


def test_an_image_goes_only_when_nothing_uses_it(api: EngineApi, engine: Engine) -> None:
    identity = api.pulled("shop:1")
    api.pulled("shop:1")
    assert engine.remove_image("sha256:none", frozenset()) is True
    assert engine.remove_image(identity, frozenset(["other:1"])) is False, "somebody else's name"
    it = api.add("web", "exited", Image=identity)
    assert engine.remove_image(identity, frozenset(["shop:1"])) is False
    del api.containers[it.id]
    api.refuse["DELETE /images"] = (409, {"message": "in use"})
    assert engine.remove_image(identity, frozenset(["shop:1"])) is False
    api.refuse["DELETE /images"] = (500, {"message": "no"})
    with pytest.raises(BluegreenError):
        engine.remove_image(identity, frozenset(["shop:1"]))
    api.refuse.clear()
    assert engine.remove_image(identity, frozenset(["shop:1", "x:1"])) is True
    assert api.images == {}
    engine.untag("shop:1")


def test_pulling_says_how_far_it_is_and_pins_what_came(api: EngineApi, engine: Engine) -> None:
    told: list[str] = []
    api.registry["shop:1"] = "x"
    found = images.pull(engine, "shop:1", None, told.append)
    assert (found.ref, found.id, found.ours) == ("shop:1", "sha256:shop-1", False)
    assert told == ["shop:1: 0 of 0 layers", "shop:1: 1 of 1 layers"]
    api.registry["reg:5000/shop:latest"] = "x"
    api.pulled("reg:5000/shop")
    assert images.pull(engine, "reg:5000/shop", None, told.append).ref == "reg:5000/shop"
    for reference, way in (("other:1", "docker pull other:1"), ("reg.example/a:1", "docker login reg.example")):
        with pytest.raises(BluegreenError) as error:
            images.pull(engine, reference, None, told.append)
        assert (error.value.summary, error.value.next) == (f"The image {reference} cannot be pulled.", way)


@pytest.mark.parametrize(
    ("platform", "fits"),
    [
        (None, True), ("linux", True), ("arm64", True), ("amd64", False), ("linux/aarch64", True),
        ("linux/arm64/v8", True), ("linux/arm64/v7", False), ("windows/arm64", False), ("Linux/ARM64", True),
    ],
)  # fmt: skip
def test_whether_an_image_is_for_a_platform(platform: str | None, fits: bool) -> None:
    assert images.fits({"Os": "linux", "Architecture": "arm64", "Variant": "v8"}, platform) is fits
    assert images.fits({"Os": "linux", "Architecture": "x"}, "linux/x/v8")


@pytest.mark.parametrize(
    ("policy", "hours", "due"),
    [
        ("always", 0, True), ("missing", 999, False), ("", 999, False), ("daily", 23, False), ("daily", 25, True),
        ("weekly", 25, False), ("weekly", 169, True), ("every_2h", 1, False), ("every_2h", 3, True),
        ("every_1d2h30m", 26, False), ("every_1d2h30m", 27, True), ("every_x", 999, False), ("every_1y", 9999, False),
        ("daily", None, True),
    ],
)  # fmt: skip
def test_whether_an_image_is_to_be_pulled_again(policy: str, hours: float | None, due: bool) -> None:
    then = datetime.now(UTC) - timedelta(hours=hours or 0)
    tagged = then.isoformat().replace("+00:00", "Z") if hours is not None else "long ago"
    assert images.refresh_due(policy, {"Metadata": {"LastTagTime": tagged}}) is due
    if policy in ("daily", "always"):
        assert images.refresh_due(policy, None)


def test_the_facts_of_the_engine(api: EngineApi, engine: Engine) -> None:
    api.pulled("shop:1", Size=5, Config={"User": "app"})
    facts, image = engine.facts(), engine.image_facts("shop:1")
    assert (facts.version, facts.api, facts.root) == ("27.0.1", "1.44", "/")
    assert image is not None
    assert (image.size, image.user, engine.image_facts("none")) == (5, "app", None)
    api.registry["shop:1"] = "x"
    assert (engine.in_registry("shop:1"), engine.in_registry("shop:2")) == (None, "denied: requested access")
    assert engine.proxy_environment() == {
        "HTTP_PROXY": "http://p:1", "http_proxy": "http://p:1", "FTP_PROXY": "f", "ftp_proxy": "f",
    }  # fmt: skip
