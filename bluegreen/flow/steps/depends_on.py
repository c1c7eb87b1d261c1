"""What a service waits for before it starts, as its depends_on asks."""

from __future__ import annotations

from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Making

DEPENDENCY_TIMEOUT = 120.0  # seconds that a depends_on condition may take; Compose itself waits forever
ASK_AGAIN = 0.25  # seconds between two looks at the Engine


def await_dependencies(it: Making, service: str) -> None:
    for name, wanted in (it.stack.services[service].get("depends_on") or {}).items():
        condition = wanted.get("condition", "service_started")
        deadline = it.tools.clock() + DEPENDENCY_TIMEOUT
        while problem := _dependency_problem(it, name, condition):
            if not wanted.get("required", True) and "not there" in problem:
                break
            if "not there" in problem or it.tools.clock() > deadline:
                raise BluegreenError(
                    f"{service} cannot start: {name} is not as its depends_on asks.",
                    failed=f"{name} {problem}", expected=condition, retry="safe",
                    next=f"{it.tools.command} up" if name in it.stack.shared else f"{it.tools.command} logs",
                )  # fmt: skip
            it.tools.show.progress(f"{service} waits for {name}: {problem}")
            it.tools.sleep(ASK_AGAIN)


def _dependency_problem(it: Making, name: str, condition: str) -> str | None:
    if name in it.wish.replicas:
        mine = [replica for replica in it.mine() if replica.service == name]
        if condition == "service_healthy":
            return next((f"is {r.health or r.state}" for r in mine if r.health != "healthy"), None)
        return None if name in it.stack.settings.jobs else next((f"is {r.state}" for r in mine if not r.running), None)
    found = it.tools.colors.dependency(name)
    if found is None:
        return "is not there"
    state, health, code = found
    if condition == "service_completed_successfully":
        return None if state == "exited" and code == 0 else f"is {state}, exit code {code}"
    if condition == "service_healthy":
        return None if health == "healthy" else f"is {health or state}"
    return None if state in ("running", "restarting") else f"is {state}"
