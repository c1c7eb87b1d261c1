"""The one place where every error ends: a sentence, a file for a bug, an exit code."""

from __future__ import annotations

from bluegreen import __version__
from bluegreen.cli import output
from bluegreen.cli.show import show_error
from bluegreen.errors import OF_MACHINE, BluegreenError, ExitCode, of_machine

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(run: Callable[[], int], json_: bool) -> int:
    """Runs a verb and returns its exit code, whatever happens in it and whoever listens."""
    code = _judged(run, json_)
    output.tell_lost()
    return code


def _judged(run: Callable[[], int], json_: bool) -> int:
    try:
        return run()
    except BluegreenError as error:
        return _told(error, json_)
    except OF_MACHINE as error:  # one that is full, read-only, out of something
        return _told(of_machine(error), json_)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it was becomes a file and one line
        return _bug(error)


def _told(error: BluegreenError, json_: bool) -> int:
    error.complete()
    if json_:
        output.as_json({"outcome": "failed", "live": None, "previous": None, "steps": [], "error": error.fields()})
    else:
        show_error(error)
    return int(error.exit_code)


def _bug(error: Exception) -> int:
    import traceback

    from bluegreen.domain import secrets as secrecy

    text = f"bluegreen {__version__}\n{secrecy.masked(''.join(traceback.format_exception(error)))}"
    output.note(
        f"Error: bluegreen met a bug of its own: {type(error).__name__}.\n"
        f"  failed    an error that nobody foresaw; the traceback is {_kept(text)}\n"
        "  expected  no such error: please report it with that traceback\n"
        "  traffic   not known to be changed; look\n"
        "  retry     not before you looked\n"
        "  next      bluegreen status"
    )
    return int(ExitCode.BUG)


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
