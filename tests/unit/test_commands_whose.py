"""Whose app a command means, where its state is, what is said before there is one; on a machine that is not real."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli import apps, where
from bluegreen.compose.options import Options
from bluegreen.state import folder as folders
from bluegreen.state.journal import Journal
from tests.fakes.site import Site, Tell


@pytest.fixture
def away(live: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder with a Compose file of the same name, where the person stands."""
    folder = live.folder / "copy"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {}\n")
    monkeypatch.chdir(folder)
    return folder


def _finding(found: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((it for it in found["findings"] if it["name"] == name), None)


# -- another folder


def test_check_says_that_the_app_belongs_to_another_folder(live: Site, tell: Tell, away: Path) -> None:
    code, found = tell("check")
    project = _finding(found, "project")
    assert project is not None
    assert (code, project["outcome"], found["ready"]) == (1, "failed", False)
    assert str(live.project) in project["found"]
    assert str(away) in project["found"]
    assert project["fix"].startswith("bluegreen switch --here")


def test_check_in_the_apps_own_folder_says_nothing_of_whose_it_is(live: Site, tell: Tell) -> None:
    assert _finding(tell("check")[1], "project") is None
    (live.state / "project.json").write_text("{")
    project = _finding(tell("check")[1], "project")
    assert project is not None
    assert project["outcome"] == "warning", "the labels still tell, so a release may be made"
    assert project["fix"].startswith("bluegreen up")


def test_a_record_that_is_broken_is_written_anew_and_that_is_said(
    live: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    file = live.state / "project.json"
    right = json.loads(file.read_text())
    assert live.run("up") == 0
    assert "written again" not in capsys.readouterr().err
    file.write_text("nonsense")
    assert live.run("up") == 0
    assert "written again" in capsys.readouterr().err
    assert json.loads(file.read_text()) == right == {
        "app": "shop", "folder": str(live.project), "files": [str(live.project / "compose.yaml")],
    }  # fmt: skip


def test_the_record_has_the_files_that_were_typed(live: Site) -> None:
    (live.project / "more.yaml").write_text("services: {}\n")
    assert live.run("-f", "compose.yaml", "-f", "more.yaml", "up") == 0
    files = json.loads((live.state / "project.json").read_text())["files"]
    assert files == [str(live.project / "compose.yaml"), str(live.project / "more.yaml")]


@pytest.mark.usefixtures("away")
def test_a_folder_that_is_gone_is_called_so(live: Site, tell: Tell) -> None:
    assert "not there any more" not in tell("switch")[1]["error"]["failed"]
    live.project.rename(live.folder / "moved")
    code, found = tell("switch")
    assert (code, "not there any more" in found["error"]["failed"]) == (2, True)


@pytest.mark.usefixtures("away")
def test_taking_the_place_of_another_folder_is_said(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.run("switch", "--here") == 0
    assert f"shop was the app of {live.project}; from now on" in capsys.readouterr().err
    assert live.run("switch", "--here") == 0
    assert "was the app of" not in capsys.readouterr().err, "it is this folder's own by now"


def test_a_folder_below_the_project_is_no_other_one(
    live: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    below = live.project / "deep" / "er"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert live.run("status") == 0
    assert "is the app of" not in capsys.readouterr().err
    assert live.run("flip-back") == 1, "there is nothing to go back to, and no other reason"


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("how", ["option", "variable"])
def test_who_names_the_app_may_stand_anywhere(
    live: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("COMPOSE_PROJECT_NAME", "shop")
    words = ["-p", "shop"] if how == "option" else []
    assert live.run(*words, "status") == 0
    assert "is the app of" not in capsys.readouterr().err
    assert live.run(*words, "down", "--yes") == 0
    assert live.replicas("blue") == []


def test_a_name_that_the_state_is_not_of_is_refused(live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(where.STATE_VARIABLE, str(live.state))
    assert tell("-p", "shop", "status")[0] == 0
    for words in (["status"], ["flip-back", "--force"], ["down", "--yes"]):
        code, found = tell("-p", "other", *words)
        assert (code, found["error"]["summary"]) == (2, "This folder serves the app shop, not other."), words
    assert live.running("blue") == 2


def test_a_state_folder_that_is_named_is_used_as_it_stands(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = live.folder / ".bluegreen"
    live.state.rename(named)
    proxy = live.engine.named("shop-proxy")
    proxy.labels["bluegreen.state"] = str(named)
    live.engine.restart({}, {}, proxy.id)
    monkeypatch.setenv(where.STATE_VARIABLE, str(named))
    assert tell("switch")[0] == 0, "there is nothing to release"
    assert named.is_dir()
    assert not named.is_symlink(), "it is not moved to where states are"
    assert not live.state.exists()


# -- the state beside the Compose file


def _beside(live: Site) -> Path:
    old = live.project / ".bluegreen"
    live.state.rename(old)
    proxy = live.engine.named("shop-proxy")
    proxy.labels["bluegreen.state"] = str(old)
    live.engine.restart({}, {}, proxy.id)
    return old


def test_a_state_is_not_moved_onto_another_one(live: Site, tell: Tell) -> None:
    old = _beside(live)
    live.state.mkdir()
    (live.state / "keep").touch()
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (2, "The state of shop cannot be moved: there is another one.")
    assert str(live.state) in found["error"]["next"]
    assert (old.is_symlink(), (old / "nginx").is_dir(), os.listdir(live.state)) == (False, True, ["keep"])
    (live.state / "keep").unlink()
    assert tell("up")[0] == 0, "an empty folder is in nobody's way"


def test_a_state_is_brought_to_another_file_system_as_a_whole(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _beside(live)
    route = os.readlink(old / "nginx" / "route" / "live")
    rename, seen = os.rename, list[tuple[str, bool, bool]]()

    def refused(source: Any, target: Any) -> None:
        if Path(source) == old and Path(target) == live.state:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        if Path(target) == live.state:
            seen.append((Path(source).name, Path(source, "run").exists(), Path(source, "lock").exists()))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refused)
    monkeypatch.setattr(os, "sync", lambda: None)
    before, execute = live.nginx, live.engine.execute
    mounted = "\n".join(str(os.stat(old / name).st_ino) for name in ("nginx", "run")).encode()
    live.engine.execute = lambda it, words: (
        (0, mounted) if "stat -c %i" in " ".join(words) and live.nginx is before else execute(it, words)
    )
    fresh = live.states / ".shop.new"
    fresh.mkdir()
    (fresh / "half").touch()
    assert live.run("up") == 0
    assert f"The state of shop is in {live.state} now" in capsys.readouterr().err
    assert seen == [(".shop.new", False, True)], "nothing of run/, and the lock is there before the place is taken"
    assert os.readlink(live.state / "nginx" / "route" / "live") == route
    assert not (live.state / "half").exists(), "of one that was killed"
    assert not old.exists()
    assert not old.with_name(".bluegreen-moved").exists()
    assert tell("status")[1]["live"]["release"] == 1


def test_a_state_that_cannot_be_moved_stays_and_is_no_bug(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, rename = _beside(live), os.rename

    def refused(source: Any, target: Any) -> None:
        if Path(source) == old:
            raise OSError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refused)
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (1, "The state folder cannot be used.")
    assert "Permission denied" in found["error"]["failed"]
    assert (old / "nginx" / "nginx.conf").is_file()
    assert not old.is_symlink()


# -- apps


def test_apps_says_what_may_not_be_read_and_what_does_not_run(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live.nginx is not None
    live.nginx.end()
    (found,) = tell("apps")[1]["apps"]
    assert (found["running"], found["live"], found["problem"]) == (False, {"color": "blue", "release": 1}, None)
    header, row = apps.lines([found])
    assert row.endswith(found["owner"])
    assert f"{live.project} (nginx does not answer)" in row
    assert header.index("url") == row.index("http://localhost:8123/")
    (running,) = list(apps.lines([found | {"running": True, "live": None, "urls": []}]))[1:]
    assert "does not answer" not in running
    assert running.split()[:3] == ["shop", "nothing", "-"]
    listdir = os.listdir

    def closed(path: Any = ".") -> list[str]:
        if str(path) == str(live.state):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", closed)
    (found,) = tell("apps")[1]["apps"]
    assert (found["app"], found["live"], "Permission denied" in found["problem"]) == ("shop", None, True)
    row = list(apps.lines([found]))[1]
    assert row.split()[:2] == ["shop", "?"]
    assert found["problem"] in row


def test_a_machine_without_apps_and_a_state_that_is_left_of_one(live: Site, tell: Tell) -> None:
    assert len(list(apps.lines([]))) == 1
    assert tell("down", "--yes")[0] == 0
    assert live.state.is_dir(), "history stays"
    assert tell("apps")[1] == {"apps": [], "edges": [], "notes": []}, "and that is no app"


# -- before there is an app


def test_an_up_that_never_ended_is_named(live: Site, tell: Tell) -> None:
    live.run("down", "--yes")
    live.document["x-bluegreen"]["health"]["timeout"] = "10ms"
    live.sick.update(range(9))
    assert tell("up")[0] == 1
    code, found = tell("switch")
    assert (code, found["error"]["summary"], found["error"]["traffic"]) == (1, "Nothing is live yet.", "none yet")
    assert found["error"]["failed"] == "no up has come to its end"
    journal = Journal(live.state, lambda: "at noon", lambda _: None)
    journal.operations.start("up", 2, "blue")
    journal.close()
    assert tell("switch")[1]["error"]["failed"] == "an up (started at noon) never ended"


def test_a_state_that_was_lost_while_nginx_runs_is_no_app_that_never_was(live: Site, tell: Tell) -> None:
    (live.state / "nginx" / "nginx.conf").unlink()
    for words in (["switch"], ["flip-back"]):
        code, found = tell(*words)
        assert code == 1
        assert "nginx.conf is not there, and nginx runs" in found["error"]["failed"]
        assert found["error"]["next"].startswith("bluegreen up")
    assert live.nginx is not None
    assert live.nginx.live == "blue"


def test_what_a_folder_served_before_is_named(live: Site, tell: Tell) -> None:
    live.run("down", "--yes")
    live.document["name"] = "other"
    failed = tell("-p", "other", "status")[1]["error"]["failed"]
    assert failed.endswith("of other; this folder serves shop"), failed


def test_a_state_folder_that_cannot_be_written_is_said_as_such(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folders, "write", full)
    (live.state / "project.json").unlink()
    code, found = tell("up")
    assert (code, found["error"]["summary"]) == (1, "The state folder cannot be used.")
    assert found["error"]["failed"] == f"No space left on device: {live.state}"
    assert found["error"]["next"].startswith(f"ls -ld {live.state}")


def test_a_folder_that_was_deleted_is_left_for_the_root(
    live: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = live.folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    assert live.run("-p", "shop", "history") == 0
    assert "This folder is gone" in capsys.readouterr().err
    assert os.getcwd() == "/"
    assert live.run("-p", "shop", "history") == 0
    assert "This folder is gone" not in capsys.readouterr().err


def test_a_name_in_the_environment_means_that_app(live: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(live.folder)
    assert where.of_here(Options(), {}) is None
    assert where.of_here(Options(), {"COMPOSE_PROJECT_NAME": "shop"}) == live.state
    assert where.of_here(Options(project_name="other"), {"COMPOSE_PROJECT_NAME": "shop"}) is None
    assert where.of_here(Options(project_directory=str(live.project)), {}) == live.state
