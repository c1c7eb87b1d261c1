"""Shows how an operation ended, and says it by the exit code. Cheap to import; flip-back ends with it."""

from __future__ import annotations

import sys

from bluegreen.cli import output
from bluegreen.cli.text import error_text, result_text

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bluegreen.errors import BluegreenError
    from bluegreen.flow.values import Result


def show_result(result: Result, command: str, preview: str | None, json_: bool, addresses: Sequence[str] = ()) -> int:
    """Prints a result and returns its exit code. `command`: bluegreen with the options that reach this app."""
    if result.error is None:
        return show_done(result.as_dict(), command, preview, json_, addresses)
    result.error.complete(command)
    if json_:
        output.as_json(result.as_dict())
    else:
        show_error(result.error)
        for warning in result.warnings:
            output.note(f"Warning: {output.clean(warning)}")
    return int(result.error.exit_code)


def show_done(
    found: Mapping[str, Any], command: str, preview: str | None, json_: bool, addresses: Sequence[str] = ()
) -> int:
    """Prints what was done, by the fields of `--json`. `addresses`: where a browser finds the app."""
    if json_:
        output.as_json(found)
    else:
        output.result(result_text(found, command, preview, addresses))
    return 0


def show_error(error: BluegreenError) -> None:
    """An error as a person meets it, to stderr."""
    output.note(error_text(error).replace("Error:", output.paint("Error:", "red", sys.stderr), 1))
