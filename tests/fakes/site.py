"""A whole machine for the command itself: an Engine, an nginx and a Compose that are not real behind real sockets,
processes and files. Commands run in this process, from the words that a person types to what they print."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from bluegreen.__main__ import command
from bluegreen.cli import output
from bluegreen.compose.found import HERE
from bluegreen.domain import secrets
from bluegreen.domain.routing import Routing
from bluegreen.errors import COMMAND
from bluegreen.frontdoor import closed, route
from bluegreen.frontdoor.files import read_routing
from bluegreen.probe import public
from bluegreen.state import folder as folders
from tests.fakes.engine_api import Container, EngineApi, Serving
from tests.fakes.sockets import Pieces, Server, answer
from tests.support.schemas import valid

Tell = Callable[..., tuple[int, Any]]
# What Compose would print, with the variables of this process where ${...} stands, as a shell fills them in.
COMPOSE = """#!/bin/sh
echo "$*" >>{folder}/compose.log
read -r code <{folder}/code
fill() {{ IFS= read -r line; eval "cat <<THE_END
$line
THE_END"; }}
case " $* " in
*" version "*) cat {folder}/version ;;
*"proxy.yaml"*) fill <{folder}/proxy.json ;;
*" --file - "*) [ -f .env ] && . ./.env; fill ;;
*" --no-interpolate "*) cat {folder}/raw.json ;;
*" --hash "*) cat {folder}/hashes ;;
*" config "*)
    [ -s {folder}/warnings ] && cat {folder}/warnings >&2
    if [ -f {folder}/with_block.json ] && grep -q x-bluegreen compose.yaml; then cat {folder}/with_block.json
    else cat {folder}/document.json; fi
    exit $code ;;
*" build "*|*" up "*|*" down "*) echo "doing $*"; exit $code ;;
esac
"""
PROXY = {
    "services": {
        "proxy": {
            "image": "${BLUEGREEN_PROXY_IMAGE}", "user": "${BLUEGREEN_PROXY_USER}", "restart": "always",
            "volumes": [{"type": "bind", "source": "${BLUEGREEN_STATE}/nginx", "target": "/etc/bluegreen"}],
        }
    }
}  # fmt: skip


class Nginx:
    """What runs in the proxy's container: the sockets of the state folder, and a file that is loaded at a signal."""

    def __init__(self, site: Site, state: Path) -> None:
        self.site, self.state = site, state
        self.loaded = self._read()
        run = state / "run"
        for name in ("control", "probe", "preview", "public"):
            (run / f"{name}.sock").unlink(missing_ok=True)
        replies = {"control": self._control, "probe": self._probe, "preview": self._preview, "public": self._public}
        self._servers = [Server(run / f"{name}.sock", reply) for name, reply in replies.items()]
        for server in self._servers:
            server.__enter__()

    def _read(self) -> Routing:
        found = read_routing((self.state / "nginx" / "nginx.conf").read_text())
        assert found is not None, "nginx is started with a file that is ours"
        return found

    def reload(self) -> None:
        if not self.site.deaf:
            self.loaded = self._read()

    def end(self, names: bool = False) -> None:
        """`names`: as the real one, it takes away whatever has the names that it made."""
        for server in self._servers:
            server.__exit__(None, None, None)
        for name in ("control", "probe", "preview", "public") if names else ():
            (self.state / "run" / f"{name}.sock").unlink(missing_ok=True)

    @property
    def live(self) -> str | None:
        named = route.read(str(self.state / "nginx"))
        return self.loaded.live if named in (None, "none") or self.site.stubborn else named

    def _control(self, text: str) -> Pieces:
        share = None if self.site.stubborn else route.share(str(self.state / "nginx"))
        if "/bucket/" in text:
            bucket = int(text.split()[1].rpartition("/")[2])
            return answer(200, str(share[0] if share and bucket < share[1] else self.live or "none"))
        found = {
            "first": share[0] if share else self.live or "none",
            "app": self.loaded.app, "generation": str(self.loaded.generation), "live": self.live or "none",
            "default": self.loaded.live or "none", "nginx": "1.30.6", "worker": 7,
            "closed": "1" if closed.is_closed(str(self.state / "nginx")) else "",
        }  # fmt: skip
        return answer(200, json.dumps(found))

    def _probe(self, text: str) -> Pieces:
        _, _, address, port, *path = text.split()[1].split("/", 4)
        return self.site.reply_of(address, int(port), f"/{''.join(path)}")

    def _preview(self, text: str) -> Pieces:
        return self._through(text, "green" if self.live == "blue" else "blue")

    def _public(self, text: str) -> Pieces:
        return self._through(text, self.live)

    def _through(self, text: str, color: str | None) -> Pieces:
        slot = self.loaded.slots.get(color)  # type: ignore[call-overload]  # a color, or none
        if slot is None:
            return answer(503)
        return self.site.reply_of(slot.addresses["web"][0], 8000, text.split()[1])


