"""A real ACME server for tests: Debian's pebble with its challenge server for DNS, on ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.machine import free_port

STARTS_WITHIN = 20.0  # seconds


@dataclass
class Pebble:
    """One server. `directory`: its URL; `ca`: the file of the CA of its own HTTPS server."""

    directory: str
    ca: Path
    management: str
    dns: str  # the URL of the challenge server, which is told TXT records
    log: Path
    process: subprocess.Popen[bytes]

    def root(self) -> str:
        """The certificate that it signs with, PEM: what a browser would have to trust."""
        with httpx.Client(verify=False) as client:  # noqa: S501 - its own test server
            return client.get(f"{self.management}/roots/0").text

    def issued(self) -> int:
        """How many certificates it has given."""
        return self.log.read_text(errors="replace").count("Issued certificate serial")

    def tell_dns(self, path: str, **body: Any) -> None:
        httpx.post(f"{self.dns}/{path}", json=body).raise_for_status()


def _certificate(folder: Path) -> tuple[Path, Path, Path]:
    """(CA, certificate, key) for pebble's own server on 127.0.0.1."""

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=tests",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    run("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text(
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"
    )
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
        "-out", "server.pem", "-extfile", "names")  # fmt: skip
    return folder / "ca.pem", folder / "server.pem", folder / "server.key"


@contextlib.contextmanager
def pebble(folder: Path, http_port: int, **options: Any) -> Iterator[Pebble]:
    """A CA that asks for HTTP-01 on `http_port` of this machine.

    `options`: reject (percent of good nonces that it refuses), sleep (seconds that a validation may take), validity
    (seconds of its certificates), names (all names lead to this address: 127.0.0.1), environment.
    """
    folder.mkdir(exist_ok=True)
    ca, certificate, key = _certificate(folder)
    listen, management, dns, challenges = (free_port() for _ in range(4))
    config = {
        "listenAddress": f"127.0.0.1:{listen}", "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificate), "privateKey": str(key), "httpPort": http_port, "tlsPort": free_port(),
        "ocspResponderURL": "", "externalAccountBindingRequired": False,
        "certificateValidityPeriod": options.get("validity", 157766400),
    }  # fmt: skip
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    environment: Mapping[str, str] = {
        **os.environ, "PEBBLE_WFE_NONCEREJECT": str(options.get("reject", 5)),
        **({"PEBBLE_VA_SLEEPTIME": str(options["sleep"])} if options.get("sleep") else {"PEBBLE_VA_NOSLEEP": "1"}),
        **options.get("environment", {}),
    }  # fmt: skip
    log = folder / "pebble.log"
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab"))

        def start(*words: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(words, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        start("pebble-challtestsrv", "-defaultIPv4", options.get("names", "127.0.0.1"), "-defaultIPv6", "",
              "-dns01", f"127.0.0.1:{dns}", "-http01", "", "-https01", "", "-tlsalpn01", "",
              "-management", f"127.0.0.1:{challenges}")  # fmt: skip
        process = start("pebble", "-config", "pebble.json", "-dnsserver", f"127.0.0.1:{dns}", "-strict")
        found = Pebble(
            f"https://127.0.0.1:{listen}/dir", ca, f"https://127.0.0.1:{management}", f"http://127.0.0.1:{challenges}",
            log, process,
        )  # fmt: skip
        _await(found)
        yield found


def _await(it: Pebble) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            httpx.get(it.directory, verify=ssl.create_default_context(cafile=str(it.ca))).raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > deadline or it.process.poll() is not None:
                raise AssertionError(it.log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.1)
