"""schema and completion: for editors and shells."""

from __future__ import annotations

import click

from bluegreen.cli import output
from bluegreen.cli.complete import documents, offers


@click.command()
@click.argument("verb", required=False, shell_complete=offers(documents))
def schema(verb: str | None) -> int:
    """Print the JSON Schema of the x-bluegreen block, or of what VERB prints with --json."""
    if verb is None:
        from bluegreen.settings.schema import json_schema

        output.as_json(json_schema())
        return 0
    from bluegreen.cli import shapes_verbs

    if verb not in shapes_verbs.VERBS:
        raise click.BadParameter(f"{verb} prints no JSON. One of: {', '.join(sorted(shapes_verbs.VERBS))}.")
    output.as_json(shapes_verbs.json_schema(verb))
    return 0


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the shell's completion script: eval "$(bluegreen completion bash)"."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind:
        output.result(kind(context.find_root().command, {}, "bluegreen", "_BLUEGREEN_COMPLETE").source())
    return 0
