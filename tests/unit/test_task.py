"""A one-off container from its start to its end, when it does not end by itself."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.flow.task import run_to_end


class Containers:
    """One container that ends with `code` after so many looks; None: never by itself."""

    def __init__(self, looks: int | None, code: int) -> None:
        self.looks, self.code, self.log = looks, code, list[str]()
        self.stopped = False

    def end_of(self, container: str) -> int | None:
        assert container == "task"
        if self.stopped or self.looks == 0:
            return self.code
        if self.looks is not None:
            self.looks -= 1
        return None

    def start(self, container: str) -> None:
        self.log.append(f"start {container}")

    def stop(self, container: str) -> None:
        self.stopped = True
        self.log.append(f"stop {container}")

    def remove(self, container: str) -> None:
        self.log.append(f"remove {container}")

    def log_tail(self, container: str, lines: int) -> list[str]:
        return [f"{container} wrote secret"][:lines]


def _tools(containers: Containers) -> Any:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    said: list[str] = []
    return SimpleNamespace(
        containers=containers, clock=lambda: now[0], sleep=sleep, said=said,
        mask=lambda words: words.replace("secret", "***"), show=SimpleNamespace(progress=said.append),
        signals=SimpleNamespace(deferred=contextlib.nullcontext),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("looks", "code", "found", "why", "log"),
    [
        (0, 0, 0, "", ["start task", "remove task"]),
        (3, 0, 0, "", ["start task", "remove task"]),
        (3, 9, 9, "exit code 9", ["start task", "remove task"]),
        (None, 137, None, "did not end within 2 s", ["start task", "stop task", "remove task"]),
    ],
)
def test_it_is_waited_for_stopped_when_it_is_too_slow_and_removed(
    looks: int | None, code: int, found: int | None, why: str, log: list[str]
) -> None:
    containers = Containers(looks, code)
    tools = _tools(containers)
    ended = run_to_end(tools, "task", 2.0, "migrate")
    assert (ended.code, ended.why, ended.succeeded) == (found, why, found == 0)
    assert containers.log == log
    assert ended.output == "task wrote ***"
    assert tools.said == ([] if looks == 0 else ["migrate: task wrote ***"])