class Site:
    """The app `shop`: web with two replicas, the job worker, and a database that Compose runs."""

    def __init__(self, folder: Path, engine: EngineApi) -> None:
        self.folder, self.engine = folder, engine
        self.states, self.project = folder / "states", folder / "shop"
        self.nginx: Nginx | None = None
        self.clients: list[docker.APIClient] = []
        self.sick: set[int] = set()  # releases that answer 503
        self.deaf = self.stubborn = False  # nginx does not reload; does not follow the route
        self.left: dict[str, Nginx | None] = {}  # container -> its nginx, once one has taken over from another
        self.mute = self.stays = False  # an nginx that takes over does not start; the one before does not end
        self.pages: dict[str, str] = {}  # what every release answers, by path
        self.unreached: set[str] = set()  # public listeners on which nothing answers
        self.asked: list[str] = []  # public listeners that were asked
        for place in (self.states, self.project, folder / "bin"):
            place.mkdir()
        (self.project / "compose.yaml").write_text("services: {}\n")
        program = folder / "bin" / "docker"
        program.write_text(COMPOSE.format(folder=folder))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        for name, text in (
            ("version", "2.30.1"),
            ("code", "0\n"),
            ("warnings", ""),
            ("raw.json", "{}"),
            ("compose.log", ""),
            ("hashes", ""),
        ):
            (folder / name).write_text(text)
        (folder / "proxy.json").write_text(json.dumps(PROXY) + "\n")
        self.document: dict[str, Any] = {
            "name": "shop",
            "services": {
                "web": {
                    "image": "shop:1", "deploy": {"replicas": 2},
                    "depends_on": {"db": {"condition": "service_started"}},
                },
                "worker": {"image": "shop:1", "restart": "always"},
                "db": {"image": "postgres:17", "restart": "always"},
            },
            "networks": {"default": {"name": "shop_default"}},
            "x-bluegreen": {
                "service": "web", "port": 8000, "jobs": ["worker"], "listen": 8123, "preview": 8124, "health":
                {"path": "/health", "timeout": "300ms", "interval": "10ms", "successes": 1},
            },
        }  # fmt: skip
        for reference in ("shop:1", "shop:2", "nginx:1.30-alpine"):
            engine.pulled(reference)
        self.database = engine.add(
            "shop-db-1", Labels={
                "com.docker.compose.project": "shop", "com.docker.compose.service": "db",
                "com.docker.compose.oneoff": "False",
            },
        )  # fmt: skip
        engine.changed, engine.execute = self._changed, self._execute
        engine.once = lambda it: (0, b"nginx version: nginx/1.30.6\n" if "nginx" in it.body["Image"] else b"done\n")

    def silent(self, listens: Any, host: Any, path: str, patience: float = 0.0) -> list[str]:  # noqa: ARG002
        """As the real one: a listener answers when the Engine publishes its port and nginx listens on it."""
        self.asked += listens
        proxy = next((it for it in self.engine.containers.values() if it.name == "shop-proxy"), None)
        published = set(proxy.body["HostConfig"].get("PortBindings") or {}) if proxy else set()
        loaded = {it.rpartition(":")[2] for it in self.nginx.loaded.listen} if self.nginx else set()
        ports = {it: it.rpartition(":")[2] for it in listens}
        there = {it for it, port in ports.items() if f"{port}/tcp" in published and port in loaded} - self.unreached
        return [f"{it} refused the connection" for it in listens if it not in there]

    def visit(self, listen: str, host: Any, path: str, secure: bool = False) -> tuple[int, float, str]:  # noqa: ARG002
        """A visitor's GET, through the nginx that runs."""
        if why := self.silent([listen], host, path):
            return 0, 0.001, why[0].partition(" ")[2]
        if self.nginx is None or closed.is_closed(str(self.state / "nginx")):
            return 503, 0.001, ""
        head = b"".join(it for it in self.nginx._public(f"GET {path} HTTP/1.1") if isinstance(it, bytes))
        return int(head.split()[1]), 0.001, ""

    # -- what a person does

    def release(self, image: str) -> None:
        """The Compose file names another image."""
        for name in ("web", "worker"):
            self.document["services"][name]["image"] = image

    def run(self, *words: str) -> int:
        (self.folder / "document.json").write_text(json.dumps(self.document))
        HERE.forget()  # each command is a process of its own
        secrets.forget()
        try:
            with printed_as_its_schema_says(words):
                return command(list(words))
        finally:
            while self.clients:  # a command is a process, whose connections end with it
                self.clients.pop().close()

    def replicas(self, color: str, service: str = "web") -> list[Container]:
        wanted = {"bluegreen.app": "shop", "bluegreen.color": color, "bluegreen.service": service}
        found = [it for it in self.engine.containers.values() if wanted.items() <= it.labels.items()]
        return sorted(found, key=lambda it: it.name)

    def running(self, color: str, service: str = "web") -> int:
        return sum(it.state == "running" for it in self.replicas(color, service))

    @property
    def state(self) -> Path:
        return self.states / "shop"

    @property
    def asked_of_compose(self) -> list[str]:
        return (self.folder / "compose.log").read_text().splitlines()

    # -- what the machine does

    def reply_of(self, address: str, port: int, path: str) -> Pieces:
        here = [it for it in self.engine.containers.values() if it.address("shop_bluegreen") == address]
        if port != 8000 or not here or here[0].state != "running":
            return answer(502, "no answer on port 8000", X_Bluegreen_Probe="1")
        release = int(here[0].labels["bluegreen.release"])
        if release in self.sick:
            return answer(503, "sick")
        return answer(200, self.pages.get(path, f"release {release}"), Content_Type="text/plain")

    def _changed(self, it: Container, what: str) -> None:
        if it.labels.get("bluegreen.role") != "proxy":
            return
        if "bluegreen.after" in it.labels or it.id in self.left:
            self._followed(it, what)
            return
        if self.nginx and what in ("start", "stop"):
            self.nginx.end()
            self.nginx = None
        if what == "start":
            self.nginx = Nginx(self, Path(it.labels["bluegreen.state"]))
        elif what == "HUP" and self.nginx:
            self.nginx.reload()

    def _followed(self, it: Container, what: str) -> None:
        """Of two nginx in one network: one starts beside the other, and one of them ends."""
        if what == "start" and self.mute:
            return
        if what == "start":
            first = it.labels["bluegreen.after"]
            before = next((key for key in self.left if self.left[key] is self.nginx), first)
            self.left[before] = self.nginx
            self.left[it.id] = self.nginx = Nginx(self, Path(it.labels["bluegreen.state"]))
        elif what in ("QUIT", "stop") or (what == "HUP" and self._retires(it)):
            ended = None if self.stays else self.left.pop(it.id, None)
            if ended:
                ended.end(names=what != "stop")
                self.nginx = next(iter(self.left.values()), None) if ended is self.nginx else self.nginx
        elif what == "HUP" and self.nginx:
            self.nginx.reload()

    def _retires(self, it: Container) -> bool:
        return os.readlink(Path(it.labels["bluegreen.state"], "nginx", "holder.conf")) == "retired.conf"

    def _execute(self, it: Container, words: list[str]) -> tuple[int, bytes]:
        state = Path(it.labels["bluegreen.state"])
        if "stat -c %i" in " ".join(words):
            mine = "\n".join(str(os.stat(state / name).st_ino) for name in ("nginx", "run"))
            return 0, f"{mine}\n-\n-\n".encode()
        return 0, b"  sl  local_address rem_address\n"


