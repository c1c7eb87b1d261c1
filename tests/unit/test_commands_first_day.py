"""What a first day needs to be told: where it is, what is next, whose log, what takes so long."""

from __future__ import annotations

import pytest

from bluegreen.cli.common import addresses
from bluegreen.flow import jobs
from bluegreen.flow.steps import depends_on
from bluegreen.settings.stack import make_stack
from tests.fakes.engine_api import Container
from tests.fakes.site import Site, Tell


def test_the_first_up_ends_with_the_address_and_the_next_command(
    shop: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.run("-p", "shop", "up") == 0
    said = capsys.readouterr().out
    assert "Running: http://localhost:8123/ (blue, release 1).\n" in said
    assert "bluegreen -p shop switch" in said
    shop.release("shop:2")
    assert shop.run("switch") == 0
    assert "Open it" not in capsys.readouterr().out, "once is enough"


@pytest.mark.parametrize(
    ("listen", "route", "address"),
    [
        (80, {}, "http://localhost/"), ("[::]:8090", {}, "http://localhost:8090/"),
        ("127.0.0.1:8090", {"path": "/shop"}, "http://127.0.0.1:8090/shop"),
        (8090, {"host": "shop.example.com"}, "http://shop.example.com:8090/"),
    ],
)  # fmt: skip
def test_the_address_is_the_one_that_is_routed(shop: Site, listen: object, route: dict[str, str], address: str) -> None:
    block = shop.document["x-bluegreen"]
    del block["service"], block["port"]
    block |= {"listen": listen, "services": {"web": {"port": 8000, **route}}}
    assert addresses(make_stack(shop.document, "/srv", [], lambda *_: []).settings) == [address]


def test_logs_of_a_shared_service_and_of_the_proxy_are_shown(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    live.database.output = b"2026-11-26T02:00:00Z FATAL: data directory has wrong ownership\n"
    live.engine.named("shop-proxy").output = b"2026-11-26T02:00:00Z [emerg] host not found\n"
    for service, words in (("db", "FATAL: data directory"), ("proxy", "[emerg] host not found")):
        capsys.readouterr()
        assert live.run("logs", service) == 0
        assert words in capsys.readouterr().out
    assert live.run("logs", "nothing") == 1
    said = capsys.readouterr().err
    assert "db" in said
    assert "proxy" in said, "what there is"
    assert live.run("logs", "blue", "db") == 1, "it is of no color"


@pytest.mark.parametrize("state", ["exited", "restarting"])
def test_a_database_that_ends_at_its_start_is_said_at_once_with_its_words(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(depends_on, "ASK_AGAIN", 0.01)
    live.document["services"]["web"]["depends_on"] = {"db": {"condition": "service_healthy"}}
    live.database.state, live.database.code, live.database.restarts = state, 1, 5
    live.database.output = b"FATAL: password file is empty\n"
    live.release("shop:2")
    code, found = tell("switch")
    assert code == 1
    assert "db  FATAL: password file is empty" in found["error"]["lines"]
    assert found["error"]["next"].startswith("bluegreen logs db")
    if state == "restarting":
        assert found["error"]["failed"] == "db keeps exiting, exit code 1, 5 restarts"


@pytest.mark.parametrize(("code", "slow", "told"), [(137, True, True), (143, True, False), (137, False, False)])
def test_a_worker_that_ignores_its_stop_signal_is_told_with_the_remedy(
    live: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: int, slow: bool, told: bool
) -> None:
    monkeypatch.setattr(jobs, "SLOW_STOP", 0.0 if slow else 60.0)
    changed = live.engine.changed

    def stopped(it: Container, what: str) -> None:
        if what == "stop" and it.labels.get("bluegreen.service") == "worker":
            it.code = code
        changed(it, what)

    live.engine.changed = stopped
    live.release("shop:2")
    assert live.run("switch") == 0
    said = capsys.readouterr().err
    assert ("worker did not stop at its stop signal" in said) == told
    assert live.run("flip-back") == 0
    said = capsys.readouterr().err
    assert said.index("Traffic is back on blue, release 1; jobs follow.") < said.index("jobs   ")
    assert ("handle SIGTERM" in said) == told


@pytest.mark.parametrize("there", [True, False])
def test_check_asks_whether_nginx_s_image_can_be_had(shop: Site, tell: Tell, there: bool) -> None:
    shop.document["x-bluegreen"]["proxy"] = {"image": "registry.example/nginx:1.30"}
    if there:
        shop.engine.registry["registry.example/nginx:1.30"] = "sha256:n"
    code, found = tell("check")
    (it,) = [it for it in found["findings"] if "registry.example/nginx" in it["found"]]
    assert (it["outcome"], code) == (("ok", 0) if there else ("failed", 1))


def test_leaving_says_what_to_type_and_what_is_left(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    live.release("shop:2")
    assert live.run("switch") == 0
    live.release("shop:1")  # somebody has built something else meanwhile
    capsys.readouterr()
    assert live.run("down", "--yes") == 0
    said = capsys.readouterr().out
    assert "To serve release 2 with plain Compose: docker compose --file compose.yaml" in said
    assert "docker compose up -d alone starts what was built or pulled last" in said
    assert "starts release 2, which was live" in said
    assert f"rm -r {live.state}" in said
    assert live.run("status") == 1
    said = capsys.readouterr().err
    assert "shop is down." in said
    assert "release 2 was the last that served" in said
    assert live.run("up") == 0


def test_a_note_is_told_once_by_up_and_again_when_it_is_new(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.run("up") == 0
    assert "has no profile" not in capsys.readouterr().err, "the first up has told it"
    live.document["services"]["web"]["ports"] = [{"target": 22, "published": "2222"}]
    assert live.run("up") == 0
    said = capsys.readouterr().err
    assert "port 2222 is not published any more" in said
    assert "has no profile" not in said
    (live.state / "shown").write_bytes(b"\xff\xfe")
    assert live.run("up") == 0
    assert "has no profile" in capsys.readouterr().err
