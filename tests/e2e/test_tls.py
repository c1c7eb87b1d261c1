"""HTTPS: certificates from a real ACME server (pebble), shown by a real nginx, renewed under load."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import BIN, THOROUGH, free_port
from tests.support.pebble import Pebble, pebble
from tests.support.project import Project

TLS = """  tls:
    email: ops@example.com
    listen: "127.0.0.1:${TLS_PORT}"
    directory: "${DIRECTORY}"
    directory_ca: "${CA}"
    challenge_port: "${SHOP_PORT}"
"""
USUAL = "/etc/ssl/certs/ca-certificates.crt"
HOSTED = LEAN.replace("  service: web\n  port: 8000\n", "  services: {web: {port: 8000, host: @HOSTS@}}\n")
WITH_TLS = HOSTED.replace("  drain: 2s\n", "  drain: 1s\n" + TLS)


def _project(
    make_project: Make, ca: Pebble | None, compose: str = WITH_TLS, port: int = 0, hosts: str = "localhost"
) -> Project:
    project = make_project(compose.replace("@HOSTS@", hosts))
    project.port = port or project.port
    project.variables |= {
        "TLS_PORT": str(free_port()), "SHOP_PORT": str(project.port),
        "DIRECTORY": ca.directory if ca else "https://127.0.0.1:1/dir", "CA": str(ca.ca) if ca else USUAL,
    }  # fmt: skip
    return project


@contextlib.contextmanager
def _with_ca(tmp_path: Path, **options: Any) -> Iterator[tuple[Pebble, int]]:
    port = free_port()
    with pebble(tmp_path / "pebble", port, **options) as ca:
        yield ca, port


@pytest.fixture
def secured(make_project: Make, tmp_path: Path) -> Iterator[tuple[Project, Pebble]]:
    """An app with HTTPS and a CA that is there; nothing is typed yet."""
    with _with_ca(tmp_path) as (ca, port):
        yield _project(make_project, ca, port=port), ca


def _tls_port(project: Project) -> int:
    return int(project.variables["TLS_PORT"])


def _trusting(ca: Pebble) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca.root())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _handshake(project: Project, context: ssl.SSLContext, name: str | None = "localhost") -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", _tls_port(project)), 10)
    return context.wrap_socket(plain, server_hostname=name)


def _blind() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _curl(*words: str) -> str:
    done = subprocess.run(
        ["curl", "-s", "-k", "--max-time", "10", *words], capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.stdout


def test_up_gets_a_certificate_and_plain_http_is_sent_there(secured: tuple[Project, Pebble]) -> None:
    project, ca = secured
    project.write(project.compose.replace('    listen: "127', '    hsts: 180d\n    listen: "127'))
    done = project.ok("up")
    assert f"https://localhost:{_tls_port(project)}/" in done.out
    assert "Warning" not in done.out + done.err, done
    with _handshake(project, _trusting(ca)) as found:
        assert found.version() == "TLSv1.3"
        shown = found.getpeercert() or {}
    assert ("DNS", "localhost") in shown.get("subjectAltName", ()), "trusted by its chain, for this name"
    assert ca.issued() == 1
    names = project.ok("tls", "--json").json()["names"]
    assert [(it["name"], it["state"], it["source"], it["error"]) for it in names] == [
        ("localhost", "valid", "acme", None)
    ]

    base, secure = f"http://localhost:{project.port}", f"https://localhost:{_tls_port(project)}"
    headers = _curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"{base}/a%20b?c=d&e")
    assert headers == f"308 {secure}/a%20b?c=d&e"
    answer = _curl("-D", "-", "--http2", f"{secure}/")
    assert answer.startswith("HTTP/2 200")
    assert "strict-transport-security: max-age=15552000" in answer.lower()
    assert '"greeting"' in answer
    assert _curl("-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: other.test", f"{base}/") == "421"

    project.ok("switch", GREETING="two")
    assert ca.issued() == 1, "a switch asks no CA for what is there"
    assert "two" in _curl(f"{secure}/")
    project.ok("flip-back")
    assert "Hello" in _curl(f"{secure}/")
    project.ok("down", "--yes")
    project.ok("up")
    assert ca.issued() == 1, "a certificate outlives a down"
    with _handshake(project, _trusting(ca)):
        pass


def test_what_is_weak_is_refused_and_sessions_are_resumed(secured: tuple[Project, Pebble]) -> None:
    project, ca = secured
    project.ok("up")
    port = _tls_port(project)
    for options in (
        ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "AES128-SHA256"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA@SECLEVEL=0"],
    ):  # fmt: skip
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", *options],
            input="", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0, (options, done.stdout[-400:])
    for name in ("other.test", "any.localhost", None):
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            _handshake(project, _blind(), name).close()
    context = _trusting(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with _handshake(project, context) as first:
        session = first.session
    plain = socket.create_connection(("127.0.0.1", port), 10)
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as second:
        assert second.session_reused
        assert (second.cipher() or ("",))[0].startswith("ECDHE-ECDSA-")
    chain = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-showcerts"],
        input="", capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    assert chain.count("BEGIN CERTIFICATE") == 2, "the certificate and the one that signed it"


def test_the_files_are_for_nginx_alone(secured: tuple[Project, Pebble]) -> None:
    project, _ = secured
    project.ok("up")
    kept = [path for path in (project.state / "tls").iterdir() if path.suffix in (".pem", ".json")]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    shown = project.state / "nginx" / "tls" / "localhost.pem"
    assert (shown.stat().st_mode & 0o777, shown.stat().st_uid) == (0o600, 65534)
    assert b"PRIVATE KEY" in shown.read_bytes()
    for verb in (("tls",), ("status",), ("check",), ("logs", "proxy")):
        assert "PRIVATE" not in str(project.run(*verb))
    assert not list((project.state / "nginx" / "tls" / "challenges").iterdir())


@pytest.mark.long
def test_renewed_under_load_without_a_failed_handshake(make_project: Make, tmp_path: Path) -> None:
    """Certificates of 18 s, renewed at two thirds, 200 keep-alive clients and some that connect each time; and a
    switch and a flip-back meanwhile, as a timer renews whatever else is typed."""

    def release() -> None:
        for verb in ("switch", "flip-back"):
            project.ok(verb, GREETING=verb)

    with _with_ca(tmp_path, validity=18) as (ca, port):
        project = _project(make_project, ca, port=port)
        project.ok("up")
        context = _trusting(ca)
        mix = {"patient": 190, "get": 10, "fresh": 8}
        with Load(_tls_port(project), mix, tls=context) as load, ThreadPoolExecutor(1) as beside:
            deadline = time.monotonic() + 44
            released = beside.submit(release)
            while time.monotonic() < deadline:
                done = project.ok("tls", "renew", "--json").json()
                assert not [it for it in done["done"] if it["outcome"] == "failed"], done
                time.sleep(1.0)
            released.result()
            tally = load.stop()
        assert tally.lost == [], tally.why()
        assert len(tally.answers) > 1000
        assert ca.issued() >= 4, "it was renewed three times and more"
        print(f"{len(tally.answers)} answers, 0 lost, {ca.issued()} certificates, {tally.kinds()}")


def test_a_ca_that_is_down_stops_no_release(make_project: Make, tmp_path: Path) -> None:
    project = _project(make_project, None)
    done = project.ok("up")
    assert "No certificate for localhost: the CA cannot be reached" in done.out + done.err, done
    assert "https       localhost has no certificate yet: the CA cannot be reached" in project.ok("status").out
    plain = _curl("-o", "/dev/null", "-w", "%{http_code}", f"http://localhost:{project.port}/")
    assert plain == "200", "plain HTTP serves, it is not sent to a placeholder"
    with _handshake(project, _blind()):
        pass  # nginx answers with a placeholder
    with Load(project.port, {"get": 6, "fresh": 2}) as load:
        assert project.ok("switch", GREETING="two").seconds < 20
        tally = load.stop()
    assert tally.lost == [], tally.why()
    waiting = project.ok("tls", "renew", "--json").json()["done"]
    assert [it["outcome"] for it in waiting] == ["waiting"]
    assert project.run("tls", "renew", "--now").code == 1
    found = project.ok("tls").out
    assert "next try" in found
    assert "tls renew --now" in found
    with pebble(tmp_path / "pebble", project.port) as ca:
        project.variables |= {"DIRECTORY": ca.directory, "CA": str(ca.ca)}
        project.ok("up")
        assert "valid for" in project.ok("tls", "renew", "--now").out


@pytest.mark.long
def test_what_the_ca_would_not_reach_is_not_asked(make_project: Make, tmp_path: Path) -> None:
    """Another server at the name, nothing there, a name that does not resolve: the CA is left in peace."""
    with _with_ca(tmp_path) as (ca, port):
        project = _project(make_project, ca, port=port)
        for hosts, at, words in (
            ("localhost", ca.dns.rpartition(":")[2], "another server answers there"),
            ("localhost", str(free_port()), "nothing answers there (Connection refused)"),
            ("shop.invalid", str(port), "shop.invalid does not resolve to an address"),
        ):
            project.variables["SHOP_PORT"] = at
            project.write(WITH_TLS.replace("@HOSTS@", hosts))
            done = project.ok("up") if not project.state.exists() else project.ok("switch", "--force")
            project.run("tls", "renew", "--now")
            assert words in project.ok("tls").out, (words, project.ok("tls"), done)
        assert "Validating" not in ca.log.read_text(), ca.log.read_text()[-500:]
        assert ca.issued() == 0


@pytest.mark.long
def test_a_ca_that_refuses_nonces_and_takes_its_time(make_project: Make, tmp_path: Path) -> None:
    with _with_ca(tmp_path, reject=40, sleep=2) as (ca, port):
        project = _project(make_project, ca, port=port)
        project.ok("up")
        for _ in range(3):
            if ca.issued():
                break
            project.run("tls", "renew", "--now")
        assert ca.issued() == 1
        assert project.ok("tls", "--json").json()["names"][0]["state"] == "valid"


@pytest.mark.long
def test_twenty_at_the_same_time_order_one_certificate(secured: tuple[Project, Pebble]) -> None:
    project, ca = secured
    directory = project.variables["DIRECTORY"]
    project.variables["DIRECTORY"] = "https://127.0.0.1:1/dir"
    project.ok("up")
    project.variables["DIRECTORY"] = directory
    project.ok("switch", "--force")
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: project.run("tls", "renew", "--now"), range(20)))
    assert {it.code for it in done} == {0}, [it for it in done if it.code]
    assert ca.issued() == 1


@pytest.mark.long
def test_killed_at_any_moment_the_next_one_finishes(make_project: Make, tmp_path: Path) -> None:
    """And orders no second certificate when one was given already."""
    with _with_ca(tmp_path, sleep=1) as (ca, port):
        hosts = [f"n{number}.test" for number in range(8)]
        compose = WITH_TLS.replace("    email", "    self_check: false\n    email")
        project = _project(make_project, None, compose, port, f"[{', '.join(hosts)}]")
        project.ok("up")
        project.variables |= {"DIRECTORY": ca.directory, "CA": str(ca.ca)}
        project.ok("up")
        chance, killed = random.Random(7), 0  # noqa: S311 - moments, not secrets
        for _ in range(14 if THOROUGH else 6):
            running = subprocess.Popen(
                [str(BIN / "bluegreen"), "tls", "renew", "--now"], cwd=project.folder, env=project.environment({}),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(chance.uniform(0.2, 3.0))
            running.send_signal(signal.SIGKILL)
            killed += running.wait() == -signal.SIGKILL
        assert killed >= (8 if THOROUGH else 3)
        project.ok("tls", "renew", "--now")
        found = project.ok("tls", "--json").json()["names"]
        assert {it["state"] for it in found} == {"valid"}
        assert ca.issued() == len(hosts), "what was ordered and cut off was fetched, not ordered again"
        assert not list((project.state / "nginx" / "tls" / "challenges").iterdir())


HOOK = """#!{python}
import json, os, sys, urllib.request
action, record, value = (os.environ["BLUEGREEN_ACME_" + it] for it in ("ACTION", "RECORD", "VALUE"))
path, more = ("set-txt", dict(value=value)) if action == "add" else ("clear-txt", dict())
body = dict(host=record + ".", **more)
urllib.request.urlopen(sys.argv[1] + "/" + path, json.dumps(body).encode())
open("hook.log", "a").write(action + " " + record + "\\n")
"""


@pytest.mark.long
def test_wildcards_by_a_command_for_dns(make_project: Make, tmp_path: Path) -> None:
    with _with_ca(tmp_path, environment={"PEBBLE_AUTHZREUSE": "0"}) as (ca, port):
        compose = WITH_TLS.replace("    email", '    dns: [./hook.py, "${DNS}"]\n    email')
        project = _project(make_project, ca, compose, port, '["*.shop.test", "a.shop.test", "shop.test"]')
        hook = project.folder / "hook.py"
        hook.write_text(HOOK.format(python=sys.executable))
        hook.chmod(0o755)
        project.variables["DNS"] = ca.dns
        project.ok("up")
        assert ca.issued() == 2, "*.shop.test is good for a.shop.test"
        for name in ("any.shop.test", "a.shop.test", "shop.test"):
            with _handshake(project, _trusting(ca), name):
                pass
        log = (project.folder / "hook.log").read_text().splitlines()
        assert sorted(log) == sorted(["add _acme-challenge.shop.test", "remove _acme-challenge.shop.test"] * 2)
        hook.write_text("#!/bin/sh\necho no such zone >&2; exit 3\n")
        for path in (project.state / "tls").glob("_.shop.test.*"):
            path.unlink()
        done = project.run("tls", "renew")
        assert done.code == 1
        assert "failed to add the record (exit code 3: no such zone)" in done.out


def test_certificates_that_somebody_else_brings(make_project: Make, tmp_path: Path) -> None:
    """They are checked, copied, and copied again when they have changed."""
    compose = HOSTED.replace(
        "  drain: 2s\n",
        """  drain: 1s
  tls:
    listen: "127.0.0.1:${TLS_PORT}"
    files: {localhost: [chain.pem, key.pem]}
