"""Machines as they are: nobody knows the user, no home, no files left, a full disk, a locale that is none.

Each verb ends with a code that is true, and says why in a sentence. `make test-faults` tries every verb on each of
them, `make check` a sample.
"""

from __future__ import annotations

import os
import pwd
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.__main__ import command
from bluegreen.compose.found import HERE
from bluegreen.errors import ExitCode
from tests.fakes.listeners import FAILED, Listener, heard_by
from tests.fakes.site import Site, live_at_once
from tests.unit.test_streams import TYPED, production


def _without(*names: str) -> None:
    for name in names:
        os.environ.pop(name, None)


def _unknown_user(_: Site) -> None:
    def nobody(*_: object) -> Any:
        raise KeyError("getpwuid(): uid not found: 4242")

    pwd.getpwuid = nobody
    _without("HOME", "XDG_STATE_HOME", "USER", "LOGNAME", "LNAME", "USERNAME")


def _few_files(left: int) -> Callable[[Site], None]:
    def limit(_: Site) -> None:
        most = max(map(int, os.listdir("/proc/self/fd"))) + left
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return limit


def _small_files(most: int) -> Callable[[Site], None]:
    """As on a full disk, but that the error has another name."""

    def limit(_: Site) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return limit


def _no_room(_: Site) -> None:
    def full(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    os.fsync = os.mkdir = os.symlink = full
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile = full


def _folder_is_gone(it: Site) -> None:
    (it.folder / "gone").mkdir()
    os.chdir(it.folder / "gone")
    (it.folder / "gone").rmdir()


def _no_temporary_folder(_: Site) -> None:
    for name in ("TMPDIR", "TMP", "TEMP"):
        os.environ[name] = "/nowhere"
    tempfile.tempdir = None
    tempfile._candidate_tempdir_list = lambda: ["/nowhere"]  # type: ignore[attr-defined]  # where it would look next


def _odd_terminal(_: Site) -> None:
    _without("TERM")
    os.environ.update({"COLUMNS": "0", "LINES": "-1"})


def _no_programs(_: Site) -> None:
    os.environ["PATH"] = "/nowhere"


def _no_threads(_: Site) -> None:
    import threading

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refused  # type: ignore[method-assign, assignment]


MACHINES: dict[str, Callable[[Site], None]] = {
    "a user whom nobody knows": _unknown_user,
    "one file left": _few_files(1),
    "three files left": _few_files(3),
    "six files left": _few_files(6),
    "a full disk": _no_room,
    "files of 4 KB": _small_files(4096),
    "a folder that is gone": _folder_is_gone,
    "no temporary folder": _no_temporary_folder,
    "an odd terminal": _odd_terminal,
    "no programs": _no_programs,
    "no threads": _no_threads,
}
TABLE = [
    (machine, typed) for machine in MACHINES for verb, all_ in TYPED.items() if verb != "rehearse" for typed in all_
]
ROWS = TABLE if os.environ.get("THOROUGH") else TABLE[::17]


@pytest.mark.parametrize(("machine", "typed"), ROWS, ids=[f"{a}-{' '.join(b)}" for a, b in ROWS])
def test_a_code_that_is_true_and_a_sentence(
    shop: Site, machine: str, typed: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    live_at_once(shop)
    shop.release("shop:2")
    assert shop.run("--help") == 0, "which writes down what Compose says"
    capfd.readouterr()
    before = production(shop)

    def run() -> int:
        HERE.forget()
        return command(typed)

    code, out, err = heard_by(Listener(lambda: MACHINES[machine](shop)), run)
    assert code in set(ExitCode) - {ExitCode.BUG}, (out, err)
    assert code != FAILED, err
    assert "Traceback" not in out + err
    if code == ExitCode.FAILED and typed[0] not in ("check", "expect", "down"):
        assert "Error: " in err or ("--json" in typed and '"summary"' in out), (out, err)
        assert production(shop).split()[0] == before.split()[0], "traffic never moved"


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LANG": "nonsense.X"},
        {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1:strict"}, {"TERM": "dumb"}, {},
    ],
    ids=str,
)  # fmt: skip
def test_a_locale_takes_no_character_for_a_reason_to_end(tmp_path: Path, variables: dict[str, str]) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xc3\xa9 \xff \xe2\x9c\x93")
    os.mkdir(folder)
    done = subprocess.run(
        [sys.executable, "-m", "bluegreen", "-f", "\u2713 \udcff.yaml", "status"], cwd=folder, env=variables,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE, done
    assert b"There is no Compose file" in done.stderr
    assert b"Traceback" not in done.stderr
