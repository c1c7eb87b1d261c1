"""What lies in the state folder beside the rendered file: snippets, notes for old workers, and whose it all is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import disk, folders, seal
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.snippets import Snippets

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def test_old_workers_are_told_and_notes_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    for name in ("1", "149", "150", "note"):
        (tmp_path / name).touch()
    seal.hand_over(str(tmp_path), 250)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"note", "150", *map(str, range(230, 251))}


def test_snippets_are_copied_once_and_what_nothing_names_is_removed(tmp_path: Path) -> None:
    mine, nginx = tmp_path / "mine", tmp_path / "nginx"
    (mine / "http").mkdir(parents=True)
    (mine / "a.conf").write_text("one")
    (mine / "http" / "b.conf").write_text("two")
    (mine / "note.txt").write_text("no")
    (nginx / "snippets").mkdir(parents=True)
    snippets = Snippets(Files(str(nginx)))
    assert (snippets.take(None), snippets.loaded()) == (None, None)
    looked = Snippets(Files(str(nginx)), look=True).take(mine)
    assert list((nginx / "snippets").iterdir()) == []
    first = snippets.take(mine)
    assert first == looked
    assert first is not None
    assert snippets.take(mine) == first
    (copy,) = (nginx / "snippets").iterdir()
    assert first == f"/etc/bluegreen/snippets/{copy.name}"
    assert sorted(str(it.relative_to(copy)) for it in copy.rglob("*.conf")) == ["a.conf", "http/b.conf"]
    (mine / "a.conf").write_text("other")
    second = snippets.take(mine)
    assert second is not None
    assert second != first
    (nginx / "nginx.conf").write_text(f"include {second}/*.conf;")
    (nginx / "snippets" / "half.new").mkdir()
    assert snippets.loaded() == second
    snippets.tidy()
    assert {it.name for it in (nginx / "snippets").iterdir()} == {Path(first).name, Path(second).name}
    (nginx / disk.stored_name("green")).write_text(first)
    snippets.forget()
    assert len(list((nginx / "snippets").iterdir())) == 2
    (nginx / disk.stored_name("green")).unlink()
    snippets.forget()
    assert [it.name for it in (nginx / "snippets").iterdir()] == [Path(second).name]
    for wrong in (tmp_path / "none", mine / "a.conf"):
        with pytest.raises(BluegreenError, match=r"proxy\.include cannot be read"):
            snippets.take(wrong)


@ROOT
def test_what_root_makes_in_somebodys_state_becomes_theirs_but_for_nginxs_own(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1235)
    assert folders.proxy_user(tmp_path) == (1234, 1235)
    folders.prepare_folders(tmp_path)
    assert ((tmp_path / "run").stat().st_uid, (tmp_path / "run" / "temp").stat().st_gid) == (1234, 1235)
    (tmp_path / "nginx" / "nginx.conf").touch()
    (tmp_path / "run" / "secret").touch()
    os.chown(tmp_path / "run" / "temp", 9, 9)
    (tmp_path / "other").touch()
    os.chown(tmp_path / "other", 77, 77)
    folders.give_to_owner(tmp_path)
    owners = {str(it.relative_to(tmp_path)): it.lstat().st_uid for it in tmp_path.rglob("*")}
    assert (owners["nginx"], owners["nginx/nginx.conf"], owners["nginx/snippets"]) == (1234, 1234, 1234)
    assert (owners["run/secret"], owners["run/temp"], owners["other"]) == (0, 9, 77)


@ROOT
def test_roots_own_state_stays_roots(tmp_path: Path) -> None:
    assert folders.proxy_user(tmp_path) == (65534, 65534)
    folders.prepare_folders(tmp_path)
    (tmp_path / "file").touch()
    folders.give_to_owner(tmp_path)
    assert (tmp_path / "file").stat().st_uid == 0
    assert (tmp_path / "run").stat().st_uid == 65534
    (tmp_path / "nginx").chmod(0o700)
    folders.prepare_folders(tmp_path)
    for name in ("nginx", "run", "run/handed"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o755
