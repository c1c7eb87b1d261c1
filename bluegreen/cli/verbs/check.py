"""check, rehearse and runbook: what a release would do, before it does."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from bluegreen.cli import output, report, wishes
from bluegreen.cli.app import App
from bluegreen.cli.options import JSON, PROGRESS
from bluegreen.cli.text import urls
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


@click.command()
@JSON
@click.pass_obj
def check(options: Options, json_: bool) -> int:
    """Check everything that a switch needs. Changes nothing. Exit 1: not ready."""
    app = App(options, output.choose("none"))
    stack = app.stack

    from bluegreen.cli import claim
    from bluegreen.cli.preview import with_free
    from bluegreen.domain.findings import may_release
    from bluegreen.look.check import check as story

    tools = app.tools(stack.app)
    stack = with_free(app, tools, stack)
    found, plan = story(tools, stack, wishes.wish(app, tools, stack), app.state)
    found += claim.findings(app)
    if stack.settings.tls:
        from bluegreen.cli.certificates import looked_at
        from bluegreen.look.served import certificates

        found += [it.reached_by(app.command) for it in certificates(looked_at(app.state) or [])]
    ready = may_release(found)
    if json_:
        findings = [finding.as_dict() for finding in found]
        output.as_json({"ready": ready, "findings": findings, "plan": plan.as_dict() if plan else None})
    else:
        output.result(report.findings_text(found, plan, ready))
    return int(ExitCode.DONE if ready else ExitCode.FAILED)


@click.command()
@click.option(
    "--copy-volumes", is_flag=True, help="With copies of the volumes, measured first; otherwise they are empty."
)
@click.option(
    "--outside", is_flag=True, help="Rehearse even if variables point to a database outside the Compose file."
)
@JSON
@PROGRESS
@click.pass_obj
def rehearse(options: Options, copy_volumes: bool, outside: bool, json_: bool, progress: str) -> int:
    """Run the next switch and a flip-back for real, beside production. Production is not touched."""
    from bluegreen.cli.rehearsing import Stage, rehearsing
    from bluegreen.features.rehearsal import rehearse as story

    app = App(options, output.choose(progress))
    stack, wanted = app.stack, story.RehearsalOptions(copy_volumes, outside)
    tools = app.tools(stack.app)
    story.refuse(tools, stack, wanted)
    with rehearsing(app), Stage(app, stack) as stage:
        found = story.rehearse(tools, stack, stage, wanted)
    if json_:
        output.as_json(found)
    else:
        output.result(report.rehearsal_text(found, app.command))
    return int(ExitCode.DONE if found["outcome"] == "passed" else ExitCode.FAILED)


@click.command()
@click.pass_obj
def runbook(options: Options) -> int:
    """Print a page about this app for the person on call: what runs where, how to release, how to go back."""
    from bluegreen.cli.page import page
    from bluegreen.look.runbook import runbook as story

    app = App(options, output.choose("none"))
    elsewhere = options.from_anywhere(str(app.project_directory), app.environment)  # where the page is read
    app = App(elsewhere, output.choose("none"))
    settings = app.stack.settings
    preview = str(settings.preview) if settings.preview else None
    facts = story(app.tools(app.stack.app), app.stack, urls([str(at) for at in settings.visited()]), preview)
    output.result(page(facts, datetime.now(UTC)))
    return int(ExitCode.DONE)
