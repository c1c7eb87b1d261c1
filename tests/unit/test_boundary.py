"""The one error boundary."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bluegreen.cli import main as module
from bluegreen.cli.verbs import status as look
from bluegreen.errors import ExitCode


def test_a_bug_is_one_short_message_a_file_with_the_traceback_and_exit_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(look, "App", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert module.main(["status"]) == ExitCode.BUG
    err = capsys.readouterr().err
    assert err.startswith("Error: Unexpected error (RuntimeError): this is a bug of bluegreen.\n")
    assert len(err.splitlines()) == 7
    found = re.search(r"traceback is in (\S+)", err)
    assert found is not None
    assert "a bug of ours" in Path(found[1]).read_text()


def test_help_and_version_are_fast_and_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--help"]) == ExitCode.DONE
    assert "flip-back" in capsys.readouterr().out
    assert module.main(["--version"]) == ExitCode.DONE


def test_start_up_loads_no_library_that_the_verb_does_not_use() -> None:
    script = "import sys, bluegreen.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"docker", "httpx", "jinja2", "pydantic", "rich", "sqlite3"}
    assert not heavy & set(loaded)
