"""Any kept release comes back as it was; what no kept release needs goes; nothing of others does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import docker, images
from tests.support.project import Project

# The image says which build it is; the definition has a variable, a secret in a command, and a label.
BUILT = (
    LEAN.replace("  drain: 2s\n", "  drain: 1s\n  keep: 2\n  jobs: [worker]\n")
    .replace(
        "    image: ${WEB_IMAGE:-${PYTHON_IMAGE}}\n",
        """    image: ${SHOP_NAME}-web:${TAG:-dev}
    build: {context: ., args: {PYTHON_IMAGE: "${PYTHON_IMAGE}", OF: "${SHOP_NAME}", BUILD: "${BUILD:-1}"}}
    labels: {kind: "${KIND:-first}"}
""",
    )
    .replace('GREETING: "${GREETING:-Hello}"', 'GREETING: "${GREETING:-Hello}", API_TOKEN: "${API_TOKEN:-none}"')
    + """  worker:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sh, -c, "sleep 600", "${API_TOKEN:-none}", "${OTHER_SECRET:-none}"]
    environment: {API_TOKEN: "${API_TOKEN:-none}"}
    stop_grace_period: 1s
"""
)
DOCKERFILE = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nARG OF\nLABEL of=${OF}\nARG BUILD\nENV BUILD=${BUILD}\n"
CANARY, OTHER = "canary-4711-token", "canary-4712-other"  # the second one is in no environment


@pytest.fixture
def built(make_project: Make) -> Iterator[Project]:
    project = make_project(BUILT)
    (project.folder / "Dockerfile").write_text(DOCKERFILE)
    (project.folder / ".dockerignore").write_text(".bluegreen\n")
    project.variables["OTHER_SECRET"] = OTHER
    yield project
    project.clean()
    if left := _images(project) | _images(project, "-foreign"):
        docker("rmi", "-f", *left)


def _web(project: Project) -> dict[str, str]:
    live = project.live()
    found = json.loads(docker("inspect", f"{project.name}-{live}-web-1"))[0]
    environment = dict(entry.split("=", 1) for entry in found["Config"]["Env"])
    return {"image": found["Image"], "kind": found["Config"]["Labels"]["kind"], **environment}


def _worker(project: Project) -> list[str]:
    found: list[str] = json.loads(
        docker("inspect", "-f", "{{json .Config.Cmd}}", f"{project.name}-{project.live()}-worker-1")
    )
    return found


def _images(project: Project, of: str = "") -> set[str]:
    return set(docker("images", "-q", "--no-trunc", "--filter", f"label=of={project.name}{of}").split())


def _foreign(project: Project, build: str, *more: str) -> str:
    """An image that somebody else has built of the same Dockerfile; other tests' images come and go meanwhile."""
    values = {"PYTHON_IMAGE": images()["PYTHON_IMAGE"], "OF": f"{project.name}-foreign", "BUILD": build}
    arguments = [part for name, value in values.items() for part in ("--build-arg", f"{name}={value}")]
    return docker("build", "-q", *arguments, *more, str(project.folder))


def test_a_kept_release_comes_back_with_its_images_and_definition_and_todays_values(built: Project) -> None:
    project = built
    project.ok("up", BUILD="1", KIND="first", GREETING="one", API_TOKEN=CANARY)
    first = _web(project)
    project.ok("switch", BUILD="2", KIND="second", GREETING="two", API_TOKEN=CANARY)
    with Load(project.port, {"get": 3}) as load:
        back = project.ok("switch", "--to", "1", BUILD="3", KIND="third", GREETING="three", API_TOKEN=CANARY)
    assert load.tally.lost == [], load.tally.why()
    assert "Changed since release 1: web.GREETING. Values are not kept: today's are used." in back.err
    third = _web(project)
    assert third["image"] == first["image"]
    assert (third["BUILD"], third["kind"], third["GREETING"], third["BLUEGREEN_RELEASE"]) == (
        "1",
        "first",
        "three",
        "3",
    )
    assert _worker(project) == ["sh", "-c", "sleep 600", CANARY, OTHER], (
        "a secret in a command is kept as a reference to its variable"
    )
    assert "as release 1" in project.ok("history").out
    again = project.ok("switch", "--to", "1", BUILD="3", KIND="third", GREETING="three", API_TOKEN=CANARY)
    assert "Nothing to do: release 3 on blue is what release 1 was." in again.out
    everything = b"".join(path.read_bytes() for path in project.state.rglob("*") if path.is_file())
    assert CANARY.encode() not in everything
    assert OTHER.encode() not in everything
    for number, why in (("9", "There is no release 9."), ("0", "There is no release 0.")):
        refused = project.run("switch", "--to", number)
        assert (refused.code, why in refused.err) == (1, True), refused
    assert project.run("switch", "--to", "1", "--image", "web=x").code == 2


