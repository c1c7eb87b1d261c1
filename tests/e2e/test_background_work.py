"""Jobs run in exactly one color: watched through the Engine's own events while everything happens to them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.conftest import Make
from tests.support.files import LEAN, SHOP
from tests.support.load import Load
from tests.support.machine import THOROUGH, docker
from tests.support.project import Project

ROUNDS = 20 if THOROUGH else 1  # switches; as many flip-backs, and a kill of the worker between the two
TASKS = 5000
GRACE = 10.0  # seconds; what Compose gives a service that says nothing
START = 2.0  # seconds that a worker may take to start on a busy machine; the Engine's own restart waits 0.1 s
WORKING = SHOP.replace(
    'GREETING: "${GREETING:-Hello}"}', 'GREETING: "${GREETING:-Hello}", ORDER_SECONDS: "0.004"}'
).replace("image: \"${VALKEY_IMAGE}\"", 'image: "${VALKEY_IMAGE}", restart: always')  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run of a job's container. Seconds of the Engine's clock; `end` is endless while it runs."""

    color: str
    begin: float
    end: float


class Events:
    """What the Engine says of an app's jobs, as it happens."""

    def __init__(self, project: Project) -> None:
        self._app = project.name
        filters = [f"label=bluegreen.app={project.name}", "label=bluegreen.role=job", "event=start", "event=die"]
        arguments = [part for one in filters for part in ("--filter", one)]
        self._output = project.folder / "events"  # a file: nobody reads before the end, and a pipe would be full
        with self._output.open("w") as output:
            self._process = subprocess.Popen(["docker", "events", *arguments, "--format", "{{json .}}"], stdout=output)
        time.sleep(0.5)  # until the Engine listens; the test holds that both kinds were seen

    def runs(self) -> list[Run]:
        """Ends the watch; every run of a job, in order. Waits until the Engine has told of what runs now."""
        running = docker(
            "ps", "-q", "--filter", f"label=bluegreen.app={self._app}", "--filter", "label=bluegreen.role=job"
        )
        deadline = time.monotonic() + 10
        while running and time.monotonic() < deadline and not any(run.end == float("inf") for run in self._told()):
            time.sleep(0.1)
        self._process.terminate()
        self._process.wait(timeout=10)
        return self._told()

    def _told(self) -> list[Run]:
        began: dict[str, tuple[str, float]] = {}
        found = []
        for line in self._output.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):  # half of one
                break
            event = json.loads(line)
            color, moment = event["Actor"]["Attributes"]["bluegreen.color"], event["timeNano"] / 1e9
            if event["Action"] == "start":
                began[event["id"]] = (color, moment)
            elif event["id"] in began:
                found.append(Run(*began.pop(event["id"]), moment))
        return sorted([*found, *(Run(*it, float("inf")) for it in began.values())], key=lambda run: run.begin)


@contextmanager
def watched(project: Project) -> Iterator[list[Run]]:
    events, runs = Events(project), list[Run]()
    try:
        yield runs
    finally:
        runs += events.runs()


def _valkey(project: Project, *command: str) -> str:
    return docker("exec", f"{project.name}-valkey-1", "valkey-cli", *command)


def _enqueue(project: Project, first: int, count: int) -> None:
    names = [f"task-{number}" for number in range(first, first + count)]
    _valkey(project, "rpush", "queue", *names)


def _crash(container: str) -> None:
    """Its process dies, as by a lack of memory, and the Engine starts it again.

    `docker kill` would count as stopped by hand, and not restart.
    """
    before, pid = docker("inspect", "-f", "{{.RestartCount}} {{.State.Pid}}", container).split()
    os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while docker("inspect", "-f", "{{.RestartCount}}", container) == before:
        assert time.monotonic() < deadline, f"{container} was not started again"
        time.sleep(0.05)


