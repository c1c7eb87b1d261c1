"""What `check` finds, as values: can the next release be made? Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from bluegreen.domain.app import Stack
from bluegreen.domain.sources import mounted_code, reloads
from bluegreen.domain.units import SECOND, nanoseconds
from bluegreen.errors import COMMAND

Outcome = Literal["ok", "warning", "failed", "unknown"]
LEAST_GRACE = 1.0  # seconds that a job needs to finish what it does
COMPOSE_GRACE = 10.0  # seconds; the default of Compose
STAYS_UP = "always"  # the only policy that restarts a container after only the Docker daemon was killed
MIGRATION_TOOLS = {
    "alembic.ini": "Alembic", "manage.py": "Django", "prisma/schema.prisma": "Prisma", "knexfile.js": "Knex",
    "db/migrate": "Rails",
}  # fmt: skip
UNSEEN = (
    "sessions and caches in a process's memory, files in a container's own layer, requests that must not be repeated"
)


@dataclass(frozen=True)
class Finding:
    """One result of a check. `fix` is what to do; empty when nothing is wrong."""

    name: str
    outcome: Outcome
    found: str
    expected: str = ""
    why: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def reached_by(self, command: str) -> Finding:
        """The same with the command that reaches this app where a field names it."""
        return replace(self, **{name: value.replace(COMMAND, command) for name, value in self.as_dict().items()})


def may_release(findings: Iterable[Finding]) -> bool:
    return not any(finding.outcome == "failed" for finding in findings)


def of_stack(stack: Stack) -> Iterator[Finding]:
    """Findings from the Compose file alone: can a release be repeated and taken back?"""
    yield from _jobs(stack)
    yield from _together(stack)
    yield from _code(stack)
    yield from _shared(stack)
    yield from _logs(stack)


def _logs(stack: Stack) -> Iterator[Finding]:
    for name in stack.settings.release_services():
        if (stack.services[name].get("logging") or {}).get("driver") == "none":
            yield Finding(
                "logs", "warning", f"{name} has logging: none, so its output is lost",
                "a driver that keeps it, such as local", "a release that fails cannot say why",
                f"set logging.driver of {name} to local",
            )  # fmt: skip


def _jobs(stack: Stack) -> Iterator[Finding]:
    for name in stack.settings.jobs:
        text = stack.services[name].get("stop_grace_period")
        grace = nanoseconds(text) / SECOND if text else COMPOSE_GRACE
        if grace < LEAST_GRACE:
            yield Finding(
                "retry-safe", "warning", f"{name} gets {grace:g} s to stop", f"at least {LEAST_GRACE:g} s",
                "a task that is cut off must be done again by the other color's job",
                f"set stop_grace_period of {name} to what one task takes",
            )  # fmt: skip
        else:
            yield Finding("retry-safe", "ok", f"{name} gets {grace:g} s to stop")


def _together(stack: Stack) -> Iterator[Finding]:
    for words in stack.together:
        yield Finding(
            "volumes", "warning", words.rstrip("."), "data that both releases may use at the same time",
            "during a switch, and while the idle color runs, two releases use the same files",
            "keep the format readable for the previous release; or move the data into a shared service",
        )  # fmt: skip
    if not stack.together:
        yield Finding("volumes", "ok", "the colors do not write to the same data")


def _shared(stack: Stack) -> Iterator[Finding]:
    """One line for all of them: nearly every file has the same."""
    policies = {name: stack.services[name].get("restart") or "no" for name in stack.shared}
    down = {name: policy for name, policy in policies.items() if policy != STAYS_UP}
    if down:
        yield Finding(
            "shared", "warning", "; ".join(f"{name} has restart: {policy}" for name, policy in down.items()),
            f"restart: {STAYS_UP}", "after a crash of the Docker daemon, nothing starts them again",
            f"set restart: {STAYS_UP} for {', '.join(down)}",
        )  # fmt: skip
    elif policies:
        yield Finding("shared", "ok", f"{', '.join(policies)} restart {STAYS_UP}")


def _code(stack: Stack) -> Iterator[Finding]:
    for name in stack.settings.release_services():
        for source, target in mounted_code(stack.services[name], stack.project_directory):
            yield Finding(
                "code", "warning", f"{name} runs the code of {source}, mounted at {target}", "code in the image only",
                "both colors run what is in this folder: a restart runs changed code, even after a flip-back",
                f"remove this mount from {name}; its image has the code",
            )  # fmt: skip
        if reloading := reloads(stack.services[name]):
            yield Finding(
                "code", "warning", f"{name} is started with {reloading}", "a server that does not watch its files",
                "it is for development: it restarts with code that nobody has checked",
                f"remove it from {name}.command",
            )  # fmt: skip


def of_retries(texts: Mapping[str, str]) -> Finding:
    """Whether nginx would send a POST twice. `texts`: its files by name, our rendered one and the person's snippets."""
    guilty = [
        name
        for name, text in texts.items()
        if re.search(r"(?:^|[{;\s])proxy_next_upstream\s[^;]*\bnon_idempotent\b", re.sub(r"#.*", "", text))
    ]
    if guilty:
        return Finding(
            "retry-safe", "failed", f"{', '.join(guilty)} lets nginx repeat a POST", "no non_idempotent",
            "an order could be placed twice",
            "remove non_idempotent from proxy_next_upstream",
        )  # fmt: skip
    return Finding("retry-safe", "ok", "nginx never sends a POST twice")


def of_migrations(declared: bool, there: Sequence[str]) -> Finding:
    """Whether migrations are declared. `there`: which of MIGRATION_TOOLS the project's folder has."""
    if declared:
        return Finding("retry-safe", "ok", "the migration runs once for each release, before traffic")
    if there:
        tools = ", ".join(f"{MIGRATION_TOOLS[name]} ({name})" for name in there)
        return Finding(
            "retry-safe", "warning", f"the project has {tools}, and x-bluegreen has no migrate",
            "migrate: {service, command}",
            "a migration in a start command runs once for each replica, and again at each restart",
            "set x-bluegreen.migrate",
        )  # fmt: skip
    return Finding("retry-safe", "ok", "x-bluegreen has no migrate, and no migration tool was found")


def of_space(place: str, free: int | None, needed: int, what: str) -> Finding:
    """Whether a file system has room. Sizes in bytes."""
    if free is None:
        return Finding("disk", "unknown", f"the free space at {place} is unknown", f"{_size(needed)} free", what)
    if free < needed:
        return Finding(
            "disk", "failed", f"{_size(free)} free at {place}", f"{_size(needed)} for {what}",
            "on a full disk the release fails, and a database may fail too",
            "docker system df (shows what uses the space); or a smaller x-bluegreen.keep",
        )  # fmt: skip
    return Finding("disk", "ok", f"{_size(free)} free at {place}, {_size(needed)} needed for {what}")


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
