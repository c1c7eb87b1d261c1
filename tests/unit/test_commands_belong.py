"""Whose app it is, what stands in the way of it, and its end, on a machine that is not real."""

from __future__ import annotations

import fcntl
import gc
import io
import json
import shutil
import threading
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.fakes.engine_api import Container
from tests.fakes.site import Nginx, Site, Tell

PLAIN = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False"}


def _elsewhere(shop: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shop.folder / "copy"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {}\n")
    monkeypatch.chdir(folder)
    return folder


def test_an_app_of_another_folder_is_left_alone_unless_this_one_takes_its_place(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _elsewhere(live, monkeypatch)
    live.release("shop:2")
    before = list(live.engine.containers)
    for words in (["switch"], ["up"], ["prepare"]):
        code, found = tell(*words)
        assert (code, found["error"]["summary"]) == (2, "The app shop belongs to another folder."), found
        assert found["error"]["failed"] == f"it was made from {live.project}; this is {folder}"
    assert live.run("flip-back") == 2
    assert live.run("down", "--yes") == 2
    assert list(live.engine.containers) == before
    assert live.run("status") == 0, "a look says whose it is"
    assert f"shop is the app of {live.project}; this is {folder}" in capsys.readouterr().err
    assert tell("switch", "--here")[0] == 0
    assert json.loads((live.state / "project.json").read_text())["folder"] == str(folder)
    assert tell("up")[0] == 0, "and it is this folder's from now on"


def test_a_folder_serves_one_app_unless_a_name_was_typed(live: Site, tell: Tell) -> None:
    live.document["name"] = "other"
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (2, "This folder serves the app shop, not other.")
    code, found = tell("-p", "other", "up", "--dry-run")
    assert (code, found["error"]["summary"]) == (
        1,
        f"Port 8123 is held by shop-proxy, the proxy of the app shop ({live.project}).",
    )


def test_the_state_beside_the_compose_file_is_brought_home(live: Site, tell: Tell) -> None:
    old = live.project / ".bluegreen"
    shutil.copytree(live.state, old, symlinks=True, ignore=shutil.ignore_patterns("*.sock", "lock"))
    old.chmod(0o700)
    shutil.rmtree(live.state)
    assert live.nginx is not None
    live.nginx.end()
    proxy = live.engine.named("shop-proxy")
    proxy.labels["bluegreen.state"] = str(old)
    live.engine.restart({}, {}, proxy.id)
    assert tell("status")[1]["live"]["release"] == 1
    code, found = tell("up")
    assert code == 0, found
    assert (live.state / "nginx" / "nginx.conf").is_file()
    assert not old.exists() or (old.is_symlink() and old.resolve() == live.state.resolve())
    assert live.state.stat().st_mode & 0o777 == 0o700
    assert tell("status")[1]["live"]["release"] == 1


def test_a_state_that_was_deleted_is_made_again_from_labels_and_nginx(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    assert tell("switch")[0] == 0
    (live.state / "nginx" / "nginx.conf").unlink()
    code, found = tell("status")
    assert (code, found["live"]["color"], found["live"]["release"]) == (0, "green", 2)
    assert found["idle"]["standing"] == "previous"
    assert found["live"]["replicas"]["web"]["running"] == 2
    code, found = tell("up")
    assert (code, found["live"]["release"]) == (0, 2), found
    assert (live.state / "nginx" / "nginx.conf").is_file()
    assert live.nginx is not None
    assert (live.nginx.live, set(live.nginx.loaded.slots)) == ("green", {"blue", "green"})
    assert tell("flip-back")[1]["live"]["release"] == 1


@pytest.mark.parametrize("live_color", ["blue", "green"])
def test_without_nginx_no_guess_is_live_and_a_person_says_which(live: Site, tell: Tell, live_color: str) -> None:
    """Row 69: a release that was merely prepared had its preview requests in the log as well."""
    live.release("shop:2")
    assert tell("switch")[0] == 0
    proxy = live.engine.named("shop-proxy")
    live.engine.stop({}, {}, proxy.id)
    proxy.output = b'{"color": "blue"}\n{"color": "green"}\n'
    (live.state / "nginx" / "nginx.conf").unlink()
    for verb in ("status", "up"):
        code, found = tell(verb)
        assert (code, found["error"]["failed"]) == (5, "nginx does not answer, and both colors have containers"), verb
        assert found["error"]["next"] == "bluegreen up --live blue (release 1) or bluegreen up --live green (release 2)"
    assert proxy.state == "exited", "nothing was started"
    code, found = tell("up", "--live", live_color)
    assert (code, found["live"]["color"]) == (0, live_color), found
    standing = {"green": "previous", "blue": "prepared"}[live_color]
    assert tell("status")[1]["idle"]["standing"] == standing, "the way back is the older one alone"


def test_the_only_color_that_has_containers_is_the_live_one(live: Site, tell: Tell) -> None:
    proxy = live.engine.named("shop-proxy")
    live.engine.stop({}, {}, proxy.id)
    (live.state / "nginx" / "nginx.conf").unlink()
    assert tell("status")[1]["live"]["color"] == "blue"


def test_what_a_person_says_does_not_count_when_nginx_answers(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    assert tell("switch")[0] == 0
    (live.state / "nginx" / "nginx.conf").unlink()
    assert tell("up", "--live", "blue")[1]["live"]["color"] == "green"


def _plain(shop: Site, service: str, port: int | None = None, name: str = "") -> Container:
    published = {f"{port}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]} if port else {}
    return shop.engine.add(
        name or f"shop-{service}-1", Labels=PLAIN | {"com.docker.compose.service": service},
        HostConfig={"PortBindings": published},
    )  # fmt: skip


def test_what_plain_compose_runs_is_taken_over_when_asked(shop: Site, tell: Tell) -> None:
    web, worker = _plain(shop, "web", 8123), _plain(shop, "worker")
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (
        1, "Port 8123 is held by shop-web-1, which plain Compose runs.",
    ), found  # fmt: skip
    assert "up --adopt" in found["error"]["next"]
    assert (web.state, worker.state) == ("running", "running")
    code, found = tell("up", "--adopt")
    assert (code, found["live"]) == (0, {"color": "blue", "release": 1}), found
    assert {web.id, worker.id} & set(shop.engine.containers) == set()
    assert web.body["removed_with_volumes"] in ("False", "false", "0", None), "volumes stay"
    assert found["message"].startswith("Taken over from shop-web-1, shop-worker-1. Requests failed for at most "), (
        found["message"]
    )
    assert "shop_bluegreen_public" in shop.engine.named("shop-proxy").networks
    assert (shop.running("blue"), shop.running("blue", "worker")) == (2, 1)


def test_a_take_over_that_fails_is_put_back(shop: Site, tell: Tell) -> None:
    web, worker = _plain(shop, "web", 8123), _plain(shop, "worker")
    shop.engine.refuse["POST /networks/shop_bluegreen_public/connect"] = (500, {"message": "port is already allocated"})
    code, found = tell("up", "--adopt")
    assert code in (1, 4), found
    assert (web.state, worker.state) == ("running", "running")
    assert shop.running("blue", "worker") == 0


@pytest.mark.parametrize(
    ("name", "words", "way_out"),
    [
        ("foreign", "Port 8123 is held by container foreign.", "docker stop foreign"),
        (
            "shop-db-2",
            "Port 8123 is held by shop-db-2, db of the Compose project shop.",
            "take db out of the Compose file",
        ),
    ],
)
def test_a_port_of_somebody_else_is_not_taken(shop: Site, tell: Tell, name: str, words: str, way_out: str) -> None:
    holder = _plain(shop, "db", 8123, name)
    if name == "foreign":
        holder.body["Labels"] = {}
    code, found = tell("up", "--adopt")
    assert (code, found["error"]["summary"]) == (1, words)
    assert found["error"]["next"].startswith(way_out)
    assert (holder.state, shop.replicas("blue")) == ("running", [])


def test_a_job_of_plain_compose_is_no_neighbour(shop: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    worker = _plain(shop, "worker")
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (
        1,
        "Plain Compose runs shop-worker-1, and x-bluegreen.jobs names its service.",
    )
    worker.state = "exited"
    _plain(shop, "web")
    assert shop.run("up") == 0
    assert "Plain Compose still runs shop-web-1" in capsys.readouterr().err


def test_only_one_command_acts_at_a_time(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    with (live.state / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for words in (["switch"], ["up"], ["flip-back"], ["down", "--yes"], ["switch", "--wait", "50ms"]):
            code, found = tell(*words)
            assert code == 75, (words, found)
        assert live.run("status") == 0
    assert tell("switch")[0] == 0


def test_an_up_that_is_at_work_is_waited_for_before_anything_is_said(live: Site, tell: Tell) -> None:
    """What was read before the lock is read again: the `up` that held it has made the app meanwhile."""
    file = live.state / "nginx" / "nginx.conf"
    file.rename(file.with_suffix(".later"))
    assert live.nginx is not None
    live.nginx.end()

    def made(held: TextIO) -> None:
        file.with_suffix(".later").rename(file)
        held.truncate(0)
        live.nginx = Nginx(live, live.state)
        fcntl.flock(held, fcntl.LOCK_UN)

    with (live.state / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(json.dumps({"verb": "up", "pid": 1, "started": "1", "phase": "prepare"}))
        held.flush()
        for words in (["switch"], ["flip-back"], ["prepare"]):
            assert tell(*words)[0] == 1, "without --wait at once"
        assert tell("switch", "--wait", "50ms")[0] == 75
        assert tell("flip-back", "--wait", "50ms")[0] == 75
        threading.Timer(0.3, made, [held]).start()
        live.release("shop:2")
        code, found = tell("switch", "--wait", "5s")
    assert (code, found["outcome"]) == (0, "switched"), found


def test_the_end_of_an_app(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    live.document["volumes"] = {"data": {"name": "shop_data"}, "theirs": {"name": "theirs", "external": True}}
    for name in ("shop_data", "theirs"):
        live.engine.volume_create({}, {"Name": name})
    assert live.run("down") == 2
    assert "without a terminal, say --yes" in capsys.readouterr().err
    assert live.running("blue") == 2
    code, found = tell("down", "--yes", "--volumes")
    assert (code, found["outcome"]) == (0, "down")
    assert set(live.engine.volumes) == {"theirs"}
    assert any(line.endswith("down --volumes") for line in live.asked_of_compose)
    code, found = tell("status")
    assert (code, found["error"]["summary"]) == (1, "shop is down.")
    assert tell("up")[1]["live"] == {"color": "blue", "release": 2}, "numbers go on"


def test_before_the_first_up(shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["status"], ["switch"], ["flip-back"], ["prepare"]):
        code, found = tell(*words)
        assert (code, found["error"]["summary"], found["error"]["traffic"]) == (1, "Nothing is live yet.", "none yet")
        assert found["error"]["next"] == "bluegreen up"
    assert tell("apps") == (0, {"apps": [], "edges": [], "notes": []})
    assert list(shop.states.iterdir()) == []
    empty = shop.folder / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (2, "There is no Compose file here or above.")
    code, found = tell("-f", "no.yaml", "up")
    assert (code, found["error"]["failed"].endswith("no.yaml does not exist")) == (2, True), found


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # docker-py leaves a socket that could not connect
def test_an_engine_that_is_not_there_and_one_that_refuses(shop: Site, tell: Tell) -> None:
    shop.engine.refuse["POST /containers/create"] = (500, {"message": "no space\nleft on device"})
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (1, "The Docker Engine refused a request.")
    assert found["error"]["failed"] == "no space left on device (POST /v1.44/containers/create: 500)"
    (shop.folder / "engine.sock").unlink()
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (1, "The Docker Engine does not answer.")
    gc.collect()


def test_what_a_release_must_say(live: Site, tell: Tell) -> None:
    live.document["x-bluegreen"]["require"] = ["owner", "expect"]
    live.release("shop:2")
    code, found = tell("switch", "--owner", "Ada")
    assert (code, found["error"]["summary"]) == (2, "A release of this app must say its expect.")
    code, found = tell("switch")
    assert found["error"]["summary"] == "A release of this app must say its owner and its expect."
    assert tell("switch", "--owner", "Ada", "--expect", "faster")[0] == 0
    assert tell("history")[1]["releases"][0]["expect"] == "faster"


# -- init


def test_init_proposes_a_block_and_writes_it_at_the_end(
    shop: Site, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shop.project / "compose.yaml"
    assert shop.run("init") == 0
    assert "has an x-bluegreen block already" in capsys.readouterr().out
    del shop.document["x-bluegreen"]
    shop.document["services"]["web"]["ports"] = [{"target": 8000, "published": "80"}]
    code, found = tell("init")
    assert (code, found["block"]["service"], found["block"]["port"]) == (0, "web", 8000)
    assert file.read_text() == "services: {}\n"
    assert shop.run("init") == 0
    assert capsys.readouterr().out.startswith("x-bluegreen:\n  service: web\n  port: 8000\n")
    assert shop.run("init", "--write") == 2, "Compose here does not see the block"
    assert file.read_text() == "services: {}\n", "so the file is as it was"
    del shop.document["services"]["web"]
    del shop.document["services"]["worker"]
    assert shop.run("init") == 1


def test_init_takes_out_what_two_colors_cannot_share(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    file = shop.project / "compose.yaml"
    written = "services:\n  web:\n    container_name: shop # the old one\n    image: shop:1\n"
    file.write_text(written)
    del shop.document["x-bluegreen"]
    del shop.document["services"]["worker"]
    web = shop.document["services"]["web"]
    web["ports"] = [{"target": 8000, "published": "80"}]
    after = {**shop.document, "services": {**shop.document["services"], "web": dict(web)}, "x-bluegreen": {}}
    (shop.folder / "with_block.json").write_text(json.dumps(after))
    web["container_name"] = "shop"
    assert shop.run("init", "--write") == 0
    assert "taken out  container_name of web" in capsys.readouterr().err
    assert file.read_text().startswith("services:\n  web:\n    image: shop:1\n\nx-bluegreen:\n  service: web\n")


def test_init_asks_one_question_on_a_terminal_and_says_so_elsewhere(
    shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del shop.document["x-bluegreen"]
    for name, port in (("admin", 9000), ("site", 7000)):
        shop.document["services"][name] = {
            "build": {"context": "."},
            "ports": [{"target": port, "published": str(port)}],
        }
    assert shop.run("init") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("x-bluegreen:\n  service: site\n")
    assert "site is proposed; another one: bluegreen init --service admin:9000" in printed.err
    code, found = tell("init", "--service", "admin")
    assert (code, found["block"]["service"], found["block"]["listen"]) == (0, "admin", 9000)
    assert tell("init", "--service", "web")[1]["error"]["summary"] == "web cannot be the routed service."
    assert tell("init", "--service", "web:8000")[1]["block"]["port"] == 8000
    assert tell("init", "--service", "web:x")[0] == tell("init", "--service", "none:80")[0] == 2
    monkeypatch.setattr("sys.stdin", Terminal("admin\n"))
    monkeypatch.setattr("sys.stderr", Terminal())
    assert shop.run("init") == 0
    assert capsys.readouterr().out.count("service: admin") == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_init_from_nothing(shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shop.folder / "fresh"
    folder.mkdir()
    monkeypatch.chdir(folder)
    code, found = tell("init")
    assert (code, found["error"]["summary"]) == (2, "There is no Compose file, and no application was found.")
    (folder / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    code, found = tell("init", "--write")
    assert (code, found["error"]["summary"]) == (
        2, "main.py is a FastAPI application, and nothing says what it needs.",
    )  # fmt: skip
    assert found["error"]["next"].startswith("printf '%s\\n' fastapi uvicorn > requirements.txt, then bluegreen init")
    (folder / "requirements.txt").write_text("fastapi\nuvicorn\n")
    (folder / ".dockerignore").write_text("*.pyc")
    code, found = tell("init")
    assert (code, "compose.yaml" in found["would_write"], found["dockerignore"]) == (0, True, [".env", ".git"])
    assert not (folder / "compose.yaml").exists(), "without --write nothing is written"
    assert shop.run("init") == 0
    code, found = tell("init", "--write")
    assert (code, found["file"]) == (0, str(folder / "compose.yaml"))
    assert all((folder / name).is_file() for name in found["written"])
    assert "x-bluegreen:" in (folder / "compose.yaml").read_text()
    assert (folder / ".dockerignore").read_text() == "*.pyc\n.env\n.git\n"


def test_init_with_json_prints_json_and_nothing_else(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*words: str) -> tuple[dict[str, Any], str]:
        capsys.readouterr()
        shop.run("init", *words, "--json")
        found = capsys.readouterr()
        return json.loads(found.out), found.err

    assert printed()[0]["block"] is None, "it has one already"
    block = shop.document.pop("x-bluegreen")
    shop.document["services"]["web"]["ports"] = [{"target": 8000, "published": "80", "protocol": "tcp"}]
    found, said = printed()
    assert found["block"]
    assert said == ""
    shop.document["services"]["web"]["container_name"] = "shop"  # in another file than the one that gets the block
    (shop.folder / "with_block.json").write_text(json.dumps({**shop.document, "x-bluegreen": block}))
    found, said = printed("--write")
    assert found["block"]
    assert "x-bluegreen" in (shop.project / "compose.yaml").read_text()
    assert said == ""
    assert found["write_also"]["take_out"] == ["web.container_name"]
    assert [it for it in found["advice"] if it.startswith("container_name of web is not in ")], "nothing is kept back"
    (shop.folder / "with_block.json").unlink()
    (shop.project / "compose.yaml").write_text("services: {}\n")
    found, said = printed("--write")
    assert (found["error"]["exit_code"], said) == (2, ""), "one document, when nothing could be written, too"
