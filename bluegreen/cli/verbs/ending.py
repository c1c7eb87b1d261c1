"""down: the end of an app."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.common import show, show_plan, stack_or_none
from bluegreen.cli.options import DRY_RUN, JSON, PROGRESS, WAIT
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


@click.command()
@click.option("--volumes", is_flag=True, help="Remove the named volumes as well: the data is gone.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def down(options: Options, volumes: bool, yes: bool, wait: float, dry_run: bool, json_: bool, progress: str) -> int:
    """Stop and remove everything of this app. Named volumes stay unless --volumes."""
    from bluegreen.flow.down import down as story
    from bluegreen.flow.down import plan_ending

    app = App(options, output.choose(progress))
    name = app.running_app(acts=True)
    if dry_run:
        tools = app.tools(name)
        return show_plan(plan_ending(tools, stack_or_none(app, tools), volumes), json_)
    if not yes and not _sure(
        f"Stop {name}? It will serve nothing until the next up{' and its volumes are deleted' if volumes else ''}."
    ):
        return ExitCode.FAILED
    with app.acting("down", wait):
        tools = app.tools(name)
        result = story(tools, stack_or_none(app, tools), volumes)
        if result.error is None:
            _remove_state(app.state)
    return show(result, app, json_)


def _sure(question: str) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("down asks before it acts; without a terminal, say --yes")
    return click.confirm(question, default=False, err=True)


def _remove_state(state: Path) -> None:
    import shutil

    for name in ("nginx", "run"):
        shutil.rmtree(state / name, ignore_errors=True)
