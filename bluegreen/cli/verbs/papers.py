"""report and metrics: what is known of an app, for a browser and for Prometheus."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from bluegreen import files
from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.complete import offers, releases
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode

FOR_EVERYBODY = 0o644  # node_exporter is another user


@click.command()
@click.argument("release", type=int, required=False, shell_complete=offers(releases))
@click.option(
    "-o", "--output", "file", metavar="FILE", help="Where to write it; - is stdout.  [default: APP-release-N.html]"
)
@click.option("--open", "open_", is_flag=True, help="Open it in the browser.")
@click.pass_obj
def report(options: Options, release: int | None, file: str | None, open_: bool) -> int:
    """Write a page about one release (default: the newest): traffic, verdict, steps, changes, as one HTML file."""
    if file == "-" and open_:
        raise click.UsageError("--open needs a file; leave out -o -")
    app = App(options, output.choose("none"))
    tools = app.tools(app.running_app())

    from bluegreen.features.report.facts import facts
    from bluegreen.features.report.page import page

    found = facts(tools, release)
    text = page(found, datetime.now(UTC))
    if file == "-":
        output.result(text.rstrip())
        return int(ExitCode.DONE)
    place = Path(file or f"{found.app}-release-{found.release['release']}.html").absolute()
    mask = os.umask(0)
    os.umask(mask)
    _write(place, text, 0o666 & ~mask)
    output.result(output.clean(file or place.name))
    if open_:
        _open(place)
    return int(ExitCode.DONE)


@click.command()
@click.option("--textfile", metavar="FILE.prom", help="Write it there, complete or not at all, readable for everybody.")
@click.pass_obj
def metrics(options: Options, textfile: str | None) -> int:
    """Print metrics for Prometheus: up, live release, requests, latency, failures, switches, certificates."""
    from bluegreen.cli.verbs.status import looked

    app = App(options, output.choose("none"))
    state = looked(app)

    from bluegreen.features.metrics.metrics import metrics as story

    text = story(app.tools(state["app"]), state)
    if textfile is None:
        output.result(text.rstrip())
        return int(ExitCode.DONE)
    if not textfile.endswith(".prom"):
        output.note("Note: node_exporter reads only files whose names end in .prom.")
    _write(Path(textfile).absolute(), text, FOR_EVERYBODY)
    return int(ExitCode.DONE)


def _write(place: Path, text: str, mode: int) -> None:
    """Raises OSError, which names the file: a folder in its place, one that may not be written."""
    if os.path.lexists(place):
        files.refuse_other(str(place), place.stat().st_mode)
    files.replace(str(place), text.encode(), mode)


def _open(place: Path) -> None:
    import webbrowser

    if not webbrowser.open(place.as_uri()):
        output.note(f"Note: No browser was found here. Open {output.clean(str(place))} on your own machine.")
