"""Runs a command of the person on this machine: an argument list, never a shell, within a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

MAX_OUTPUT = 64 * 1024  # bytes kept of what it writes, the last ones
GRACE = 5.0  # seconds between SIGTERM and SIGKILL


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> tuple[int | None, str, str]:
    """(exit code, None when it did not end in time or could not start; its output; why it failed).

    `timeout` in seconds. It gets our environment and `environment`, no input, and a session of its own: a Ctrl-C
    for us does not end it half-way, and all that it started ends with it.
    """
    with tempfile.TemporaryFile() as output:  # not a pipe: what it leaves running in the background may keep one open
        try:
            process = subprocess.Popen(
                list(command), cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            return None, "", f"{command[0]}: {getattr(error, 'strerror', None) or error}"
        try:
            code: int | None = process.wait(timeout)
            why = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            code, why = None, f"did not end within {timeout:g} s"
        finally:
            _end(process)
        output.seek(max(0, output.seek(0, os.SEEK_END) - MAX_OUTPUT))
        return code, output.read().decode(errors="replace"), why


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the command's own process group; nothing, when it has ended by itself."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
