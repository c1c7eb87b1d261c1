"""Hooks: the person's own commands at named moments, on this machine or in a container of a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bluegreen.domain.app import HookName, Stack, Task
from bluegreen.domain.color import Color
from bluegreen.domain.release import Image
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.task import Ended, run_to_end
from bluegreen.flow.values import Result, Tools

SHOWN_LINES = 8  # last lines of a failed hook in its error
QUIET = (ExitCode.USAGE, ExitCode.LOCKED, ExitCode.INTERRUPTED)  # nothing was tried, or the person ended it


class HookFailed(BluegreenError):
    """A hook ran and failed."""


@dataclass(frozen=True)
class Moment:
    """What a hook gets, as variables BLUEGREEN_*."""

    verb: str
    color: Color | None
    release: int | None
    outcome: str
    owner: str

    def variables(self, tools: Tools, name: str) -> dict[str, str]:
        return {
            "BLUEGREEN_APP": tools.app, "BLUEGREEN_HOOK": name, "BLUEGREEN_VERB": self.verb,
            "BLUEGREEN_COLOR": self.color or "", "BLUEGREEN_RELEASE": str(self.release or ""),
            "BLUEGREEN_OUTCOME": self.outcome, "BLUEGREEN_OWNER": self.owner,
        }  # fmt: skip


def run_hooks(tools: Tools, stack: Stack, name: HookName, moment: Moment, images: Mapping[str, Image]) -> str:
    """Runs the hooks of one moment in their order. Raises BluegreenError at the first that fails."""
    hooks = stack.settings.hooks.get(name, ())
    if hooks:  # a secret in an argument may come out again; what looks like one is masked from here on
        tools.compose.interpolated(Path(stack.project_directory))
    for hook in hooks:
        what = hook.service or hook.command[0]
        tools.show.progress(f"{name}: {what}")
        variables = moment.variables(tools, name)
        run = tools.journal.runs.start(moment.release or 0, name, what)
        try:
            ended = _one(tools, stack, hook, moment, variables, images)
        except BluegreenError:
            tools.journal.runs.end(run, "interrupted")
            raise
        tools.journal.runs.end(run, "done" if ended.succeeded else "failed", ended.code, ended.output)
        if not ended.succeeded:
            raise HookFailed(
                f"The hook {name} failed.", code="hook-failed", failed=f"{what}: {ended.why}", expected="exit code 0",
                retry="safe", next=f"{tools.command} show {moment.release}", lines=ended.lines[-SHOWN_LINES:],
            )  # fmt: skip
    return ", ".join(hook.service or hook.command[0] for hook in hooks)


def _one(
    tools: Tools, stack: Stack, hook: Task, moment: Moment, variables: Mapping[str, str], images: Mapping[str, Image]
) -> Ended:
    if hook.service is None:
        code, output, why = tools.host(hook.command, variables, Path(stack.project_directory), hook.timeout)
        return Ended(code, tools.mask(output), why)
    image = images.get(hook.service)
    if image is None:
        return Ended(None, "", f"the image of {hook.service} is unknown until the next switch")
    with tools.signals.deferred():
        container = tools.colors.create_task(stack, hook, "once", image, moment.release or 0, variables)
    return run_to_end(tools, container, hook.timeout, hook.service)


def after(
    tools: Tools, name: HookName, result: Result, moment: Moment, load: Callable[[], Stack], images: Mapping[str, Image]
) -> None:
    """Runs hooks whose failure changes nothing any more: it is a warning."""
    try:
        run_hooks(tools, load(), name, moment, images)
    except BluegreenError as error:
        words = f"The hook {name} {'failed' if isinstance(error, HookFailed) else 'did not run'}"
        result.warnings.append(f"{words} ({error.failed or error.summary}); the outcome of the {result.verb} stays.")


def after_failure(
    tools: Tools, result: Result, moment: Moment, load: Callable[[], Stack], images: Mapping[str, Image]
) -> None:
    """The hook on_failure, unless nothing was tried."""
    if result.error and result.error.exit_code not in QUIET:
        after(tools, "on_failure", result, moment, load, images)
