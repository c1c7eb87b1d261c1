"""help: the documentation in the terminal."""

from __future__ import annotations

import sys

import click

from bluegreen.cli import output
from bluegreen.cli.complete import offers
from bluegreen.cli.complete import topics as all_topics


@click.command("help")
@click.argument("topic", required=False, shell_complete=offers(all_topics))
@click.pass_context
def help_(context: click.Context, topic: str | None) -> int:
    """Explain a topic, a command, or an error by its code. Without a topic: the list."""
    from bluegreen.cli import topics

    group = context.find_root().command
    if topic is None:
        output.result(_list(topics.topics()))
    elif isinstance(group, click.Group) and (verb := group.get_command(context, topic)):
        with verb.make_context(topic, [], parent=context.find_root(), resilient_parsing=True) as of_verb:
            output.result(verb.get_help(of_verb))
    else:
        _print(topics.page(topic))
    return 0


def _list(groups: dict[str, dict[str, str]]) -> str:
    lines = ["bluegreen help TOPIC prints one of these pages, bluegreen help CODE explains an error,"]
    lines += ["bluegreen help COMMAND shows the options of a command."]
    for group, pages in groups.items():
        lines += ["", f"{group}:", *(f"  {name:<22}{title}" for name, title in pages.items())]
    return "\n".join(lines)


def _print(text: str) -> None:
    """On a terminal with headings and tables drawn; elsewhere the Markdown as it is."""
    if not output.terminal(sys.stdout):
        output.result(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(no_color=not output.colorful(sys.stdout))
    with console.capture() as drawn:
        console.print(Markdown(text))
    output.result(drawn.get().rstrip("\n"))
