"""The front door on real files and sockets: snippets, folders, a reload and what can go wrong with it."""

from __future__ import annotations

import json
import os
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import change, folders, route, seal, text
from bluegreen.frontdoor.change import Change
from bluegreen.frontdoor.door import Door
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.nginx import Nginx
from tests.fakes.sockets import Pieces, Server, answer
from tests.unit.worlds import routing, slot

SINCE = "2026-11-01T10:00:00+00:00"


def nobody(*_: object) -> int:
    raise AssertionError("nobody takes over here")


def rendered(live: str | None = "blue") -> str:
    found = routing(live, blue=slot("blue", 7), green=slot("green", 6)).as_dict()  # type: ignore[arg-type]  # a color
    return f"{text.HEADER}{json.dumps(found | {'generation': text.GENERATION_MARK, 'since': text.SINCE_MARK})}\nrest\n"


@dataclass
class Proxy:
    """A state folder and an nginx that answers by it; `late`: answers until a reload has happened."""

    state: Path
    generation: int = 5
    live: str | None = "blue"
    late: int = 0
    ran: list[list[str]] = field(default_factory=list)
    result: tuple[int, str] = (0, "")
    signals: int = 0

    def __post_init__(self) -> None:
        folders.prepare_folders(self.state)
        self.files = Files(str(self.state / "nginx"))
        self.run_folder = str(self.state / "run")
        self.change = Change(self.files, self.run_folder, self.hup)
        self.nginx = Nginx(self.files, self.change, self.run_folder, self.run)
        self.door = Door(self.files, self.change, self.run, self.nginx.sees_our_folders, nobody)

    def run(self, words: object) -> tuple[int, str]:
        self.ran.append(list(words))  # type: ignore[call-overload]  # a sequence
        return self.result

    def hup(self) -> None:
        self.signals += 1

    def reply(self, _: str) -> Pieces:
        disk_ = self.files.routing()
        if self.signals and disk_ and self.late <= 0:
            self.generation, self.live = disk_.generation, disk_.live
        self.late -= 1
        found = {"app": "shop", "generation": self.generation, "live": self.live or "none", "nginx": "1", "worker": 3}
        return answer(200, json.dumps(found))


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(route, "BUCKETS", 1)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(change, "CONFIRM_TIMEOUT", 0.3)
    monkeypatch.setattr(change, "ROUTE_TIMEOUT", 0.1)
    monkeypatch.setattr(change, "QUIT_TIMEOUT", 0.2)
    with tempfile.TemporaryDirectory(prefix="bg-") as folder:
        it = Proxy(Path(folder))
        it.door.first(rendered(), 5, SINCE)
        it.door.turn("blue")
        with Server(Path(folder, "run", "control.sock"), it.reply):
            yield it


# -- a reload


def test_a_text_is_loaded_as_the_next_generation_and_its_default_is_the_routes(proxy: Proxy) -> None:
    proxy.late = 3
    assert proxy.door.load(rendered("green"), "green", SINCE) == 6
    assert (proxy.signals, route.read(proxy.files.folder)) == (1, "green")
    found = proxy.files.routing()
    assert found is not None
    assert (found.generation, found.live, found.sealed) == (6, "green", True)
    for door in route.DOORS:
        assert os.readlink(f"{proxy.files.folder}/next-{door}") == f"/run/bluegreen/{door}-6.sock"
    assert sorted(os.listdir(proxy.state / "run" / "handed"), key=int) == ["1", "2", "3", "4", "5"]


def test_a_reload_that_does_not_come_is_an_error(proxy: Proxy) -> None:
    proxy.late = 10_000
    with pytest.raises(BluegreenError, match="did not load its new file") as error:
        proxy.door.load(rendered("green"), "green", SINCE)
    assert error.value.failed == "generation 5 (blue) answers on the control socket instead of generation 6"
    assert os.readlink(f"{proxy.files.folder}/next-public") == "/run/bluegreen/public.sock", "whoever accepts"


def test_workers_that_go_on_accepting_are_waited_for(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "FRESH_ANSWERS", 3)
    seen: list[int] = []
    reply = proxy.reply

    def mixed(words: str) -> Pieces:
        pieces = reply(words)
        seen.append(proxy.generation)
        if len(seen) in (3, 5):  # a former worker has taken this one
            found = {"app": "shop", "generation": 5, "live": "blue", "nginx": "1", "worker": 1}
            return answer(200, json.dumps(found))
        return pieces

    monkeypatch.setattr(proxy, "reply", mixed)
    with Server(proxy.state / "run" / "other.sock", mixed):
        os.rename(proxy.state / "run" / "other.sock", proxy.state / "run" / "control.sock")
        assert proxy.door.load(rendered("blue"), "blue", SINCE) == 6
    assert len(seen) >= 8, "three in a row after the last former one"


