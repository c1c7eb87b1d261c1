"""Several apps on one edge: projects whose visitors come through one nginx of this machine."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bluegreen.state import folder
from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import docker, environment, free_port
from tests.support.project import Project

EDGE = """  listen: edge
  edge: {name: "${EDGE}", listen: "127.0.0.1:${EDGE_PORT}", tls: "127.0.0.1:${EDGE_TLS}"}
"""
APP = LEAN.replace("  service: web\n  port: 8000\n", "  services: {web: {port: 8000, host: @HOSTS@}}\n").replace(
    '  listen: "${SHOP_LISTEN}"\n', EDGE
)
TLS = "  tls: {files: {@NAME@: [cert.pem, key.pem]}}\n"


@dataclass
class Street:
    """One edge, and the apps on it."""

    make: Make
    name: str = field(default_factory=lambda: f"bgt-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)

    @property
    def app(self) -> str:
        """What the edge is called on the Engine."""
        return f"bluegreen-{self.name}"

    @property
    def state(self) -> Path:
        return Path(folder.home(environment()) or "/nowhere", self.app)

    @property
    def variables(self) -> dict[str, str]:
        return {"EDGE": self.name, "EDGE_PORT": str(self.port), "EDGE_TLS": str(self.tls)}

    def app_of(self, hosts: str, compose: str = APP, secure: str = "") -> Project:
        """A project that answers these hosts (any: without one); `secure`: and the name of its certificate."""
        text = compose.replace(", host: @HOSTS@", "") if hosts == "any" else compose.replace("@HOSTS@", hosts)
        if secure:
            text = text.replace("  drain: 2s\n", "  drain: 2s\n" + TLS.replace("@NAME@", secure))
        project = self.make(text, f"project-{uuid.uuid4().hex[:6]}")
        if secure:
            certificate(project.folder, secure)
        project.variables |= self.variables
        return project

    def ask(
        self, host: str, path: str = "/", headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> tuple[int, Any]:
        """One GET through the edge; (status, the answer's JSON, or its text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.tls if tls else self.port, timeout=15)
        try:
            if tls:
                plain = socket.create_connection(("127.0.0.1", self.tls), 15)
                connection.sock = tls.wrap_socket(plain, server_hostname=host)
            connection.request("GET", path, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            body = answer.read().decode()
            try:
                return answer.status, json.loads(body)
            except ValueError:
                return answer.status, body
        finally:
            connection.close()

    def serves(self, host: str) -> bool:
        """Whether a name is answered."""
        try:
            return bool(self.ask(host)[0] == 200)
        except OSError:
            return False

    def serving(self) -> str:
        """The container whose nginx serves."""
        file = self.state / "nginx" / "serving"
        return file.read_text().strip() if file.exists() else f"{self.app}-proxy"

    def clean(self) -> None:
        """Removes the edge, whoever is on it."""
        found = docker("ps", "-aq", "--filter", f"label=bluegreen.app={self.app}").split()
        if found:
            subprocess.run(["docker", "rm", "-f", "-v", *found], capture_output=True, check=False)
        for network in docker("network", "ls", "-q", "--filter", f"label=bluegreen.app={self.app}").split():
            subprocess.run(["docker", "network", "rm", network], capture_output=True, check=False)
        shutil.rmtree(self.state, ignore_errors=True)


def certificate(to: Path, name: str) -> None:
    """cert.pem and key.pem of its own for a name."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        cwd=to, check=True, capture_output=True,
    )  # fmt: skip


def trusting(project: Project) -> ssl.SSLContext:
    """Believes the certificate of this project alone."""
    return ssl.create_default_context(cafile=str(project.folder / "cert.pem"))
