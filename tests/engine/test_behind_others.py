"""Behind the proxies that people have: their real programs, with the lines that the documentation gives."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.fakes.sockets import soon
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import ROOT, docker, free_port, images
from tests.support.project import Project

PAGE = ROOT / "docs" / "how-to" / "behind-a-proxy.md"
BIN = Path(sys.executable).parent
FORGED = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https", "X-Real-IP": "8.8.8.8"}


def _written(title: str, port: int, **more: str) -> str:
    """The block of the page below this title, with `port` for 8080, and other values of this test."""
    text = PAGE.read_text()
    found = re.search(rf"\*\*{re.escape(title)}\*\*.*?```\w*\n(.*?)```", text, re.DOTALL)
    assert found, title
    block = found[1]
    for said, here in {"127.0.0.1:8080": f"127.0.0.1:{port}", **more}.items():
        assert said in block, (said, block)
        block = block.replace(said, here)
    return block


@contextlib.contextmanager
def _running(words: Sequence[str | Path], folder: Path) -> Iterator[None]:
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
            assert process.poll() is None, (folder / "log.txt").read_text()[-2000:]
        finally:
            process.terminate()
            process.wait(20)


def _app(make_project: Make, block: str) -> Project:
    """An app whose x-bluegreen says what the page says."""
    project = make_project(LEAN)
    text = LEAN.replace('  listen: "${SHOP_LISTEN}"\n', "").replace(
        '  proxy: {image: "${PROXY_IMAGE:-${NGINX_IMAGE}}"}\n', ""
    )
    lines = [line for line in block.splitlines() if not line.startswith(("x-bluegreen", "  service", "  port"))]
    said = "\n".join(lines).replace("proxy: {", 'proxy: {image: "${NGINX_IMAGE}", ')
    project.write(text.replace("  drain: 2s\n", f"  drain: 2s\n{said}\n"))
    return project


def _serves_behind(project: Project, front: int, host: str = "shop.test") -> None:
    """Visitors are who they are, and releases lose no request through the proxy in front."""
    inner, project.port = project.port, front

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return project.get("/", headers={"Host": host})[0] == 200
        return False

    assert soon(answers, 20)
    status, body = project.get("/headers", headers={"Host": host, **FORGED})
    assert status == 200
    found = dict(json.loads(body))
    assert "9.9.9.9" not in str(found), found
    assert found["x-forwarded-for"] == found["x-real-ip"], "one address, the visitor's as the proxy in front knows it"
    assert found["x-forwarded-proto"] == "http"
    assert found["x-forwarded-host"].startswith(host)
    with Load(front, {"get": 20, "fresh": 4}, host=host) as load:
        time.sleep(0.5)
        project.ok("switch", GREETING="two")
        time.sleep(0.5)
        project.ok("flip-back")
        time.sleep(0.5)
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"blue", "green"}
    project.port = inner


def _here(make_project: Make) -> tuple[Project, int]:
    port = free_port()
    block = _written("The proxy runs on the server itself:", port)
    project = _app(make_project, block)
    project.ok("up")
    return project, port


HOST = {"shop.example.com": "shop.test"}


def test_caddy(make_project: Make, tmp_path: Path) -> None:
    project, port = _here(make_project)
    front = free_port()
    site = _written("Caddy:", port, **{"shop.example.com": f"http://shop.test:{front}"})
    (tmp_path / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + site)
    with _running([BIN / "caddy", "run", "--config", "Caddyfile"], tmp_path):
        _serves_behind(project, front)


def test_nginx_of_the_distribution(make_project: Make, tmp_path: Path) -> None:
    project, port = _here(make_project)
    front = free_port()
    server = _written("nginx:", port, **{"listen 80": f"listen 127.0.0.1:{front}", **HOST})
    (tmp_path / "site.conf").write_text(server)
    (tmp_path / "nginx.conf").write_text("events {}\nhttp {\naccess_log off;\ninclude /site/site.conf;\n}\n")
    words = ["docker", "run", "--rm", "--name", f"{project.name}-front", "--network", "host"]
    words += ["-v", f"{tmp_path}:/site:ro", images()["NGINX_IMAGE"]]
    with _running([*words, "nginx", "-c", "/site/nginx.conf", "-g", "daemon off;"], tmp_path):
        _serves_behind(project, front)


def _traefik(folder: Path, port: int, provider: str) -> list[str | Path]:
    (folder / "traefik.yaml").write_text(
        f"""
entryPoints: {{web: {{address: "127.0.0.1:{port}"}}}}
log: {{level: ERROR}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
providers: {provider}
"""
    )
    return [BIN / "traefik", "--configFile=traefik.yaml"]


def test_traefik_by_a_file(make_project: Make, tmp_path: Path) -> None:
    project, port = _here(make_project)
    front = free_port()
    (tmp_path / "rules.yaml").write_text(_written("Traefik, by its file provider:", port, **HOST))
    with _running(_traefik(tmp_path, front, "{file: {filename: rules.yaml}}"), tmp_path):
        _serves_behind(project, front)


@pytest.mark.long
def test_traefik_by_labels(make_project: Make, tmp_path: Path) -> None:
    """It finds nginx, and nothing else: the colors stay out of its sight."""
    front, port = free_port(), free_port()
    made = make_project(LEAN)
    network = f"{made.name}_web"
    docker("network", "create", network)
    more = {"routers.shop": f"routers.{made.name}", "services.shop": f"services.{made.name}"}
    block = _written(
        "Traefik, by labels:", port,
        **{"[web]": f"[{network}]", '"8080"': f'"{port}"', "172.16.0.0/12": "0.0.0.0/1, 128.0.0.0/1", **HOST, **more},
    )  # fmt: skip
    try:
        project = _app(lambda *_: made, block)
        project.ok("up")
        provider = f"{{docker: {{exposedByDefault: false, network: {network}}}}}"
        with _running(_traefik(tmp_path, front, provider), tmp_path):
            _serves_behind(project, front)
        assert docker("inspect", "-f", '{{index .Config.Labels "traefik.enable"}}', f"{project.name}-proxy") == "true"
        project.write(project.file.read_text().replace("networks: [", "networks: [nowhere, "))
        done = project.run("up")
        assert (done.code, "The network nowhere does not exist." in done.err) == (1, True), done
        assert project.status()["live"]["color"] == "blue"
        project.ok("down", "--yes")
    finally:
        made.clean()
        docker("network", "rm", network)


@pytest.mark.parametrize("labels", ["[a]", "{bluegreen.app: x}", "{com.docker.compose.project: x}", "{a: [b]}"])
def test_labels_that_nobody_may_set(make_project: Make, labels: str) -> None:
    project = make_project(LEAN.replace("  proxy: {image", f"  proxy: {{labels: {labels}, image"))
    done = project.run("up")
    assert (done.code, "x-bluegreen.proxy.labels" in done.err) == (2, True), done
