"""Any file that is read has a type, a size and a shape: else an error that names it, and never a wait."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bluegreen import files
from bluegreen.cli.statefolder import LENGTH, salt
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.frontdoor import disk
from bluegreen.host import machine, sources
from bluegreen.state import expected_file, folder, holder, lock
from bluegreen.state.journal import Journal
from tests.fakes.hostile import KINDS
from tests.fakes.site import Site, Tell

FILES = {"empty", "huge", "deep", "deep yaml", "laughs", "one bad byte", "NULs"}
OTHERS = sorted(set(KINDS) - FILES)


@pytest.fixture(autouse=True)
def no_end() -> Any:
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_lies_in_a_files_place_is_read_or_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    KINDS[kind](path)
    for read in (files.read, files.text, lambda name: files.begin_of(name, 10)):
        try:
            assert len(read(str(path))) <= files.MUCH
        except OSError as named:
            error = named
            assert str(path) in str(error), "the error names it"
        else:
            assert kind in FILES, "only a file is read as one"
    assert machine.texts(tmp_path) == {}
    KINDS[kind](tmp_path / "it.py")
    assert set(sources.look(tmp_path)) <= {"it.py"}


def test_a_text_is_of_utf_8_and_of_a_size(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"ab\xff")
    with pytest.raises(files.Unfit, match=r"not UTF-8 \(byte 2\)"):
        files.text(str(path))
    path.write_bytes(b"ab\0")
    with pytest.raises(files.Unfit, match="NUL at character 2"):
        files.text(str(path))
    path.write_text("abc")
    assert files.text(str(path), 3) == "abc"
    with pytest.raises(files.Unfit, match="larger than 2 bytes"):
        files.text(str(path), 2)
    assert files.begin_of(str(path), 2) == "ab"


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_a_file_of_ours_is_whole_or_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "it"
    files.replace(str(path), b"before", 0o640)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            files.replace(str(path), b"after")
    assert path.read_bytes() == b"before"
    assert [it.name for it in tmp_path.iterdir()] == ["it"], "nothing half-made is left"
    before = os.umask(0o077)
    files.replace(str(path), b"after", 0o644)
    os.umask(before)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o644)


@pytest.mark.parametrize(
    "kind", ["nothing", "empty", "a pipe", "a folder", "a link to nothing", "a full device", "short"]
)
def test_a_salt_that_is_none_is_made_again_by_who_acts(tmp_path: Path, kind: str) -> None:
    if kind == "short":
        (tmp_path / "salt").write_bytes(b"x" * (LENGTH - 1))
    else:
        KINDS[kind](tmp_path / "salt")
    before = os.lstat(tmp_path / "salt") if kind != "nothing" else None
    assert len(salt(tmp_path, acts=False)) == LENGTH
    after = os.lstat(tmp_path / "salt") if kind != "nothing" else None
    assert (before and before.st_ino) == (after and after.st_ino), "a look writes nothing"
    made = salt(tmp_path, acts=True)
    assert salt(tmp_path, acts=True) == salt(tmp_path, acts=False) == made == (tmp_path / "salt").read_bytes()
    assert (tmp_path / "salt").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_leaves_no_salt_of_no_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BluegreenError, match="state folder cannot be used") as error:
        salt(tmp_path, acts=True)
    assert "No space left on device" in error.value.failed
    assert list(tmp_path.iterdir()) == []


def test_the_salt_of_a_live_app_that_was_cut_costs_one_release_and_no_more(live: Site, tell: Tell) -> None:
    (live.state / "salt").write_bytes(b"")
    assert tell("status")[0] == 0
    assert (live.state / "salt").read_bytes() == b""
    assert tell("switch")[1]["outcome"] == "switched", "nobody can tell that nothing has changed"
    assert tell("switch")[1]["outcome"] == "unchanged"


ODD_HOLDERS: list[Any] = [
    {"pid": True}, {"pid": 1}, {"pid": 0}, {"pid": -1}, {"pid": -2}, {"pid": 2**40}, {"pid": 1.5}, {"pid": "7"},
    {"pid": [1]}, {"pid": None, "verb": 7}, {"verb": ["switch"], "phase": {}, "left": 3}, [], "x", 7,
    {"left": {"left": {}}}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("said", ODD_HOLDERS, ids=str)
def test_nobody_is_told_to_end_by_what_a_lock_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    def told(*_: object) -> None:
        raise AssertionError("a process was signalled")

    for name in ("kill", "killpg"):
        monkeypatch.setattr(os, name, told)
    monkeypatch.setattr(signal, "pidfd_send_signal", told)
    (tmp_path / "lock").write_text(json.dumps(said))
    assert lock.read_holder(tmp_path).pid == 0
    assert isinstance(str(lock.read_holder(tmp_path)), str)
    assert lock.left_by(tmp_path) is None
    other = holder.take(str(tmp_path))
    assert other is not None
    monkeypatch.setattr(lock, "_take_within", lambda *_: False)
    with (
        pytest.raises(BluegreenError) as error,
        lock.locked(tmp_path, "flip-back", "now", lock.Held(end=True)),
    ):
        pass
    assert error.value.exit_code == ExitCode.LOCKED
    os.close(other)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_recorded_answers_that_are_no_file_of_ours_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "expected.yaml"
    KINDS[kind](path)
    if kind in ("nothing", "a link to nothing", "empty"):
        assert not expected_file.read(path)
        return
    with pytest.raises(BluegreenError, match=r"expected\.yaml is not valid") as error:
        expected_file.read(path)
    assert error.value.lines
    assert error.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "- request: GET /\n  json: &a {b: *a}",
        "- request: GET /\n  json: !!binary aa==\n  text: 'a{99999999999}'",
    ],
)
def test_aliases_in_a_circle_and_odd_values_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(BluegreenError, match="is not valid"):
        expected_file.read(tmp_path / "e.yaml")


def test_aliases_are_welcome(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "- &a {request: GET /, headers: &h {A: b}}\n- {request: GET /x, headers: *h}\n- *a\n"
    )
    assert len(expected_file.read(tmp_path / "e.yaml") or ()) == 3


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.db-shm"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_journal_that_is_none_costs_the_history_at_most(tmp_path: Path, kind: str, name: str) -> None:
    said: list[str] = []
    if name != "journal.db":
        sqlite3.connect(tmp_path / "journal.db").close()
    KINDS[kind](tmp_path / name)
    journal = Journal(tmp_path, lambda: "2026-01-01T00:00:00+00:00", said.append)
    operation = journal.operations.start("switch", 1, "blue")
    journal.operations.end(operation, "switched")
    assert journal.releases.newest() == 0
    assert len(said) <= 1
    journal.close()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_no_file_of_nginx_counts_as_none(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path / "nginx.conf")
    assert disk.read(str(tmp_path)) is None or kind in FILES
    disk.replace(str(tmp_path), "live-blue.conf", "text")
    assert disk.read(str(tmp_path), "live-blue.conf") == "text"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"a full folder"}))
def test_a_project_file_of_any_kind_is_written_anew(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path / "project.json")
    assert folder.read(str(tmp_path)) is None
    folder.write(str(tmp_path), "shop", "/srv/shop", [])
    assert folder.read(str(tmp_path)) == {"app": "shop", "folder": "/srv/shop", "files": []}


@pytest.mark.parametrize("content", [b"\xff", b"# bluegreen-routing: {\xff}\n", b"\0", b""])
def test_a_rendered_file_with_a_bad_byte_is_mended_by_up(live: Site, tell: Tell, content: bytes) -> None:
    path = live.state / "nginx" / "nginx.conf"
    whole = path.read_bytes()
    path.write_bytes(whole + content if content == b"\xff" else content)
    assert tell("status")[0] == 0
    code, found = tell("up")
    assert (code, found["live"]) == (0, {"color": "blue", "release": 1}), found
    assert path.read_bytes().startswith(b"# bluegreen-routing: {")
    assert tell("up")[1]["outcome"] == "unchanged"
