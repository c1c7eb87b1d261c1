"""The real Compose reads the file, so everything means what it means to Compose."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose.options import ITS_OWN, OVERRIDES, Options, env_files, files, settled
from bluegreen.compose.run import Compose
from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import BIN, docker
from tests.support.project import Project

BASE = """
services:
  web:
    image: ${PYTHON_IMAGE}
    init: true
    command: [python3, /srv/server.py]
    volumes: ["../server.py:/srv/server.py:ro"]
    environment: {FROM_BASE: base, OVERRIDDEN: base}
"""
MAIN = """
name: ${SHOP_NAME}
include: [parts/shared.yaml]
x-bluegreen:
  service: web
  port: ${WEB_PORT}
  health: {interval: 100ms, successes: 1, timeout: 20s}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 1s
  proxy: {image: "${NGINX_IMAGE}"}
x-common: &common
  FROM_ANCHOR: anchor
services:
  web:
    extends: {file: parts/base.yaml, service: web}
    profiles: [release]
    env_file: [web.env]
    environment:
      <<: *common
      OVERRIDDEN: main
      LITERAL: "a$$b"
      GREETING: ${GREETING:-Hello}
    labels: {note: "costs $$5"}
  extra:
    image: ${VALKEY_IMAGE}
    profiles: [extra]
