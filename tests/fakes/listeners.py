"""Who listens to a command: files, nobody, a full disk, a terminal that goes away. A process of its own each time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from bluegreen.cli import streams

HANGS = 60.0  # seconds
FAILED = 99  # no exit code of ours: the process ended by an exception


@dataclass
class Listener:
    """`child` is called in the process that is to be heard, `parent` beside it, until it has ended."""

    child: Callable[[], None] = lambda: None
    parent: Callable[[], None] = lambda: None


def _closed(*descriptors: int) -> Listener:
    def child() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return Listener(child)


def _leads_to(path: str, mode: int, *descriptors: int) -> Listener:
    def child() -> None:
        opened = os.open(path, mode)
        for descriptor in descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)

    return Listener(child)


def _between(ours: int, theirs: int, descriptors: tuple[int, ...], read: Callable[[int], None]) -> Listener:
    def child() -> None:
        os.close(ours)
        for descriptor in descriptors:
            os.dup2(theirs, descriptor)
        os.close(theirs)

    def parent() -> None:
        os.close(theirs)
        with contextlib.suppress(OSError):  # EIO: the other side of a terminal has ended
            read(ours)
        os.close(ours)

    return Listener(child, parent)


def _pipe(descriptors: tuple[int, ...], read: Callable[[int], None], blocking: bool = True) -> Listener:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, blocking)
    return _between(ours, theirs, descriptors, read)


def _terminal(read: Callable[[int], None]) -> Listener:
    ours, theirs = os.openpty()
    return _between(ours, theirs, (0, 1, 2), read)


def _leaves(_: int) -> None:
    pass


def _leaves_after_a_little(descriptor: int) -> None:
    os.read(descriptor, 10)


def _stays(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        pass


def _is_slow(descriptor: int) -> None:
    while os.read(descriptor, 512):
        time.sleep(0.001)


LISTENERS: dict[str, Callable[[], Listener]] = {
    "files": Listener,
    "stdout closed": lambda: _closed(1),
    "stderr closed": lambda: _closed(2),
    "all closed": lambda: _closed(0, 1, 2),
    "stdout full": lambda: _leads_to("/dev/full", os.O_WRONLY, 1),
    "stderr full": lambda: _leads_to("/dev/full", os.O_WRONLY, 2),
    "both full": lambda: _leads_to("/dev/full", os.O_WRONLY, 1, 2),
    "both read-only": lambda: _leads_to("/dev/null", os.O_RDONLY, 1, 2),
    "stdin is a folder": lambda: _leads_to("/", os.O_RDONLY, 0),
    "stdout's reader left": lambda: _pipe((1,), _leaves),
    "both readers left": lambda: _pipe((1, 2), _leaves),
    "a reader leaves": lambda: _pipe((1, 2), _leaves_after_a_little),
    "a slow reader that is not waited for": lambda: _pipe((1, 2), _is_slow, blocking=False),
    "a terminal": lambda: _terminal(_stays),
    "a terminal that goes away": lambda: _terminal(_leaves_after_a_little),
}


def heard_by(listener: Listener, run: Callable[[], int]) -> tuple[int, str, str]:
    """(exit code, what stdout and stderr said as far as they are files) of a command in a process of its own."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the threads of the fakes stay with the parent
            process = os.fork()
        if process == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _end(listener, run)
        beside = threading.Thread(target=listener.parent)
        beside.start()
        try:
            code = _code(process)
        finally:
            beside.join(10)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def _end(listener: Listener, run: Callable[[], int]) -> None:
    code = FAILED
    try:
        sys.stdin = sys.stdout = sys.stderr = None  # as in a process that begins
        listener.child()
        streams.secure()
        code = run()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException:  # noqa: BLE001 - whatever it is, it must not end in pytest's own code
        if sys.stderr is not None:
            traceback.print_exc()
    finally:
        os._exit(code)


def _code(process: int) -> int:
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError(f"no end within {HANGS:g} s")
