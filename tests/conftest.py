"""Projects for tests. A test that needs the Engine fails without one; it never skips."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.support.files import LEAN, SERVER, SHOP
from tests.support.project import Project

Make = Callable[..., Project]
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as behind `nohup … &`: what tests start must feel a Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["BLUEGREEN_WATCH"] = "0s"  # what has no visitors need not be watched; tests of watching say how long


@pytest.fixture
def make_project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes projects and removes them, after printing their logs when the test failed."""
    made: list[Project] = []

    def make(compose: str, name: str = "project") -> Project:
        project = Project(tmp_path / name, compose)
        (project.folder / "server.py").write_text(SERVER)
        made.append(project)
        return project

    yield make
    for project in made:
        report = getattr(request.node, "report", None)
        if report is not None and report.failed:
            print(project.logs())
        project.clean()


@pytest.fixture
def shop(make_project: Make) -> Project:
    """The example with two routed services, a worker and a Valkey."""
    return make_project(SHOP)


@pytest.fixture
def lean(make_project: Make) -> Project:
    """One small service."""
    return make_project(LEAN)


# Files that take long, in the order in which the lanes of a run take them: a long one at the end leaves others idle.
LONG = (
    "test_killed_at_every_step.py", "test_verbs.py", "test_faults_of_the_machine.py", "test_rehearsal.py",
    "test_bad_actors.py", "test_tls.py", "test_engine_dies.py", "test_crowds.py", "test_images.py", "test_example.py",
    "test_migrations_and_hooks.py", "test_from_nothing.py", "test_background_work.py", "test_moving_in_and_out.py",
    "test_newcomers.py", "test_as_compose_would.py", "test_small_faults_stay_small.py", "test_failover.py",
    "test_proxy.py", "test_kept_releases.py", "test_runbook.py", "test_check.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leaves the report of a test where its fixtures find it."""
    report = yield
    if report.when == "call":
        item.report = report  # type: ignore[attr-defined]  # an attribute of our own
    return report
