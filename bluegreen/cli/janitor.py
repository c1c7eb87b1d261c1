"""`python -m bluegreen.cli.janitor`: waits until the rehearsal that started it has ended, and takes it away.

Its job comes as the first line of standard input; the end of standard input is the end of the rehearsal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from bluegreen.cli.rehearsing import CleanupJob, take_away


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever ends the rehearsal must not end its cleaning
    first = sys.stdin.readline()
    if not first.strip():
        return 0
    sys.stdin.read()
    left = take_away(CleanupJob.from_text(first), os.environ)
    with contextlib.suppress(OSError):
        print("\n".join(left), flush=True)  # noqa: T201 - to the rehearsal, if it is still there
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
