"""Every step of every plan, ended by every signal, before, in the middle of and after its effect.

The table is made from the plans that the command itself follows: a reference run of each scenario reports its
steps. `make test-faults` runs all rows. `make test` runs fixed ones, one for each kind of break:
tests/unit/test_model.py ends every verb at every call with fakes, and these rows prove the fakes.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bluegreen.plans.plan import STEP_NAMES
from tests.conftest import Make
from tests.faults.test_killed_at_the_edge import EDGE_STEPS
from tests.support.files import LEAN, SERVER
from tests.support.load import Load
from tests.support.machine import THOROUGH, docker, free_port
from tests.support.project import Done, Project

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
MOMENTS = ("before", "middle", "after")
MIX = {"get": 4, "fresh": 2}
BEFORE_JOBS = {"step": "jobs", "moment": "before", "signal": "SIGKILL"}
BEFORE_CREATE = {"step": "create", "moment": "before", "signal": "SIGKILL"}
BEFORE_SEAL = {"step": "seal", "moment": "before", "signal": "SIGKILL"}

# Two routed services, a job, a shared service, a migration and hooks: every step of every plan has something to do.
PAIR = (
    LEAN.replace("  service: web\n  port: 8000\n", "  services: {web: {port: 8000}, api: {port: 8000, path: /api}}\n")
    .replace(
        "  drain: 2s\n",
        """  drain: 1s
  jobs: [worker]
  migrate: {service: schema}
  hooks: {before_switch: ["true"], after_switch: ["true"], after_flip_back: ["true"]}
  files: {/static/: {service: web, path: /srv/static}}
  tls: {listen: "${TLS_LISTEN}", files: {other.test: [chain.pem, key.pem]}}
""",
    )
    .replace('path: "${HEALTH_PATH:-/health}"', "path: /health")
    .replace("services:\n  web:\n", "services:\n  web: &web\n")
    .replace('server.py:ro"', 'server.py:ro", "./static:/srv/static:ro"')
    + """  api: *web
  worker:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sleep, "600"]
    environment: {GREETING: "${GREETING:-Hello}"}
    stop_grace_period: 0s
  schema: {profiles: [release], image: "${PYTHON_IMAGE}", command: [sleep, "0.3"], stop_grace_period: 0s}
  side: {image: "${PYTHON_IMAGE}", command: [sleep, "600"], stop_grace_period: 0s}
