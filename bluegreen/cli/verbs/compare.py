"""compare: the live release beside the idle one, by what visitors asked for."""

from __future__ import annotations

import click

from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.common import refuse_before_up
from bluegreen.cli.options import JSON, PROGRESS
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


@click.command()
@click.option(
    "-n", "number", type=click.IntRange(1, 1000), default=200, show_default=True, metavar="COUNT",
    help="How many recent GETs are asked again, at most.",
)  # fmt: skip
@JSON
@PROGRESS
@click.pass_obj
def compare(options: Options, /, number: int, json_: bool, progress: str) -> int:
    """Ask both colors recent GETs of visitors again and show how the answers differ. Traffic does not move."""
    app = App(options, output.choose(progress))
    refuse_before_up(app)
    settings = app.stack.settings
    tools = app.tools(app.stack.app)

    from bluegreen.cli import compared
    from bluegreen.flow.compare import compare_idle

    found, standing = compare_idle(tools, settings, number)
    shown = compared.document(found, standing, settings.compare.fail, tools.mask)
    if json_:
        output.as_json(shown)
    else:
        output.result(compared.text(shown))
    return int(ExitCode.DONE if shown["ok"] else ExitCode.FAILED)
