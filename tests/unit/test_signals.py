"""What a signal does to a command, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMAND = """
import os, signal
from bluegreen.cli.signals import Signals
from bluegreen.errors import Interrupted

signals, number = Signals(), getattr(signal, {name!r})
try:
    with signals.listening():
        if {held}:
            signals.hold()
        if {during}:
            os.kill(os.getpid(), number)
except Interrupted as error:
    print("interrupted:", error.exit_code)
os.kill(os.getpid(), number)
print("said what it did; asked:", signals.asked)
"""


def _run(name: str, *, held: bool, during: bool = True) -> subprocess.CompletedProcess[str]:
    command = COMMAND.format(name=name, held=held, during=during)
    return subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_same_signal_once_more_does_not_end_a_command_that_says_what_it_did(name: str) -> None:
    done = _run(name, held=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"said what it did; asked: {name}\n", "")
    done = _run(name, held=False)
    assert done.returncode == 0, done
    assert done.stdout.startswith("interrupted: 130\nsaid what it did"), done


def test_where_none_came_they_end_the_process_again_as_before() -> None:
    assert _run("SIGTERM", held=True, during=False).returncode == -15
