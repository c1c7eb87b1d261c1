"""The state is not in the project: found from anywhere, by whoever may; moved folders; other users; what was before."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bluegreen.state import folder
from tests.conftest import Make
from tests.support.files import LEAN, SERVER
from tests.support.load import Load
from tests.support.machine import ROOT, docker
from tests.support.project import Done, Project

ANN = 12345  # a user without an entry in passwd


def _from(project: Project, place: Path, *arguments: str, **more: str) -> Done:
    """As a person in that folder, with nothing of the test in the environment that names the app."""
    environment = project.environment(more)
    environment.pop("COMPOSE_PROJECT_NAME")
    began = time.monotonic()
    done = subprocess.run(
        [*project.command, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    now = time.monotonic()
    return Done(done.returncode, done.stdout, done.stderr, now - began, now)


def test_a_new_app_leaves_nothing_in_the_project_and_the_proxy_says_where_its_state_is(lean: Project) -> None:
    lean.ok("up")
    assert sorted(path.name for path in lean.folder.iterdir()) == ["compose.yaml", "server.py"]
    assert lean.state.stat().st_mode & 0o777 == 0o700
    assert (lean.state / folder.PROJECT).stat().st_mode & 0o777 == 0o600
    labels = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", f"{lean.name}-proxy"))
    assert (labels["bluegreen.state"], labels["bluegreen.project"]) == (str(lean.state), str(lean.folder))
    found = folder.read(str(lean.state))
    assert found == {"app": lean.name, "folder": str(lean.folder), "files": [str(lean.file)]}


@pytest.mark.long
def test_without_a_readable_compose_file_the_recorded_folder_tells_the_app(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    below = lean.folder / "src" / "deep"
    below.mkdir(parents=True)
    lean.file.write_text("{")
    assert json.loads(_from(lean, below, "status", "--json").out)["live"]["color"] == "green"
    assert _from(lean, below, "flip-back").code == 0
    lean.file.unlink()
    assert lean.color() == "blue"
    assert _from(lean, lean.folder, "flip-back").code == 0
    assert lean.color() == "green"
    assert _from(lean, Path("/"), "-p", lean.name, "flip-back").code == 0
    assert lean.color() == "blue"
    nowhere = _from(lean, lean.folder.parent, "flip-back")
    assert nowhere.code == 2
    assert "bluegreen apps lists them" in nowhere.err


@pytest.mark.long
def test_apps_lists_every_app_of_the_machine(lean: Project, make_project: Make) -> None:
    other = make_project(LEAN, "other")
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    other.ok("up")
    found = {it["app"]: it for it in json.loads(_from(lean, Path("/"), "apps", "--json").out)["apps"]}
    mine, second = found[lean.name], found[other.name]
    assert (mine["live"], second["live"]) == ({"color": "green", "release": 2}, {"color": "blue", "release": 1})
    assert (mine["folder"], second["folder"]) == (str(lean.folder), str(other.folder))
    assert mine["urls"] == [f"http://127.0.0.1:{lean.port}/"]
    text = " ".join(_from(lean, Path("/"), "apps").out.split())  # its columns are as wide as the machine's longest
    assert f"{lean.name} green, release 2 http://127.0.0.1:{lean.port}/ {lean.folder}" in text


def test_a_copy_is_refused_with_both_folders_until_it_takes_the_place(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    copy = lean.folder.parent / "releases" / "41"
    shutil.copytree(lean.folder, copy)
    for verb in (("switch",), ("up",), ("prepare",), ("flip-back",), ("down", "--yes")):
        done = _from(lean, copy, *verb, GREETING="three")
        assert done.code == 2, (verb, done)
        assert str(lean.folder) in done.err
        assert str(copy) in done.err
        assert "--here" in done.err
    assert lean.color() == "green"
    look = _from(lean, copy, "status")
    assert look.code == 0
    assert f"is the app of {lean.folder}; this is {copy}" in look.err
    with Load(lean.port, {"get": 10, "fresh": 3}) as load:
        time.sleep(0.3)
        done = _from(lean, copy, "switch", "--here", GREETING="three")
        assert done.code == 0, done
        assert f"was the app of {lean.folder}; from now on it is the one of {copy}" in done.err
        assert _from(lean, copy, "flip-back").code == 0
    assert load.tally.lost == [], load.tally.why()
    assert _from(lean, lean.folder, "switch", GREETING="four").code == 2, "the other one is the copy now"


@pytest.mark.long
def test_a_moved_folder_is_told_as_one_that_is_gone(lean: Project) -> None:
    lean.ok("up")
    moved = lean.folder.with_name("moved")
    lean.folder.rename(moved)
    docker("restart", "-t", "1", f"{lean.name}-proxy")  # its mounts are not in the project
    done = _from(lean, moved, "switch", GREETING="two")
    assert done.code == 2
    assert "which is not there any more" in done.err
    assert _from(lean, moved, "up", "--here").code == 0
    assert _from(lean, moved, "switch", GREETING="two").code == 0
    assert lean.color() == "green"
    lean.folder.mkdir()


@pytest.mark.long
def test_the_project_file_may_be_anything_and_is_never_a_bug(lean: Project) -> None:
    lean.ok("up")
    project = lean.state / folder.PROJECT
    for content in (b"", b"{", b"[" * 60000, b'{"app": "x", "folder": "/\\u0000", "files": []}'):
        project.write_bytes(content)
        assert lean.ok("status").code == 0
        assert lean.run("flip-back").code == 1
        assert any("cannot be read" in it["found"] for it in lean.ok("check", "--json").json()["findings"])
        (mine,) = [it for it in lean.ok("apps", "--json").json()["apps"] if it["app"] == lean.name]
        assert (mine["folder"], mine["running"]) == (str(lean.folder), True)
        assert project.read_bytes() == content, "a look changes nothing"
        said = lean.ok("up").err
        assert f"project.json in {lean.state} could not be read; it is written again" in said
        assert folder.read(str(lean.state)) is not None, "up writes it again"
        assert "written again" not in lean.ok("up").err
    project.unlink()
    os.mkfifo(project)
    assert lean.ok("status").code == 0, "a FIFO is not waited for"
    project.unlink()


@pytest.mark.long
def test_with_a_broken_project_file_the_proxys_labels_say_whose_the_app_is(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    copy = lean.folder.parent / "releases" / "41"
    shutil.copytree(lean.folder, copy)
    (lean.state / folder.PROJECT).write_text("{")
    for verb in (("switch",), ("up",), ("flip-back",)):
        done = _from(lean, copy, *verb, GREETING="three")
        assert done.code == 2, (verb, done)
        assert f"it was made from {lean.folder}; this is {copy}" in done.err
    lean.file.write_text("{")
    assert _from(lean, lean.folder, "status", "--json").json()["live"]["release"] == 2
    lean.file.unlink()
    assert _from(lean, lean.folder, "flip-back").code == 0
    assert lean.color() == "blue"


@pytest.mark.long
def test_an_app_that_was_made_with_another_project_directory_is_gone_back_with_it(lean: Project) -> None:
    other = lean.folder.parent / "other"
    shutil.copytree(lean.folder, other)
    typed = ("-f", str(lean.file), "--project-directory", str(other))
    for verb in (("up",), ("switch",), ("status",), ("flip-back",)):
        done = _from(lean, Path("/"), *typed, *verb, GREETING=verb[0])
        assert done.code == 0, (verb, done)
        assert "is the app of" not in done.err
    assert lean.color() == "blue"


@pytest.mark.long
def test_a_project_inside_another_is_an_app_of_its_own(lean: Project, make_project: Make) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    inner = make_project(LEAN, "project/inner")
    for verb in (("status",), ("flip-back",)):
        done = _from(inner, inner.folder, *verb)
        assert done.code in (1, 2), (verb, done)
    assert lean.color() == "green", "nobody went back there"
    assert _from(inner, inner.folder, "up").code == 0
    assert _from(inner, inner.folder, "status", "--json").json()["app"] == inner.name
    assert _from(inner, inner.folder, "down", "--yes").code == 0
    assert lean.color() == "green"


def test_check_says_that_the_app_belongs_to_another_folder(lean: Project) -> None:
    lean.ok("up")
    copy = lean.folder.parent / "copy"
    shutil.copytree(lean.folder, copy)
    assert _from(lean, lean.folder, "check", "--json").code == 0
    done = _from(lean, copy, "check", "--json")
    assert done.code == 1, done
    (found,) = [it for it in done.json()["findings"] if it["name"] == "project"]
    assert (found["outcome"], found["found"]) == (
        "failed", f"{lean.name} is recorded for {lean.folder}; this is {copy}"
    )  # fmt: skip
    assert "switch --here" in found["fix"]


def test_an_app_with_its_state_beside_the_compose_file_goes_on_and_is_moved_by_up(lean: Project) -> None:
    before = lean.folder / folder.BEFORE
    for arguments in (("up",), ("switch",)):
        lean.ok(*arguments, GREETING=arguments[0], BLUEGREEN_STATE_FOLDER=str(before))
    (before / folder.PROJECT).unlink()
    assert json.loads(_from(lean, lean.folder, "status", "--json").out)["live"]["release"] == 2
    assert _from(lean, lean.folder, "flip-back").code == 0
    assert not lean.state.exists()
    with Load(lean.port, {"get": 10}) as load:
        time.sleep(0.3)
        done = _from(lean, lean.folder, "up", GREETING="up")
        assert done.code == 0, done
        time.sleep(0.3)
    assert f"is in {lean.state} now" in done.err
    assert not before.exists()
    assert not before.is_symlink()
    gone = [lost.sent for lost in load.tally.lost]
    assert not gone or max(gone) - min(gone) < 3, "the moment in which the proxy is recreated"
    docker("restart", "-t", "1", f"{lean.name}-proxy")
    time.sleep(1)
    status = lean.status()
    assert (status["live"]["release"], status["idle"]["release"], status["drift"]) == (1, 2, None)
    lean.ok("flip-back")
    assert lean.color() == "green"


@pytest.mark.long
def test_a_state_of_before_on_another_file_system_is_copied_and_nginx_starts_there(lean: Project) -> None:
    before = lean.folder / folder.BEFORE
    before.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(lean.folder)], check=True)
    try:
        lean.write(lean.compose)
        (lean.folder / "server.py").write_text(SERVER)
        for arguments in (("up",), ("switch",)):
            lean.ok(*arguments, GREETING=arguments[0], BLUEGREEN_STATE_FOLDER=str(before))
        (before / folder.PROJECT).unlink()
        done = _from(lean, lean.folder, "up", GREETING="up")
        assert done.code == 0, done
        assert sorted(path.name for path in lean.folder.iterdir()) == ["compose.yaml", "server.py"], "nothing is left"
        docker("restart", "-t", "1", f"{lean.name}-proxy")
        time.sleep(1)
        status = lean.status()
        assert (status["live"]["release"], status["idle"]["release"], status["drift"]) == (2, 1, None)
        lean.ok("flip-back")
        assert lean.color() == "blue"
        lean.ok("switch", GREETING="three")
        lean.ok("down", "--yes")
    finally:
        lean.clean()
        subprocess.run(["umount", "-l", str(lean.folder)], check=True)


# -- other users


def _as_ann(project: Project, *arguments: str, home: Path, **more: str) -> Done:
    group = Path("/var/run/docker.sock").stat().st_gid
    environment = project.environment(more) | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(path for path in sys.path if "site-packages" in path)])
    done = subprocess.run(
        [_python(), "-m", "bluegreen", *arguments], cwd=project.folder, env=environment, user=ANN, group=ANN,
        extra_groups=[group], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr, 0.0, 0.0)


def _python() -> str:
    """A Python of this version that another user may run: that of the tests may be in root's home."""
    mine = Path(sys.executable).resolve()
    if all(path.stat().st_mode & 0o001 for path in (mine, *mine.parents)):
        return sys.executable
    other = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    assert Path(other).exists(), f"ann can run neither {mine} nor {other}"
    return other


