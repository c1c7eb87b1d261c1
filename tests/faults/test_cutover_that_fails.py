"""A cutover that nginx does not follow is renamed back (exit 4); one that it does not answer to is exit 5; a reload
that nginx does not carry out never moves traffic."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Project


def test_a_seal_that_nginx_does_not_load_is_no_reason_to_move_anything(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    stored = lean.state / "nginx" / "live-blue.conf"
    stored.write_text(stored.read_text().replace("worker_processes auto;", "worker_processes many;"))
    with Load(lean.port, {"get": 30, "fresh": 5}) as load:
        time.sleep(0.5)
        lean.ok("flip-back")
        time.sleep(0.5)
    assert load.tally.lost == [], load.tally.why()
    assert lean.color() == "blue"
    assert '"worker_processes" directive invalid value' in _proxy_log(lean), "nginx did refuse the file"
    assert "the file says blue" in str(lean.status()["drift"]), "who looks sees that the seal is not loaded"
    lean.ok("up", GREETING="two")
    assert lean.status()["drift"] is None
    assert lean.color() == "blue"


def test_a_route_that_nginx_does_not_follow_is_renamed_back_and_loses_nothing(lean: Project) -> None:
    """The folder that the proxy has mounted is not the one that is there: its nginx looks at the route of before."""
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    mounted, kept = lean.state / "nginx", lean.state / "mounted"
    mounted.rename(kept)
    subprocess.run(["cp", "-a", str(kept), str(mounted)], check=True)
    with Load(lean.port, {"get": 30, "fresh": 5}) as load:
        time.sleep(0.5)
        done = lean.run("flip-back", "--json")
        time.sleep(0.5)
    assert done.code == 4, done
    found = done.json()
    assert found["outcome"] == "moved-back"
    assert "nginx answers green on its control socket instead of blue" in found["error"]["failed"]
    assert found["error"]["traffic"] == "green (moved back, confirmed)"
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"green"}
    subprocess.run(["rm", "-rf", str(mounted)], check=True)
    kept.rename(mounted)
    assert lean.status()["drift"] is None


def test_a_route_that_cannot_be_renamed_moves_nothing(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    route = lean.state / "nginx" / "route"
    (route / ".live.new").mkdir()  # what a rename would have to go through
    with Load(lean.port, {"get": 30, "fresh": 5}) as load:
        done = lean.run("flip-back", "--json")
        time.sleep(0.5)
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"green"}
    (route / ".live.new").rmdir()
    assert done.code == 1, done
    assert done.json()["error"]["summary"] == "The route cannot be renamed."
    assert done.json()["error"]["traffic"] == "green, release 2 (unchanged)"
    assert lean.color() == "green"
    lean.ok("flip-back")
    assert lean.color() == "blue"


@pytest.mark.long
def test_a_proxy_that_does_not_react_is_exit_5_and_up_mends_it(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    docker("pause", f"{lean.name}-proxy")
    done = lean.run("flip-back", "--force", "--json")
    assert done.code == 5, done
    error = done.json()["error"]
    assert error["summary"] == "It is not known where traffic goes."
    assert error["next"] == "bluegreen status"
    docker("unpause", f"{lean.name}-proxy")
    assert lean.color() == "green"
    lean.ok("up", GREETING="two")
    assert lean.status()["drift"] is None
    lean.ok("flip-back")
    assert lean.color() == "blue"


def _proxy_log(project: Project) -> str:
    done = subprocess.run(["docker", "logs", f"{project.name}-proxy"], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr
