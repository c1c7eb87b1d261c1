"""nginx, taken over: what it can put into the one folder that it may write, and root who acts beside it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bluegreen.cli import where
from bluegreen.domain.answers import Expectation
from bluegreen.domain.app import Health
from bluegreen.frontdoor import control, folders, seal
from bluegreen.probe import one
from bluegreen.probe.health import Prober
from bluegreen.unix_http import listens
from tests.fakes.sockets import Server, answer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away, and is somebody to be tricked")
NGINX = folders.PROXY_USER
ANSWER = {"app": "shop", "generation": 7, "live": "blue", "default": "blue", "nginx": "1.30.6", "worker": 9}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder of root's."""
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    folders.prepare_folders(made)
    return made


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of this machine that is nobody's business; as it was at the end."""
    place = tmp_path / "victim"
    place.mkdir(mode=0o700)
    (place / "1").write_text("mine")
    (place / "file").write_text("mine")
    os.chown(place, 4321, 4321)
    place.chmod(0o711)
    before = [(it.name, it.lstat().st_uid, it.lstat().st_mode, it.lstat().st_size) for it in (place, *_in(place))]
    yield place
    after = [(it.name, it.lstat().st_uid, it.lstat().st_mode, it.lstat().st_size) for it in (place, *_in(place))]
    assert after == before


def _in(place: Path) -> list[Path]:
    return sorted(place.iterdir())


def _link(to: str) -> Callable[[Path, Path], object]:
    return lambda place, victim: place.symlink_to(to.format(victim=victim))


def _fifo(place: Path, _: Path) -> None:
    os.mkfifo(place)


def _listener(place: Path, _: Path) -> None:
    os.mknod(place, stat.S_IFSOCK | 0o600)


def _twice(place: Path, victim: Path) -> None:
    place.with_name("between").symlink_to(victim)
    place.symlink_to("between")


INSTEAD: dict[str, Callable[[Path, Path], object]] = {
    "a link": _link("{victim}"),
    "a link to a link": _twice,
    "a relative link": _link("../../victim"),
    "a link to a file": _link("{victim}/file"),
    "a link to nothing": _link("{victim}/none"),
    "a link to itself": _link("handed"),
    "a file": lambda place, _: place.write_text("x"),
    "another name of a file": lambda place, victim: os.link(victim / "file", place),
    "a pipe": _fifo,
    "a socket": _listener,
}


@pytest.mark.parametrize("name", ["handed", "temp"])
@pytest.mark.parametrize("kind", INSTEAD)
def test_what_is_there_instead_of_a_folder_is_not_followed_and_goes(
    state: Path, victim: Path, name: str, kind: str
) -> None:
    place = state / "run" / name
    place.rmdir()
    INSTEAD[kind](place, victim)
    folders.prepare_folders(state)
    found = place.lstat()
    assert stat.S_ISDIR(found.st_mode)
    assert (found.st_uid, found.st_mode & 0o777) == (0 if name == "handed" else NGINX, 0o755)


@pytest.mark.parametrize("name", ["run", "nginx"])
@pytest.mark.parametrize("kind", ["a link", "a link to a link", "a file", "a pipe"])
def test_a_state_whose_own_folders_are_links_is_refused(state: Path, victim: Path, name: str, kind: str) -> None:
    (state / name).rename(state / "aside")
    INSTEAD[kind](state / name, victim)
    with pytest.raises(OSError, match="is there instead of a folder") as error:
        folders.prepare_folders(state)
    assert error.value.filename == str(state / name)
    assert control.ask(str(state / "run")) is None


