"""`status --watch`: the screen again and again, as large as the terminal and no larger."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import sleep
from typing import Any

from bluegreen.cli import output, report
from bluegreen.errors import BluegreenError, ExitCode

EVERY = 2.0  # seconds
USUAL = (80, 24)  # columns and lines of a terminal that does not say them
HOME, TO_END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
CLEAR = f"{HOME}\x1b[2J"


def watching(look: Callable[[], Mapping[str, Any]], command: str, every: float = EVERY) -> int:
    """Until Ctrl-C, or nobody reads on. Its exit code tells, as without --watch, whether the app was up at last."""
    alive, up = output.terminal(sys.stdout), True
    if alive:
        sys.stdout.write(CLEAR)
    try:
        while True:
            now = datetime.now(UTC)
            text, up = _screen(look, command, now)
            size = shutil.get_terminal_size(USUAL)
            head = f"{now:%H:%M:%S} UTC, every {every:g} s; Ctrl-C ends it"
            lines = (
                fitting([head, *text.splitlines()], size.columns, size.lines) if alive else [head, *text.splitlines()]
            )
            if not output.result(_drawn(lines) if alive else "\n".join([*lines, ""])):
                break
            sleep(every)
    except KeyboardInterrupt:
        pass
    return int(ExitCode.DONE if up else ExitCode.FAILED)


def _screen(look: Callable[[], Mapping[str, Any]], command: str, now: datetime) -> tuple[str, bool]:
    try:
        state = look()
    except BluegreenError as error:  # the next look may succeed
        from bluegreen.cli.text import error_text

        error.reached_by(command)
        return error_text(error), False
    return report.status_text(state, command, now), state["questions"]["up"]["answer"] != "no"


def fitting(lines: list[str], columns: int, rows: int) -> list[str]:
    """What has room: long lines go on below, indented, while there are rows; then they are cut."""
    most = max(1, rows - 1)  # the last row would scroll
    spare = most - len(lines)
    found: list[str] = []
    for line in lines:
        parts = _folded(line, columns)
        if len(parts) > 1 and len(parts) - 1 <= spare:
            spare -= len(parts) - 1
            found += parts
        else:
            found.append(line if len(line) <= columns else f"{line[: max(1, columns - 1)]}…")
    return found if len(found) <= most else [*found[: most - 1], f"… {len(found) - most + 1} more lines"]


def _folded(line: str, columns: int, indent: int = 12) -> list[str]:
    parts = [line]
    while len(parts[-1]) > columns > 2 * indent:
        at = parts[-1].rfind(" ", indent + 1, columns + 1)
        at = at if at > indent else columns
        last = parts.pop()
        parts += [last[:at].rstrip(), " " * indent + last[at:].lstrip()]
    return parts


def _drawn(lines: list[str]) -> str:
    """Over what was there, without a flicker; result() adds the end of the last line."""
    return HOME + "\n".join(f"{line}{TO_END_OF_LINE}" for line in lines) + BELOW
