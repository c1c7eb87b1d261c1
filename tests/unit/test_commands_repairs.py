"""What `up` and `switch` do about an app that is not whole, and what they refuse; on a machine that is not real."""

from __future__ import annotations

from typing import Any

import click
import pytest

from bluegreen.cli import output
from bluegreen.compose import profiles
from bluegreen.errors import BluegreenError
from bluegreen.flow import up as ups
from bluegreen.flow.prerequisites import first_file
from bluegreen.state.journal import Journal
from tests.fakes.engine_api import Container
from tests.fakes.site import Site, Tell

PLAIN = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False"}


def _steps(found: Any) -> dict[str, str]:
    return {it["step"]: it["detail"] for it in found["steps"]}


def _plain(shop: Site, service: str, port: int = 0) -> Container:
    published = {f"{port}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]} if port else {}
    labels = PLAIN | {"com.docker.compose.service": service}
    return shop.engine.add(f"shop-{service}-1", Labels=labels, HostConfig={"PortBindings": published})


# -- the proxy and its file


def test_a_file_that_was_lost_is_there_before_nginx_is_started(two: Site, tell: Tell) -> None:
    proxy = two.engine.named("shop-proxy")
    two.engine.stop({}, {}, proxy.id)
    proxy.output = b'{"color": "green"}\n'
    (two.state / "nginx" / "nginx.conf").unlink()
    code, found = tell("up", "--live", "green")  # its log is no proof, and both colors have containers
    assert (code, found["outcome"], found["live"]) == (0, "repaired", {"color": "green", "release": 2}), found
    assert two.nginx is not None
    assert (two.nginx.live, two.nginx.loaded.live) == ("green", "green")
    assert tell("flip-back")[1]["live"]["release"] == 1


@pytest.mark.parametrize("accepted", [True, False])
def test_an_nginx_that_ends_at_its_file_gets_one_that_is_accepted_today(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, accepted: bool
) -> None:
    proxy = live.engine.named("shop-proxy")
    live.engine.stop({}, {}, proxy.id)
    proxy.state = "restarting"
    written: list[Any] = []

    def note(tools: Any, stack: Any, text: str, routing: Any) -> None:
        written.append(routing.live)
        if not accepted:
            raise BluegreenError("nginx refuses the file.")
        first_file(tools, stack, text, routing)

    monkeypatch.setattr(ups, "first_file", note)
    code, found = tell("up")
    assert (code, found["live"]["release"]) == (0, 1), found
    assert written == ["blue"]
    assert live.engine.named("shop-proxy").state == "running"
    ours = [it.rpartition("/")[2] for it in live.engine.asked if it.startswith(f"POST /containers/{proxy.id}/")]
    assert ours[-2:] == ["stop", "start"], "the Engine's own next try may be a minute away"


def test_an_nginx_that_sees_folders_which_are_gone_is_restarted(live: Site, tell: Tell) -> None:
    execute, before = live.engine.execute, live.nginx
    live.engine.execute = lambda it, words: (
        (0, b"1\n2") if "stat -c" in " ".join(words) and live.nginx is before else execute(it, words)
    )
    asked = len(live.engine.asked)
    code, found = tell("up")
    assert (code, found["outcome"]) == (0, "repaired"), found
    assert len([it for it in live.engine.asked[asked:] if it.endswith("/restart")]) == 1
    assert _steps(found)["proxy"].startswith("restarted, ")


# -- what is missing


def test_containers_that_are_gone_are_not_made_of_another_file(live: Site, tell: Tell) -> None:
    gone = live.replicas("blue")[0]
    del live.engine.containers[gone.id]
    live.document["services"]["web"]["environment"] = {"MODE": "other"}
    code, found = tell("up")
    assert (code, found["error"]["traffic"]) == (1, "blue, release 1 (unchanged)")
    assert "the Compose file has changed since" in found["error"]["summary"]
    assert found["error"]["next"].startswith("bluegreen switch")
    assert len(live.replicas("blue")) == 1


def test_up_says_that_the_file_differs_from_what_is_live(live: Site, tell: Tell) -> None:
    assert tell("up")[1]["warnings"] == []
    live.document["services"]["web"]["environment"] = {"MODE": "other"}
    code, found = tell("up")
    assert (code, found["outcome"]) == (0, "unchanged")
    assert "differs from release 1" in found["warnings"][0]
    assert found["warnings"][0].endswith("bluegreen switch")
    assert "release 1 is live" in found["message"]


def test_a_live_color_that_stays_sick_is_an_error_of_up(live: Site, tell: Tell) -> None:
    live.document["x-bluegreen"]["health"]["timeout"] = "30ms"
    live.replicas("blue")[0].state = "exited"
    live.sick.add(1)
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (1, "blue is not healthy.")
    assert found["error"]["failed"].startswith("web-1 answered 503")
    assert found["error"]["next"] == "bluegreen logs blue"
    assert live.running("blue") == 2, "it was started all the same"


def test_a_release_that_never_ended_is_cleared(live: Site, tell: Tell) -> None:
    for number, state in ((1, "created"), (2, "exited")):
        labels = {
            "bluegreen.app": "shop", "bluegreen.color": "green", "bluegreen.service": "web", "bluegreen.release": "2",
            "bluegreen.number": str(number), "bluegreen.role": "routed", "bluegreen.definition": "d",
        }  # fmt: skip
        live.engine.add(f"shop-green-web-{number}", state, Labels=labels, Image="sha256:shop-2", HostConfig={})
    code, found = tell("up")
    assert (code, _steps(found).get("clear")) == (0, "1 container removed"), found
    assert [it.name for it in live.replicas("green")] == ["shop-green-web-2"], "a failed one stays for its logs"


def test_up_starts_routed_containers_of_the_way_back_and_no_job_there(two: Site, tell: Tell) -> None:
    for it in (*two.replicas("blue"), *two.replicas("green", "worker")):
        it.state = "exited"
    code, found = tell("up")
    assert (code, found["outcome"]) == (0, "repaired"), found
    assert _steps(found)["warm"] == "shop-blue-web-1, shop-blue-web-2"
    assert _steps(found)["start"] == "shop-green-worker-1"
    assert two.replicas("green", "worker")[0].policy["Name"] == "always"
    assert (two.running("blue", "worker"), two.replicas("blue", "worker")[0].policy["Name"]) == (0, "no")
    assert found["message"] == "repaired: start, health, warm"


# -- a take-over


def test_a_take_over_that_was_killed_is_gone_on_with(live: Site, tell: Tell) -> None:
    web = _plain(live, "web")
    code, found = tell("up")
    assert (code, found["outcome"], web.state) == (0, "unchanged", "running")
    code, found = tell("up", "--adopt")
    assert (code, found["outcome"]) == (0, "repaired"), found
    assert web.id not in live.engine.containers
    assert [words for words in found["warnings"] if words.startswith("Taken over from shop-web-1")]


def test_a_take_over_that_cannot_be_gone_on_with_is_put_back(live: Site, tell: Tell) -> None:
    web, worker = _plain(live, "web"), _plain(live, "worker")
    live.engine.refuse[f"POST /containers/{worker.id}/stop"] = (500, {"message": "stuck"})
    code, found = tell("up", "--adopt")
    assert code == 1, found
    assert "stuck" in found["error"]["failed"]
    assert (web.state, worker.state) == ("running", "running")
    assert found["error"]["traffic"] == "blue, release 1 (unchanged)"
    assert tell("status")[1]["drift"] is None, "nginx served visitors before, and still does"


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_killed_take_over_that_fails_again_says_where_traffic_is(live: Site, tell: Tell, comes_back: bool) -> None:
    web, worker = _plain(live, "web"), _plain(live, "worker")
    del live.engine.named("shop-proxy").networks["shop_bluegreen_public"]
    live.engine.refuse[f"POST /containers/{worker.id}/stop"] = (500, {"message": "stuck"})
    if not comes_back:
        live.engine.refuse[f"POST /containers/{web.id}/start"] = (500, {"message": "no more"})
    code, found = tell("up", "--adopt")
    error = found["error"]
    if comes_back:
        assert (code, error["traffic"]) == (1, "shop-web-1 of plain Compose (started again)"), found
    else:
        assert (code, error["code"], error["traffic"]) == (5, "take-over-failed", "unknown; look now"), found
        assert "stuck" in error["failed"]
        assert "no more" in error["failed"]


def test_what_serves_before_a_take_over_is_named_while_nothing_has_moved(shop: Site, tell: Tell) -> None:
    shop.document["x-bluegreen"]["health"]["timeout"] = "30ms"
    web, worker = _plain(shop, "web", 8123), _plain(shop, "worker")
    shop.sick.add(1)
    code, found = tell("up", "--adopt")
    assert (code, found["error"]["traffic"]) == (1, "shop-web-1 of plain Compose (unchanged)"), found
    assert (web.state, worker.state) == ("running", "running")


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_take_over_that_fails_says_where_traffic_is(shop: Site, tell: Tell, comes_back: bool) -> None:
    web = _plain(shop, "web", 8123)
    shop.engine.refuse["POST /networks/shop_bluegreen_public/connect"] = (500, {"message": "port is already allocated"})
    if not comes_back:
        shop.engine.refuse[f"POST /containers/{web.id}/start"] = (500, {"message": "no more"})
    code, found = tell("up", "--adopt")
    traffic = found["error"]["traffic"]
    if comes_back:
        assert (code, traffic) == (4, "shop-web-1 of plain Compose (started again)"), found
        assert web.state == "running"
    else:
        assert (code, traffic) == (5, "unknown; look now")
        assert "no more" in found["error"]["failed"]
        assert "already allocated" in found["error"]["failed"]
        assert found["error"]["expected"].startswith("shop-web-1 ")
    assert tell("history")[1]["releases"][0]["outcome"] == "moved back"


# -- a switch


def test_what_serves_by_failover_makes_no_room_for_a_release(two: Site, tell: Tell) -> None:
    two.document["x-bluegreen"]["failover"] = True
    assert tell("up")[0] == 0
    two.release("shop:1")
    for it in two.replicas("green"):
        it.state = "exited"
    before = list(two.engine.containers)
    code, found = tell("switch")
    assert (code, found["error"]["traffic"]) == (1, "blue, in place of green"), found
    assert found["error"]["next"].startswith("bluegreen flip-back")
    assert list(two.engine.containers) == before


def test_what_stands_prepared_is_not_prepared_again(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    assert tell("prepare")[0] == 0
    made = [it.id for it in live.replicas("green")]
    code, found = tell("prepare")
    assert (code, found["outcome"], found["steps"]) == (0, "unchanged", [])
    assert found["live"] == {"color": "blue", "release": 1}
    assert "release 2 is prepared on green" in found["message"]
    assert [it.id for it in live.replicas("green")] == made
    code, found = tell("prepare", "--force")
    assert (code, found["outcome"]) == (0, "prepared")
    assert [it.id for it in live.replicas("green")] != made


def test_nothing_new_is_no_reason_to_leave_a_live_color_that_is_not_whole(live: Site, tell: Tell) -> None:
    live.replicas("blue")[1].state = "exited"
    code, found = tell("switch")
    assert (code, found["error"]["failed"]) == (1, "shop-blue-web-2 is exited"), found
    assert found["error"]["next"] == "bluegreen up (makes blue complete), or bluegreen switch --force"
    live.replicas("blue")[1].state = "running"
    (worker,) = live.replicas("blue", "worker")
    worker.state, worker.code = "exited", 1
    assert "worker" in tell("switch")[1]["error"]["failed"]
    worker.code = 0
    code, found = tell("switch")
    assert (code, found["outcome"]) == (0, "unchanged"), "a job that has done its work"
    assert "release 1 on blue is what the Compose file says" in found["message"]


def test_a_release_that_is_live_is_not_brought_back(two: Site, tell: Tell) -> None:
    code, found = tell("switch", "--to", "2")
    assert (code, found["outcome"]) == (0, "unchanged")
    assert found["message"].endswith("is what release 2 was")
    journal = Journal(two.state, lambda: "now", lambda _: None)
    assert journal.operations.unfinished() is None
    assert journal.pending_images.names() == {}, "no image is in the making any more"
    journal.close()


def test_an_earlier_command_that_never_ended_is_said_to_be(two: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for target, words in (("blue", "abandoned"), ("green", "finished")):
        journal = Journal(two.state, lambda: "at noon", lambda _: None)
        number = journal.operations.start("switch", 3, target)
        journal.operations.step(number, {"phase": "prepare", "step": "image", "color": target, "seconds": 1.0,
                                         "outcome": "done", "detail": ""})  # fmt: skip
        journal.close()
        assert two.run("up") == 0
        (note,) = [line for line in capsys.readouterr().err.splitlines() if "never ended" in line]
        assert "An earlier switch (started at noon)" in note
        assert words in note
        assert note.endswith("traffic is on green.")
    assert two.run("up") == 0
    assert "never ended" not in capsys.readouterr().err


# -- and the habit of typing docker compose up -d


@pytest.mark.parametrize("words", [["--json"], []])
def test_after_a_take_over_what_to_write_is_said_where_nobody_can_be_asked(
    shop: Site, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    _plain(shop, "web", 8123)
    assert shop.run("up", "--adopt", *words) == 0
    printed = capsys.readouterr()
    assert (
        "A plain docker compose up would start web, worker beside the colors. To keep it from that: bluegreen init"
        f" --write (adds to {shop.project}/compose.yaml: web: profiles: [release]; worker: profiles: [release])"
    ) in " ".join((printed.out + printed.err).split())
    assert (shop.project / "compose.yaml").read_text() == "services: {}\n"


@pytest.mark.parametrize(("answer", "written"), [(True, True), (False, False)])
def test_after_a_take_over_a_person_is_asked(
    shop: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bool, written: bool
) -> None:
    _plain(shop, "web", 8123)
    asked: list[str] = []
    added: list[str] = []
    monkeypatch.setattr(output, "terminal", lambda _: True)

    def confirm(question: str, **_: Any) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(click, "confirm", confirm)

    def add(*arguments: Any) -> profiles.Profiles:
        added.extend(arguments[-1])
        return profiles.Profiles(["web"], [], {"worker": "it is not in this file"})

    monkeypatch.setattr(profiles, "add", add)
    assert shop.run("up", "--adopt", "--progress", "plain") == 0
    assert [f"[release] to web, worker in {shop.project}/compose.yaml, so" in words for words in asked] == [True]
    printed = capsys.readouterr()
    assert (added == ["web", "worker"]) == written
    assert ("added      profiles: [release] to web" in printed.err) == written
    assert ("worker got no profile: it is not in this file." in printed.err) == written
    assert ("would start web, worker beside" in printed.out + printed.err) != written


def test_a_file_that_cannot_be_written_does_not_undo_a_take_over(
    shop: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _plain(shop, "web", 8123)
    monkeypatch.setattr(output, "terminal", lambda _: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: True)

    def add(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied", "compose.yaml")

    monkeypatch.setattr(profiles, "add", add)
    assert shop.run("up", "--adopt", "--progress", "plain") == 0
    printed = capsys.readouterr()
    assert f"No profile was added to {shop.project}/compose.yaml: Permission denied." in printed.out + printed.err


def test_nobody_is_asked_when_every_service_has_a_profile(shop: Site, tell: Tell) -> None:
    for name in ("web", "worker"):
        shop.document["services"][name]["profiles"] = ["release"]
    _plain(shop, "web", 8123)
    code, found = tell("up", "--adopt")
    assert code == 0
    assert not [words for words in found["warnings"] if "plain docker compose up" in words]