def test_a_worker_that_keeps_its_connection_is_a_former_one(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(words: str) -> Pieces:
        return [*proxy.reply(words), *([5.0] if "HTTP/1.1" in words else [])]

    monkeypatch.setattr(change, "QUIT_TIMEOUT", 0.1)
    with Server(proxy.state / "run" / "other.sock", reply):
        os.rename(proxy.state / "run" / "other.sock", proxy.state / "run" / "control.sock")
        with pytest.raises(BluegreenError) as error:
            proxy.door.load(rendered("blue"), "blue", SINCE)
    assert error.value.failed.startswith("a worker of the former generation still accepts")


def test_a_seal_is_waited_for_or_only_begun(proxy: Proxy) -> None:
    with pytest.raises(BluegreenError, match=r"live-green\.conf is missing in the state folder"):
        proxy.door.seal("green", SINCE)
    proxy.door.store({"green": rendered("green")})
    assert (proxy.door.stored("green"), proxy.door.stored("blue")) == (True, False)
    proxy.late = 10_000
    assert proxy.door.seal("green", SINCE, wait=False) == 6
    assert (proxy.signals, proxy.generation) == (1, 5)
    assert proxy.files.loaded_text() == text.activate(rendered("green"), 6, SINCE)
    with pytest.raises(BluegreenError, match="did not load"):
        proxy.door.seal("green", SINCE)
    proxy.late = 0
    assert proxy.door.seal("green", SINCE) == 8
    proxy.door.store({"blue": rendered("blue")})
    assert (proxy.door.stored("green"), proxy.door.stored("blue")) == (False, True)


def test_a_seal_that_was_begun_just_now_is_waited_for(proxy: Proxy) -> None:
    proxy.files.write(text.activate(rendered(), 6, SINCE))
    proxy.signals, proxy.late = 1, 3
    found = proxy.nginx.settled()
    assert found is not None
    assert found.generation == 6
    proxy.files.write(text.activate(rendered(), 7, SINCE))
    proxy.late = 10_000
    found = proxy.nginx.settled()
    assert found is not None
    assert found.generation == 6, "not for ever"
    os.utime(proxy.state / "nginx" / "nginx.conf", (1, 1))
    asked = proxy.late
    proxy.nginx.settled()
    assert proxy.late == asked - 1, "one of long ago is not waited for"
    assert proxy.files.age() > 1e6
    (proxy.state / "nginx" / "nginx.conf").unlink()
    assert proxy.files.age() == float("inf")


@pytest.mark.parametrize(("live", "words"), [("green", "nginx answers green"), (None, "nginx answers no color")])
def test_what_nginx_answers_instead(proxy: Proxy, live: str | None, words: str) -> None:
    assert proxy.door.confirm("blue") is None
    proxy.live = live
    assert proxy.door.confirm("blue") == f"{words} on its control socket instead of blue"
    (proxy.state / "run" / "control.sock").unlink()
    assert proxy.door.confirm(None) == "nginx answers nothing on its control socket instead of no color"


def test_a_disk_that_refuses_is_said(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BluegreenError, match="no rendered file to load"):
        proxy.files.write("")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BluegreenError, match="nginx's file cannot be written") as error:
        proxy.files.write("text")
    assert error.value.failed.startswith("No space left on device: ")
    assert not (proxy.state / "nginx" / ".nginx.conf.new").exists()
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(BluegreenError, match="The route cannot be renamed"):
        proxy.files.turn("green")


def test_what_was_left_half_made_is_tidied_away(proxy: Proxy) -> None:
    nginx = proxy.state / "nginx"
    for name in ("candidate-0.conf", ".nginx.conf.new", "mine.new", "live-blue.conf"):
        (nginx / name).touch()
    (nginx / "route" / ".live.new").symlink_to("blue")
    proxy.door.tidy()
    left = {path.name for path in nginx.iterdir()}
    assert not {"candidate-0.conf", ".nginx.conf.new"} & left
    assert {"mine.new", "live-blue.conf", "nginx.conf", "route"} <= left
    assert not (nginx / "route" / ".live.new").is_symlink()
    Files(str(proxy.state / "none")).tidy()


# -- nginx -t


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        ((0, ""), None),
        ((1, 'x\nnginx: [emerg] unknown directive "a" in x:3\nnginx: test failed'), 'unknown directive "a" in x:3'),
        ((1, "something else"), "something else"), ((1, ""), "nginx -t ended with 1"),
    ],
)  # fmt: skip
def test_nginx_is_asked_about_texts_before_it_loads_one(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, result: tuple[int, str], failed: str | None
) -> None:
    there: list[str] = []

    def run(words: object) -> tuple[int, str]:
        found = list(words)  # type: ignore[call-overload]  # a sequence
        there.extend(Path(proxy.files.folder, Path(it).name).read_text() for it in found if it.endswith(".conf"))
        return result

    door = Door(proxy.files, proxy.change, run, lambda: True, nobody)
    if failed is None:
        door.test(["one", "two"])
    else:
        with pytest.raises(BluegreenError, match="nginx refuses") as error:
            door.test(["one", "two"])
        assert error.value.failed == failed
        blind = Door(proxy.files, proxy.change, run, lambda: False, nobody)
        with pytest.raises(BluegreenError, match="does not see the folder"):
            blind.test(["one", "two"])
    assert there[:2] == ["one", "two"]
    assert not list(Path(proxy.files.folder).glob("candidate*"))
    monkeypatch.undo()