"""
SECOND = "services: {web: {environment: {FROM_SECOND: second, OVERRIDDEN: second}}}\n"


def test_interpolation_extends_include_several_files_profiles_and_env_files(make_project: object) -> None:
    project: Project = make_project(MAIN)  # type: ignore[operator]  # the fixture of conftest
    (project.folder / "parts").mkdir()
    (project.folder / "parts" / "base.yaml").write_text(BASE)
    (project.folder / "parts" / "shared.yaml").write_text("services: {cache: {image: '${VALKEY_IMAGE}'}}\n")
    (project.folder / "second.yaml").write_text(SECOND)
    (project.folder / "web.env").write_text("FROM_ENV_FILE=file\n")
    (project.folder / ".env").write_text("WEB_PORT=1\n")
    (project.folder / "ports.env").write_text("WEB_PORT=8000\nGREETING=from-env-file\n")
    options = ("-f", "compose.yaml", "-f", "second.yaml", "--env-file", "ports.env")
    project.ok(*options, "up")
    assert json.loads(project.get("/")[1])["greeting"] == "from-env-file"
    found = json.loads(docker("inspect", f"{project.name}-blue-web-1"))[0]["Config"]
    environment = dict(entry.split("=", 1) for entry in found["Env"])
    assert environment["OVERRIDDEN"] == "second"
    assert {environment[f"FROM_{name}"] for name in ("BASE", "ANCHOR", "SECOND", "ENV_FILE")} == {
        "base", "anchor", "second", "file",
    }  # fmt: skip
    assert environment["LITERAL"] == "a$b"
    assert found["Labels"]["note"] == "costs $5"
    services = docker("ps", "--filter", f"label=com.docker.compose.project={project.name}", "--format", "{{.Names}}")
    assert services == f"{project.name}-cache-1", "shared services, and none behind a profile"
    state = project.ok(*options, "status").out
    assert "live   blue" in state
    done = project.ok(*options, "switch", GREETING="two")
    assert "bluegreen -f compose.yaml -f second.yaml --env-file ports.env flip-back" in done.out, (
        "what to type is whole"
    )


def test_composes_own_complaints_reach_the_person(lean: Project) -> None:
    lean.write(lean.compose.replace("image: ${WEB_IMAGE:-${PYTHON_IMAGE}}", "image: ${MISSING:?is not set}"))
    done = lean.run("up")
    assert done.code == 2
    assert "Compose cannot read the Compose file." in done.err
    assert "MISSING" in done.err
    assert "is not set" in done.err
    assert re.search("next      docker[ -]compose.* config", done.err)


def test_every_problem_of_the_block_is_in_one_report(lean: Project) -> None:
    lean.write(lean.compose.replace("service: web", "servce: web").replace("drain: 2s", "drain: 2"))
    done = lean.run("up")
    assert done.code == 2
    assert "| x-bluegreen.servce: found an unknown key, expected a known key; did you mean service?" in done.err
    assert "| x-bluegreen.drain: found 2, expected a duration with its unit" in done.err


def test_a_service_key_that_a_color_cannot_have_is_refused_by_name(lean: Project) -> None:
    lean.write(
        lean.compose.replace("    init: true\n", "    init: true\n    container_name: web\n    network_mode: host\n")
    )
    done = lean.run("up")
    assert done.code == 2
    assert "| services.web.container_name: two colors cannot share one name" in done.err
    assert "| services.web.network_mode: " in done.err
    assert lean.containers() == []


def test_the_schema_is_printed(lean: Project) -> None:
    found = lean.ok("schema").json()
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"service", "port", "services", "health", "listen", "preview", "drain", "proxy"} <= set(found["properties"])


@pytest.mark.long
def test_docker_host_and_contexts_are_followed_or_refused(lean: Project, tmp_path: Path) -> None:
    """A socket elsewhere, by DOCKER_HOST and by a context of the Docker CLI; an Engine on another machine."""
    socket = tmp_path / "engine.sock"
    socket.symlink_to("/var/run/docker.sock")
    lean.ok("up", DOCKER_HOST=f"unix://{socket}")
    folder = str(tmp_path / "client")
    for arguments in (("create", "here", "--docker", f"host=unix://{socket}"), ("use", "here")):
        subprocess.run(["docker", "--config", folder, "context", *arguments], check=True, capture_output=True)
    lean.ok("switch", GREETING="two", DOCKER_CONFIG=folder)
    assert lean.color() == "green"
    for variables in ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, {"DOCKER_HOST": "ssh://nobody@127.0.0.1"}):
        done = lean.run("switch", "--no-build", **variables, GREETING="three")
        assert done.code == 1
        assert "bluegreen runs on the machine of its Engine" in done.err, done
        assert "next      log in to that machine and run bluegreen there" in done.err
    assert lean.color() == "green"


def test_what_compose_warns_of_is_passed_on(lean: Project) -> None:
    lean.write(lean.file.read_text().replace("${GREETING:-Hello}", "${NOBODY_SET_THIS}"))
    done = lean.ok("up")
    assert 'Note: Compose: The "NOBODY_SET_THIS" variable is not set. Defaulting to a blank string.' in done.err


@pytest.mark.long
def test_networks_and_volumes_are_made_by_compose_and_kept_by_it(lean: Project) -> None:
    """Also those of the release services alone; their labels are Compose's, so a later plain Compose knows them."""
    more = 'ro", "data:/data"]\n    networks: {back: {aliases: [shop]}, outside: {}}\n'
    text = lean.file.read_text().replace('ro"]\n', more)
    lean.write(f"{text}networks: {{back: {{internal: true}}, outside: {{external: true, name: {lean.name}-out}}}}\n"
               "volumes: {data: {labels: {kind: data}}}\n")  # fmt: skip
    done = lean.run("up")
    assert done.code == 1
    assert f"The external network {lean.name}-out does not exist." in done.err
    assert f"next      docker network create {lean.name}-out" in done.err
    docker("network", "create", "--label", f"bluegreen.app={lean.name}", f"{lean.name}-out")
    lean.ok("up")
    made = json.loads(docker("network", "inspect", f"{lean.name}_back"))[0]
    assert made["Internal"]
    assert made["Labels"]["com.docker.compose.network"] == "back"
    assert made["Labels"]["com.docker.compose.config-hash"], "Compose itself made it"
    volume = json.loads(docker("volume", "inspect", f"{lean.name}_data"))[0]
    assert volume["Labels"].items() >= {"com.docker.compose.volume": "data", "kind": "data"}.items()
    networks = json.loads(docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", f"{lean.name}-blue-web-1"))
    names = {f"{lean.name}{end}" for end in ("_back", "-out", "_bluegreen", "_bluegreen_blue")}
    assert set(networks) == names
    route = docker("exec", f"{lean.name}-blue-web-1", "cat", "/proc/net/route").splitlines()
    default = [line.split()[2] for line in route if line.split()[1] == "00000000"]
    gateway = networks[f"{lean.name}-out"]["Gateway"].split(".")
    assert default == ["".join(f"{int(part):02X}" for part in reversed(gateway))], route


def test_a_service_on_internal_networks_alone_reaches_nothing_outside(lean: Project) -> None:
    """As under plain Compose: the network that nginx reaches it on is no way out."""
    lean.write(
        lean.file.read_text().replace('ro"]\n', 'ro"]\n    networks: [back]\n') + "networks: {back: {internal: true}}\n"
    )
    lean.ok("up")
    assert lean.color() == "blue"
    networks = docker("inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
                      f"{lean.name}-blue-web-1").split()  # fmt: skip
    assert f"{lean.name}_back" in networks
    assert {docker("network", "inspect", "-f", "{{.Internal}}", name) for name in networks} == {"true"}


def test_shared_services_do_not_bring_release_services_up_with_them(lean: Project) -> None:
    """A reverse proxy of the file's own depends on web: only the colors run web, and that is said."""
    text = lean.file.read_text().replace("    profiles: [release]\n", "")
    lean.write(text + "  front: {image: \"${VALKEY_IMAGE}\", depends_on: [web, once]}\n"
               "  once: {image: \"${PYTHON_IMAGE}\", command: [\"true\"]}\n")  # fmt: skip
    done = lean.ok("up")
    assert "Note: front is shared and depends on web: it cannot reach a color's services by name." in done.err
    label = f"label=com.docker.compose.project={lean.name}"
    assert set(docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()) == {
        f"{lean.name}-front-1", f"{lean.name}-once-1",
    }  # fmt: skip


def test_a_secret_from_the_environment_is_given_and_kept_to_itself(lean: Project) -> None:
    """Its change is a release; its value is in the container, and in no output and no file of ours."""
    text = lean.file.read_text().replace("    init: true\n", "    init: true\n    secrets: [token, odd]\n")
    lean.write(text + "secrets: {token: {environment: A_TOKEN}, odd: {environment: odd-name.1}}\n")
    done = lean.run("up")
    assert done.code == 2, done
    assert "is not set." in done.err
    first = {"A_TOKEN": "first-s3cret", "odd-name.1": "odd-s3cret"}
    said = [lean.ok("up", **first), lean.ok("switch", "--json", **first)]
    assert said[-1].json()["outcome"] == "unchanged"
    said.append(lean.ok("switch", "--json", "--progress", "json", **{**first, "A_TOKEN": "second-s3cret"}))
    assert said[-1].json()["outcome"] == "switched"
    for color, value in (("blue", "first-s3cret"), ("green", "second-s3cret")):
        files = docker("exec", f"{lean.name}-{color}-web-1", "cat", "/run/secrets/token", "/run/secrets/odd")
        assert files == f"{value}odd-s3cret"
    assert not any("s3cret" in done.out + done.err for done in said)
    kept = [path for path in lean.state.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"s3cret" in path.read_bytes()]


def test_which_files_env_files_and_profiles_compose_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we say that it reads, named on a command line, is what it reads without a word."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    for name in ITS_OWN:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "deploy").mkdir()
    image = 'services: {web: {image: "%s-${A:-none}-${B:-none}"}, more: {image: i, profiles: [%s]}}'
    (tmp_path / ".env").write_text("A=here\nCOMPOSE_PROFILES=one\n")
    (tmp_path / "deploy" / ".env").write_text("A=there\nB=there\nCOMPOSE_PROFILES=two\n")
    for base in ("compose.yml", "docker-compose.yaml"):
        for override in OVERRIDES:
            for name in (base, override):
                (tmp_path / name).write_text(image % (name, "one"))
            _same(Options(), tmp_path, "one")
            (tmp_path / override).unlink()
        (tmp_path / base).unlink()
    (tmp_path / "deploy" / "prod.yaml").write_text(image % ("prod", "two"))
    _same(Options(files=("deploy/prod.yaml",)), tmp_path / "deploy", "two")
    with (tmp_path / ".env").open("a") as file:
        file.write("COMPOSE_FILE=deploy/prod.yaml\n")
    _same(Options(), tmp_path / "deploy", "two")


def _same(options: Options, folder: Path, profile: str) -> None:
    compose, here = Compose(options), Path.cwd()
    found = settled(options, folder if options.files else here, lambda: compose)
    read = env_files(options, here, str(folder), found)
    spelled = Options(tuple(files(options, here, found)), env_files=tuple(read))
    without_a_word, named = (_config(it) for it in (options, spelled))
    assert named == without_a_word
    active = [it.strip() for it in settled(options, folder, lambda: compose).get("COMPOSE_PROFILES", "").split(",")]
    assert ("more" in without_a_word["services"]) == (profile in active)


def _config(options: Options) -> dict[str, Any]:
    arguments = [*Compose(options).command(), *options.arguments(), "--project-name", "x", "config", "--format", "json"]
    found: dict[str, Any] = json.loads(subprocess.check_output(arguments, text=True, stderr=subprocess.DEVNULL))
    return found


def test_a_shared_service_that_the_file_changes(lean: Project) -> None:
    """Compose's own hash, asked and on the container, is the same until the file says something else."""
    one = lean.compose.replace("services:\n", "services:\n  cache: {image: '${VALKEY_IMAGE}', labels: {v: '1'}}\n", 1)
    lean.write(one)
    lean.ok("up")
    (lean.state / "shared.json").unlink()  # Compose has to be asked
    assert lean.ok("up", "--json").json()["outcome"] == "unchanged"
    lean.write(one.replace("v: '1'", "v: '2'"))
    assert lean.status()["shared_differs"] == ["cache"]
    lean.ok("switch", GREETING="two")
    assert lean.status()["shared_differs"] == ["cache"]
    assert lean.ok("up", "--json").json()["outcome"] == "repaired"
    assert lean.status()["shared_differs"] == []


def test_a_shared_service_that_requires_one_whose_profile_is_off(make_project: Make) -> None:
    """A plain Compose refuses such a file; here its services run, and go."""
    project = make_project(
        LEAN + '  side: {image: "${PYTHON_IMAGE}", command: [sleep, "600"], stop_grace_period: 0s, depends_on: [web]}\n'
    )
    assert "init --write repairs it" in project.ok("up").err
    project.ok("switch", GREETING="two")
    assert docker("inspect", "-f", "{{.State.Running}}", f"{project.name}-side-1") == "true"
    project.ok("down", "--yes")
    assert docker("ps", "-aq", "--filter", f"name={project.name}") == ""
