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
    try:
        code = command(sys.argv[1:])
    except (OSError, ImportError) as error:  # not even the boundary can be loaded: too few files, not to be read
        sys.stderr.write(f"Error: bluegreen cannot be loaded: {error}\n")
        code = 1
    raise SystemExit(code)


if __name__ == "__main__":
    run()
