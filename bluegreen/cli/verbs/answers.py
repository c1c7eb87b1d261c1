"""expect: recorded answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from bluegreen.cli import arguments, output, report
from bluegreen.cli.app import App
from bluegreen.cli.common import notices
from bluegreen.cli.options import JSON
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


@dataclass(frozen=True)
class Typed:
    """What a person typed with `expect`."""

    words: tuple[str, ...]
    record: bool
    headers: tuple[str, ...]
    data: str | None
    color: Any
    exact: bool
    json_: bool


@click.command()
@click.argument("words", nargs=-1, metavar="[METHOD PATH]...")
@click.option("--record", is_flag=True, help="Ask the live color for these, and write its answers down.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="A header to send; ${NAME} is filled in."
)
@click.option("-d", "--data", default=None, help="A body to send.")
@click.option("--exact", is_flag=True, help="Record lists with their entries; else the shape that entries share.")
@click.option(
    "--color", type=click.Choice(["live", "idle"]), default="live", show_default=True, help="Which color is asked."
)
@JSON
@click.pass_obj
def expect(options: Options, /, **given: Any) -> int:
    """Compare a color's answers with the recorded ones; --record METHOD PATH … records them from the live color."""
    from bluegreen.flow import answers as story

    typed = Typed(**given)
    app = App(options, output.choose("auto" if typed.record else "none"))
    if typed.record:
        return _record(app, arguments.requests(typed.words, typed.headers, typed.data), typed)
    if typed.words or typed.headers or typed.data or typed.exact:
        raise click.UsageError("requests are only given to be recorded: --record METHOD PATH")
    tools, settings, folder = app.tools(app.stack.app), app.stack.settings, app.stack.project_directory
    found = story.ask_color(tools, story.load(tools, settings, folder), typed.color, folder)
    if typed.json_:
        output.as_json(found)
    else:
        output.result(report.expected_text(found))
    return int(ExitCode.DONE if found["ok"] else ExitCode.FAILED)


def _record(app: App, requests: Sequence[Any], typed: Typed) -> int:
    from bluegreen.flow import answers as story

    settings, folder = app.stack.settings, app.stack.project_directory
    with app.acting("expect"):
        tools = app.tools(app.stack.app)
        everything, said = story.record(tools, story.load(tools, settings, folder), requests, folder, typed.exact)
        file = story.expected_file(settings, folder)
        tools.expected.write(file, everything)
    notices(tools, tuple(said))
    shown = {"file": str(file), "recorded": [it.request for it in requests], "all": len(everything)}
    if typed.json_:
        output.as_json({**shown, "notices": said})
    else:
        output.result(report.recorded_text(shown, app.command))
    return int(ExitCode.DONE)
