"""The one place where every error ends: a sentence, a file for a bug, an exit code."""

from __future__ import annotations

import sys

from bluegreen import __version__
from bluegreen.cli import output
from bluegreen.cli.show import show_error
from bluegreen.errors import BluegreenError, ExitCode

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(run: Callable[[], int], json_: bool, command: Callable[[], str]) -> int:
    """Runs a verb and returns its exit code, whatever happens in it. `command`: what reaches this app, for messages."""
    try:
        return run()
    except BluegreenError as error:
        error.complete(command())
        if json_:
            output.as_json({"outcome": "failed", "live": None, "previous": None, "steps": [], "error": error.fields()})
        else:
            show_error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return int(ExitCode.DONE)
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it was becomes a file and one line
        return _bug(error, command())


def _bug(error: Exception, command: str) -> int:
    import tempfile
    import traceback

    from bluegreen.domain import secrets as secrecy

    text = secrecy.masked("".join(traceback.format_exception(error)))
    with tempfile.NamedTemporaryFile("w", prefix="bluegreen-bug-", suffix=".txt", delete=False) as file:
        file.write(f"bluegreen {__version__}\n{text}")
    output.note(
        f"Error: bluegreen met a bug of its own: {type(error).__name__}.\n"
        f"  failed    an error that nobody foresaw; the traceback is in {file.name}\n"
        "  expected  no such error: please report it with that file\n"
        "  traffic   not known to be changed; look\n"
        "  retry     not before you looked\n"
        f"  next      {command} status"
    )
    return int(ExitCode.BUG)
