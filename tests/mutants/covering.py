"""Which unit test executes which line: the others cannot notice what is broken there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

from tests.mutants.found import Mutant

TIMES = "MUTANTS_TIMES"  # where the run writes what each test took
RULES = """
[run]
source = bluegreen
parallel = true
patch = subprocess
data_file = {data}
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Each line is noted for the test, with its fixtures, that executes it. (This module is the plugin of that run.)"""
    measured = coverage.Coverage.current()
    if measured:
        measured.switch_context(_function(item.nodeid))
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if TIMES in os.environ:
        with Path(os.environ[TIMES]).open("a") as file:
            file.write(json.dumps([_function(report.nodeid), report.duration, report.failed]) + "\n")


def _function(node: str) -> str:
    return node.partition("[")[0]


@dataclass(frozen=True)
class Covering:
    """Tests by file and line, and what each takes in seconds. A test named '' is a process that a test started."""

    lines: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]
    failed: set[str]  # under measurement; some count the modules that are loaded

    def of(self, mutant: Mutant) -> list[str]:
        """The tests to run, the shortest first."""
        lines = self.lines.get(mutant.file, {})
        first, last = mutant.statement
        found = {test for line in range(first, last + 1) for test in lines.get(line, ())}
        everything = mutant.at_import or found == {""}
        return sorted(self.seconds if everything else found - {""}, key=lambda test: (self.seconds.get(test, 0), test))


def measure(tree: Path, scratch: Path) -> Covering:
    rules, data, times = scratch / "coveragerc", scratch / "coverage", scratch / "times"
    rules.write_text(RULES.format(data=data))
    times.touch()
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutants.covering", "tests/unit"]
    environment = os.environ | {"PYTHONPATH": str(tree), TIMES: str(times)}
    subprocess.run(
        [sys.executable, "-m", "coverage", "run", f"--rcfile={rules}", *words],
        cwd=tree, env=environment, check=False, stdout=sys.stderr,
    )  # fmt: skip
    seconds: dict[str, float] = {}
    failed: set[str] = set()
    for test, took, wrong in map(json.loads, times.read_text().splitlines()):
        seconds[test] = seconds.get(test, 0) + took
        failed |= {test} if wrong else set()
    read = coverage.Coverage(data_file=str(data), config_file=False)
    read.combine([str(scratch)])
    found = read.get_data()
    lines = {
        str(Path(file).resolve().relative_to(tree.resolve())): {
            line: set(tests) for line, tests in found.contexts_by_lineno(file).items()
        }
        for file in found.measured_files()
    }
    return Covering(lines, seconds, failed)
