"""down: the end of an app."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

import click

from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.common import show, show_plan, stack_or_none
from bluegreen.cli.options import DRY_RUN, JSON, PROGRESS, WAIT
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


@dataclass(frozen=True)
class Typed:
    """What a person typed."""

    volumes: bool
    to_compose: bool
    yes: bool
    wait: float
    dry_run: bool
    json_: bool
    progress: str


@click.command()
@click.option("--volumes", is_flag=True, help="Remove the named volumes too: the data is deleted.")
@click.option(
    "--to-compose", is_flag=True, help="Leave the live release to plain Compose, which proves it before nginx stops."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def down(options: Options, /, **words: Any) -> int:
    """Stop and remove everything of this app. Named volumes stay, unless --volumes."""
    from bluegreen.flow.down import down as story
    from bluegreen.flow.down import plan_ending

    typed = Typed(**words)
    app = App(options, output.choose(typed.progress))
    name = app.running_app(acts=True)
    if typed.to_compose:
        return _to_compose(app, name, typed)
    if typed.dry_run:
        tools = app.tools(name)
        return show_plan(plan_ending(tools, stack_or_none(app, tools), typed.volumes), typed.json_)
    data = " and its volumes are deleted" if typed.volumes else ""
    if not typed.yes and not _sure(f"Stop {name}? It will serve nothing until the next up{data}."):
        return ExitCode.FAILED
    with app.acting("down", typed.wait):
        tools = app.tools(name)
        result = story(tools, stack_or_none(app, tools), typed.volumes)
        if result.error is None:
            app.still_held()
            _remove_state(app.state)
            result.warnings.append(_left(app, typed.volumes))
    return show(result, app, typed.json_)


def _to_compose(app: App, name: str, typed: Typed) -> int:
    from bluegreen.compose.beside import Beside
    from bluegreen.flow.leave import leave, plan_leaving

    if typed.volumes:
        raise click.UsageError("--to-compose keeps the data, so --volumes does not go with it")
    stack = app.stack
    plain = Beside(app.compose, name, app.project_directory)
    if typed.dry_run:
        return show_plan(plan_leaving(app.tools(name), plain, stack), typed.json_)
    if not typed.yes and not _sure(f"Leave {name} to plain Compose? bluegreen's nginx and colors are removed then."):
        return ExitCode.FAILED
    with app.acting("down", typed.wait):
        result = leave(app.tools(name), plain, stack)
        removed = any(it.step.name == "remove" and it.outcome == "done" for it in result.steps)
        if result.error is None and removed:  # else the same command goes on
            app.still_held()
            _remove_state(app.state)
            result.warnings.append(_left(app, typed.volumes))
    return show(result, app, typed.json_)


def _left(app: App, volumes: bool) -> str:
    """What of ours is still there, and how each goes."""
    forget = join(["rm", "-r", str(app.state)])
    data = "" if volumes else f"; the named volumes ({app.command} down --volumes, before that)"
    return f"Left: its history ({forget}){data}; x-bluegreen and profiles in the Compose file."


def _sure(question: str) -> bool:
    if not output.terminal(sys.stdin):
        raise click.UsageError("down asks before it acts; without a terminal, say --yes")
    return click.confirm(question, default=False, err=True)


def _remove_state(state: Path) -> None:
    import shutil

    for name in ("nginx", "run"):
        shutil.rmtree(state / name, ignore_errors=True)
