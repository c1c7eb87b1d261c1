"""Which state an app's name or a folder means, when more than one is there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli import apps, where
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import folders
from bluegreen.places.docker import proxies
from bluegreen.places.docker.proxies import Proxy
from bluegreen.state import folder

NOTHING = Options(project_name="shop")


class Machine:
    """Two places of states, and what the Engine says of proxies."""

    def __init__(self, root: Path) -> None:
        self.root, self.labels, self.asked = root, list[Proxy](), 0
        self.listening: list[socket.socket] = []

    def state(self, place: str, app: str = "shop", project: str = "/srv/shop") -> Path:
        state = self.root / place / app
        (state / "run").mkdir(parents=True)
        folder.write(str(state), app, project, [f"{project}/compose.yaml"])
        return state

    def listens(self, state: Path) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(where.short(state / "run") / "control.sock"))
        server.listen()
        self.listening.append(server)

    def answers(self, state: Path, answer: dict[str, Any]) -> None:
        """As nginx answers on its control socket, once."""
        self.listens(state)
        body = json.dumps(answer)

        def once() -> None:
            client, _ = self.listening[-1].accept()
            with client:
                client.recv(4096)
                client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

        threading.Thread(target=once, daemon=True).start()

    def proxies(self) -> list[Proxy]:
        self.asked += 1
        return self.labels


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    found = Machine(tmp_path)
    monkeypatch.setattr(folder, "homes", lambda _: [str(tmp_path / "mine"), str(tmp_path / "machine")])
    monkeypatch.setattr(proxies, "proxies", found.proxies)
    monkeypatch.chdir(tmp_path)
    yield found
    for server in found.listening:
        server.close()


def test_the_state_whose_nginx_listens_wins_over_one_that_is_left_and_the_engine_is_not_asked(machine: Machine) -> None:
    machine.state("mine")
    used = machine.state("machine")
    machine.listens(used)
    assert where.of_app("shop", NOTHING, {}) == used
    assert machine.asked == 0


def test_a_state_that_is_left_does_not_win_over_the_one_that_the_proxy_names(machine: Machine) -> None:
    machine.state("mine")
    theirs = machine.state("home-of-ann")
    machine.labels = [Proxy("other", "/elsewhere", "/srv/other"), Proxy("shop", str(theirs), "/srv/shop")]
    assert where.of_app("shop", NOTHING, {}) == theirs
    assert where.of_here(Options(project_directory="/srv/shop"), {}) == theirs, "by the folder as well"


def test_a_socket_that_nobody_listens_on_counts_as_none(machine: Machine) -> None:
    left = machine.state("mine")
    machine.listens(left)
    machine.listening.pop().close()
    theirs = machine.state("home-of-ann")
    machine.labels = [Proxy("shop", str(theirs), "/srv/shop")]
    assert where.of_app("shop", NOTHING, {}) == theirs


def test_an_nginx_that_hangs_with_more_clients_than_it_accepts_is_still_the_one(machine: Machine) -> None:
    used = machine.state("mine")
    server = socket.socket(socket.AF_UNIX)
    machine.listening.append(server)
    server.bind(str(where.short(used / "run") / "control.sock"))
    server.listen(0)
    path = str(where.short(used / "run") / "control.sock")
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in waiting:
        client.setblocking(False)
        client.connect_ex(path)
    machine.labels = [Proxy("shop", "/elsewhere", "/srv/shop")]
    assert where.of_app("shop", NOTHING, {}) == used
    for client in waiting:
        client.close()


def test_without_a_proxy_the_known_state_is_the_one(machine: Machine) -> None:
    left = machine.state("mine")
    assert where.of_app("shop", NOTHING, {}) == left
    assert where.of_here(Options(project_directory="/srv/shop/src"), {}) == left
    assert where.of_app("other", NOTHING, {}) is None


def test_a_folder_with_a_compose_file_of_its_own_is_not_part_of_the_project_above_it(machine: Machine) -> None:
    state = machine.state("mine", project=str(machine.root))
    sub = machine.root / "services" / "sub"
    sub.mkdir(parents=True)
    here = Options(project_directory=str(sub))
    assert where.of_here(here, {}) == state
    (sub / "compose.yml").write_text("{")
    assert where.of_here(here, {}) is None
    assert folder.of_folder(str(sub), (), {}) == []
    machine.labels = [Proxy("shop", str(state), str(machine.root))]
    (state / folder.PROJECT).write_text("{")
    with pytest.raises(BluegreenError):
        where.of_file(_unreadable, here, {})


def test_a_label_that_leads_to_a_known_state_by_a_link_names_that_state(machine: Machine) -> None:
    """A state was moved, and its proxy was not recreated before the command was killed."""
    moved = machine.state("mine")
    link = machine.root / ".bluegreen"
    link.symlink_to(moved)
    machine.labels = [Proxy("shop", str(link), "/srv/shop")]
    assert where.of_app("shop", NOTHING, {}) == moved


def test_a_path_that_is_too_long_for_a_socket_is_no_reason_not_to_answer(machine: Machine) -> None:
    machine.state("mine", "a" * 120)
    used = machine.state("machine", "a" * 120)
    machine.listens(used)
    assert len(os.fsencode(used)) > 107
    assert where.of_app("a" * 120, NOTHING, {}) == used


@pytest.mark.parametrize("name", ["shop", "a" * 120])
def test_apps_hears_nginx_whatever_the_length_of_the_path(machine: Machine, name: str) -> None:
    state = machine.state("mine", name)
    answer = {"app": name, "generation": 1, "live": "blue", "default": "blue", "nginx": "1.30.6", "worker": 1}
    machine.answers(state, answer)
    found = apps._app(str(state), Proxy(name, str(state), ""))
    assert (found["running"], found["problem"]) == (True, None)


BROKEN = (
    b"", b"{", b"[]", b"null", b'"shop"', b'{"app": "shop", "folder": "/srv/shop"', b"\xff\xfe", b"[" * 60000,
    b'{"app": 1, "folder": "/srv/shop", "files": []}', b'{"app": "", "folder": "/srv/shop", "files": []}',
    b'{"app": "shop", "folder": "srv/shop", "files": []}', b'{"app": "shop", "folder": "/srv/shop", "files": 3}',
    b'{"app": "shop", "folder": "/srv/\\u0000shop", "files": []}', b'{"app": "shop", "folder": null, "files": []}',
    b'{"app": "shop", "folder": "/srv/\\ud800", "files": []}', b'{"app": "shop", "folder": "/srv", "files": [1]}',
)  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_record_is_none_and_is_known_to_be_broken(machine: Machine, content: bytes) -> None:
    state = machine.state("mine")
    assert not folder.broken(str(state))
    (state / folder.PROJECT).write_bytes(content)
    assert folder.read(str(state)) is None
    assert folder.broken(str(state))
    assert where.of_here(Options(project_directory="/srv/shop"), {}) is None
    folder.write(str(state), "shop", "/srv/shop", [])
    assert not folder.broken(str(state))
    (state / folder.PROJECT).unlink()
    assert not folder.broken(str(state)), "absent is not broken"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: Path(path).symlink_to(path)])
def test_whatever_stands_in_the_records_place_is_broken_and_makes_way(
    machine: Machine, make: Callable[[str], None]
) -> None:
    state = str(machine.state("mine"))
    place = f"{state}/{folder.PROJECT}"
    Path(place).unlink()
    make(place)
    assert folder.broken(state)
    folder.write(state, "shop", "/srv/shop", [])
    assert folder.read(state) is not None


def _unreadable() -> str:
    raise BluegreenError("Compose cannot read the Compose file.")


def test_with_a_broken_record_and_no_compose_file_the_label_tells_the_app_of_a_folder(machine: Machine) -> None:
    state = machine.state("mine", project=str(machine.root))
    machine.labels = [Proxy("other", "/elsewhere", "/srv/other"), Proxy("shop", str(state), str(machine.root))]
    with pytest.raises(BluegreenError):
        where.of_file(_unreadable, Options(), {})
    assert machine.asked == 0, "every state says whose it is, and none is of this folder"
    (state / folder.PROJECT).write_text("{")
    assert where.of_file(_unreadable, Options(), {}) == state
    assert where.of_file(_unreadable, Options(project_directory=str(machine.root / "src" / "deep")), {}) == state
    machine.labels.append(Proxy("second", "/elsewhere", str(machine.root)))
    with pytest.raises(BluegreenError):
        where.of_file(_unreadable, Options(), {})


def test_what_one_that_was_killed_has_left_does_not_hold_up_the_record(machine: Machine) -> None:
    state = machine.state("mine")
    (state / f".{folder.PROJECT}.new").symlink_to("/dev/full")
    folder.write(str(state), "shop", "/srv/new", [])
    assert folder.read(str(state)) == {"app": "shop", "folder": "/srv/new", "files": []}


@pytest.mark.whole
@pytest.mark.parametrize("verb", ["status", "flip-back", "up", "check"])
def test_a_folder_that_was_deleted_under_the_shell_is_no_bug(tmp_path: Path, verb: str) -> None:
    command = "import sys; from bluegreen.__main__ import command; sys.exit(command(sys.argv[1:]))"
    # -P: as for the installed command, Python does not look for modules here. It would trip over that itself (3.13.0).
    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, "-P", "-c", command, verb], cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done
    assert "This folder is gone" in done.stderr
    assert "There is no Compose file" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is another user's")
def test_what_root_makes_below_a_users_folder_is_the_users(tmp_path: Path) -> None:
    home = tmp_path / "ann"
    home.mkdir()
    os.chown(home, 12345, 12346)
    state = home / "state" / "bluegreen" / "shop"
    folders.make_state(state)
    folders.prepare_folders(state)
    for path in (state.parent.parent, state.parent, state, state / "run", state / "run" / "handed"):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (12345, 12346), path
    assert state.stat().st_mode & 0o777 == 0o700
    mine = tmp_path / "root" / "shop"
    folders.make_state(mine)
    folders.prepare_folders(mine)
    assert [(mine / name).stat().st_uid for name in ("", "run/handed", "run")] == [0, 0, folders.PROXY_USER]


def test_a_folder_that_this_user_may_not_look_into_has_no_compose_file_and_is_no_bug(tmp_path: Path) -> None:
    """As with `sudo -u app bluegreen flip-back` typed in root's own folder."""
    inner = tmp_path / "private" / "shop"
    inner.mkdir(parents=True)
    (inner / "compose.yaml").write_text("services: {}\n")
    child = os.fork()
    if not child:
        try:
            os.chdir(inner)
            os.chmod(tmp_path / "private", 0)
            if os.geteuid() == 0:
                os.setuid(65534)
            found = where.of_here(Options(), {"XDG_STATE_HOME": "/nowhere"})
            os._exit(0 if found is None else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    os.chmod(tmp_path / "private", 0o700)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("names", [["bin", "etc", "run", "var"], [".bashrc"], ["nginx", "html"], ["compose.yaml"]])
def test_a_folder_with_other_files_is_no_state_folder(names: list[str], tmp_path: Path) -> None:
    """It would get mode 0700: of / or of a home, that locks everybody out."""
    for name in names:
        (tmp_path / name).mkdir()
    with pytest.raises(BluegreenError, match="is not a state folder") as error:
        where.refuse_foreign(tmp_path)
    assert sorted(names)[0] in error.value.failed
    assert error.value.exit_code == 2


@pytest.mark.parametrize("name", ["project.json", "lock", "journal.db", "salt"])
def test_what_is_left_of_a_state_folder_is_one(name: str, tmp_path: Path) -> None:
    where.refuse_foreign(tmp_path)  # an empty one
    where.refuse_foreign(tmp_path / "new")
    (tmp_path / "nginx").mkdir()  # a file system of its own
    where.refuse_foreign(tmp_path)
    (tmp_path / name).touch()
    (tmp_path / "other").touch()
    where.refuse_foreign(tmp_path)