def _killed_in_jobs(project: Project, **more: str) -> None:
    """A switch that is killed when the old color's jobs were told to stop and the new ones do not run yet."""
    at = {"step": "jobs", "moment": "middle", "event": 3, "signal": "SIGKILL"}
    done, _ = project.run_killed("switch", at=at, **more)
    assert done.code == -9, done


def test_jobs_run_in_one_color_and_every_task_is_done_once_in_effect(make_project: Make) -> None:
    project = make_project(WORKING)
    project.ok("up")
    share = TASKS // (2 * ROUNDS + 1)
    sent = 0
    with watched(project) as runs, Load(project.port, {"get": 2}) as load:
        for number in range(ROUNDS):
            for action in (("switch",), ("flip-back",)):
                _enqueue(project, sent, share)
                sent += share
                if action == ("flip-back",):
                    _crash(f"{project.name}-{project.live()}-worker-1")  # it comes back by itself
                done = project.ok(*action, GREETING=f"round {number}")
                assert "Warning" not in done.out, done
        _enqueue(project, sent, TASKS - sent)
        _killed_in_jobs(project, GREETING="killed")
        back = project.ok("flip-back")
        assert "An earlier switch" in back.err, back
        assert "Warning" not in back.out, back
        time.sleep(1)
    assert load.tally.lost == [], load.tally.why()
    assert {run.color for run in runs} == {"blue", "green"}
    assert len(runs) >= 3 * ROUNDS
    gaps = []
    for before, after in itertools.pairwise(runs):
        assert before.end <= after.begin, f"two jobs at once: {before}, {after}"
        gaps.append(after.begin - before.end)
    figure = f"{len(runs)} runs in {2 * ROUNDS + 2} operations, never two at once, none for {max(gaps):.2f} s at most"
    print(f"\njobs: {figure}")
    assert runs[-1].end == float("inf"), (runs[-3:], back, project.status()["jobs"])
    assert runs[-1].color == project.live()
    assert max(gaps[:-1]) < GRACE + START, gaps  # the last is as long as nobody types the next command

    deadline = time.monotonic() + 60
    while int(_valkey(project, "hlen", "done")) < TASKS:
        assert time.monotonic() < deadline, f"{_valkey(project, 'hlen', 'done')} of {TASKS} done"
        time.sleep(0.3)
    tries = int(_valkey(project, "get", "tries"))
    assert int(_valkey(project, "hlen", "done")) == TASKS, "each once in effect"
    assert int(_valkey(project, "llen", "queue")) == int(_valkey(project, "llen", "working")) == 0
    assert tries > TASKS, "a task that was cut by a kill was done again"
    print(f"tasks: {TASKS} done in {tries} tries")


def test_status_says_whether_jobs_are_failing(make_project: Make) -> None:
    project = make_project(
        LEAN.replace("  drain: 2s\n", "  drain: 0s\n  jobs: [worker, import, checked]\n")
        + """  worker:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sh, -c, "sleep 0.2; exit ${EXIT:-0}"]
    environment: {EXIT: "${EXIT:-0}"}
    restart: on-failure
  import:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: ["true"]
  checked:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sleep, "600"]
    stop_grace_period: 0s
    healthcheck: {test: [CMD, "false"], interval: 300ms, retries: 1}
"""
    )
    project.ok("up", EXIT="7")
    deadline = time.monotonic() + 20
    while not ((jobs := project.status()["jobs"])["worker"]["restarts"] and jobs["checked"]["failing"]):
        assert time.monotonic() < deadline, jobs
        time.sleep(0.2)
    assert jobs["import"] == {
        "wanted": 1, "running": 0, "restarts": 0, "last_exit": 0, "health": None, "failing": [],
    }, "one that has done its work is not failing"  # fmt: skip
    assert (jobs["checked"]["health"], jobs["checked"]["failing"]) == ("unhealthy", ["checked-1 is unhealthy"])
    while "FAILING: worker-1 is restarting, exit code 7" not in (text := project.ok("status").out):
        assert time.monotonic() < deadline, text
