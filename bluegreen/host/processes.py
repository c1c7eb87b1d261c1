"""Our own command as a process of its own: followed while it runs, or waiting until we are gone."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # prctl(2)
END_TIMEOUT = 300.0  # seconds that a process which was told to end may take: it cleans up


def follow(
    command: Sequence[str], environment: Mapping[str, str], tell: Callable[[str], None], timeout: float
) -> tuple[str, list[str]]:
    """(standard output, lines of standard error), each line told as it comes. Ends with us, whatever ends us."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            list(command), stdout=output, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            errors="replace", env=dict(environment), start_new_session=True, preexec_fn=_end_with_us,
        )  # fmt: skip
        said: list[str] = []
        try:
            for line in process.stderr or ():
                said.append(line.rstrip())
                tell(line)
            process.wait(timeout)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(END_TIMEOUT)
            if process.stderr:
                process.stderr.close()
        output.seek(0)
        return output.read(), said


def _end_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """(exit code, standard error) of a command that runs to its end."""
    done = subprocess.run(
        list(command), capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        env=dict(environment), check=False, timeout=timeout,
    )  # fmt: skip
    return done.returncode, done.stderr


class Successor:
    """A process that outlives us: it learns that we are gone by the end of a pipe, which the kernel closes."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], job: str) -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env=dict(environment),
        )  # fmt: skip
        if self._process.stdin:
            self._process.stdin.write(job.encode() + b"\n")
            self._process.stdin.flush()

    def take_over(self, timeout: float) -> tuple[int, str]:
        """Lets it do its job now; (exit code, what it said)."""
        output, _ = self._process.communicate(timeout=timeout)
        return self._process.returncode, output.decode(errors="replace")
