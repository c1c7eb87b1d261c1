"""maintenance: closed for work, by one rename."""

from __future__ import annotations

import html
from typing import Any

import click

from bluegreen.cli import arguments, output
from bluegreen.cli.app import App
from bluegreen.cli.clock import utc_now
from bluegreen.cli.common import refuse_before_up
from bluegreen.cli.options import JSON
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError, ExitCode

MINUTES = 600.0  # seconds


@click.command()
@click.argument("what", type=click.Choice(["on", "off"]), required=False)
@click.option("--message", default="", help="A sentence for the page.")
@click.option("--page", type=click.Path(dir_okay=False), help="Your own page, an HTML file, in its place.")
@click.option("--allow", multiple=True, metavar="ADDRESS", help="An address or network that is let in.")
@click.option(
    "--retry-after", type=arguments.Seconds(), default=MINUTES, metavar="DURATION", show_default="10m",
    help="When visitors may try again (Retry-After).",
)  # fmt: skip
@JSON
@click.pass_obj
def maintenance(options: Options, /, what: str | None, json_: bool, **words: Any) -> int:
    """Close the app for visitors (503 with a page), or open it again. Needs no Compose file."""
    from bluegreen.frontdoor import closed
    from bluegreen.frontdoor.folders import give_to_owner

    app = App(options, output.choose("none"))
    refuse_before_up(app, 0.0, live=False)
    name = app.running_app(acts=what is not None)
    nginx = str(app.state / "nginx")
    if what == "on":
        _known(app, name)
        _close(nginx, **words)
    elif what == "off":
        closed.reopen(nginx)
    if what:
        give_to_owner(app.state)
        _confirm(app, name, what == "on")
    found = closed.read(nginx)
    if json_:
        output.as_json({"app": name, "closed": found})
    else:
        output.result(said(name, found, app.command))
    return int(ExitCode.DONE)


def said(name: str, found: dict[str, Any] | None, command: str) -> str:
    if found is None:
        return f"{name} is open."
    allowed = f" Let in: {', '.join(map(output.clean, found['allow']))}." if found["allow"] else ""
    return (
        f"{name} is closed since {output.clean(found['since'])}: visitors get 503.{allowed}\n"
        f"To open it: {command} maintenance off"
    )


def _known(app: App, name: str) -> None:
    """Raises BluegreenError when the nginx that runs has a file that does not look for the link."""
    answer = app.tools(name).door.answer()
    if answer is not None and answer.closed is None:
        raise BluegreenError(
            "nginx does not know of maintenance yet.", code="maintenance-unknown",
            failed="its file was rendered by an older bluegreen", expected="a file that a release has rendered since",
            next=f"{app.command} switch --force",
        )  # fmt: skip


def _close(nginx: str, message: str, page: str | None, allow: tuple[str, ...], retry_after: float) -> None:
    from bluegreen.files import read
    from bluegreen.frontdoor import closed

    try:
        files = [name for network in allow for name in closed.names(network)]
    except ValueError as error:
        raise click.BadParameter(f"{error}", param_hint="--allow") from None
    text = html.escape(message or closed.MESSAGE, quote=False)
    try:
        content = read(page) if page else closed.PAGE_TEXT.format(message=text).encode()
    except OSError as error:
        raise click.BadParameter(f"{error.strerror}: {page}", param_hint="--page") from None
    seconds = closed.retry(retry_after)
    about = {"since": utc_now(), "message": message, "allow": list(allow), "retry_after": seconds}
    closed.close(nginx, content, files, seconds, about)


def _confirm(app: App, name: str, wanted: bool) -> None:
    """nginx's own answer counts. Raises BluegreenError when it says something else."""
    answer = app.tools(name).door.answer()
    if answer is None or answer.closed in (None, wanted):  # one that does not run will find the link
        return
    raise BluegreenError(
        f"nginx does not {'close' if wanted else 'open'}.", code="maintenance-unknown",
        failed="it answers something else on its control socket", expected="nginx to see the link in the state folder",
        traffic="unknown; look now", next=f"{app.command} up", exit_code=ExitCode.UNKNOWN,
    )  # fmt: skip