_KEPT: dict[str, dict[str, Any]] = {}  # what the first test of this process made, for those that begin where it ends


@contextlib.contextmanager
def _place() -> Iterator[str]:
    """A folder for one machine; the same path for each test of a process. A short one: sockets lie below it."""
    name = f"{tempfile.gettempdir()}/bg-{os.getpid()}"
    os.mkdir(name, 0o700)
    try:
        yield name
    finally:
        shutil.rmtree(name)


def live_at_once(it: Site) -> None:
    """Release 1 is live in blue."""
    at_once(it, "live", lambda: _done(it, "up"))


def two_at_once(it: Site) -> None:
    """Release 2 is live in green, release 1 is the way back."""

    def make() -> None:
        live_at_once(it)
        it.release("shop:2")
        _done(it, "switch")

    at_once(it, "two", make)
    it.release("shop:2")


def _done(it: Site, verb: str) -> None:
    assert it.run(verb, "--progress", "none") == 0


def at_once(it: Site, what: str, make: Callable[[], int | None]) -> None:
    """By the command itself for the first test, as that left it for the others."""
    parts = ("containers", "networks", "volumes", "images", "_count")
    if what not in _KEPT:
        assert not make()
        files = {
            path.relative_to(it.states): (path.lstat().st_mode & 0o777, _content(path))
            for path in sorted(it.states.rglob("*")) if not path.is_socket()
        }  # fmt: skip
        engine = {name: copy.deepcopy(getattr(it.engine, name)) for name in parts}
        _KEPT[what] = {"files": files, "engine": engine, "document": copy.deepcopy(it.document)}
        return
    for path, (mode, content) in _KEPT[what]["files"].items():
        _put(it.states / path, mode, content)
    for name, value in copy.deepcopy(_KEPT[what]["engine"]).items():
        setattr(it.engine, name, value)
    it.document = copy.deepcopy(_KEPT[what]["document"])
    it.database = it.engine.named("shop-db-1")
    if any(found.labels.get("bluegreen.role") == "proxy" for found in it.engine.containers.values()):
        it.nginx = Nginx(it, it.state)


