"""status, history, show, logs and apps: verbs that look."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bluegreen.cli import output, report
from bluegreen.cli.app import App
from bluegreen.cli.common import before_up
from bluegreen.cli.complete import colors_and_services, offers, releases
from bluegreen.cli.options import JSON
from bluegreen.cli.text import urls
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Tools

if TYPE_CHECKING:
    from bluegreen.domain.routing import Routing


@click.command()
@JSON
@click.pass_obj
def status(options: Options, json_: bool) -> int:
    """What is live, what is idle, whether they are healthy, and how to go back."""
    from bluegreen.look.questions import with_certificates
    from bluegreen.look.status import status as story

    app = App(options, output.choose("none"))
    if app.routing:
        from bluegreen.frontdoor import closed

        tools = app.tools(app.running_app())
        differing = _differing(app, tools)
        shut = closed.read(str(app.state / "nginx"))
        state = story(tools, _urls(app, app.routing), app.routing.preview, differing=differing, closed=shut)
        state["certificates"] = _certificates(app)
        with_certificates(state)
    else:
        state = _status_without_state(app)
    if json_:
        output.as_json(state)
    else:
        output.result(report.status_text(state, app.command, datetime.now(UTC)))
    return int(ExitCode.FAILED if state["questions"]["up"]["answer"] == "no" else ExitCode.DONE)


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


@click.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many releases.")
@JSON
@click.pass_obj
def history(options: Options, limit: int, json_: bool) -> int:
    """What was released: who, when, what changed, how it went."""
    from bluegreen.look.history import history as story

    app = App(options, output.choose("none"))
    releases = story(app.tools(app.running_app()), limit)
    if json_:
        output.as_json({"releases": releases})
    else:
        output.result(report.history_text(releases, datetime.now(UTC)))
    return 0


@click.command()
@click.argument("release", type=int, required=False, shell_complete=offers(releases))
@JSON
@click.pass_obj
def show(options: Options, release: int | None, json_: bool) -> int:
    """Everything about one release (default: the live one), with the output of its migration and hooks."""
    from bluegreen.look.history import show as story

    app = App(options, output.choose("none"))
    found = story(app.tools(app.running_app()), release)
    if json_:
        output.as_json(found)
    else:
        output.result(report.release_text(found, app.command))
    return 0


@click.command()
@click.argument("what", nargs=-1, shell_complete=offers(colors_and_services))
@click.option("-f", "--follow", is_flag=True, help="Go on as new lines arrive.")
@click.option("-n", "--tail", type=int, default=None, help="Only the last lines of each container.")
@click.pass_obj
def logs(options: Options, what: tuple[str, ...], follow: bool, tail: int | None) -> int:
    """Logs of both colors, or of one COLOR or SERVICE, of the proxy, or of a shared service."""
    from bluegreen.look import logs as story

    color = next((word for word in what if word in ("blue", "green")), None)
    service = next((word for word in what if word != color), None)
    app = App(options, output.choose("none"))
    tools = app.tools(app.running_app())
    containers = tools.containers
    replicas = story.choose(tools, color, service)
    width = max(len(replica.name) for replica in replicas)
    for line in story.lines(containers, replicas, tail, follow):
        name = output.paint(f"{line.replica.name:<{width}}", line.replica.color or "dim", sys.stdout)
        if not output.result(f"{name}  {output.clean(line.text)}"):
            break  # nobody reads on
    return 0


@click.command("apps")
@JSON
def all_apps(json_: bool) -> int:
    """All apps on this server: name, live release, URL, folder, owner."""
    from bluegreen.cli import apps

    found, edges, notes = apps.apps()
    for words in notes:
        output.note(f"Note: {output.clean(words)}")
    if json_:
        output.as_json({"apps": found, "edges": edges, "notes": notes})
    else:
        output.result("\n".join(output.clean(line) for line in apps.lines(found, edges)))
    return int(ExitCode.DONE)
