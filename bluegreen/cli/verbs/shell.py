"""schema and completion: for editors and shells."""

from __future__ import annotations

import click

from bluegreen.cli import output


@click.command()
def schema() -> int:
    """Print the JSON Schema of the x-bluegreen block."""
    from bluegreen.settings.schema import json_schema

    output.as_json(json_schema())
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
