"""`python -m bluegreen` and the installed command."""

from __future__ import annotations

import sys


def command(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    if "flip-back" in arguments:  # every second of it hurts people: by the side that loads nothing heavy
        from bluegreen.cli.quick import run as quick

        code = quick(arguments)
        if code is not None:
            return code
    from bluegreen.cli.main import main

    return main(arguments)


def run() -> None:
    """The command's entry point; ends the process with its exit code."""
    from bluegreen.cli.streams import secure

    secure()
    raise SystemExit(command(sys.argv[1:]))


if __name__ == "__main__":
    run()
