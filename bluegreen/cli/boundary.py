"""The one place where every error ends: a sentence, a file for a bug, an exit code."""

from __future__ import annotations

from bluegreen import __version__
from bluegreen.cli import output
from bluegreen.cli.show import show_error
from bluegreen.errors import OF_MACHINE, BluegreenError, ExitCode, of_machine

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(run: Callable[[], int], json_: bool, command: Callable[[], str]) -> int:
    """Runs a verb and returns its exit code, whatever happens in it and whoever listens.

    `command`: what reaches this app, for messages.
    """
    code = _judged(run, json_, command)
    output.tell_lost()
    return code


def _judged(run: Callable[[], int], json_: bool, command: Callable[[], str]) -> int:
    try:
        return run()
    except BluegreenError as error:
        return _told(error, json_, command())
    except OF_MACHINE as error:  # one that is full, read-only, out of something
        return _told(of_machine(error), json_, command())
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it was becomes a file and a message
        return _told(_bug(error), json_, command())


def _told(error: BluegreenError, json_: bool, command: str) -> int:
    error.complete(command)
    if json_:
        output.as_json({"outcome": "failed", "live": None, "previous": None, "steps": [], "error": error.fields()})
    else:
        show_error(error)
    return int(error.exit_code)


def _bug(error: Exception) -> BluegreenError:
    import traceback

    from bluegreen.domain import secrets as secrecy

    text = f"bluegreen {__version__}\n{secrecy.masked(''.join(traceback.format_exception(error)))}"
    return BluegreenError(
        f"Unexpected error ({type(error).__name__}): this is a bug of bluegreen.", code="bug",
        failed=f"the traceback is {_kept(text)}", expected="no such error; please report it with the traceback",
        traffic="may have moved; look now", retry="not before you looked", exit_code=ExitCode.BUG,
    )  # fmt: skip


def _kept(text: str) -> str:
    """Where a text is now: in a file, or on stderr where there is no room for one."""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile("w", prefix="bluegreen-bug-", suffix=".txt", delete=False) as file:
            file.write(text)
    except OSError:
        output.note(text)
        return "above, because no file could be written"
    return f"in {file.name}"