"""
)


EXPECTED = "- request: GET /health\n  json: {ok: true}\n"


@dataclass(frozen=True)
class Scenario:
    """A state of the app and a command whose plan is then followed."""

    name: str
    command: tuple[str, ...]
    arrange: Callable[[Project], None]
    serving: bool = True  # whether a color is live before the command


@dataclass(frozen=True)
class Row:
    scenario: Scenario
    step: str
    phase: str
    signal: str
    moment: str
    event: int

    def __str__(self) -> str:
        at = f" {self.event}" if self.moment == "middle" else ""
        return f"{self.scenario.name}: {self.signal} {self.moment}{at} {self.step}"


def _normal(project: Project) -> None:
    """One color live, the other the way back; settings as at the beginning."""
    if not (project.state / "nginx" / "nginx.conf").exists():
        _nothing_plain(project)
        project.ok("up", GREETING="first")
    if len(project.status()["shares"] or {}) > 1:  # the row before left a canary
        project.ok("flip-back")
    if project.status()["flip_back"] is None:
        project.ok("switch", GREETING=_another(project))


def _nothing(project: Project) -> None:
    if project.state.exists():
        project.ok("down", "--yes")
    _nothing_plain(project)


def _nothing_plain(project: Project) -> None:
    """Without what plain Compose runs: a release was left to it."""
    subprocess.run(
        ["docker-compose", "-f", "compose.yaml", "--profile", "*", "down"],
        cwd=project.folder, env=project.environment({}), check=True, capture_output=True,
    )  # fmt: skip


def _damaged(project: Project) -> None:
    """A live container is gone, another dead, the way back stopped, the shared service gone."""
    _normal(project)
    project.ok("switch", "--force", GREETING="same")
    state = project.status()
    live, idle = state["live"]["color"], state["idle"]["color"]
    docker("rm", "-f", f"{project.name}-{live}-api-1", f"{project.name}-side-1")
    docker("stop", "-t", "0", f"{project.name}-{idle}-web-1", f"{project.name}-{live}-worker-1")
    docker("network", "disconnect", f"{project.name}_bluegreen", f"{project.name}-{live}-worker-1")


def _half_switched(project: Project) -> None:
    """A switch was killed when traffic had moved, before the jobs had."""
    _normal(project)
    project.run_killed("switch", at=BEFORE_JOBS, GREETING=_another(project))


def _unsealed(project: Project) -> None:
    """A switch was killed between the rename and the seal."""
    _normal(project)
    project.run_killed("switch", at=BEFORE_SEAL, GREETING=_another(project))


def _prepared(project: Project) -> None:
    """A release stands prepared, the one before it is set aside."""
    _normal(project)
    project.ok("prepare", "--force", GREETING=_another(project))


def _canary(project: Project) -> None:
    """A release has a share of the visitors, the one before it is set aside."""
    _normal(project)
    project.ok("switch", "--force", "--canary", "30%", GREETING=_another(project))


def _aside_killed(project: Project) -> None:
    """A switch was killed when the way back was set aside."""
    _normal(project)
    project.run_killed("switch", at=BEFORE_CREATE, GREETING=_another(project))


def _plain(project: Project) -> None:
    """Served by plain Compose on the public port."""
    _nothing(project)
    override = project.folder / "plain.yaml"
    override.write_text(f"services: {{web: {{ports: ['127.0.0.1:{project.port}:8000']}}}}\n")
    subprocess.run(
        ["docker-compose", "-f", "compose.yaml", "-f", "plain.yaml", "--profile", "*", "up", "-d"],
        cwd=project.folder, env=project.environment({}), check=True, capture_output=True,
    )  # fmt: skip


SCENARIOS = (
    Scenario("switch", ("switch",), _normal),
    Scenario("flip-back", ("flip-back",), _normal),
    Scenario("first up", ("up",), _nothing, serving=False),
    Scenario("up repairs", ("up",), _damaged),
    Scenario("prepare", ("prepare",), _normal),
    Scenario("prepare --give-up", ("prepare", "--give-up"), _prepared),
    Scenario("switch --steps", ("switch", "--steps", "30,100", "--every", "0s"), _normal),
    Scenario("promote", ("promote",), _canary),
    Scenario("flip-back from a canary", ("flip-back",), _canary),
    Scenario("up after a kill", ("up",), _aside_killed),
    Scenario("switch after a kill", ("switch",), _half_switched),
    Scenario("switch after another kill", ("switch",), _unsealed),
    Scenario("up --adopt", ("up", "--adopt"), _plain, serving=False),
    Scenario("down", ("down", "--yes"), _normal),
    Scenario("down --to-compose", ("down", "--to-compose", "--yes"), _normal),
)
# What `make test` runs, each some seconds: scenario, phase, step, signal, moment.
FIXED = (
    ("switch", "prepare", "create", "SIGKILL", "middle"),
    ("switch", "cutover", "route", "SIGKILL", "after"),
    ("switch after another kill", "settle", "seal", "SIGKILL", "middle"),
    ("switch --steps", "cutover", "share", "SIGKILL", "after"),
    ("up --adopt", "cutover", "adopt", "SIGKILL", "middle"),
)
_counter = iter(range(10**6))


def _another(project: Project) -> str:
    return f"{project.name} {next(_counter)}"


def _table(project: Project) -> list[Row]:
    """All rows, from what a run of each scenario reports of its own steps."""
    rows = []
    for scenario in SCENARIOS:
        scenario.arrange(project)
        done, report = project.run_killed(*scenario.command, at={}, GREETING=_greeting(project, scenario))
        assert done.code == 0, str(done)
        for step in report:
            rows += [
                Row(scenario, step["step"], step["phase"], name, moment, max(1, step["events"] // 2))
                for name in SIGNALS
                for moment in MOMENTS
                if moment != "middle" or step["events"]
            ]
    return rows


def _greeting(project: Project, scenario: Scenario) -> str:
    return "same" if scenario.name == "up repairs" else _another(project)


@pytest.fixture
def pair(make_project: Make) -> Project:
    project = make_project(PAIR)
    project.variables["TLS_LISTEN"] = f"127.0.0.1:{free_port()}"
    project.variables["BLUEGREEN_WATCH"] = "200ms"
    _furnish(project)
    return project


def _furnish(project: Project) -> None:
    """What the Compose file names: recorded answers, a file that nginx serves, a certificate."""
    (project.folder / "server.py").write_text(SERVER)
    (project.folder / "expected.yaml").write_text(EXPECTED)
    (project.folder / "static").mkdir()
    (project.folder / "static" / "app.js").write_text("//")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "chain.pem",
         "-days", "9", "-subj", "/CN=other.test", "-addext", "subjectAltName=DNS:other.test"],
        cwd=project.folder, check=True, capture_output=True,
    )  # fmt: skip


def test_killed_at_every_step(pair: Project) -> None:
    """One row after the other on one app: each has to recover from the one before."""
    part = os.environ.get("KILLS", "all" if THOROUGH else "fixed")
    seed = int(os.environ.get("KILLS_SEED", random.SystemRandom().randrange(10**6)))
    _run_rows(pair, _fixed() if part == "fixed" else _chosen(_table(pair), part), seed)


def _fixed() -> list[Row]:
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    return [Row(by_name[name], step, phase, signal, moment, 1) for name, phase, step, signal, moment in FIXED]


def _chosen(table: list[Row], part: str) -> list[Row]:
    """The rows of `part`: all, /PATTERN, or of two runs side by side 1/2 (to go on after 70 rows: 1/2@70)."""
    there = {row.step for row in table} | set(EDGE_STEPS)
    assert there == set(STEP_NAMES), "every step that a plan can have has its rows"
    known = {(row.scenario.name, row.phase, row.step, row.signal, row.moment) for row in table}
    assert set(FIXED) <= known, "the fixed rows are rows of the table"
    if part.startswith("/"):
        return [row for row in table if re.search(part[1:], str(row))]
    if part == "all":
        return table
    which, parts, ran = map(int, re.split("[/@]", f"{part}@0")[:3])
    return table[which - 1 :: parts][ran:]


def _run_rows(pair: Project, chosen: list[Row], seed: int) -> None:
    print(f"\n{len(chosen)} rows, KILLS_SEED={seed}")
    shuffled = random.Random(seed)  # noqa: S311 - which command follows
    asked = wrong = 0
    for row in chosen:
        began = time.monotonic()
        try:
            asked += _one(pair, row, shuffled)
            words = "ok"
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
            wrong += 1
            words = f"WRONG {error}"
            pair.clean()
            pair.folder.mkdir()
            pair.write(PAIR)
            _furnish(pair)
        print(f"{time.monotonic() - began:5.1f} s  {row}: {words}", flush=True)
    print(f"{len(chosen)} rows, {asked} answers, {wrong} wrong")
    assert wrong == 0


def _one(project: Project, row: Row, shuffled: random.Random) -> int:
    """One row; returns how many answers the clients got."""
    row.scenario.arrange(project)
    point = {"step": row.step, "moment": row.moment, "signal": row.signal, "event": row.event}
    greeting = _greeting(project, row.scenario)
    serving = row.scenario.serving
    with Load(project.port, MIX if serving else {}) as load:
        time.sleep(0.2)
        done, report = project.run_killed(*row.scenario.command, at=point, GREETING=greeting)
        if not any("killed" in line for line in report):
            assert row.moment == "middle", f"the command was not ended there: {done}"
            return 0  # this time the step had fewer events
        _ended_well(project, row, done)
        if row.scenario.command[0] != "down" and (serving or row.phase != "prepare"):
            _recovers(project, row, greeting, shuffled)
            time.sleep(0.1)
        tally = load.stop()
    if row.scenario.command[0] == "down" or (not serving and row.phase == "prepare"):
        _starts_anew(project, row, greeting)
    elif serving:
        assert tally.lost == [], f"{len(tally.lost)} lost: {tally.why()}"
        assert tally.answers, "clients asked"
    _whole(project)
    _tidy(project)
    return len(tally.answers)


def _ended_well(project: Project, row: Row, done: Done) -> None:
    """Exit code and words right after the signal."""
    if row.signal == "SIGKILL":
        assert done.code == -signal.SIGKILL, str(done)
        if project.state.exists():
            found = project.run("status", "--json")
            if found.code == 0:
                assert found.json()["unfinished"], (found, row)
        return
    if row.phase == "prepare":
        assert done.code == 130, str(done)
        if row.signal != "SIGHUP":
            assert f"Interrupted ({row.signal})" in done.err, str(done)
    else:
        stays = "--steps" in row.scenario.command and row.step in ("share", "confirm", "verdict")
        assert done.code in ((0, 130) if stays else (0,)), str(done)
        if row.signal != "SIGHUP":  # nobody could read it
            assert f"{row.signal} came" in done.err + done.out, str(done)
    assert "Traceback" not in done.err, str(done)


def _recovers(project: Project, row: Row, greeting: str, shuffled: random.Random) -> None:
    verb = shuffled.choice(("switch", "flip-back", "up"))
    if row.scenario.name == "up --adopt":
        project.ok("up", "--adopt", GREETING=greeting)
        verb = "up"
    done = project.run(verb, GREETING=greeting)
    said = done.err
    if done.code == 1:  # no way back, or nothing new while live is not whole: it says what to type
        assert "\n  next" in done.err, str(done)
        said += project.ok("up", GREETING=greeting).err
    else:
        assert done.code == 0, str(done)
    if "nginx has old addresses for " in done.out and "; to repair it: bluegreen up" in done.out:
        assert verb == "flip-back", "the others give nginx the addresses that there are"
        project.ok("up", GREETING=greeting)
    if verb == "flip-back" and row.scenario.name == "up repairs":  # what was left has lost a container
        project.ok("up", GREETING=greeting)
    if row.signal == "SIGKILL" and row.scenario.name != "up --adopt":
        assert "never ended" in done.err, str(done)
        assert re.search(r"it is (abandoned|finished)", said), str(done)
    if project.status()["migration"]:  # cut in its middle: only a person can say what to do about it
        assert row.step == "migrate", row
        refused = project.run("switch", GREETING=_another(project))
        assert refused.code == 1, str(refused)
        assert "It is unknown whether a migration was completed." in refused.err, str(refused)
        project.ok("switch", "--migrate", "again", GREETING=_another(project))


def _starts_anew(project: Project, row: Row, greeting: str) -> None:
    """After a killed first up or down: the same command goes on with it."""
    if "--to-compose" in row.scenario.command:
        project.ok(*row.scenario.command, GREETING=greeting)
        assert [project.get(path)[0] for path in ("/", "/", "/")] == [200] * 3, "plain Compose serves"
        subprocess.run(["docker-compose", "--profile", "*", "down"], cwd=project.folder, env=project.environment({}),
                       check=True, capture_output=True)  # fmt: skip
    if row.scenario.command[0] == "down":
        project.ok("down", "--yes")
        assert project.containers() == []
        assert docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={project.name}") == ""
    verb = ("up", "--adopt") if row.scenario.name == "up --adopt" else ("up",)
    done = project.run(*verb, GREETING=greeting)
    if done.code == 1 and row.step == "migrate":
        assert "It is unknown whether a migration was completed." in done.err, str(done)
        done = project.run(*verb, "--migrate", "again", GREETING=greeting)
    assert done.code == 0, str(done)


def _whole(project: Project) -> None:
    """Both services answer from one and the same color."""
    found = [project.get(path) for path in ("/", "/api", "/", "/api")]
    assert [status for status, _ in found] == [200] * 4, found
    answers = [json.loads(body)["color"] for _, body in found]
    assert len(set(answers)) == 1, answers
    assert answers[0] in ("blue", "green")


def _tidy(project: Project) -> None:
    """Nothing is left over, and the two colors are what the rendered file says."""
    state = project.status()
    assert state["unfinished"] is None, state
    assert state["drift"] is None, state
    live = state["live"]["color"]
    running = docker(
        "ps", "--filter", f"label=bluegreen.app={project.name}", "--filter", "label=bluegreen.service=worker",
        "--format", "{{.Names}}",
    )  # fmt: skip
    assert running.split() == [f"{project.name}-{live}-worker-1"], "the job runs in the live color, once"
    expected = [f"{project.name}-proxy"]
    for slot in filter(None, (state["live"], state["idle"])):
        expected += [f"{project.name}-{slot['color']}-{name}-1" for name in slot["replicas"]]
    if state["set_aside"]:  # a release stands prepared
        expected += [f"{name}-aside" for name in expected if f"-{state['idle']['color']}-" in name]
    failed = [
        name for name in project.containers() if name.endswith("-failed")
    ]  # kept for its logs until the next switch
    assert all(docker("inspect", "-f", "{{.State.Running}}", name) == "false" for name in failed), failed
    assert len({name.split("-")[2] for name in failed}) <= 1, "of the one release that was cut"
    assert [name for name in project.containers() if name not in failed] == sorted(expected), project.containers()
    files = [str(path) for path in project.state.rglob("*") if path.name.endswith(".new") or "candidate" in path.name]
    assert files == [], files
