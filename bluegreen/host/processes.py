"""Our own command as a process of its own: followed while it runs, or waiting until we are gone."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

KEPT_LINES = 1000  # of what a process says while it runs
PIECE = 64 * 1024  # bytes of one read
MAX_OUTPUT = 16 * 1024 * 1024  # bytes of a result
LOOK_AGAIN = 0.2  # seconds between two looks whether a process that says nothing has ended
PR_SET_PDEATHSIG = 1  # prctl(2)
END_TIMEOUT = 300.0  # seconds that a process may take after its signal to end: it cleans up


class Late(Exception):
    """A process did not end in its time, and was ended."""


def follow(
    command: Sequence[str], environment: Mapping[str, str], tell: Callable[[str], None], timeout: float
) -> tuple[str, list[str]]:
    """(standard output, last lines of standard error), each line reported as it comes. Ends with us, whatever ends us.

    `timeout` in seconds, for all of it, however much it says. Raises Late.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(command), stdout=output, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=dict(environment),
            start_new_session=True, preexec_fn=_end_with_us,
        )  # fmt: skip
        said: deque[str] = deque(maxlen=KEPT_LINES)
        try:
            for line in _lines(process, time.monotonic() + timeout):
                said.append(line.rstrip())
                tell(line)
        finally:
            _end(process)
        output.seek(0)
        return output.read(MAX_OUTPUT).decode(errors="replace"), list(said)


def _lines(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """What it writes to standard error, until it has ended: what it has started may hold the pipe for longer."""
    if process.stderr is None:
        return
    rest, source = b"", process.stderr.fileno()
    while True:
        ended = process.poll() is not None
        if select.select([source], [], [], 0 if ended else min(LOOK_AGAIN, max(0.0, deadline - time.monotonic())))[0]:
            piece = os.read(source, PIECE)
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
            if rest and (not piece or len(rest) > MAX_OUTPUT):
                yield rest.decode(errors="replace")
                rest = b""
            if not piece and _ends(process, deadline):
                return
        elif ended:
            return
        if time.monotonic() > deadline:
            raise Late


def _ends(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Waits for the end of a process that has nothing more to say. Raises Late."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Late from None
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Tells what still runs to end, waits while it cleans up, and ends it in the end."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        if process.stderr:
            process.stderr.close()


def _end_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """(exit code, standard error) of a command that runs to its end, or is ended when its time is over."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
            env=dict(environment), check=False, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL, f"it did not end within {timeout:g} s"
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
        try:
            output, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:  # it goes on with its job
            return -1, f"process {self._process.pid} is still at it after {timeout:g} s"
        return self._process.returncode, output.decode(errors="replace")
