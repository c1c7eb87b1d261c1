"""history, show, logs, why and apps: verbs that look."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from bluegreen.cli import output, report
from bluegreen.cli.app import App
from bluegreen.cli.complete import colors_and_services, offers, releases
from bluegreen.cli.options import JSON
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


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


@click.command()
@click.argument("request_id", metavar="REQUEST-ID")
@JSON
@click.pass_obj
def why(options: Options, request_id: str, json_: bool) -> int:
    """One request by its id (X-Request-ID): who answered it, when, and what the application wrote meanwhile."""
    from bluegreen.look.why import in_words
    from bluegreen.look.why import why as story

    app = App(options, output.choose("none"))
    found = story(app.tools(app.running_app()), request_id)
    if json_:
        output.as_json(found)
    else:
        output.result("\n".join(map(output.clean, in_words(found))))
    return int(ExitCode.DONE)


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
