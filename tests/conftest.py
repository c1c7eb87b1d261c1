"""Projects for tests. A test that needs the Engine fails without one; it never skips."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.support.files import LEAN, SERVER, SHOP
from tests.support.project import Project

Make = Callable[..., Project]


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leaves the report of a test where its fixtures find it."""
    report = yield
    if report.when == "call":
        item.report = report  # type: ignore[attr-defined]  # an attribute of our own
    return report