# -- what nginx shows otherwise


def test_what_is_loaded_is_read_from_the_names_of_sockets(proxy: Proxy) -> None:
    proxy.result = (
        0,
        "a: /run/bluegreen/loaded-9-none.sock\nb: /run/x/loaded-12-green.sock\nc: /run/loaded-3-blue.sock\n",
    )
    found = proxy.nginx.loaded_name("shop")
    assert found is not None
    assert (found.app, found.generation, found.live) == ("shop", 12, "green")
    for output, live in (("/loaded-1-none.sock\n", None), ("/loaded-1-blue.sock\n", "blue")):
        proxy.result = (0, output)
        found = proxy.nginx.loaded_name("shop")
        assert found is not None
        assert found.live == live
    for result in ((1, "/loaded-1-blue.sock\n"), (0, "nothing")):
        proxy.result = result
        assert proxy.nginx.loaded_name("shop") is None


def test_whether_nginx_has_mounted_the_folders_that_are_there(proxy: Proxy) -> None:
    here = [str(os.stat(proxy.state / name).st_ino) for name in ("nginx", "run")]
    for result, sees in (((0, "\n".join(here)), True), ((0, "1\n2"), False), ((1, "no stat"), True)):
        proxy.result = result
        assert proxy.nginx.sees_our_folders() is sees
    # A folder beside those: not mounted, mounted as it is, another one than there is, of the image alone, gone.
    beside = {"/run/x": str(proxy.state)}
    proxy.nginx = Nginx(proxy.files, proxy.change, str(proxy.state / "run"), proxy.run, lambda: beside)
    for seen, there, sees in (
        ("-", proxy.state, True), (str(os.stat(proxy.state).st_ino), proxy.state, True), ("7", proxy.state, False),
        ("7", "", True), ("7", proxy.state / "gone", False),
    ):  # fmt: skip
        beside["/run/x"] = str(there)
        proxy.result = (0, "\n".join([*here, seen]))
        assert proxy.nginx.sees_our_folders() is sees, (seen, there)
    proxy.result = (0, "\n".join(here))
    os.rename(proxy.state / "run", proxy.state / "away")
    assert proxy.nginx.sees_our_folders() is False
    os.rename(proxy.state / "away", proxy.state / "run")


def test_requests_that_are_still_answered_are_counted(proxy: Proxy) -> None:
    def row(address: str, state: str) -> str:
        return f" 0: 00000000:0050 {struct.unpack('=I', socket.inet_aton(address))[0]:08X}:1F40 {state} 0:0"

    rows = [row("10.0.0.1", "01"), row("10.0.0.2", "01"), row("10.0.0.1", "08"), row("10.0.0.1", "06"), "short"]
    proxy.result = (0, "\n".join(["  sl  local rem st", *rows]))
    assert proxy.nginx.in_flight(frozenset(["10.0.0.1"])) == 2
    assert proxy.nginx.in_flight(frozenset(["10.0.0.1", "10.0.0.2"])) == 3
    proxy.result = (1, "no such file")
    with pytest.raises(BluegreenError, match="could not be read"):
        proxy.nginx.in_flight(frozenset())


def test_only_a_process_called_nginx_is_the_master(proxy: Proxy) -> None:
    assert seal.master(proxy.run_folder) is None, "this process listens there, and is no nginx"
    assert seal.hup_master(proxy.run_folder) is False
    assert seal.master("/nowhere") is None
    comm = Path("/proc/self/comm")
    before = comm.read_text()
    if threading.current_thread() is threading.main_thread():
        comm.write_text("nginx")
        try:
            assert seal.master(proxy.run_folder) == os.getpid()
        finally:
            comm.write_text(before.strip())


@pytest.mark.parametrize("count", [0, 1, 7, 40, 400])
def test_a_header_is_read_again_and_no_line_of_it_is_longer_than_nginx_takes(count: int) -> None:
    """nginx refuses a comment of more than 4096 bytes, which an app of twenty services would have."""
    names = [f"service-{number}, with a comma" for number in range(count)]
    said = {"names": names, "generation": text.GENERATION_MARK, "since": text.SINCE_MARK}
    content = f"{text.HEADER}{text.header_lines(json.dumps(said, sort_keys=True))}\nuser nobody;\n# + not ours\n"
    assert max(map(len, content.splitlines())) < 4000
    found = text.header(text.activate(content, 12, SINCE))
    assert found == {"names": names, "generation": 12, "since": SINCE}
