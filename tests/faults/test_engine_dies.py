"""The Engine is killed, is stopped for a while, or the power is cut: on disposable machines with both Engines."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import LEAN, SERVER
from tests.support.machine import THOROUGH, free_port, images
from tests.support.project import Project
from tests.support.second_engine import copy_image
from tests.support.second_machine import Machine, machine

MIX = {"get": 8, "fresh": 2}
BACK = 40.0  # seconds until an answer at the latest, after the Engine answers again
NAMES = ("PYTHON_IMAGE", "NGINX_IMAGE")
ASK = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=2).read().decode())"
WITH_WORKER = LEAN.replace("  drain: 2s\n", "  drain: 1s\n  jobs: [worker]\n") + (
    "  worker: {profiles: [release], image: '${PYTHON_IMAGE}', restart: always, "
    "command: [sleep, '600'], stop_grace_period: 0s}\n"
)


@pytest.fixture(scope="module", params=["20.10", "28"] if THOROUGH else ["28"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("m"), request.param, [images()[name] for name in NAMES]) as made:
        yield made


@pytest.fixture
def two(engine: Machine, request: pytest.FixtureRequest) -> Iterator[Project]:
    """On that machine: blue idle, green live, a worker in green."""
    project = _project(engine, request.node.name)
    project.ok("up")
    project.ok("switch", GREETING="two")
    project.variables["GREETING"] = "two"
    yield project
    with contextlib.suppress(Exception):
        project.run("down", "--yes")


def _project(engine: Machine, name: str) -> Project:
    project = Project(engine.folder / "".join(char for char in name if char.isalnum()), WITH_WORKER)
    (project.folder / "server.py").write_text(SERVER)
    project.variables["DOCKER_HOST"] = engine.host
    project.variables["BLUEGREEN_STATE_FOLDER"] = str(project.folder / "state")  # what that machine can mount
    return project


def _await(engine: Machine, project: Project) -> tuple[float, dict[str, Any]]:
    """(seconds until the public listener answers, what it answers)."""
    began = time.monotonic()
    while (found := engine.get(project.port)) is None:
        assert time.monotonic() - began < BACK, engine.docker("ps", "-a")
        time.sleep(0.1)
    return time.monotonic() - began, found


def _lost(found: dict[str, Any], what: str) -> None:
    print(f"\n{what}: {len(found['lost'])} lost of {len(found['lost']) + len(found['answers'])}: {found['why']}")


def _well(engine: Machine, project: Project) -> None:
    """No drift, one worker in the live color, and the next commands work."""
    state = project.status()
    assert state["drift"] is None, state
    live = state["live"]["color"]
    found = engine.get(project.port)
    assert found is not None
    assert found["color"] == live
    workers = engine.docker(
        "ps", "--filter", f"label=bluegreen.app={project.name}", "--filter", "label=bluegreen.service=worker",
        "--format", "{{.Names}}",
    )  # fmt: skip
    assert workers == f"{project.name}-{live}-worker-1"


def test_power_cut_and_the_live_color_serves_with_nothing_typed(engine: Machine, two: Project) -> None:
    with engine.load(two.port, MIX) as found:
        before = engine.get(two.port)
        engine.cut_power()
        assert engine.get(two.port) is None, "the machine is off"
        time.sleep(2)  # the clients feel it
    began = time.monotonic()
    engine.boot()
    waited, answer = _await(engine, two)
    power = time.monotonic() - began
    print(f"\nEngine {engine.version}: answers {waited:.1f} s after the Engine, {power:.1f} s after power")
    assert before is not None
    assert (before["color"], answer["color"]) == ("green", "green")
    assert found["lost"], "the cut was felt"
    _well(engine, two)
    two.ok("flip-back")
    answer = engine.get(two.port) or {}
    assert answer["color"] == "blue"


DEATHS = 20 if THOROUGH else 2  # of the machine and of the daemon, in turn


def _dies(engine: Machine, number: int) -> None:
    """The power is cut, or every second time the daemon killed; then it runs again."""
    if number % 2:
        engine.kill_engine()
        engine.start_engine()
    else:
        engine.cut_power()
        engine.boot()


@pytest.mark.long
def test_a_proxy_of_two_containers_comes_back_whichever_starts_first(engine: Machine, two: Project) -> None:
    """nginx was replaced: another container has the ports than the one whose nginx serves."""
    name = f"{two.name}-nginx"
    engine.docker("tag", images()["NGINX_IMAGE"], name)
    two.variables["PROXY_IMAGE"] = name
    two.ok("up")
    alone = 0
    for number in range(DEATHS):
        engine.docker("commit", "--change", f"LABEL number={number}", f"{two.name}-proxy", name)
        assert "took over, no request waited" in two.ok("up").err
        serving = (Path(two.variables["BLUEGREEN_STATE_FOLDER"]) / "nginx" / "serving").read_text().strip()
        _dies(engine, number)
        waited, answer = _await(engine, two)
        time.sleep(8)  # whoever is late has come
        states = engine.docker("ps", "-a", "--filter", f"name={two.name}-proxy", "--format", "{{.Names}} {{.State}}")
        came = f"{serving} running" in states.splitlines()
        alone += not came
        print(f"\n{number}: answers {waited:.1f} s after the Engine; {'both' if came else 'the first alone'}")
        assert answer["color"] == (engine.get(two.port) or {})["color"]
        two.ok("switch", GREETING=f"after {number}")
        two.variables["GREETING"] = f"after {number}"
        assert {(engine.get(two.port) or {})["greeting"] for _ in range(8)} == {f"after {number}"}
    two.ok("up")
    assert two.status()["drift"] is None
    print(f"\nEngine {engine.version}: {DEATHS} deaths, {alone} times the first container served by itself")


@pytest.fixture
def street(engine: Machine, request: pytest.FixtureRequest) -> Iterator[dict[str, Project]]:
    """On that machine: two apps on one edge, by their hosts."""
    name, port, tls = f"bgt-{uuid.uuid4().hex[:8]}", free_port(), free_port()
    found = {}
    for host in ("shop.test", "blog.test"):
        project = _project(engine, f"{request.node.name}{host}")
        block = f'  edge: {{name: {name}, listen: "127.0.0.1:{port}", tls: "127.0.0.1:{tls}"}}\n'
        text = WITH_WORKER.replace(
            "  service: web\n  port: 8000\n", f"  services: {{web: {{port: 8000, host: {host}}}}}\n"
        )
        project.write(text.replace('  listen: "${SHOP_LISTEN}"\n', f"  listen: edge\n{block}"))
        project.port = port
        project.ok("up")
        found[host] = project
    yield found
    for project in found.values():
        with contextlib.suppress(Exception):
            project.run("down", "--yes")


def _await_all(engine: Machine, street: dict[str, Project]) -> float:
    """Seconds until each host is answered through the edge, by its own app."""
    began = time.monotonic()
    for host, project in street.items():
        while not (found := engine.get(project.port, host=host)):
            assert time.monotonic() - began < BACK, (host, engine.docker("ps", "-a"))
            time.sleep(0.1)
        assert found["greeting"] == project.variables.get("GREETING", "Hello")
    return time.monotonic() - began


@pytest.mark.long
def test_an_edge_and_its_apps_come_back_in_any_order(engine: Machine, street: dict[str, Project]) -> None:
    """The edge's nginx, and an app's, were replaced: each is two containers, and the Engine starts them as it likes."""
    shop = street["shop.test"]
    name = f"{shop.name}-nginx"
    engine.docker("tag", images()["NGINX_IMAGE"], name)
    shop.write(shop.file.read_text().replace("  edge: {name", f"  edge: {{image: {name}, name"))
    shop.variables["PROXY_IMAGE"] = name
    shop.ok("up")
    for number in range(DEATHS):
        engine.docker("commit", "--change", f"LABEL number={number}", f"{shop.name}-proxy", name)
        assert shop.ok("up").err.count("took over") == 2
        _dies(engine, number)
        print(f"\nEngine {engine.version}, {number}: all answer {_await_all(engine, street):.1f} s after the Engine")
        time.sleep(8)  # whoever is late has come
        for host, project in street.items():
            project.ok("switch", GREETING=f"{host} {number}")
            project.variables["GREETING"] = f"{host} {number}"
        _await_all(engine, street)
    shop.ok("up")
    for project in street.values():
        assert project.status()["drift"] is None
        assert project.ok("up", "--json").json()["outcome"] == "unchanged"


@pytest.mark.long
@pytest.mark.parametrize("step", ["create", "preview", "route", "jobs"])
def test_engine_killed_in_the_middle_of_each_phase(engine: Machine, two: Project, step: str) -> None:
    """prepare, cutover and settle of a switch; the Engine stops and starts every container when it comes back."""
    with engine.load(two.port, MIX) as found:
        switch = subprocess.Popen(
            [*two.command, "switch", "--json", "--progress", "json"], cwd=two.folder,
            env=two.environment({"GREETING": step}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        for line in switch.stderr or ():
            if line.startswith('{"event": "start"') and f'"{step}"' in line:
                killed = time.monotonic()
                engine.kill_engine()
                break
        out, err = switch.communicate(timeout=60)
        time.sleep(0.5)
        took = engine.start_engine()
        waited, answer = _await(engine, two)
        back = time.monotonic()
        time.sleep(1)
    said = json.loads(out)
    error = said["error"]
    print(f"\nEngine {engine.version}, {step}: exit {switch.returncode}, {(error or said['warnings'])}"[:400])
    print(f"Engine back after {took:.1f} s, answers {waited:.1f} s later")
    _lost(found, f"Engine {engine.version} killed at {step}")
    # The Engine's own process behind a port of 127.0.0.1 dies with it; what comes from outside passes without it.
    outside = [why for sent, why in found["lost"] if not killed - 0.5 < sent < back]
    assert outside == [], "lost while the Engine was dead or stopped and started the containers, never else"
    if step in ("create", "preview"):
        assert (switch.returncode, answer["color"]) == (1, "green"), err
        assert "The Docker Engine does not answer." in error["summary"]
    else:  # traffic moves without the Engine; what was left is said
        # Where its forwarder of 127.0.0.1 died with it, visitors do not reach nginx: 5, look now.
        assert (switch.returncode, answer["color"]) in ((0, "blue"), (5, "blue")), err
        assert switch.returncode == 0 or error["summary"] == "nginx does not answer where it is published."
        assert any(warning.startswith("jobs: The Docker Engine does not answer.") for warning in said["warnings"])
    assert said["live"]["color"] == answer["color"], "what was said is what is"
    done = two.ok("switch", "--force", GREETING=step)
    assert "Traceback" not in done.err
    _well(engine, two)


@pytest.mark.long
def test_an_engine_that_hangs_and_its_dns_with_it_is_not_felt(engine: Machine, two: Project) -> None:
    """For 3 s the Engine answers nothing, its name service included: traffic needs neither."""
    with engine.load(two.port, MIX) as found:
        with engine.hanging_engine():
            time.sleep(3)
        time.sleep(0.5)
    _lost(found, f"Engine {engine.version} stopped for 3 s")
    assert found["lost"] == []
    assert len(found["answers"]) > 50
    two.ok("flip-back")


@pytest.mark.long
def test_somebody_ran_docker_system_prune(engine: Machine, two: Project) -> None:
    """Every stopped container is gone: the worker of the way back, and later the whole of it."""
    with engine.load(two.port, MIX) as found:
        engine.docker("system", "prune", "-af")
        done = two.ok("flip-back")
    _lost(found, "docker system prune -af")
    assert found["lost"] == []
    assert "Flipped back" in done.out, "traffic first; what is missing is said"
    assert "Warning: jobs: The job worker-1 of blue does not run." in done.out
    two.ok("switch", GREETING="three")
    engine.docker("stop", "-t", "0", f"{two.name}-blue-web-1")
    engine.docker("system", "prune", "-af")
    refused = two.run("flip-back")
    assert refused.code == 1
    assert "blue-web-1 is gone" in refused.err
    two.ok("switch", GREETING="four")
    for name in NAMES:  # images that nothing used are gone; the next test needs them
        copy_image(images()[name], engine.host)
    _well(engine, two)


@pytest.mark.long
def test_disk_full_while_an_image_is_pulled(tmp_path: Path) -> None:
    """On a machine with a small disk; its registry is on its own loopback."""
    with machine(tmp_path, "28", [images()[name] for name in NAMES], disk="700m") as engine:
        port = free_port()
        config = tmp_path / "registry.yml"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path / 'pushed'}}}}}\nlog: {{level: error}}\n"
            f'http: {{addr: "127.0.0.1:{port}"}}\n'
        )
        registry = subprocess.Popen(
            engine.in_network("docker-registry", "serve", str(config)), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            project = _project(engine, "full")
            project.ok("up")
            project.ok("switch", GREETING="two")
            image = f"127.0.0.1:{port}/shop:1"
            _wait_for_registry(engine, port)
            _push_large(engine, image, tmp_path)
            with engine.load(project.port, MIX) as found:
                filler = _fill(engine.data)
                done = project.run("switch", WEB_IMAGE=image)
                after = project.run("flip-back")
                filler.unlink()
            _lost(found, "disk full while an image is pulled")
            assert found["lost"] == []
            assert done.code == 1, done
            assert "no space left on device" in done.err.lower()
            assert "traffic   green, release 2 (unchanged)" in done.err
            assert "\n  next" in done.err
            assert after.code == 0, after
            project.ok("switch", WEB_IMAGE=image)
        finally:
            registry.terminate()
            registry.wait()


def _wait_for_registry(engine: Machine, port: int) -> None:
    command = engine.in_network(sys.executable, "-c", ASK, f"http://127.0.0.1:{port}/v2/")
    deadline = time.monotonic() + 20
    while subprocess.run(command, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "the registry did not answer"
        time.sleep(0.1)


def _push_large(engine: Machine, image: str, folder: Path) -> None:
    """An image with 60 MB of its own that do not compress; pushed, and removed here."""
    name = "bgt-large"
    engine.docker("create", "--name", name, images()["PYTHON_IMAGE"])
    (folder / "large").write_bytes(os.urandom(60 << 20))
    engine.docker("cp", str(folder / "large"), f"{name}:/large")
    engine.docker("commit", name, image)
    engine.docker("rm", name)
    engine.docker("push", "-q", image)
    engine.docker("rmi", "-f", image)


def _fill(folder: Path) -> Path:
    file = folder / "filler"
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as full:
        while True:
            full.write(bytes(1 << 16))
    return file
