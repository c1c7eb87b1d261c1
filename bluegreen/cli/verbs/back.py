"""flip-back, as the full command has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from bluegreen.cli import output, wishes
from bluegreen.cli.app import App
from bluegreen.cli.common import refuse_before_up, show, show_plan
from bluegreen.cli.options import DRY_RUN, JSON, PROGRESS, WAIT
from bluegreen.compose.options import Options


@dataclass(frozen=True)
class Typed:
    """What a person typed."""

    force: bool
    now: bool
    wait: float
    dry_run: bool
    json_: bool
    progress: str


@click.command("flip-back")
@click.option("--force", is_flag=True, help="Flip even to a color that is not healthy.")
@click.option("--now", is_flag=True, help="End another bluegreen command that still prepares, and go back.")
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def flip_back(options: Options, /, **words: Any) -> int:
    """Move traffic back to the previous release. Needs no Compose file and no registry."""
    from bluegreen.flow.flip_back import FlipBackOptions
    from bluegreen.flow.flip_back import flip_back as story
    from bluegreen.flow.observe import observe
    from bluegreen.plans.flip_back import plan_flip_back

    typed = Typed(**words)
    app = App(options, output.choose(typed.progress))
    refuse_before_up(app, 0.0 if typed.dry_run else typed.wait, live=False)
    name = app.running_app(acts=True)
    if typed.dry_run:
        return show_plan(plan_flip_back(observe(app.tools(name)), typed.force), typed.json_)
    with app.acting("flip-back", typed.wait, typed.now):
        refuse_before_up(app, live=False)
        wanted = FlipBackOptions(typed.force, lambda: app.stack, lambda: wishes.owner(app))
        result = story(app.tools(name), wanted)
    from bluegreen.cli.notices import after_back  # traffic has moved

    after_back(app, result)
    return show(result, app, typed.json_)
