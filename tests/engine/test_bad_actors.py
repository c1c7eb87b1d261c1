"""Who may reach what, requests that try to be two, clients that hold on, and secrets that must stay where they were."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.cli.main import VERBS
from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import bridge_address, docker
from tests.support.project import Done, Project

# Says of every request what the application itself has seen: its line, its headers, its body.
ECHO = r"""
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        length = self.headers.get("Content-Length")
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size); self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(length or 0))
        if self.path != "/health":
            print("SEEN", json.dumps([self.command, self.path, body.decode("latin-1")]), flush=True)
        out = json.dumps({"ok": True, "path": self.path, "headers": list(map(list, self.headers.items()))}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = do_PUT = do

    def log_message(self, *arguments):
        pass

ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("echo") / "project", LEAN)
    (project.folder / "server.py").write_text(ECHO)
    try:
        project.ok("up")
        yield project
    finally:
        project.clean()


def _send(port: int, raw: bytes) -> bytes:
    """The raw bytes on one connection, and all that comes back until it is quiet for a moment."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(raw)
        connection.settimeout(1.0)
        answer = b""
        try:
            while data := connection.recv(65536):
                answer += data
        except OSError:
            return answer
        return answer


def _seen(project: Project) -> list[list[str]]:
    log = docker("logs", f"{project.name}-blue-web-1")
    return [json.loads(line.removeprefix("SEEN ")) for line in log.splitlines() if line.startswith("SEEN ")]


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /outer HTTP/1.1\r\nHost: localhost\r\n"
TRICKS = {
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an odd encoding": HEAD + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "two encodings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": HEAD + b"Content-Length : %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "a bare CR in a header": HEAD + b"X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a length with a sign": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a folded header": HEAD + b"X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in the line": b"GET /a\rb HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",
    "a huge header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * (80 << 10) + b"\r\n\r\n",
    "a huge line": b"GET /" + b"a" * (80 << 10) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_could_be_read_in_two_ways_is_refused(echo: Project, trick: str) -> None:
    before = len(_seen(echo))
    answer = _send(echo.port, TRICKS[trick])
    status = re.match(rb"HTTP/1\.1 (\d+)", answer)
    assert status, answer[:100]
    code = int(status[1])
    print(f"\n{trick}: {code}")
    assert code in (400, 414, 501), answer[:200]
    assert len(_seen(echo)) == before, "the application never saw it"


def test_an_answer_without_a_head_is_given_to_nobody(echo: Project) -> None:
    """HTTP/0.9: what comes back could be taken for an answer with a head."""
    before = len(_seen(echo))
    for line in (b"GET /\r\n", b"GET /any?x=y\r\n"):
        assert b"400 Bad Request" in _send(echo.port, line), line
    assert len(_seen(echo)) == before, "the application never saw it"


def test_what_two_servers_could_read_differently_reaches_the_application_in_one_reading(echo: Project) -> None:
    """An absolute URI, headers with underscores, a path with tricks: nginx's reading is the application's."""
    answer = _send(echo.port, b"GET http://evil.example/path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    headers = dict(found["headers"])
    assert found["path"] == "/path"
    assert headers["Host"] in ("localhost", "evil.example")
    lines = b"GET /a/../b HTTP/1.1\r\nHost: localhost\r\nX_Real_IP: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nProxy: http://evil/\r\n"
    answer = _send(echo.port, lines + b"X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n")
    headers = dict(json.loads(answer.partition(b"\r\n\r\n")[2])["headers"])
    assert "6.6.6.6" not in str(headers), "what a client says of its own address is not believed"
    assert "Proxy" not in headers


def test_many_slow_clients_do_not_keep_others_from_being_served(echo: Project, lean: Project) -> None:
    """600 connections that send a byte now and then, while normal clients are served."""
    lean.ok("up")
    slow = []
    try:
        for _ in range(600):
            connection = socket.create_connection(("127.0.0.1", lean.port), timeout=5)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-")
            slow.append(connection)
        with Load(lean.port, {"get": 20, "fresh": 5}) as load:
            for _ in range(5):
                for connection in slow:
                    connection.sendall(b"a")
                time.sleep(0.5)
    finally:
        for connection in slow:
            connection.close()
    assert load.tally.lost == [], load.tally.why()
    slowest = max(answer.ended - answer.sent for answer in load.tally.answers)
    print(f"\n0 of {len(load.tally.answers)} lost beside 600 slow clients, slowest answer {slowest:.2f} s")
    assert slowest < 2.0
    del echo


# -- who may reach what


def test_only_the_public_listener_is_reachable_from_outside(lean: Project) -> None:
    """Preview is published on loopback; control and probes have no port at all."""
    lean.write(LEAN.replace('listen: "${SHOP_LISTEN}"', f"listen: {lean.port}").replace(
        'preview: "${SHOP_PREVIEW}"', f"preview: {lean.preview_port}"
    ))  # fmt: skip
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    bindings = json.loads(docker("inspect", "-f", "{{json .HostConfig.PortBindings}}", f"{lean.name}-proxy"))
    assert bindings == {
        f"{lean.port}/tcp": [{"HostIp": "", "HostPort": str(lean.port)}],
        f"{lean.preview_port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(lean.preview_port)}],
    }
    for name in (f"{lean.name}-blue-web-1", f"{lean.name}-green-web-1"):
        assert json.loads(docker("inspect", "-f", "{{json .HostConfig.PortBindings}}", name)) in ({}, None)
    from_outside = bridge_address()
    with socket.create_connection((from_outside, lean.port), timeout=5):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((from_outside, lean.preview_port), timeout=5)
    proxy = docker(
        "inspect",
        "-f",
        f'{{{{(index .NetworkSettings.Networks "{lean.name}_bluegreen").IPAddress}}}}',
        f"{lean.name}-proxy",
    )
    for color in ("blue", "green"):  # from inside an application's container: loopback means loopback
        assert _from_inside(lean, color, f"http://{proxy.strip()}:{lean.preview_port}/") == 403
        assert _from_inside(lean, color, f"http://{proxy.strip()}:{lean.port}/") == 200
    assert lean.color(preview=True) == "blue"
    listening = docker("exec", f"{lean.name}-proxy", "cat", "/proc/net/tcp", "/proc/net/tcp6")
    ports = {int(line.split()[1].rpartition(":")[2], 16) for line in listening.splitlines() if " 0A " in line}
    own = {int(port, 16) for port in re.findall(r"0B00007F:([0-9A-F]{4})", listening)}  # the Engine's name service
    assert ports - own == {lean.port, lean.preview_port}


ASK = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def _from_inside(project: Project, color: str, url: str) -> int:
    return int(docker("exec", f"{project.name}-{color}-web-1", "python3", "-c", ASK, url))


def test_other_containers_cannot_reach_the_control_socket_or_change_routes(lean: Project) -> None:
    lean.ok("up")
    inside = docker("exec", f"{lean.name}-blue-web-1", "sh", "-c", "ls /run/bluegreen /etc/bluegreen 2>&1; true")
    assert "control.sock" not in inside
    assert "nginx.conf" not in inside
    mode = lean.state.stat().st_mode & 0o777
    assert mode == 0o700
    for path in lean.state.iterdir():
        if path.is_file():
            assert path.stat().st_mode & 0o777 == 0o600, path
    # Another user of this machine: neither the socket nor the files.
    for name in ("run/control.sock", "nginx/nginx.conf", "journal.db"):
        done = subprocess.run(
            ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "cat", lean.state / name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Permission denied" in done.stderr, (name, done)
    # nginx itself cannot write what it loads.
    done = subprocess.run(
        ["docker", "exec", f"{lean.name}-proxy", "sh", "-c", "echo x >/etc/bluegreen/nginx.conf; echo x >/evil"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.count("Read-only file system") + done.stderr.count("Permission denied") == 2, done


def test_the_proxy_is_bounded_and_has_no_rights(lean: Project) -> None:
    lean.ok("up")
    found = json.loads(docker("inspect", f"{lean.name}-proxy"))[0]
    host, settings = found["HostConfig"], found["Config"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert settings["User"].split(":")[0] not in ("", "0", "root")
    assert host["Memory"] == 1 << 30
    assert host["PidsLimit"] == 512
    assert settings["Image"].startswith("sha256:"), "pinned: a tag that moves changes nothing"
    status = docker("exec", f"{lean.name}-proxy", "cat", "/proc/self/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


# -- nginx, taken over: it may write below /run/bluegreen, and root acts there


def _as_nginx(project: Project, script: str) -> str:
    return docker("exec", f"{project.name}-proxy", "sh", "-c", script)


def _untouched(victim: Path) -> list[tuple[str, int, int]]:
    return [(path.name, path.lstat().st_uid, path.lstat().st_mode) for path in (victim, *sorted(victim.iterdir()))]


@pytest.mark.long
def test_what_a_taken_over_nginx_puts_into_its_folder_leads_root_nowhere(lean: Project, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "1").write_text("mine")
    before = _untouched(victim)
    lean.ok("up")
    links = f"rm -rf handed temp/x; ln -s {victim} handed; ln -s {victim} nested; ln -s {victim} 1"
    _as_nginx(lean, f"cd /run/bluegreen && {links}")
    lean.ok("switch", GREETING="two")
    assert lean.color() == "green"
    handed = lean.state / "run" / "handed"
    assert handed.is_dir()
    assert not handed.is_symlink()
    assert handed.stat().st_uid == 0
    _as_nginx(lean, f"cd /run/bluegreen && mv handed aside && mkdir handed && ln -s {victim}/file handed/9")
    lean.run("flip-back")
    assert lean.color() == "blue"
    lean.ok("status")
    lean.ok("switch", GREETING="three")
    assert _untouched(victim) == before
    assert (victim / "1").read_text() == "mine"


@pytest.mark.long
def test_a_link_in_the_place_of_nginxs_socket_is_not_asked(lean: Project, tmp_path: Path) -> None:
    lean.ok("up")
    other = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(other))
        listening.listen()
        listening.setblocking(False)
        _as_nginx(lean, f"cd /run/bluegreen && mv control.sock real && ln -s {other} control.sock")
        assert lean.run("status", "--json").code in (0, 1, 5)
        assert lean.run("switch", GREETING="two").code != 0
        with pytest.raises(BlockingIOError):
            listening.accept()
    _as_nginx(lean, "cd /run/bluegreen && mv real control.sock")
    assert lean.color() == "blue"
    lean.ok("switch", GREETING="two")


# -- secrets

CANARY = "canary-7f3a"
SECRETIVE = """
name: ${SHOP_NAME}
x-bluegreen:
  service: web
  port: 8000
  health: {path: "${HEALTH_PATH:-/health}", interval: 100ms, successes: 2, timeout: "${HEALTH_TIMEOUT:-20s}"}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 1s
  jobs: [worker]
  migrate: {service: schema}
  hooks: {after_switch: [echo, "told ${TOLD}", "${CI_TOKEN}"], on_failure: [echo, "failed, told ${TOLD}"]}
  proxy: {image: "${NGINX_IMAGE}"}
  notify: ["http://127.0.0.1:9/canary-7f3a-in-notify"]
