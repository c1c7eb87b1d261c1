"""Shows how an operation ended, and says it by the exit code."""

from __future__ import annotations

import sys

from bluegreen.cli import output
from bluegreen.cli.text import error_text, result_text
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Result


def show_result(result: Result, command: str, preview: str | None, json_: bool) -> int:
    """Prints a result and returns its exit code. `command`: bluegreen with the options that reach this app."""
    if result.error:
        result.error.complete(command)
    if json_:
        output.as_json(result.as_dict())
    if result.error:
        if not json_:
            show_error(result.error)
            for warning in result.warnings:
                output.note(f"Warning: {output.clean(warning)}")
        return int(result.error.exit_code)
    if not json_:
        output.result(result_text(result, command, preview))
    return int(ExitCode.DONE)


def show_error(error: BluegreenError) -> None:
    """An error as a person meets it, to stderr."""
    output.note(error_text(error).replace("Error:", output.paint("Error:", "red", sys.stderr), 1))