@pytest.mark.long
def test_what_a_killed_switch_has_built_is_not_forgotten(built: Project) -> None:
    """Wherever it is ended, the next switch knows the image, and removes it when no kept release needs it."""
    project, made = built, 0

    def build() -> dict[str, str]:
        nonlocal made
        made += 1
        return {"BUILD": str(made), "GREETING": str(made)}

    project.ok("up", **build())
    _, steps = project.run_killed("switch", at={}, **build())
    events = next(line["events"] for line in steps if line["step"] == "image")
    for step, moment, event, number in (
        ("image", "middle", events - 3, "SIGKILL"),  # the Engine has built it, and nobody has read its id
        ("image", "middle", events - 3, "SIGINT"), ("image", "middle", events, "SIGKILL"),
        ("create", "before", 0, "SIGKILL"), ("prune", "before", 0, "SIGKILL"),
    ):  # fmt: skip
        before = _images(project)
        point = {"step": step, "moment": moment, "event": event, "signal": number}
        done, reported = project.run_killed("switch", at=point, **build())
        assert any("killed" in line for line in reported), (point, done)
        assert len(_images(project) - before) == 1, "it had built"
        project.ok("switch", **build())
    project.ok("switch", **build())
    history = project.ok("history", "--json").json()["releases"]
    kept = [str(it["release"]) for it in history if it["kept"]]
    assert len(kept) == 2
    assert _images(project) == {project.ok("show", it, "--json").json()["images"]["web"]["id"] for it in kept}


@pytest.mark.long
def test_a_prune_removes_what_no_kept_release_needs_and_nothing_else(built: Project) -> None:
    project = built
    others = f"{project.name}-others:1"
    project.ok("up", BUILD="0", GREETING="0")
    docker("tag", f"{project.name}-web:dev", others)  # somebody else has a use for release 1's image
    foreign = set(docker("images", "-q", "--no-trunc", "bluegreen-base/*").split())
    foreign |= {_foreign(project, "named", "--tag", f"{project.name}-foreign:1"), _foreign(project, "nameless")}
    made = {1: _web(project)["image"]}
    for number in range(2, 6):
        project.ok("switch", BUILD=str(number), GREETING=str(number))
        made[number] = _web(project)["image"]
    assert len(set(made.values())) == 5
    there = _images(project)
    assert made[5] in there, "live"
    assert made[4] in there, "the way back, and kept"
    assert {made[2], made[3]} & there == set(), "no kept release needs them"
    assert made[1] in there, "it has another name, which is not ours"
    assert len(foreign) > 2
    assert foreign <= set(docker("images", "-q", "--no-trunc").split())
    project.ok("flip-back")
    assert project.color() == project.live()
    gone = project.run("switch", "--to", "2")
    assert gone.code == 1, gone
    assert "Release 2 is not kept." in gone.err
    assert "its images are gone" in gone.err
    history = {it["release"]: it["kept"] for it in project.ok("history", "--json").json()["releases"]}
    assert history == {1: True, 2: False, 3: False, 4: True, 5: True}
    docker("rmi", others)


@pytest.mark.long
def test_what_stands_prepared_is_not_taken_for_the_release_that_was_named(built: Project) -> None:
    """The definition is the same, the images are not: `--to` says which."""
    for verb, build in (("up", "1"), ("switch", "2"), ("prepare", "3")):
        built.ok(verb, BUILD=build)
    built.ok("switch", "--to", "1", BUILD="4")
    assert _web(built)["BUILD"] == "1"


@pytest.mark.long
def test_a_job_that_was_taken_out_of_the_file_ends_with_its_color(built: Project) -> None:
    built.ok("up")
    worker = f"{built.name}-blue-worker-1"
    assert docker("inspect", "-f", "{{.State.Running}}", worker) == "true"
    built.write(built.compose.replace("  jobs: [worker]\n", "").split("  worker:\n")[0])
    built.ok("switch", BUILD="2")
    assert docker("inspect", "-f", "{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}", worker) == "false no"
    built.ok("flip-back")
    assert docker("inspect", "-f", "{{.State.Running}}", worker) == "true", "it is back with its release"
