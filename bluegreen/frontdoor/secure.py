"""TLS in nginx's file: which names are served, and with which file. A renewed file needs no reload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bluegreen.domain.app import Listen
from bluegreen.domain.tls import PORT, Tls, covering, is_ip, stem
from bluegreen.frontdoor.route import CONF

FOLDER = "tls"  # below nginx's folder: NAME.pem, key and certificates in one file
REAL = f"{FOLDER}/real"  # a file for each name whose certificate is a real one: plain HTTP is sent to HTTPS
CHALLENGES = f"{FOLDER}/challenges"  # a file for each token of HTTP-01
FRESH = 1  # seconds until nginx looks at a file again


@dataclass(frozen=True)
class Secure:
    """What nginx must know: `certificates` as domain/tls.py finds them."""

    tls: Tls
    certificates: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Hosts that have a certificate, whether a service names them or not."""
        return tuple(self.certificates)

    def certificate(self, host: str) -> str | None:
        """The name whose certificate serves this host. One that only the release before names keeps its own."""
        return covering(self.certificates, host) or (host if self.tls.email else None)

    def rendered(self, hosts: Sequence[str], published: bool = True) -> dict[str, Any]:
        """For the template; `hosts`: the server names. Unless `published`, visitors come through an edge."""
        served = {host: stem(name) for host in hosts if host != "_" and (name := self.certificate(host))}
        addresses = [host for host in served if is_ip(host)]
        return {
            "folder": f"{CONF}/{FOLDER}", "real": f"{CONF}/{REAL}", "challenges": f"{CONF}/{CHALLENGES}",
            "fresh": FRESH, "served": served, "without_name": served[addresses[0]] if addresses else None,
            "listens": sorted({listen.port for listen in self.tls.listen}) if published else [],
            "port": _said(self.tls.listen),
            "hsts": round(self.tls.hsts), "http2": self.tls.http2,
            "acme": bool(self.tls.email) and self.tls.dns is None,
        }  # fmt: skip


def _said(listen: Sequence[Listen]) -> str:
    """What an https URL must name beside the host."""
    ports = {it.port for it in listen}
    return "" if PORT in ports else f":{min(ports)}"
