"""The migration: once for each release, before traffic; never silently twice, never silently left out."""

from __future__ import annotations

from typing import Literal

from bluegreen.domain.app import Stack
from bluegreen.domain.color import Color
from bluegreen.domain.release import Image
from bluegreen.domain.world import TaskContainer
from bluegreen.errors import BluegreenError, Interrupted
from bluegreen.flow.task import end, output_of, run_to_end
from bluegreen.flow.values import Tools

Answer = Literal["again", "skip"]
SHOWN_LINES = 12  # last lines of a failed migration in its error


def in_doubt(tools: Tools, migrates: bool = True) -> str | None:
    """What is known of an interrupted migration, in a phrase; None: there is none.

    Its container goes on without us and may have ended since; one that the journal forgot counts too, where
    releases have a migration at all (`migrates`).
    """
    runs = list(tools.journal.runs.in_doubt())
    containers = tools.containers.task_containers("migration") if runs or migrates else ()
    if not runs and not containers:
        return None
    release = containers[-1].release if containers else runs[-1].release
    started = next((f" (started {run.started})" for run in reversed(runs) if run.release == release), "")
    state = _state(containers[-1]) if containers else "its container is gone"
    return f"the migration of release {release}{started} was running when an earlier command was interrupted; {state}"


def _state(container: TaskContainer) -> str:
    if container.running:
        return f"{container.name} still runs"
    return f"{container.name} has ended since, with exit code {container.exit_code}"


def refuse_doubt(tools: Tools, verb: str, answer: Answer | None, migrates: bool = True) -> None:
    """Raises BluegreenError when a migration is in doubt and the person has not said what to do about it."""
    doubt = in_doubt(tools, migrates)
    if doubt and answer is None:
        raise BluegreenError(
            "It is unknown whether a migration was completed.", code="migration-in-doubt", failed=doubt,
            expected="a migration that was seen to end",
            retry="safe with --migrate: again runs it once more, skip counts it as completed",
            next=f"look at the database; then {tools.command} {verb} --migrate again, or --migrate skip",
        )  # fmt: skip


def settle_doubt(tools: Tools, answer: Answer) -> str:
    """Stops and removes what is left of interrupted migrations, so that no two run at the same time; says so."""
    said = []
    for container in tools.containers.task_containers("migration"):
        said.append(f"{container.name} was {'stopped' if container.running else 'ended'}")
        with tools.signals.deferred():
            output = output_of(tools, container.id)
            end(tools, container.id)
        for run in tools.journal.runs.in_doubt():
            if run.release == container.release:
                tools.journal.runs.end(run.id, f"cut; then --migrate {answer}", container.exit_code, output)
    for run in tools.journal.runs.in_doubt():
        tools.journal.runs.end(run.id, f"cut; then --migrate {answer}", run.code, run.output)
    return "; ".join(said)


def migrate(tools: Tools, stack: Stack, image: Image, color: Color, release: int, answer: Answer | None) -> str:
    """Runs the migration of a release. Raises BluegreenError when it fails, or takes too long."""
    migration = stack.settings.migrate
    if migration is None:
        return "none"
    left = settle_doubt(tools, answer) if answer else ""
    if answer == "skip":
        return f"skipped (--migrate skip){f' ({left})' if left else ''}"
    with tools.signals.deferred():
        tools.colors.ensure_prerequisites(stack, color, tools.show.progress)
        variables = {"BLUEGREEN_COLOR": color, "BLUEGREEN_RELEASE": str(release)}
        container = tools.colors.create_task(stack, migration.run, "migration", image, release, variables)
    run = tools.journal.runs.start(release, "migrate", migration.run.service or "")
    began = tools.clock()
    try:
        ended = run_to_end(tools, container, migration.run.timeout, "migrate")
    except Interrupted:
        tools.journal.runs.end(run, "interrupted")
        raise
    if not ended.succeeded:
        tools.journal.runs.end(run, "failed", ended.code, ended.output)
        raise BluegreenError(
            f"The migration of release {release} failed.", code="migration-failed", failed=ended.why,
            expected=f"{migration.run.service} to end with exit code 0 within {migration.run.timeout:g} s",
            retry="safe if the migration itself is: the next switch runs it again",
            next=f"{tools.command} show {release}", lines=ended.lines[-SHOWN_LINES:],
        )  # fmt: skip
    tools.journal.runs.end(run, "done", ended.code, ended.output)
    return f"{migration.run.service}, {tools.clock() - began:.1f} s{f' ({left})' if left else ''}"