@pytest.fixture
def ann(lean: Project) -> Path:
    """Ann's home; the project is hers, and what leads to it may be passed."""
    for path in (lean.folder, *lean.folder.parents):
        if path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    home = lean.folder.parent / "ann"
    home.mkdir()
    for path in (home, lean.folder, *lean.folder.iterdir()):
        os.chown(path, ANN, ANN)
    return home


def _owners(state: Path) -> set[int]:
    return {user for user, _ in _modes(state).values()}


def _modes(state: Path) -> dict[str, tuple[int, int]]:
    """By path: (owner, mode). nginx takes sockets of former generations away while we look."""
    found = {}
    for path in (state, *state.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if not path.is_socket():
                status = path.lstat()
                found[str(path)] = (status.st_uid, status.st_mode)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
def test_root_acts_on_a_users_app_and_every_file_stays_the_users(lean: Project, ann: Path) -> None:
    done = _as_ann(lean, "up", home=ann)
    assert done.code == 0, done
    state = ann / "state" / "bluegreen" / lean.name
    assert _owners(state) == {ANN}
    before = _modes(state)
    for look in (("status",), ("history",), ("check",), ("switch", "--dry-run")):
        lean.ok(*look)  # as root, from the project's folder: the proxy's label says where the state is
        assert _modes(state) == before, look
    lean.ok("switch", GREETING="two")
    assert _owners(state) == {ANN}
    assert not lean.state.exists(), "root made none of its own"
    done = _as_ann(lean, "flip-back", home=ann)
    assert done.code == 0, done
    assert lean.color() == "blue"
    lean.ok("flip-back")
    assert _owners(state) == {ANN}
    assert _as_ann(lean, "switch", home=ann, GREETING="three").code == 0
    assert _as_ann(lean, "history", "--json", home=ann).json()["releases"], "the journal is still hers"


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
def test_a_users_state_that_was_deleted_is_the_users_again_when_root_makes_it(lean: Project, ann: Path) -> None:
    assert _as_ann(lean, "up", home=ann).code == 0
    assert _as_ann(lean, "switch", home=ann, GREETING="two").code == 0
    shutil.rmtree(ann / "state")
    lean.ok("up", GREETING="two")
    assert _owners(ann / "state") == {ANN}
    done = _as_ann(lean, "flip-back", home=ann)
    assert (done.code, "Warning" in done.err) == (0, False), done
    done = _as_ann(lean, "switch", home=ann, GREETING="three")
    assert done.code == 0, done
    assert _as_ann(lean, "status", "--json", home=ann).json()["drift"] is None


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
def test_what_root_has_left_of_an_app_does_not_take_over_the_users_that_runs(lean: Project, ann: Path) -> None:
    lean.ok("up", SUDO_UID=str(ANN))
    lean.ok("down", "--yes", SUDO_UID=str(ANN))
    aside = lean.state.rename(lean.folder.parent / "aside")
    assert _as_ann(lean, "up", home=ann).code == 0
    shutil.copytree(aside, lean.state)  # left from long ago, recorded for the same folder
    proxy = docker("inspect", "-f", "{{.Id}}", f"{lean.name}-proxy")
    for verb in (("up",), ("switch",), ("status",), ("flip-back",), ("history",)):
        done = _from(lean, lean.folder, *verb, GREETING="two")
        assert done.code == 0, (verb, done)
    lean.ok("up", GREETING="two")
    assert docker("inspect", "-f", "{{.Id}}", f"{lean.name}-proxy") == proxy
    docker("stop", "-t", "1", f"{lean.name}-proxy")
    assert _from(lean, lean.folder, "up", GREETING="two").code == 0, "nobody listens: the label tells"
    state = ann / "state" / "bluegreen" / lean.name
    assert docker("inspect", "-f", "{{.Id}}", f"{lean.name}-proxy") == proxy
    assert not (lean.state / "nginx").exists()
    assert _owners(state) == {ANN}
    assert _as_ann(lean, "status", "--json", home=ann).json()["live"]["release"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
def test_who_may_not_read_a_state_is_told_whose_it_is(lean: Project, ann: Path) -> None:
    lean.ok("up", SUDO_UID=str(ANN))
    lean.ok("switch", SUDO_UID=str(ANN), GREETING="two")
    for verb in (("status",), ("flip-back",), ("switch",)):
        done = _as_ann(lean, *verb, home=ann)
        assert done.code in (1, 2), (verb, done)
        assert "belongs to root, and this user may not read it" in done.err, (verb, done)
        assert "gone" not in done.err
        assert "sudo" in done.err
    listed = _as_ann(lean, "apps", "--json", home=ann).json()["apps"]
    (mine,) = [it for it in listed if it["app"] == lean.name]
    assert "it belongs to root" in mine["problem"]
    assert lean.color() == "green"


@pytest.mark.long
def test_up_and_check_say_what_a_build_context_takes_in(lean: Project) -> None:
    (lean.folder / ".env").write_text("TOKEN=x\n")
    (lean.folder / "Dockerfile").write_text(f"FROM {lean.environment({})['PYTHON_IMAGE']}\nCOPY server.py /srv/\n")
    lean.write(lean.compose.replace("    image: ${WEB_IMAGE:-${PYTHON_IMAGE}}\n", "    build: .\n"))
    said = "takes in .env, because there is no .dockerignore"
    assert any(said in it["found"] for it in lean.run("check", "--json").json()["findings"])
    assert said in lean.ok("up", "--dry-run").out
    assert said in lean.ok("up").err
    (lean.folder / ".dockerignore").write_text(".env\n")
    assert said not in lean.ok("up").err
