"""A journal that is broken, newer, or cannot be written; and where the states of apps are."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.state import database, folder, holder
from bluegreen.state.database import Database
from bluegreen.state.operations import Operations

NOW = "2026-11-01T10:00:00+00:00"


def _count(db: Database) -> int:
    found: int = db.execute("select count(*) from operations").fetchone()[0]
    return found


def _open(state: Path, said: list[str], look: bool = False) -> Database:
    return Database(str(state), lambda: NOW, said.append, look)


def test_an_operation_is_recorded_with_its_steps(tmp_path: Path) -> None:
    said: list[str] = []
    db = _open(tmp_path, said)
    assert database.unfinished(db) is None
    assert not db.exists()
    done = {"phase": "cutover", "step": "route", "color": "blue", "seconds": 0.123456, "outcome": "done", "detail": "d"}
    database.record(db, ("flip-back", 3, "blue"), [done, {**done, "step": "confirm"}], "flipped-back")
    assert database.unfinished(db) is None
    rows = db.execute("select verb, release, target, outcome, ended, error from operations").fetchall()
    assert rows == [("flip-back", 3, "blue", "flipped-back", NOW, None)]
    assert [row[2] for row in db.execute("select * from steps").fetchall()] == ["route", "confirm"]
    assert 0.1235 in db.execute("select * from steps").fetchone()
    operation = database.start_operation(db, "up", None, None)
    left = database.unfinished(db)
    assert left is not None
    assert (left[0], left[1], left[4]) == (operation, "up", os.getpid())
    database.end_operation(db, operation, "failed", {"summary": "no"})
    assert db.execute("select error from operations where id = ?", (operation,)).fetchone() == ('{"summary": "no"}',)
    db.close()
    db.close()
    assert said == []


def test_a_broken_file_is_set_aside_and_history_begins_anew(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "journal.db").write_bytes(b"this is no database, but it is long enough to be one" * 100)
    (tmp_path / "journal.db-wal").write_text("x")
    db = _open(tmp_path, said)
    assert _count(db) == 0
    database.start_operation(db, "up", 1, "blue")
    db.close()
    assert (tmp_path / "journal-broken-20261101100000.db").read_bytes().startswith(b"this is no database")
    assert len(said) == 1
    assert "It is kept as journal-broken-20261101100000.db; history starts again." in said[0]
    again = _open(tmp_path, said)
    assert _count(again) == 1
    again.close()
    assert len(said) == 1


def test_one_that_lacks_what_it_should_have_is_set_aside_too(tmp_path: Path) -> None:
    said: list[str] = []
    db = _open(tmp_path, said)
    database.start_operation(db, "up", 1, "blue")
    db.close()
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            (tmp_path / f"journal.db{end}").unlink()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute(f"pragma user_version = {database.SCHEMA_VERSION}")
        other.execute("create table something (a)")
        other.commit()
    lacking = _open(tmp_path, said)
    assert database.unfinished(lacking) is None
    lacking.close()
    assert "no such table: operations" in said[-1]
    assert len(list(tmp_path.glob("journal-broken*"))) == 1


def test_one_of_a_newer_bluegreen_is_left_alone(tmp_path: Path) -> None:
    said: list[str] = []
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as newer:
        newer.execute(f"pragma user_version = {database.SCHEMA_VERSION + 1}")
    db = _open(tmp_path, said)
    assert database.start_operation(db, "up", 1, "blue") == 1
    db.close()
    assert "it is of a newer bluegreen" in said[0]
    assert "traffic does not depend on it" in said[0]
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as newer:
        assert newer.execute("select count(*) from sqlite_master").fetchone() == (0,)
    assert not list(tmp_path.glob("journal-broken*"))


def test_a_look_makes_no_file_and_a_folder_that_is_not_there_is_done_without(tmp_path: Path) -> None:
    said: list[str] = []
    looked = _open(tmp_path, said, look=True)
    assert _count(looked) == 0
    looked.close()
    assert list(tmp_path.iterdir()) == []
    assert said == []
    gone = _open(tmp_path / "none", said)
    assert _count(gone) == 0
    gone.close()
    assert "No such file or directory" in said[0]


# -- where states are


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bg-") as place:  # a short path: sockets lie below it
        yield _states(Path(place), monkeypatch)


def _states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folder, "MACHINE", str(tmp_path / "machine"))
    for place, app, project, files in (
        ("machine", "shop", "/srv/shop", ["/srv/shop/compose.yaml"]), ("machine", "blog", "/srv/blog", []),
        ("mine", "toy", "/srv", ["/srv/other.yaml"]),
    ):  # fmt: skip
        state = tmp_path / place / "bluegreen" / app if place == "mine" else tmp_path / place / app
        state.mkdir(parents=True)
        folder.write(str(state), app, project, files)
    return tmp_path


@pytest.mark.parametrize(
    ("uid", "variables", "home"),
    [
        (0, {}, "{0}/machine"), (5, {"XDG_STATE_HOME": "/x"}, "/x/bluegreen"),
        (5, {"XDG_STATE_HOME": "x"}, "/home/me/.local/state/bluegreen"), (5, {}, "/home/me/.local/state/bluegreen"),
    ],
)  # fmt: skip
def test_the_home_of_states(
    states: Path, monkeypatch: pytest.MonkeyPatch, uid: int, variables: dict[str, str], home: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("HOME", "/home/me")
    assert folder.home(variables) == home.format(states)
    machine = str(states / "machine")
    assert folder.homes(variables) == ([machine] if uid == 0 else [home, machine])
    monkeypatch.setenv("HOME", "nowhere")
    assert folder.home({}) == (machine if uid == 0 else None)


def test_the_app_of_a_folder_is_the_nearest_above(states: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(states).st_uid or 1)
    found = {"XDG_STATE_HOME": str(states / "mine")}
    for start, files, apps in (
        ("/srv/shop", [], ["shop"]), ("/srv/shop/deep/er", [], ["shop"]), ("/srv/else", [], ["toy"]), ("/", [], []),
        ("/srv/shop", ["compose.yaml"], ["shop"]), ("/srv/shop", ["other.yaml"], []),
        ("/srv/else", ["../other.yaml"], ["toy"]),
        ("/srv/blog", ["compose.yaml"], []), ("/srv/shop/deep", ["compose.yaml"], []),
    ):  # fmt: skip
        assert [Path(it).name for it in folder.of_folder(start, files, found)] == apps, (start, files)


def test_a_flip_back_finds_the_state_only_when_it_is_certain(states: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getcwd", lambda: "/srv/shop")
    shop = str(states / "machine" / "shop")
    assert folder.find([], None, {}) == shop
    assert folder.find([], "blog", {}) == str(states / "machine" / "blog")
    assert folder.find([], None, {"COMPOSE_PROJECT_NAME": "blog"}) == str(states / "machine" / "blog")
    assert folder.find([], "none", {}) is None
    assert folder.find([], None, {"COMPOSE_FILE": "x"}) is None
    assert folder.find([], "shop", {folder.VARIABLE: "/elsewhere"}) == "/elsewhere"
    assert folder.find([], None, {folder.VARIABLE: "/" + "x" * 100}) is None
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert folder.trusted(shop) is (os.stat(shop).st_uid == 0)
    assert folder.trusted(shop + "/none") is False


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ({"app": "a", "folder": "/b", "files": []}, True), ({"app": "a", "folder": "/b"}, False),
        ({"app": 1, "folder": "/b", "files": []}, False), ({"app": "a", "folder": None, "files": []}, False),
        ({"app": "a", "folder": "/b", "files": "x"}, False), ([], False), ("no json", False),
    ],
)  # fmt: skip
def test_what_is_recorded_is_ours_or_nothing(tmp_path: Path, text: object, known: bool) -> None:
    (tmp_path / folder.PROJECT).write_text(text if isinstance(text, str) else json.dumps(text))
    assert (folder.read(str(tmp_path)) is not None) is known
    assert folder.read(str(tmp_path / "none")) is None


def test_who_holds_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = holder.take(str(tmp_path))
    assert first is not None
    assert holder.take(str(tmp_path)) is None
    holder.write(first, holder.me("switch", NOW))
    found = holder.read(str(tmp_path))
    assert found is not None
    assert (found["verb"], found["pid"], found["phase"]) == ("switch", os.getpid(), "prepare")
    assert found["started"] == holder.started(os.getpid()) != ""
    holder.write(first, None)
    assert holder.read(str(tmp_path)) is None
    os.close(first)
    holder.write(first, {"a": 1})
    assert holder.started(2**22 + 1) == ""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert holder.user() == "uid 987654"
    monkeypatch.setenv("LNAME", "ada")
    assert holder.user() == "ada"


@pytest.mark.parametrize("release", [b"", b"\xff", "seven", 1.5, None])
def test_a_move_of_another_type_is_no_move(release: object, tmp_path: Path) -> None:
    db = _open(tmp_path, [])
    database.record(db, ("flip-back", 3, "blue"), [], "flipped-back")
    database.record(db, ("switch", 4, "green"), [], "switched")
    db.execute("update operations set release = ? where verb = 'switch'", (release,))
    assert Operations(db, tmp_path).moves() == [("flip-back", 3)]
    db.close()
