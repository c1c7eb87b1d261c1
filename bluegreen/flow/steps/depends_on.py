"""What a service waits for before it starts: its depends_on."""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Making

DEPENDENCY_TIMEOUT = 120.0  # seconds that a depends_on condition may take; Compose itself waits forever
LOG_LINES = 12  # last lines of a dependency that ended, shown in the error
MANY_RESTARTS = 3  # after this many restarts, waiting is of no use
ASK_AGAIN = 0.25  # seconds between two looks at the Engine


def await_dependencies(it: Making, service: str) -> None:
    for name, wanted in (it.stack.services[service].get("depends_on") or {}).items():
        condition = wanted.get("condition", "service_started")
        deadline = it.tools.clock() + DEPENDENCY_TIMEOUT
        while problem := _problem(it, name, condition):
            hopeless = problem.final or it.tools.clock() > deadline
            if hopeless and not wanted.get("required", True):
                break  # as Compose does without one that failed
            if hopeless:
                raise BluegreenError(
                    f"{service} needs {name}, which {problem.words}.", code="dependency-failed",
                    failed=f"{name} {problem.words}", expected=condition, retry="safe",
                    next=_look(it, name, problem),
                    lines=_last_lines(it, name, problem),
                )  # fmt: skip
            it.tools.show.progress(f"{service} waits for {name}: {problem.words}")
            it.tools.sleep(ASK_AGAIN)


@dataclass(frozen=True)
class Problem:
    """Why a dependency is not ready. `final`: waiting is of no use. `container`: its last lines say why."""

    words: str
    final: bool = False
    container: str | None = None


def _problem(it: Making, name: str, condition: str) -> Problem | None:
    migration = it.stack.settings.migrate
    if migration and name == migration.run.service:  # it ran as a step of this release, or there would be none
        return None
    if name not in it.wish.replicas:
        found = it.tools.colors.dependency(name)
        if found is None:
            return Problem("has no container", final=True)
        words = found.lacks(condition)
        if words and found.state == "restarting":
            code, restarts, _ = it.tools.containers.exit_of(found.container)
            said = f"keeps exiting, exit code {code}, {restarts} restarts"
            return Problem(said, restarts >= MANY_RESTARTS, found.container)
        return Problem(words, found.state in ("exited", "dead"), found.container) if words else None
    mine = [replica for replica in it.mine() if replica.service == name]
    if condition == "service_healthy":
        wrong = [replica.health or replica.state for replica in mine if replica.health != "healthy"]
    elif name in it.stack.settings.jobs:  # a job of the new release starts when traffic has moved
        wrong = []
    else:
        wrong = [replica.state for replica in mine if not replica.running]
    return Problem(f"is {wrong[0]}") if wrong else None


def _look(it: Making, name: str, problem: Problem) -> str:
    command = it.tools.command
    if name not in it.stack.shared:
        return f"{command} logs"
    return f"{command} logs {name}, then {command} up" if problem.container else f"{command} up"


def _last_lines(it: Making, name: str, problem: Problem) -> list[str]:
    if not problem.container:
        return []
    return [f"{name}  {line}" for line in it.tools.containers.log_tail(problem.container, LOG_LINES)]
