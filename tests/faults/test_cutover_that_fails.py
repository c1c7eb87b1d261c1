"""A cutover that nginx does not carry out: moved back and confirmed is exit 4, not confirmed is exit 5."""

from __future__ import annotations

import subprocess
import time

from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Project


def test_a_file_that_nginx_does_not_load_is_taken_back_and_loses_nothing(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    stored = lean.state / "nginx" / "live-blue.conf"
    stored.write_text(stored.read_text().replace("worker_processes auto;", "worker_processes many;"))
    with Load(lean.port, {"get": 30, "fresh": 5}) as load:
        time.sleep(0.5)
        done = lean.run("flip-back", "--json")
        time.sleep(0.5)
    assert done.code == 4, done
    found = done.json()
    assert found["outcome"] == "moved-back"
    assert "instead of generation" in found["error"]["failed"]
    assert found["error"]["traffic"] == "green (moved back, confirmed)"
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"green"}
    assert '"worker_processes" directive invalid value' in _proxy_log(lean), "nginx did refuse the file"
    assert lean.status()["drift"] is None


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
