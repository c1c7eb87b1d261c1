"""status: four questions, what serves, and how to go back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bluegreen.cli import output, report
from bluegreen.cli.app import App
from bluegreen.cli.arguments import Moment
from bluegreen.cli.common import before_up
from bluegreen.cli.options import JSON
from bluegreen.cli.text import urls
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Tools

if TYPE_CHECKING:
    from bluegreen.domain.routing import Routing


@click.command()
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@click.option("--at", "moment", type=Moment(), metavar="TIME", help="What was live at a time, such as 14:05.")
@JSON
@click.pass_obj
def status(options: Options, watch: bool, moment: float | None, json_: bool) -> int:
    """Is it up, is it slow, do jobs fail, did the release change anything; what is live, and how to go back."""
    app = App(options, output.choose("none"))
    if moment is not None:
        return _then(app, moment, json_)
    if watch:
        from bluegreen.cli.watching import watching

        if json_:
            raise click.UsageError("--watch is for people, --json for programs; take one of them")
        return watching(lambda: looked(app), app.command)
    state = looked(app)
    if json_:
        output.as_json(state)
    else:
        output.result(report.status_text(state, app.command, datetime.now(UTC)))
    return int(ExitCode.FAILED if state["questions"]["up"]["answer"] == "no" else ExitCode.DONE)


def looked(app: App) -> dict[str, Any]:
    """The fields of `status --json`, as of now."""
    from bluegreen.look.status import status as story

    if not app.routing:
        return _status_without_state(app)
    from bluegreen.frontdoor import closed

    tools = app.tools(app.running_app())
    differing = _differing(app, tools)
    shut = closed.read(str(app.state / "nginx"))
    state = story(tools, _urls(app, app.routing), app.routing.preview, differing=differing, closed=shut)
    state["certificates"] = _certificates(app)
    if state["certificates"]:
        from bluegreen.look.questions import with_certificates

        with_certificates(state)
    return state


def _then(app: App, moment: float, json_: bool) -> int:
    from bluegreen.look.then import in_words, then

    found = then(app.tools(app.running_app()), moment)
    if json_:
        output.as_json(found)
    else:
        output.result("\n".join(map(output.clean, in_words(found).splitlines())))
    return int(ExitCode.DONE)


def _urls(app: App, routing: Routing) -> list[str]:
    if not routing.edge:
        return urls(routing.listen)
    from bluegreen.cli.visited import visited

    return visited(routing, app.state)


def _certificates(app: App) -> list[dict[str, Any]] | None:
    if not (app.state / "tls").is_dir():
        return None
    from bluegreen.cli.certificates import looked_at

    return looked_at(app.state)


def _differing(app: App, tools: Tools) -> Sequence[str]:
    """Shared services that are not what the file says; Compose is asked only when a file is not as at the last up."""
    from bluegreen.compose.made import same_files

    if same_files(app.state):
        return ()
    from bluegreen.flow.shared import changed

    try:
        return changed(tools, app.stack)
    except BluegreenError:
        return ()  # status needs no Compose file


def _status_without_state(app: App) -> dict[str, Any]:
    """The state folder is gone: what is live comes from nginx and the Engine, the rest from the Compose file."""
    from bluegreen.look.status import status as story

    if not app.runs():
        raise before_up(app)
    settings = app.stack.settings
    preview = str(settings.preview) if settings.preview else None
    return story(app.tools(app.stack.app), urls([str(at) for at in settings.visited()]), preview, app.stack)
