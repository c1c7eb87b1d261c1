"""`init` on the corpus of project shapes with the real Compose; and what it writes runs: up, switch, flip-back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Make
from tests.support.machine import docker
from tests.support.project import Project
from tests.unit.test_corpus import CASES


def _written(case: dict[str, Any], project: Project) -> None:
    for path, text in (case.get("files") or {}).items():
        file = project.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


SAMPLED = [
    pytest.param(case, id=case["case"], marks=[] if number % 8 == 0 else [pytest.mark.long])
    for number, case in enumerate(CASES)
]


@pytest.mark.parametrize("case", SAMPLED)
def test_the_real_compose_gives_the_same_block_and_reads_what_is_written(case: dict[str, Any], tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", case["compose"])
    _written(case, project)
    done = project.run("init", "--write", "--json")
    assert done.code == (0 if case["block"] else 1), done
    assert done.json()["block"] == case["block"], done
    asked = done.json()["question"]
    assert not case.get("asks") or asked["choices"] == case["asks"]
    text = project.file.read_text()
    if not case["block"]:
        assert text == case["compose"]
        return
    written = yaml.safe_load(text)
    assert {**written["x-bluegreen"]} == case["block"]
    assert {written["x-bluegreen"].get("service"), *written["x-bluegreen"].get("services", {})} - {None} <= set(
        written["services"]
    )
    before = iter(case["compose"].splitlines())
    renamed = done.json()["write_also"]["rename"].values()
    for line in text.partition("\nx-bluegreen:")[0].splitlines():
        if line.strip() == "profiles: [release]" or "required: false" in line:  # what `init` says that it adds
            continue
        rest = line.replace("{profiles: [release], ", "{")
        assert any(name in line for name in renamed) or rest in before, "the rest, in its order"


SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path in ("/", "/healthz", "/api/health")
        body = json.dumps({"color": os.environ.get("BLUEGREEN_COLOR")}).encode()
        self.send_response(200 if ok else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""
DOCKERFILE = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nCOPY server.py /server.py\nEXPOSE 8000\n"
BUILD = "{context: ., args: {PYTHON_IMAGE: '${PYTHON_IMAGE}'}}"
RUN = f"{{build: {BUILD}, stop_grace_period: 1s, command: [python3, /server.py, '8000']"
ASKS = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/api/health')"
# Shapes of the corpus that the images here can run.
BUILT = {
    "one service, its name taken": f"""
services:
  web:
    build: {BUILD}
    container_name: ${{SHOP_NAME}}-web   # as it was called
    command: python3 /server.py 8000
    ports: ["127.0.0.1:${{PUBLIC}}:8000"]
    stop_grace_period: 1s
    healthcheck: {{test: [CMD-SHELL, python3 -c "import urllib.request as u; u.urlopen('http://localhost:8000/healthz')"]}}
""",
    "a pair behind an nginx that only switches": f"""
services:
  nginx:
    image: ${{NGINX_IMAGE}}
    ports: ["127.0.0.1:${{PUBLIC}}:80"]
    volumes: ["./site.conf:/etc/nginx/conf.d/default.conf:ro"]
    depends_on: [web-blue, web-green]
  web-blue: {RUN}, environment: {{SIDE: blue}}}}
  web-green:
    build: {BUILD}
    command: [python3, /server.py, "8000"]
    environment: {{SIDE: green}}
""",
    "a worker under a profile, and a service that migrates": f"""
services:
  migrate: {{build: {BUILD}, command: [python3, -c, "print('migrated')"], restart: "no"}}
  api:
    build: {BUILD}
    command: [python3, /server.py, "8000"]
    ports: ["127.0.0.1:${{PUBLIC}}:8000"]
    stop_grace_period: 1s
    depends_on: {{migrate: {{condition: service_completed_successfully}}}}
    healthcheck: {{test: [CMD, python3, -c, "{ASKS}"], interval: 1s}}
  worker: {{build: {BUILD}, command: [sleep, "600"], profiles: [workers], stop_grace_period: 0s}}
""",
    "behind an nginx with static files, which stays": f"""
services:
  app: {RUN}, expose: ["8000"]}}
  edge-nginx:
    image: ${{NGINX_IMAGE}}
    ports: ["127.0.0.1:${{EDGE}}:80"]
    volumes: ["./static.conf:/etc/nginx/nginx.conf:ro"]
""",
}  # fmt: skip
SITE = "upstream web { server web-blue:8000; }\nserver { listen 80; location / { proxy_pass http://web; } }\n"
STATIC = (
    "events {}\nhttp {\n  server {\n    listen 80;\n    location /static/ { alias /usr/share/nginx/html/; }\n"
    "    location / { proxy_pass http://AT; }\n  }\n}\n"
)


@pytest.fixture
def built() -> Iterator[list[str]]:
    """Names of projects whose images go last, when their containers are gone."""
    names: list[str] = []
    yield names
    for name in names:
        if images := docker("images", "-q", "--filter", f"reference={name}-*").split():
            docker("rmi", "-f", *set(images))


@pytest.mark.long
@pytest.mark.parametrize("name", BUILT)
def test_what_init_writes_runs(name: str, built: list[str], make_project: Make) -> None:
    project = make_project(BUILT[name])
    built.append(project.name)
    project.variables |= {"PUBLIC": str(project.port), "EDGE": str(project.preview_port + 1)}
    for file, text in (("server.py", SERVER), ("Dockerfile", DOCKERFILE), (".dockerignore", "*.yaml\n*.conf\n.env\n"),
                       ("site.conf", SITE), ("static.conf", STATIC.replace("AT", "app:8000"))):  # fmt: skip
        (project.folder / file).write_text(text)
    project.ok("init", "--write")
    text = project.file.read_text()
    stays = "edge-nginx" in text
    settings = f'  preview: "127.0.0.1:{project.preview_port}"\n' if "  preview:" not in text else ""
    text += settings
    block = yaml.safe_load(text)["x-bluegreen"]
    if stays:
        bridge = str(block["listen"]).rpartition(":")[0]
        (project.folder / "static.conf").write_text(STATIC.replace("AT", f"{bridge}:{project.port}"))
        text = text.replace(f'listen: "{block["listen"]}"', f'listen: "{bridge}:{project.port}"')
        text = text.replace("  proxy: {", '  proxy: {image: "${NGINX_IMAGE}", ')
    else:
        text += '  proxy: {image: "${NGINX_IMAGE}"}\n'
    project.write(text + "  health: {path: /, successes: 1, interval: 100ms}\n" if "health:" not in text else text)
    project.ok("up")
    assert project.live() == "blue"
    project.ok("switch", "--force")
    assert project.live() == "green"
    project.ok("flip-back")
    assert project.live() == "blue"
    if stays:
        project.port = int(project.variables["EDGE"])  # the way of a visitor: through the proxy that stays in front
    status, body = project.get("/")
    assert (status, '"blue"' in body) == (200, True), body