services:
  schema:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sh, -c, 'echo "migrating with $$TOKEN"; exit ${MIGRATION:-0}']
    environment: {TOKEN: "canary-7f3a-in-schema"}
  web:
    profiles: [release]
    build:
      context: .
      args: {TOKEN: "canary-7f3a-in-build-args", PYTHON_IMAGE: "${PYTHON_IMAGE}"}
    image: ${SHOP_NAME}/web
    command: [python3, /srv/server.py, "${BEHAVIOUR:-well}"]
    environment:
      DATABASE_URL: "postgres://shop:canary-7f3a-in-url@db/shop"
      GREETING: "${GREETING:-Hello}"
      TOKEN: "canary-7f3a-in-environment"
    env_file: [secret.env]
    secrets: [key, told]
    volumes: ["./server.py:/srv/server.py:ro"]
    stop_grace_period: 1s
  worker:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sleep, "600"]
    environment: {TOKEN: "canary-7f3a-in-worker"}
    stop_grace_period: 0s
  side:
    image: ${PYTHON_IMAGE}
    command: [sleep, "600"]
    environment: {TOKEN: "canary-7f3a-in-side"}
    stop_grace_period: 0s
secrets:
  key: {file: ./key.txt}
  told: {environment: TOLD}
"""


def _registry_login(project: Project) -> None:
    """A password for a registry, where `docker login` leaves it."""
    import base64

    folder = project.folder.parent / "docker"
    folder.mkdir()
    auth = base64.b64encode(f"shop:{CANARY}-in-registry".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {"127.0.0.1:1": {"auth": auth}}}))
    project.variables["DOCKER_CONFIG"] = str(folder)


def test_canary_values_are_never_in_output_journal_files_or_tracebacks(make_project: Make, tmp_path: Path) -> None:
    project = make_project(SECRETIVE)
    (project.folder / "Dockerfile").write_text(
        'ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nARG TOKEN\nRUN test -n "$TOKEN"\n'
    )
    (project.folder / "secret.env").write_text(f"FROM_FILE={CANARY}-in-env-file\n")
    (project.folder / "key.txt").write_text(f"{CANARY}-in-secret-file\n")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    project.variables |= {"TOLD": f"{CANARY}-in-told", "CI_TOKEN": f"{CANARY}-in-hook", "TMPDIR": str(temporary)}
    _registry_login(project)
    said: list[tuple[str, str]] = []
    codes: list[tuple[str, int]] = []

    def run(*arguments: str, **more: str) -> Done:
        done = project.run(*arguments, **more)
        said.append((" ".join(arguments), done.out + done.err))
        codes.append((" ".join(arguments), done.code))
        return done

    for arguments, more in (
        (("init",), {}), (("completion", "bash"), {}), (("check",), {}), (("up", "--dry-run"), {}),
        (("up", "--progress", "json"), {}), (("status", "--json"), {}),
        (("switch", "--dry-run", "--json"), {"GREETING": "two"}), (("switch", "--json"), {"GREETING": "two"}),
        (("expect", "--record", "-H", "X-Api-Key: ${TOLD}", "GET", "/health"), {}), (("expect",), {}),
        (("expect", "--color", "idle", "--json"), {}), (("compare", "--json"), {}),
        (("prepare",), {"GREETING": "three"}), (("switch",), {"GREETING": "three"}), (("flip-back", "--json"), {}),
        (("check", "--json"), {"GREETING": "to come"}), (("history",), {}), (("history", "--json"), {}),
        (("show",), {}),
        (("show", "3", "--json"), {}), (("runbook",), {}), (("rehearse",), {}),
        (("rehearse", "--outside", "--json"), {"GREETING": "to come"}), (("switch", "--to", "2"), {}),
        (("logs",), {}), (("schema",), {}), (("apps",), {}), (("help",), {}), (("maintenance",), {}), (("tls",), {}),
        (("status",), {}), (("switch",), {"MIGRATION": "1", "GREETING": "three 1"}),
        (("switch",), {"BEHAVIOUR": "crash", "GREETING": "four"}),
        (("switch",), {"BEHAVIOUR": "sick", "GREETING": "five", "HEALTH_TIMEOUT": "1s"}),
        (("switch", "--canary", "5%"), {"GREETING": "a share"}), (("promote",), {"GREETING": "a share"}),
        (("switch", "--image", f"web=127.0.0.1:1/{CANARY.replace('canary', 'x')}:1"), {}),
        (("switch", "--pull"), {"GREETING": "six"}), (("up",), {"DOCKER_HOST": "unix:///nowhere.sock"}),
        (("flip-back",), {}), (("up", "--frce"), {}), (("-p", "other", "status"), {"SHOP_NAME": "other"}),
    ):  # fmt: skip
        run(*arguments, **more)
    run("report", "-o", "-")
    run("report", "2", "-o", "-")
    run("metrics")
    line = next(it for it in project.ok("logs", "proxy").out.splitlines() if '"request_id"' in it)
    run("why", json.loads(line[line.index("{") :])["request_id"])
    run("status", "--at", "00:00", "--json")
    ended_well = {words.split()[0] for words, code in codes if code == 0}
    assert set(VERBS) - ended_well == {"down", "tls"}, (
        codes,
        "each verb did its work; down comes at the end, and there is no TLS",
    )
    bug = (  # a bug of ours, with a secret in its message
        "import sys\nfrom bluegreen.cli import main, wishes\n"
        "def broken(app, tools, stack): raise KeyError(stack.services['web']['environment']['TOKEN'])\n"
        "wishes.wish = broken\nsys.exit(main.main(['switch']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", bug], cwd=project.folder, env=project.environment({}), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3, done
    said.append(("a bug", done.stdout + done.stderr))
    files = [path for place in (project.state, temporary) for path in place.rglob("*") if path.is_file()]
    assert any(path.name.startswith("bluegreen-bug-") for path in files)
    files.append(project.folder / "expected.yaml")
    said += [(str(path), path.read_bytes().decode("latin-1")) for path in files]
    run("down", "--yes")
    said += [(str(path), path.read_bytes().decode("latin-1")) for path in project.state.rglob("*") if path.is_file()]
    assert len(said) > 25
    assert docker("images", "-q", f"{project.name}/web"), "the build did happen"
    subprocess.run(["docker", "rmi", "-f", f"{project.name}/web"], capture_output=True, check=False)
    shown = [name for name, text in said if CANARY in text]
    assert shown == [], [
        next(line for line in text.splitlines() if CANARY in line)[:300] for _, text in said if CANARY in text
    ]
