"""`python -m bluegreen` and the installed command."""

from __future__ import annotations


def run() -> None:
    """The command's entry point; ends the process with its exit code."""
    from bluegreen.cli.main import main

    raise SystemExit(main())


if __name__ == "__main__":
    run()