def test_a_link_that_comes_back_each_time_is_an_error_and_no_way_out(
    state: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As quickly as it is taken away: whoever wins, nothing behind the link is touched."""
    mkdir, place = os.mkdir, state / "run" / "handed"
    place.rmdir()

    def lost(name: str, mode: int, **more: int) -> None:
        mkdir(name, mode, **more)
        if name == "handed":
            place.rmdir()
            place.symlink_to(victim)

    monkeypatch.setattr(os, "mkdir", lost)
    with pytest.raises(OSError, match="instead of a folder"):
        folders.prepare_folders(state)


# -- notes for old workers


def test_notes_are_made_in_the_very_folder_alone(state: Path, victim: Path) -> None:
    handed = state / "run" / "handed"
    handed.rmdir()
    handed.symlink_to(victim)
    with pytest.raises(OSError, match="instead of a folder"):
        seal.hand_over(str(handed), 300)
    short = where.short(Path(f"{state}/{'x' * 120}"))
    assert not str(short).startswith("/proc"), "there is none"
    os.rename(state / "run", state / "aside")
    (state / "run").symlink_to(state / "aside")
    with pytest.raises(OSError, match="instead of a folder"):
        seal.hand_over(str(handed), 300)


def test_a_folder_of_nginxs_own_making_is_not_written_to(state: Path) -> None:
    handed = state / "run" / "handed"
    handed.rmdir()
    handed.mkdir()
    os.chown(handed, NGINX, NGINX)
    with pytest.raises(PermissionError, match="belongs to another user"):
        seal.hand_over(str(handed), 3)
    assert _in(handed) == []
    folders.prepare_folders(state)
    seal.hand_over(str(handed), 3)
    assert [it.name for it in _in(handed)] == ["1", "2", "3"]


@pytest.mark.parametrize("kind", INSTEAD)
def test_what_lies_among_the_notes_is_never_opened(state: Path, victim: Path, kind: str) -> None:
    os.chown(state, 1234, 1235)  # a user's: nginx runs as that user and may write here
    folders.prepare_folders(state)
    handed = state / "run" / "handed"
    for name in ("199", "5", "none", "²", "٣", "9" * 200, "-1"):
        INSTEAD[kind](handed / name, victim) if "to a link" not in kind else (handed / name).symlink_to(victim)
    (handed / "6").mkdir()
    seal.hand_over(str(handed), 200)
    names = {it.name for it in _in(handed)}
    assert {"199", "200", "6", "²", "9" * 200} <= names
    assert "5" not in names, "of long ago: the name goes"
    assert (handed / "200").stat().st_uid == 1234
    assert stat.S_IFMT((handed / "199").lstat().st_mode) != 0


# -- sockets


def _says(path: Path) -> Server:
    return Server(path, lambda _: answer(200, json.dumps(ANSWER)))


def _asks(run: Path) -> list[object]:
    """Everybody who talks to a socket of nginx: what each of them got."""
    health = Health("/health", request_timeout=2.0)
    prober = Prober(run)
    try:
        asked = prober.ask("control.sock", Expectation("GET", "/", status=200))
    finally:
        prober.close()
    got = [
        control.ask(str(run)),
        listens(f"{run}/control.sock", 1.0) or None,
        None
        if (one.probe(str(run), ("10.0.0.1", 80), None, health, "/") or "").startswith("did not answer")
        else "probed",
        asked.status or None,
        seal.master(str(run)),
    ]
    return [it for it in got if it is not None]


def test_the_socket_that_nginx_listens_on_is_asked(state: Path) -> None:
    run = state / "run"
    with _says(run / "control.sock"), _says(run / "probe.sock"):
        for name in ("control.sock", "probe.sock"):
            os.chown(run / name, NGINX, NGINX)
        assert len(_asks(run)) == 4, "all but the master: this process is no nginx"
        assert len(_asks(where.short(run))) == 4


@pytest.mark.parametrize("kind", ["a link", "another user's", "a file", "a pipe", "a folder", "a listener of another"])
def test_no_other_socket_is_asked_or_believed(state: Path, tmp_path: Path, kind: str) -> None:
    run, other = state / "run", tmp_path / "other.sock"
    with _says(other) as server:
        for name in ("control.sock", "probe.sock"):
            place = run / name
            if kind == "a link":
                place.symlink_to(other)
            elif kind == "another user's":
                os.link(other, place)
                os.chown(place, 4321, 4321)
            elif kind == "a file":
                place.touch()
            elif kind == "a pipe":
                os.mkfifo(place)
            elif kind == "a folder":
                place.mkdir()
        ended = [_listens_as(4321, run / name) for name in ("control.sock", "probe.sock")] if "listener" in kind else []
        try:
            assert _asks(run) == []
        finally:
            for process in ended:
                process.kill()
                process.wait()
    assert server.asked == []


LISTENS = """
import os, socket, sys, time
it = socket.socket(socket.AF_UNIX)
it.bind(sys.argv[1])
os.chown(sys.argv[1], 65534, 65534)
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
it.listen(8)
print("listens", flush=True)
time.sleep(60)
"""


def _listens_as(user: int, place: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENS, str(place), str(user)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "listens\n"
    process.stdout.close()
    return process


def test_root_signals_only_a_process_that_is_nginxs_own(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *it: sent.append(it))
    run, comm = state / "run", Path("/proc/self/comm")
    before = comm.read_text().strip()
    comm.write_text("nginx")
    try:
        with _says(run / "control.sock"):
            assert seal.hup_master(str(run)), "root's own socket"
        (run / "control.sock").unlink()
        with _says(state.parent / "host.sock"):
            (run / "control.sock").symlink_to(state.parent / "host.sock")
            assert not seal.hup_master(str(run)), "the nginx of somebody else, by a link"
    finally:
        comm.write_text(before)
    assert sent == [(os.getpid(), 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"generation": float("inf")}, {"generation": -1}, {"generation": 2**60}, {"generation": "x"},
        {"generation": None}, {"live": ["blue"], "generation": {}}, {"worker": [1]}, {"worker": float("nan")},
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_none(state: Path, change: dict[str, object]) -> None:
    with Server(state / "run" / "control.sock", lambda _: answer(200, json.dumps({**ANSWER, **change}))):
        assert control.ask(str(state / "run")) is None


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "[" * 60000, "{", "null"])
def test_an_answer_that_is_no_object_is_none(state: Path, text: str) -> None:
    with Server(state / "run" / "control.sock", lambda _: answer(200, text)):
        assert control.ask(str(state / "run")) is None


# -- what root gives to the owner of a state


def test_a_file_with_another_name_elsewhere_is_not_given_away(state: Path, victim: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    os.chown(state, 1234, 1235)
    os.link(secret, state / "journal.db")
    (state / "link").symlink_to(victim / "file")
    (state / "mine").touch()
    folders.give_to_owner(state)
    assert secret.stat().st_uid == 0
    assert (state / "mine").stat().st_uid == 1234


def test_folders_that_root_makes_for_a_user_are_given_by_what_they_are(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1234, 1235)
    folders.make_state(home / "state" / "bluegreen" / "shop")
    for path in (home / "state", home / "state" / "bluegreen", home / "state" / "bluegreen" / "shop"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)
    assert (home / "state" / "bluegreen" / "shop").stat().st_mode & 0o777 == 0o700
