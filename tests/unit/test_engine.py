"""What is asked of the Engine, and what its answers become, over a real Unix socket."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose.options import Options
from bluegreen.compose.run import Compose
from bluegreen.domain.app import Listen
from bluegreen.errors import BluegreenError
from bluegreen.places.docker import creation, engine, images, volumes
from bluegreen.places.docker.api import Api
from bluegreen.places.docker.commands import run_task
from bluegreen.places.docker.engine import of_compose
from bluegreen.places.docker.mounts import CopiedFile
from bluegreen.places.docker.networks import Networks
from bluegreen.places.docker.place import Place, docker_place
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
def place(api: EngineApi) -> Iterator[Place]:  # noqa: ARG001 - it listens
    found = docker_place("shop", Compose(Options()), Path("/nowhere"), (0, 0), Path("/nowhere"))
    yield found
    found.api.close()


# -- looking


@pytest.mark.parametrize(
    ("health", "found"),
    [(None, None), ("healthy", "healthy"), ("unhealthy", "unhealthy"), ("health: starting", "starting")],
)  # fmt: skip
def test_a_replica_is_what_its_labels_and_its_state_say(
    api: EngineApi, place: Place, health: str | None, found: str | None
) -> None:
    at = {"shop_bluegreen": {"IPAMConfig": {"IPv4Address": "172.30.0.9"}}}
    api.add("b", Labels=COLOR | {"bluegreen.restart": "no"}, networks=at, Image="sha256:1").health = health
    api.add("a", "exited", Labels=COLOR)
    api.add("c", Labels=COLOR | {"bluegreen.app": "other"})
    first, second = place.containers.replicas()
    assert (first.name, first.running, first.address, first.restart) == ("a", False, None, "always")
    assert (second.color, second.service, second.number, second.release) == ("blue", "web", 2, 7)
    assert (second.address, second.image_id, second.health, second.restart) == ("172.30.0.9", "sha256:1", found, "no")
    api.named("b").state = "exited"
    assert place.containers.replicas()[1].address == "172.30.0.9", "the one that it will have again"


def test_the_proxy_is_published_when_it_is_on_the_public_network(api: EngineApi, place: Place) -> None:
    assert place.proxy.container() is None
    it = api.add("p", Labels={"bluegreen.app": "shop", "bluegreen.role": "proxy", "bluegreen.definition": "x"})
    found = place.proxy.container()
    assert found is not None
    assert (found.name, found.published, found.definition) == ("p", False, "x")
    place.networks.publish(it.id)
    place.networks.publish(it.id)
    assert list(api.networks) == ["shop_bluegreen_public"]
    found = place.proxy.container()
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
    api: EngineApi, place: Place, name: str, published: str, wanted: str, holder: str | None
) -> None:
    bindings = {"1/tcp": [{"HostIp": published, "HostPort": "17123"}]}
    api.add(name, HostConfig={"PortBindings": bindings})
    assert place.engine.port_holder(Listen(wanted, 17123)) == holder
    assert place.engine.port_holder(Listen(wanted, 17124)) is None


def test_a_process_that_is_no_container_holds_a_port(place: Place) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        held = Listen("127.0.0.1", busy.getsockname()[1])
        assert place.engine.port_holder(held) == ""
        name = Path("/proc/self/comm").read_text().strip()
        assert place.engine.port_process(held) == f"{name} (process {os.getpid()})"
        assert place.engine.port_process(Listen("127.0.0.2", held.port)) == "", "that address is another one"
        assert place.engine.port_process(Listen("", held.port)) == place.engine.port_process(held)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_of_udp_is_another_port(api: EngineApi, place: Place, family: socket.AddressFamily) -> None:
    bindings = {"53/udp": [{"HostIp": "0.0.0.0", "HostPort": "48125"}]}
    api.add("dns", HostConfig={"PortBindings": bindings})
    assert place.engine.port_holder(Listen("", 48125)) is None
    with socket.socket(family, socket.SOCK_DGRAM) as busy:
        busy.bind(("", 48125))
        assert place.engine.port_holder(Listen("", 48125)) is None
    with socket.socket(family) as busy:
        busy.bind(("", 0))
        busy.listen()
        address = "[::]" if family == socket.AF_INET6 else ""
        assert f"process {os.getpid()}" in place.engine.port_process(Listen(address, busy.getsockname()[1]))


def test_a_machine_without_ipv6_has_no_such_port_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(*_: object) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", none_here)
    assert not engine._is_taken(Listen("[::1]", 80))


def test_what_compose_runs(api: EngineApi, place: Place) -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False"}
    for name, service, number in (("z", "web", "2"), ("y", "web", "10"), ("x", "db", "1")):
        api.add(name, Labels=labels | {
            "com.docker.compose.service": service, "com.docker.compose.container-number": number,
        })  # fmt: skip
    api.add("once", Labels=labels | {"com.docker.compose.service": "web", "com.docker.compose.oneoff": "True"})
    assert of_compose(place.api, "web") == (("id-z", "z"), ("id-y", "y"))
    api.named("x").state = "restarting"
    api.named("y").state = "exited"
    assert [(it.name, it.running) for it in place.engine.plain_containers()] == [("x", True), ("y", False), ("z", True)]


def test_a_text_file_in_a_container(api: EngineApi, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def archive(content: bytes, kind: bytes = tarfile.REGTYPE) -> tuple[Iterator[bytes], dict[str, int]]:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo("passwd")
            entry.size, entry.type = len(content), kind
            tar.addfile(entry, io.BytesIO(content))
        return iter([packed.getvalue()]), {"size": len(content)}

    assert place.engine.text_of("none", "/etc/passwd") is None
    del api
    for content, kind, found in (
        (b"root:x:0", tarfile.REGTYPE, "root:x:0"), (b"", tarfile.DIRTYPE, None),
        (b"x" * (1024 * 1024 + 1), b"0", None), (b"x" * (1024 * 1024), b"0", "x" * (1024 * 1024)),
    ):  # fmt: skip
        packed = archive(content, kind)
        monkeypatch.setattr(place.api.client, "get_archive", lambda *_, it=packed: it)
        assert place.engine.text_of("a", "/etc/passwd") == found


# -- acting


def _subnets(api: EngineApi) -> dict[str, str]:
    return {name: it["IPAM"]["Config"][0]["Subnet"] for name, it in api.networks.items()}


def test_the_networks_of_an_app_share_the_subnet_that_the_engine_picked(api: EngineApi, place: Place) -> None:
    subnet = place.networks.ensure()
    (pool,) = api.networks["shop_bluegreen"]["IPAM"]["Config"]
    assert pool == {"Subnet": "172.16.0.0/21", "IPRange": "172.16.4.0/22", "Gateway": "172.16.0.1"}
    assert str(subnet.static) == "172.16.0.0/22"
    place.networks.ensure()
    asked = len(api.asked)
    assert place.networks.ensure() == subnet
    assert len(api.asked) == asked, "it stays as it is"
    assert [it for it in api.asked if it.startswith("POST")] == ["POST /networks/create"] * 3
    place.networks.ensure_color("blue")
    place.networks.ensure_color("green")
    assert _subnets(api) == {
        "shop_bluegreen": "172.16.0.0/21", "shop_bluegreen_public": "172.16.8.0/23",
        "shop_bluegreen_blue": "172.16.10.0/23", "shop_bluegreen_green": "172.16.12.0/23",
    }  # fmt: skip


def _network(api: EngineApi, name: str, **pool: str) -> None:
    api.networks[name] = {"Id": name, "Name": name, "Labels": None, "IPAM": {"Config": [pool]}}


def test_a_part_that_somebody_else_has_taken_and_small_pools(api: EngineApi, place: Place) -> None:
    place.networks.ensure()
    _network(api, "other", Subnet="172.16.10.0/24")
    place.networks.ensure_color("blue")
    place.networks.ensure_color("green")
    found = _subnets(api)
    assert (found["shop_bluegreen_blue"], found["shop_bluegreen_green"]) == ("172.16.16.0/20", "172.16.12.0/23")
    api.networks.clear()
    api.pool = 24
    fresh = Networks(Api("shop"))
    fresh.ensure()
    fresh.ensure_color("blue")
    assert _subnets(api) == {
        "shop_bluegreen": "172.16.0.0/24", "shop_bluegreen_public": "172.16.1.0/24",
        "shop_bluegreen_blue": "172.16.2.0/24",
    }  # fmt: skip


def test_networks_of_an_older_bluegreen_stay_as_they_are(api: EngineApi, place: Place) -> None:
    _network(api, "shop_bluegreen", Subnet="172.16.0.0/20", IPRange="172.16.8.0/21", Gateway="172.16.0.1")
    assert str(place.networks.ensure().network) == "172.16.0.0/20"
    place.networks.ensure_color("blue")
    assert _subnets(api)["shop_bluegreen_blue"] == "172.16.16.0/20"


@pytest.mark.parametrize(
    ("pools", "gateways"),
    [
        ([{"Subnet": "172.21.0.0/16", "Gateway": "172.21.0.1"}], ("172.21.0.1",)),
        ([{"Subnet": "172.21.0.0/16", "Gateway": "172.21.0.9/16"}], ("172.21.0.9",)),
        ([{"Subnet": "10.0.0.0/28"}, {"Subnet": "fd00:1::/64"}], ("10.0.0.1", "fd00:1::1")),
        ([], ()),
        (None, ()),
    ],
)
def test_this_machine_is_seen_at_the_gateways_of_the_public_network(
    api: EngineApi, place: Place, pools: list[dict[str, str]] | None, gateways: tuple[str, ...]
) -> None:
    assert place.networks.gateways() == (), "there is no such network yet"
    place.networks.ensure()
    api.networks["shop_bluegreen_public"]["IPAM"]["Config"] = pools
    assert place.networks.gateways() == gateways


def test_an_older_engine_gets_a_containers_networks_one_by_one(
    api: EngineApi, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        api.network_create({}, {"Name": name})
    ends: dict[str, dict[str, Any]] = {
        "one": {"IPAMConfig": {"IPv4Address": "172.30.0.9"}},
        "two": {"Aliases": ["web"], "Links": ["db:database"], "DriverOpts": {"a": "b"}},
    }
    assert set(api.named(creation.create(place.api, "new", {"HostConfig": {"Init": True}}, ends)).networks) == {
        "one",
        "two",
    }
    monkeypatch.setattr(place.api.client, "_version", "1.43")
    it = api.named(creation.create(place.api, "old", {}, ends))
    assert it.body["HostConfig"]["NetworkMode"] == "one"
    assert list(it.body["NetworkingConfig"]["EndpointsConfig"]) == ["one"]
    assert it.networks["two"]["Aliases"] == ["web"]
    assert it.networks["two"]["Links"] == ["db:database"]
    assert it.networks["two"]["DriverOpts"] == {"a": "b"}
    assert "NetworkMode" not in (api.named(creation.create(place.api, "none", {}, {})).body.get("HostConfig") or {})


def test_a_name_is_taken_again_only_from_what_a_killed_command_left(api: EngineApi, place: Place) -> None:
    api.add("left", "created", Labels={"bluegreen.app": "shop"})
    api.add("runs", "running", Labels={"bluegreen.app": "shop"})
    api.add("theirs", "created", Labels={"bluegreen.app": "other"})
    api.add("bare", "created")
    assert api.named(creation.create(place.api, "left", {}, {})).id != "id-left"
    for name in ("runs", "theirs", "bare"):
        with pytest.raises(BluegreenError, match="already in use"):
            creation.create(place.api, name, {}, {})
        assert api.named(name).id == f"id-{name}"


@pytest.mark.parametrize("owned", [True, False])
def test_a_file_is_put_into_a_container_with_its_owner_and_mode(api: EngineApi, place: Place, owned: bool) -> None:
    api.add("web", "created")
    creation.copy_file(place.api, "web", CopiedFile("/run/secrets/key", "sé", 0o400, 5, 6, owned))
    packed = api.files["web", "/?true" if owned else "/?"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.mode, entry.uid, entry.gid) == ("run/secrets/key", 0o400, 5, 6)
        file = archive.extractfile(entry)
        assert file is not None
        assert file.read().decode() == "sé"


def test_removing_what_is_gone_or_going_is_fine(api: EngineApi, place: Place) -> None:
    place.containers.remove("nobody")
    api.add("web")
    api.refuse["DELETE /containers/web"] = (409, {"message": "removal is already in progress"})
    place.containers.remove("web")
    api.refuse["DELETE /containers/web"] = (500, {"message": "no"})
    with pytest.raises(BluegreenError, match="refused a request"):
        place.containers.remove("web")
    api.refuse.clear()
    it = api.named("web")
    place.containers.remove("web", volumes=False)
    assert it.body["removed_with_volumes"] in (None, "False", "false", "0")
    api.add("web")
    it = api.named("web")
    place.containers.remove("web")
    assert it.body["removed_with_volumes"] in ("True", "true", "1")


def test_a_command_that_runs_once_leaves_nothing(api: EngineApi, place: Place) -> None:
    api.once = lambda it: (3, f"{it.body['Entrypoint']}".encode())
    assert run_task(place.api, "image", ["a", "b"], {"User": "0"}) == (3, "['a', 'b']")
    assert api.containers == {}
    api.refuse["/start"] = (500, {"message": "no"})
    with pytest.raises(BluegreenError):
        run_task(place.api, "image", ["a"], {})
    assert api.containers == {}
    api.add("left", Labels={"bluegreen.app": "shop", "bluegreen.role": "once"})
    api.add("other", Labels={"bluegreen.app": "shop", "bluegreen.role": "migration", "bluegreen.release": "4"})
    place.engine.remove_tasks()
    (found,) = place.containers.task_containers("migration")
    assert (found.name, found.release, found.running, found.exit_code) == ("other", 4, True, None)
    api.named("other").state, api.named("other").code = "exited", 5
    assert (place.containers.task_containers("migration")[0].exit_code, place.containers.task_containers("once")) == (
        5,
        (),
    )
    assert (place.containers.end_of("other"), place.containers.exit_of("other")) == (5, (5, 0, ""))
    api.named("other").state = "created"
    assert place.containers.end_of("other") is None


def test_the_leftovers_of_an_app(api: EngineApi, place: Place) -> None:
    for name, app in (("a", "shop"), ("b", "other")):
        api.add(name, Labels={"bluegreen.app": app})
        api.network_create({}, {"Name": f"{name}_net", "Labels": {"bluegreen.app": app}})
        api.volume_create({}, {"Name": f"{name}_data", "Labels": {"com.docker.compose.project": app}})
    assert place.engine.remove_leftovers() == ["a", "a_net"]
    assert (list(api.containers), list(api.networks)) == (["id-b"], ["b_net"])
    assert volumes.of_compose(place.api) == ["a_data"]
    assert (place.engine.remove_volume("a_data"), place.engine.remove_volume("a_data")) == (True, False)
    assert volumes.of_compose(place.api) == []
    assert (place.engine.remove_network("b_net"), place.engine.remove_network("b_net")) == (True, False)
    assert (volumes.exists(place.api, "b_data"), volumes.exists(place.api, "a_data")) == (True, False)
    assert (place.engine.volume_path("b_data"), place.engine.volume_path("a_data")) == ("/volumes/b_data", None)
    api.once = lambda it: (0, b"12\t/from\n") if it.body["Entrypoint"][0] == "du" else (1, b"cp: no room\n")
    assert volumes.size(place.api, "b_data", "i") == 12 * 1024
    with pytest.raises(BluegreenError, match=r"could not be copied\. \(cp: no room\)"):
        volumes.copy(place.api, "b_data", "copy", {}, "i")
    api.once = lambda it: (0, str(it.body["HostConfig"]["Binds"]).encode())
    volumes.copy(place.api, "b_data", "second", {"a": "b"}, "i")
    assert api.volumes["second"]["Labels"] == {"a": "b"}


# -- images


def test_an_image_goes_only_when_nothing_uses_it(api: EngineApi, place: Place) -> None:
    identity = api.pulled("shop:1")
    api.pulled("shop:1")
    assert images.remove(place.api, "sha256:none", frozenset()) is True
    assert images.remove(place.api, identity, frozenset(["other:1"])) is False, "somebody else's name"
    it = api.add("web", "exited", Image=identity)
    assert images.remove(place.api, identity, frozenset(["shop:1"])) is False
    del api.containers[it.id]
    api.refuse["DELETE /images"] = (409, {"message": "in use"})
    assert images.remove(place.api, identity, frozenset(["shop:1"])) is False
    api.refuse["DELETE /images"] = (500, {"message": "no"})
    with pytest.raises(BluegreenError):
        images.remove(place.api, identity, frozenset(["shop:1"]))
    api.refuse.clear()
    assert images.remove(place.api, identity, frozenset(["shop:1", "x:1"])) is True
    assert api.images == {}
    images.untag(place.api, "shop:1")


def test_pulling_says_how_far_it_is_and_pins_what_came(api: EngineApi, place: Place) -> None:
    told: list[str] = []
    api.registry["shop:1"] = "x"
    found = images.pull(place.api, "shop:1", None, told.append)
    assert (found.ref, found.id, found.ours) == ("shop:1", "sha256:shop-1", False)
    assert told == ["shop:1: 0 of 0 layers", "shop:1: 1 of 1 layers"]
    api.registry["reg:5000/shop:latest"] = "x"
    api.pulled("reg:5000/shop")
    assert images.pull(place.api, "reg:5000/shop", None, told.append).ref == "reg:5000/shop"
    for reference, way in (("other:1", "docker pull other:1"), ("reg.example/a:1", "docker login reg.example")):
        with pytest.raises(BluegreenError) as error:
            images.pull(place.api, reference, None, told.append)
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


def test_the_facts_of_the_engine(api: EngineApi, place: Place) -> None:
    api.pulled("shop:1", Size=5, Config={"User": "app"})
    facts, image = place.engine.facts(), place.images.facts("shop:1")
    assert (facts.version, facts.api, facts.root) == ("27.0.1", "1.44", "/")
    assert image is not None
    assert (image.size, image.user, place.images.facts("none")) == (5, "app", None)
    api.registry["shop:1"] = "x"
    assert (place.images.in_registry("shop:1"), place.images.in_registry("shop:2")) == (
        None,
        "denied: requested access",
    )
    assert place.api.proxy_environment() == {
        "HTTP_PROXY": "http://p:1", "http_proxy": "http://p:1", "FTP_PROXY": "f", "ftp_proxy": "f",
    }  # fmt: skip


def test_a_log_that_cannot_be_read_hides_nothing_else(api: EngineApi, place: Place) -> None:
    """As with the logging driver `none`, or a remote one: it is asked for the cause of a failure."""
    api.add("web").output = b"one\ntwo\n"
    assert place.containers.log_tail("web", 1) == ["two"]
    refusal = {"message": "configured logging driver does not support reading"}
    for status in (500, 501, 400):
        api.refuse["/logs"] = (status, refusal)
        (line,) = place.containers.log_tail("web", 1)
        assert line == "(its log cannot be read: configured logging driver does not support reading)"
        assert b"".join(place.containers.follow_log("web", None, False)) == f"{line}\n".encode()
    for status in (404, 409):
        api.refuse["/logs"] = (status, {"message": "no such container"})
        with pytest.raises(BluegreenError, match="no such container"):
            place.containers.log_tail("web", 1)


def test_a_refused_request_is_named_with_the_answer(api: EngineApi, place: Place) -> None:
    """As an authorization plugin refuses some of them."""
    api.refuse["POST /networks/create"] = (403, {"message": "authorization denied by plugin"})
    with pytest.raises(BluegreenError) as error:
        place.networks.ensure()
    assert error.value.summary == "The Docker Engine refused a request."
    assert error.value.failed == "authorization denied by plugin (POST /v1.44/networks/create: 403)"
