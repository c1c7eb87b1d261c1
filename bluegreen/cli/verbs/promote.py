"""promote: more visitors, or all of them, for the release of a canary."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import click

from bluegreen.cli import output, wishes
from bluegreen.cli.app import App
from bluegreen.cli.common import refuse_before_up, show, show_plan
from bluegreen.cli.options import CANARY, DRY_RUN, JSON, PROGRESS, WAIT, WATCH, several, shares
from bluegreen.compose.options import Options


@dataclass(frozen=True)
class Typed:
    """What a person typed."""

    canary: int | None
    steps: tuple[int, ...] | None
    every: float | None
    watch: float | None
    now: bool
    wait: float
    dry_run: bool
    json_: bool
    progress: str


@click.command()
@several(*CANARY)
@WATCH
@click.option("--now", is_flag=True, help="End a command that waits between two shares, and promote.")
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def promote(options: Options, /, **words: Any) -> int:
    """Give the release of a canary to all visitors, or to a larger share."""
    typed = Typed(**words)
    steps = shares(typed.canary, typed.steps, typed.every)
    app = App(options, output.choose(typed.progress))
    refuse_before_up(app, 0.0 if typed.dry_run else typed.wait)
    app.running_app(acts=True)
    stack = app.stack

    from bluegreen.domain.release import Note
    from bluegreen.flow.making import Request
    from bluegreen.flow.switch import plan_switch
    from bluegreen.flow.switch import switch as story

    request = Request("promote", note=Note(owner=wishes.owner(app)))
    with contextlib.nullcontext() if typed.dry_run else app.acting("promote", typed.wait, typed.now):
        tools = app.tools(stack.app)
        wish = wishes.moves(wishes.wish(app, tools, stack), stack, steps, typed.watch, typed.every)
        if typed.dry_run:
            return show_plan(plan_switch(tools, stack, wish, request), typed.json_)
        result = story(tools, stack, wish, request)
    if stack.settings.notify:
        from bluegreen.cli import notices

        notices.after(app, result, stack.settings.notify)
    return show(result, app, typed.json_)
