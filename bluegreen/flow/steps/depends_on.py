"""What a service waits for before it starts, as its depends_on asks."""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Making

DEPENDENCY_TIMEOUT = 120.0  # seconds that a depends_on condition may take; Compose itself waits forever
ASK_AGAIN = 0.25  # seconds between two looks at the Engine


def await_dependencies(it: Making, service: str) -> None:
    for name, wanted in (it.stack.services[service].get("depends_on") or {}).items():
        condition = wanted.get("condition", "service_started")
        deadline = it.tools.clock() + DEPENDENCY_TIMEOUT
        while problem := _problem(it, name, condition):
            if problem.absent and not wanted.get("required", True):
                break
            if problem.absent or it.tools.clock() > deadline:
                raise BluegreenError(
                    f"{service} cannot start: {name} is not as its depends_on asks.",
                    failed=f"{name} {problem.words}", expected=condition, retry="safe",
                    next=f"{it.tools.command} up" if name in it.stack.shared else f"{it.tools.command} logs",
                )  # fmt: skip
            it.tools.show.progress(f"{service} waits for {name}: {problem.words}")
            it.tools.sleep(ASK_AGAIN)


@dataclass(frozen=True)
class Problem:
    """Why a dependency is not as it should be. `absent`: it has no container, so waiting is of no use."""

    words: str
    absent: bool = False


def _problem(it: Making, name: str, condition: str) -> Problem | None:
    if name not in it.wish.replicas:
        found = it.tools.colors.dependency(name)
        words = _of_shared(found, condition) if found else "is not there"
        return Problem(words, found is None) if words else None
    mine = [replica for replica in it.mine() if replica.service == name]
    if condition == "service_healthy":
        wrong = [replica.health or replica.state for replica in mine if replica.health != "healthy"]
    elif name in it.stack.settings.jobs:  # a job of the new release starts when traffic has moved
        wrong = []
    else:
        wrong = [replica.state for replica in mine if not replica.running]
    return Problem(f"is {wrong[0]}") if wrong else None


def _of_shared(found: tuple[str, str | None, int], condition: str) -> str:
    """What stands against a shared service; empty: nothing."""
    state, health, code = found
    if condition == "service_completed_successfully":
        return "" if state == "exited" and code == 0 else f"is {state}, exit code {code}"
    if condition == "service_healthy":
        return "" if health == "healthy" else f"is {health or state}"
    return "" if state in ("running", "restarting") else f"is {state}"
