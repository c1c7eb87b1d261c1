"""The lock and the journal, on real files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bluegreen.release.errors import BluegreenError, ExitCode
from bluegreen.release.model import Begun
from bluegreen.state.journal import Journal
from bluegreen.state.lock import locked

HOLDER = """
import sys
from pathlib import Path
from bluegreen.state.lock import locked
with locked(Path(sys.argv[1]), "switch", "today"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BluegreenError) as error, locked(tmp_path, "up", "now"):
            pass
        assert error.value.exit_code == ExitCode.LOCKED
        assert str(holder.pid) in error.value.failed
        assert "switch" in error.value.summary
        holder.kill()
        holder.wait()
    with locked(tmp_path, "up", "now"):
        pass


def test_an_operation_that_never_ended_is_found_until_it_is_given_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: "2026-11-01T10:00:00+00:00")
    assert journal.unfinished() is None
    operation = journal.start_operation("switch", 3, "green")
    journal.step(operation, "prepare", "image", "green", 1.25, "done", "web")
    found = journal.unfinished()
    assert found is not None
    assert (found.verb, found.release, found.target) == ("switch", 3, "green")
    journal.end_operation(operation, "abandoned")
    assert journal.unfinished() is None
    journal.close()


def test_release_numbers_go_on_and_outcomes_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: "now")
    assert journal.newest_release() == 0
    journal.start_release(Begun(4, "blue", "hash"))
    journal.end_release(4, "live", {"web": {"ref": "a", "id": "b"}}, {})
    assert journal.newest_release() == 4
    assert journal.release_outcome(4) == "live"
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600
    journal.close()
