"""The verbs, one after the other, as a person or a script uses them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from tests.support.machine import BIN, docker, free_port
from tests.support.project import Project


@pytest.mark.long
def test_up_twice_changes_nothing_and_mends_what_is_missing(shop: Project) -> None:
    first = shop.ok("up", "--json").json()
    assert (first["outcome"], first["live"]) == ("switched", {"color": "blue", "release": 1})
    before = docker("ps", "-q", "--no-trunc", "--filter", f"label=bluegreen.app={shop.name}")
    again = shop.ok("up", "--json").json()
    assert again["outcome"] == "unchanged"
    assert docker("ps", "-q", "--no-trunc", "--filter", f"label=bluegreen.app={shop.name}") == before

    docker("rm", "-f", f"{shop.name}-blue-web-1")
    docker("stop", "-t", "1", f"{shop.name}-blue-api-1")
    docker("rm", "-f", f"{shop.name}-proxy")
    docker("rm", "-f", f"{shop.name}-valkey-1")
    repaired = shop.ok("up", "--json").json()
    assert repaired["outcome"] == "repaired"
    assert {"recreate", "start", "proxy"} <= {step["step"] for step in repaired["steps"]}
    assert shop.color() == "blue"
    assert shop.get("/api/orders")[0] == 200
    assert shop.ok("up", "--json").json()["outcome"] == "unchanged"


@pytest.mark.long
def test_a_switch_with_nothing_new_does_nothing_unless_forced(shop: Project) -> None:
    shop.ok("up")
    done = shop.ok("switch", "--json").json()
    assert done["outcome"] == "unchanged"
    assert shop.live() == "blue"
    assert shop.containers("bluegreen.color=green") == []
    forced = shop.ok("switch", "--force", "--json").json()
    assert (forced["outcome"], forced["live"]) == ("switched", {"color": "green", "release": 2})
    assert forced["previous"] == {"color": "blue", "release": 1}


@pytest.mark.long
def test_a_tag_and_an_image_override_release_another_image(shop: Project) -> None:
    shop.ok("up")
    docker("tag", "bluegreen-test/shop:dev", "bluegreen-test/shop:next")
    assert shop.ok("switch", "--no-build", "--json", TAG="next").json()["outcome"] == "switched"
    images = shop.status()["live"]["images"]
    assert images["web"]["ref"] == "bluegreen-test/shop:next"
    docker("tag", "bluegreen-test/shop:dev", "bluegreen-test/shop:web-only")
    shop.ok("switch", "--no-build", "--image", "web=bluegreen-test/shop:web-only", TAG="next")
    images = shop.status()["live"]["images"]
    assert images["web"]["ref"] == "bluegreen-test/shop:web-only"
    assert images["api"]["ref"] == "bluegreen-test/shop:next"
    wrong = shop.run("switch", "--image", "wbe=x:1")
    assert wrong.code == 2
    assert "--image names wbe" in wrong.err
    docker("rmi", "bluegreen-test/shop:next", "bluegreen-test/shop:web-only")


@pytest.mark.long
def test_images_are_pinned_by_id_so_a_moved_tag_changes_nothing_that_runs(shop: Project) -> None:
    shop.ok("up")
    identity = shop.status()["live"]["images"]["web"]["id"]
    assert docker("inspect", "-f", "{{.Config.Image}}", f"{shop.name}-blue-web-1") == identity


@pytest.mark.long
def test_prepare_moves_nothing_and_switch_goes_on_from_there(shop: Project) -> None:
    shop.ok("up")
    done = shop.ok("prepare", "--json", GREETING="prepared").json()
    assert (done["outcome"], done["live"], done["previous"]) == ("prepared", {"color": "blue", "release": 1}, None)
    assert shop.color() == "blue"
    assert shop.color(preview=True) == "green"
    state = shop.status()
    assert (state["idle"]["standing"], state["flip_back"]) == ("prepared", None)

    forward = shop.run("flip-back")
    assert forward.code == 1
    assert "green has only a prepared one" in forward.err
    assert shop.color() == "blue", "flip-back never moves traffic forward"

    before = docker("ps", "-aq", "--filter", f"name={shop.name}-green")
    assert shop.ok("prepare", "--json", GREETING="prepared").json()["outcome"] == "unchanged"
    done = shop.ok("switch", "--json", GREETING="prepared").json()
    assert (done["outcome"], done["live"]["color"]) == ("switched", "green")
    assert "create" not in {step["step"] for step in done["steps"]}
    assert docker("ps", "-aq", "--filter", f"name={shop.name}-green") == before, "the same containers"
    assert json.loads(shop.get("/")[1])["greeting"] == "prepared"
    shop.ok("flip-back")
    assert shop.color() == "blue"


def test_flip_back_needs_no_compose_file_no_compose_and_no_registry(shop: Project) -> None:
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    shop.write("services: [broken")
    done = shop.ok("flip-back", "--json", PATH="/usr/bin:/bin").json()
    assert (done["outcome"], done["live"]["color"]) == ("flipped-back", "blue")
    shop.file.unlink()
    shop.ok("flip-back")
    assert shop.color() == "green"
    assert shop.status()["flip_back"] == "bluegreen flip-back"
    assert shop.ok("logs", "green", "web").out


@pytest.mark.long
def test_flip_back_refuses_a_color_that_is_not_well_unless_forced(shop: Project) -> None:
    shop.variables["REPLICAS"] = "2"
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    docker("stop", "-t", "1", f"{shop.name}-blue-web-1")
    done = shop.run("flip-back")
    assert done.code == 1
    assert f"{shop.name}-blue-web-1 is exited" in done.err
    assert "flip-back --force" in done.err
    assert shop.color() == "green"
    shop.ok("flip-back", "--force")
    assert shop.color() == "blue"

    for number in (1, 2):
        docker("stop", "-t", "1", f"{shop.name}-green-web-{number}")
        docker("stop", "-t", "1", f"{shop.name}-green-api-{number}")
    done = shop.run("flip-back", "--force")
    assert done.code == 1, "a color in which nothing runs would be an outage, forced or not"
    assert shop.color() == "blue"
    shop.ok("up")
    shop.ok("flip-back")
    assert shop.color() == "green"


@pytest.mark.long
def test_jobs_run_in_the_live_color_only(shop: Project) -> None:
    def running(color: str) -> str:
        name = f"{shop.name}-{color}-worker-1"
        return docker("inspect", "-f", "{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}", name)

    shop.ok("up")
    assert running("blue") == "true always"
    shop.ok("switch", GREETING="two")
    assert (running("blue"), running("green")) == ("false no", "true always")
    shop.ok("flip-back")
    assert (running("blue"), running("green")) == ("true always", "false no")


@pytest.mark.long
def test_a_color_calls_itself_by_composes_names(shop: Project) -> None:
    """`api` asked from a container of green is green's api, never blue's."""
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    script = "import urllib.request as u; print(u.urlopen('http://api:9000/api/orders').read().decode())"
    for color in ("blue", "green"):
        for _ in range(4):
            found = json.loads(docker("exec", f"{shop.name}-{color}-web-1", "python", "-c", script))
            assert found["color"] == color


@pytest.mark.long
def test_status_says_what_is_live_what_is_idle_and_how_to_go_back(shop: Project) -> None:
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    state = shop.status()
    assert set(state) >= {"app", "live", "idle", "urls", "preview", "drift", "unfinished", "flip_back"}
    assert (state["app"], state["drift"], state["unfinished"]) == (shop.name, None, None)
    assert state["urls"] == [f"http://127.0.0.1:{shop.port}/"]
    assert state["preview"] == f"127.0.0.1:{shop.preview_port}"
    for place, color, release in (("live", "green", 2), ("idle", "blue", 1)):
        assert (state[place]["color"], state[place]["release"]) == (color, release)
        assert state[place]["replicas"]["web"] == {"wanted": 1, "running": 1, "healthy": 1}
        assert set(state[place]) >= {"color", "release", "images", "replicas", "since"}
    text = shop.ok("status").out
    assert "back        bluegreen flip-back" in text
    assert "\x1b" not in text, "plain when not a terminal"

    docker("stop", "-t", "1", f"{shop.name}-green-web-1")
    assert shop.status()["live"]["replicas"]["web"] == {"wanted": 1, "running": 0, "healthy": 0}


@pytest.mark.long
def test_drift_is_shown_and_mended(shop: Project) -> None:
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    rendered = shop.state / "nginx" / "nginx.conf"
    rendered.write_text((shop.state / "nginx" / "live-blue.conf").read_text().replace("987654321987654321", "900"))
    state = shop.status()
    assert "nginx answers green" in state["drift"]
    assert "the file says green (generation 900)" in state["drift"]
    assert state["live"]["color"] == "green", "the truth is what nginx answers"
    shop.ok("up")
    assert shop.status()["drift"] is None
    assert shop.color() == "green"


@pytest.mark.long
def test_up_applies_changed_settings_of_the_proxy(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    (lean.state / "nginx" / "live-blue.conf").unlink()
    lean.port = free_port()
    lean.write(lean.compose.replace("drain: 2s", "drain: 3s"))
    done = lean.ok("up", "--json", GREETING="two").json()
    assert done["outcome"] == "repaired"
    assert done["warnings"] == []
    assert lean.color() == "green", "served on the new port"
    assert lean.status()["urls"] == [f"http://127.0.0.1:{lean.port}/"]
    assert lean.ok("up", "--json", GREETING="two").json()["outcome"] == "unchanged"
    lean.ok("flip-back")
    assert lean.color() == "blue", "up rendered the way back that was missing"


@pytest.mark.long
def test_dry_run_prints_the_plan_and_changes_nothing(shop: Project) -> None:
    shop.ok("up")
    mine = ("ps", "-aq", "--no-trunc", "--filter", f"label=bluegreen.app={shop.name}")
    before = docker(*mine)
    out = shop.ok("switch", "--dry-run", GREETING="two").out
    assert out.startswith("switch to green, release 2\n")
    for words in ("prepare (when a step fails: traffic does not move", "cutover (when", "settle (when", "  health "):
        assert words in out
    plan = shop.ok("switch", "--dry-run", "--json", GREETING="two").json()
    assert [phase["phase"] for phase in plan["phases"]] == ["prepare", "cutover", "settle"]
    assert docker(*mine) == before
    refused = shop.run("flip-back", "--dry-run")
    assert refused.code == 1
    shop.ok("switch", GREETING="two")
    assert shop.ok("flip-back", "--dry-run").out.startswith("flip-back to blue, release 1\n")


@pytest.mark.long
def test_progress_as_json_has_one_object_a_line(shop: Project) -> None:
    done = shop.ok("up", "--progress", "json", "--json")
    events = [json.loads(line) for line in done.err.splitlines()]
    started = [event["step"] for event in events if event["event"] == "start"]
    ended = [event["step"] for event in events if event["event"] == "end"]
    assert started == ended == [step["step"] for step in done.json()["steps"]]
    assert {"phase", "step", "color", "seconds", "outcome", "detail"} <= set(done.json()["steps"][0])


@pytest.mark.long
def test_logs_interleave_both_colors_with_names(shop: Project) -> None:
    shop.ok("up")
    shop.ok("switch", GREETING="two")
    out = shop.ok("logs").out
    names = set(re.findall(rf"^({shop.name}-\w+-\w+-\d)\s+", out, re.MULTILINE))
    assert names == {
        f"{shop.name}-{color}-{service}-1" for color in ("blue", "green") for service in ("web", "api", "worker")
    }
    assert set(re.findall(rf"^{shop.name}-(\w+-\w+)", shop.ok("logs", "green", "web").out, re.MULTILINE)) == {
        "green-web"
    }
    nobody = shop.run("logs", "purple")
    assert nobody.code == 1
    assert "blue web" in nobody.err

    with subprocess.Popen(
        [str(BIN / "bluegreen"), "logs", "green", "worker", "-f"], cwd=shop.folder, env=shop.environment({}),
        stdout=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        assert "worker of" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.wait(10) == 130


def test_down_asks_keeps_volumes_and_leaves_nothing_else(shop: Project) -> None:
    shop.write(
        shop.compose.replace(
            'valkey: {image: "${VALKEY_IMAGE}"}', 'valkey: {image: "${VALKEY_IMAGE}", volumes: ["data:/data"]}'
        )
        + "volumes: {data: }\n"
    )
    shop.ok("up")
    asked = shop.run("down")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert shop.color() == "blue"
    shop.ok("down", "--yes")
    assert shop.containers() == []
    assert docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={shop.name}") == ""
    assert shop.name not in docker("network", "ls", "--format", "{{.Name}}")
    assert docker("volume", "ls", "-q", "--filter", f"name={shop.name}_data") == f"{shop.name}_data"
    shop.ok("up")
    assert shop.status()["live"]["release"] == 2, "release numbers go on"
    shop.ok("down", "--yes", "--volumes")
    assert docker("volume", "ls", "-q", "--filter", f"name={shop.name}_data") == ""


def test_ctrl_c_before_cutover_cleans_up_and_exits_130(lean: Project) -> None:
    lean.ok("up")
    with subprocess.Popen(
        [str(BIN / "bluegreen"), "switch"], cwd=lean.folder, env=lean.environment({"BEHAVIOUR": "sick"}),
        stderr=subprocess.PIPE, text=True,
    ) as switching:  # fmt: skip
        deadline = time.monotonic() + 30
        while not lean.containers("bluegreen.color=green") and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        switching.send_signal(signal.SIGINT)
        assert switching.wait(30) == 130
        assert switching.stderr is not None
        assert "Interrupted (SIGINT) before traffic moved." in switching.stderr.read()
    assert lean.containers("bluegreen.color=green") == []
    assert lean.status()["unfinished"] is None
    lean.ok("switch", GREETING="two")
    assert lean.color() == "green"


def test_a_second_command_exits_75_and_names_the_holder(lean: Project) -> None:
    lean.ok("up")
    with subprocess.Popen(
        [str(BIN / "bluegreen"), "switch"], cwd=lean.folder, env=lean.environment({"BEHAVIOUR": "sick"}),
        stderr=subprocess.DEVNULL,
    ) as switching:  # fmt: skip
        deadline = time.monotonic() + 30
        while not lean.containers("bluegreen.color=green") and time.monotonic() < deadline:
            time.sleep(0.1)
        second = lean.run("flip-back")
        assert second.code == 75
        assert f"process {switching.pid}" in second.err
        assert "switch" in second.err
        assert lean.status()["unfinished"], "status never waits, and says what is at work"
        switching.send_signal(signal.SIGTERM)
        assert switching.wait(30) == 130


def test_the_state_folder_is_private_and_the_app_learns_its_color_and_release_only(lean: Project) -> None:
    lean.ok("up")
    assert lean.state.stat().st_mode & 0o777 == 0o700
    environment = docker("inspect", "-f", "{{json .Config.Env}}", f"{lean.name}-blue-web-1")
    assert [name for name in json.loads(environment) if name.startswith("BLUEGREEN")] == [
        "BLUEGREEN_COLOR=blue",
        "BLUEGREEN_RELEASE=1",
    ]
    labels = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", f"{lean.name}-blue-web-1"))
    assert {key: labels[f"bluegreen.{key}"] for key in ("app", "color", "service", "release", "role")} == {
        "app": lean.name, "color": "blue", "service": "web", "release": "1", "role": "routed",
    }  # fmt: skip
    assert not any(name.startswith("com.docker.compose") for name in labels), "plain Compose must not see a color"


def test_plain_compose_beside_us_never_touches_a_color(shop: Project) -> None:
    shop.ok("up")
    before = shop.containers()
    for arguments in (("up", "-d", "--remove-orphans"), ("down",)):
        subprocess.run(
            ["docker-compose", *arguments], cwd=shop.folder, env=shop.environment({}), check=True, capture_output=True
        )
        assert shop.containers() == before
    assert docker("inspect", "-f", "{{.State.Running}}", f"{shop.name}-blue-web-1") == "true"


def test_completion_is_printed_for_each_shell(lean: Project) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_BLUEGREEN_COMPLETE" in lean.ok("completion", shell).out
    done = subprocess.run(
        [str(BIN / "bluegreen")], capture_output=True, text=True, check=True,
        env={**os.environ, "_BLUEGREEN_COMPLETE": "bash_complete", "COMP_WORDS": "bluegreen fl", "COMP_CWORD": "1"},
    )  # fmt: skip
    assert "flip-back" in done.stdout