""",
    )
    project = _project(make_project, None, compose)
    failed = project.run("up")
    assert (failed.code, "tls.files.localhost" in failed.err) == (2, True), failed
    first = _own(project.folder, "localhost")
    project.ok("up")
    assert _shown(project) == first
    second = _own(project.folder, "localhost")
    assert project.ok("tls", "renew").code == 0
    assert second != first
    _await(lambda: _shown(project) == second)

    _own(project.folder, "other.test")
    failed = project.run("switch", "--force")
    assert (failed.code, "it is for other.test" in failed.err) == (2, True), failed
    _own(project.folder, "localhost")
    (project.folder / "key.pem").write_bytes((tmp_path / "project" / "other.pem").read_bytes())
    failed = project.run("switch", "--force")
    assert "the key is not the one of the certificate" in failed.err
    assert _shown(project) == second, "nginx goes on with what it has"
    assert project.run("tls", "renew").code == 1
    assert "the key is not the one" in project.ok("status").out


def _own(folder: Path, name: str) -> bytes:
    """A certificate for a name in chain.pem and key.pem, and the key of another one in other.pem; DER."""
    for key in ("other.pem", "key.pem"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", "chain.pem", "-days",
             "9", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return ssl.PEM_cert_to_DER_cert((folder / "chain.pem").read_text())


def _shown(project: Project) -> bytes | None:
    with _handshake(project, _blind()) as found:
        return found.getpeercert(binary_form=True)


def _await(right: Any, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not right():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.long
def test_a_clock_that_is_wrong_is_said_and_nothing_breaks(secured: tuple[Project, Pebble]) -> None:
    project, ca = secured
    project.ok("up")
    before = _shown(project)
    late = subprocess.run(
        ["faketime", "+9 years", str(BIN / "bluegreen"), "tls", "renew", "--now"], cwd=project.folder,
        env=project.environment({}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert late.returncode == 1
    assert "cannot be trusted" in late.stdout, late
    assert _shown(project) == before
    assert ca.issued() == 1
    project.ok("tls", "renew", "--now")
    state = json.loads((project.state / "tls" / "localhost.json").read_text())
    assert state["real"] is True
    assert project.ok("tls", "--json").json()["names"][0]["next_try"] is None