def _content(path: Path) -> Any:
    return os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()


def _put(path: Path, mode: int, content: Any) -> None:
    if isinstance(content, str):
        path.symlink_to(content)
        return
    if content is None:
        path.mkdir(exist_ok=True)
    else:
        path.write_bytes(content)
    path.chmod(mode)


@contextlib.contextmanager
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A machine for one test; the person stands in the project's folder."""
    monkeypatch.setattr(route, "BUCKETS", 1)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    HERE.forget()
    with _place() as name:
        engine = EngineApi()
        it = Site(Path(name), engine)
        monkeypatch.setattr(folders, "MACHINE", str(it.states))
        monkeypatch.setattr(public, "silent", it.silent)
        monkeypatch.setattr(public, "visit", it.visit)
        client = docker.APIClient

        def noted(*arguments: Any, **more: Any) -> docker.APIClient:
            it.clients.append(client(*arguments, **more))
            return it.clients[-1]

        monkeypatch.setattr(docker, "APIClient", noted)
        for variable in (
            "COMPOSE_PROJECT_NAME",
            "COMPOSE_FILE",
            "COMPOSE_PROFILES",
            "DOCKER_CONTEXT",
            folders.VARIABLE,
        ):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HOME", name)
        monkeypatch.setenv("XDG_STATE_HOME", f"{name}/mine")
        monkeypatch.setenv("DOCKER_CONFIG", name)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{name}/engine.sock")
        monkeypatch.setenv("PATH", f"{name}/bin:{os.environ['PATH']}")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.chdir(it.project)
        with Serving(engine, Path(name, "engine.sock")):
            yield it
            if it.nginx:
                it.nginx.end()


def told(run: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """(exit code, what a command with --json printed)."""
    capsys.readouterr()
    code = run()
    printed = capsys.readouterr().out
    return code, json.loads(printed) if printed else None


@contextmanager
def printed_as_its_schema_says(words: Sequence[str]) -> Iterator[None]:
    """What a verb prints with --json meanwhile has to be what its schema says."""
    really, wrong = output.as_json, []

    def held(value: Mapping[str, Any]) -> None:
        try:
            assert COMMAND not in json.dumps(value), "where a command is named, it is one that can be typed"
            valid(words, json.loads(json.dumps(value)))
        except AssertionError as error:
            wrong.append(error)  # raised here it would be the command's
        really(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "as_json", held)
        yield
    if wrong:
        raise wrong[0]
