"""The lock and the journal, on real files."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bluegreen.domain.release import Begun, Image
from bluegreen.errors import BluegreenError, ExitCode
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
    assert journal.operations.unfinished() is None
    operation = journal.operations.start("switch", 3, "green")
    done = {"phase": "prepare", "step": "image", "color": "green", "seconds": 1.25, "outcome": "done", "detail": "web"}
    journal.operations.step(operation, done)
    found = journal.operations.unfinished()
    assert found is not None
    assert (found.verb, found.release, found.target) == ("switch", 3, "green")
    journal.operations.end(operation, "abandoned")
    assert journal.operations.unfinished() is None
    journal.close()


def test_release_numbers_go_on_and_outcomes_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: "now")
    assert journal.releases.newest() == 0
    journal.pending_images.start({"shop:dev": "sha256:1", "shop:new": None})
    assert journal.pending_images.names() == {"shop:dev": "sha256:1", "shop:new": None}
    journal.pending_images.start({"shop:dev": "sha256:2"})
    assert journal.pending_images.names() == {"shop:dev": "sha256:2"}
    journal.releases.start(Begun(4, "blue", "hash", {"web": Image("shop:dev", "sha256:3", ours=True)}))
    assert journal.releases.all()[0]["images"] == {
        "web": {"ref": "shop:dev", "id": "sha256:3", "ours": True, "content": ""}
    }
    journal.releases.end(4, "live", {"web": {"ref": "a", "id": "b"}}, {})
    assert journal.releases.newest() == 4
    assert journal.releases.all()[0]["outcome"] == "live"
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600
    journal.close()


def test_a_journal_of_the_first_version_is_brought_up_to_date_with_what_is_in_it(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as old, old:
        old.executescript(
            "create table releases (number integer primary key, created text not null, color text not null,"
            " outcome text not null default 'started', definition text not null default '',"
            " images text not null default '{}', services text not null default '{}');"
            "create table operations (id integer primary key, verb text not null, release integer, target text,"
            " pid integer not null, started text not null, ended text, outcome text, error text);"
            "insert into releases (number, created, color, outcome) values (7, 'then', 'blue', 'live');"
            "insert into operations (verb, pid, started) values ('switch', 1, 'then');"
            "pragma user_version = 1;"
        )
    said: list[str] = []
    journal = Journal(tmp_path, lambda: "now", said.append)
    assert [(it["number"], it["outcome"], it["owner"], it["figures"]) for it in journal.releases.all()] == [
        (7, "live", "", {})
    ]
    assert journal.operations.unfinished() is not None
    run = journal.runs.start(8, "migrate", "schema")
    assert [it.release for it in journal.runs.in_doubt()] == [8]
    journal.runs.end(run, "done", 0, "well")
    assert journal.runs.in_doubt() == []
    assert journal.pending_images.names() == {}
    journal.close()
    assert Journal(tmp_path, lambda: "now", said.append).releases.newest() == 7
    assert said == []
