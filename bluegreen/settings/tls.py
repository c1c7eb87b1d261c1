"""The tls block, key by key, and what must be true of it together with the rest of the block."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from bluegreen.domain import app as model
from bluegreen.domain import tls as domain
from bluegreen.settings.strict import Command, StrictBlock
from bluegreen.settings.types import Duration, Host, Listens, Port, PositiveDuration, matching

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
PROFILE = re.compile(r"^[A-Za-z0-9._-]*$")
WORDS = {"letsencrypt": domain.LETS_ENCRYPT, "staging": domain.STAGING}
FILE_SCHEMA = {"type": "string", "minLength": 1}
CHALLENGES = "/.well-known/acme-challenge"


def _directory(value: str) -> str:
    found = WORDS.get(value, value)
    if not re.fullmatch(r"https://[^\s/]+\S*", found):
        raise ValueError("an https URL, or one of " + ", ".join(WORDS))
    return found


def _pair(value: object) -> object:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(it, str) and it for it in value):
        raise ValueError("two files, [certificates.pem, key.pem]")
    return value


Pair = Annotated[
    list[str],
    BeforeValidator(_pair),
    WithJsonSchema({"type": "array", "items": FILE_SCHEMA, "minItems": 2, "maxItems": 2}),
]


class DnsBlock(StrictBlock):
    """A command that makes and removes the TXT record of DNS-01."""

    command: Command
    """A list of arguments; see the how-to page for the variables that it gets."""
    timeout: PositiveDuration = 300.0
    """How long it may take."""


def _dns(value: object) -> object:
    return {"command": value} if isinstance(value, list) else value


class TlsBlock(StrictBlock):
    """HTTPS: where, and with which certificates."""

    email: Annotated[str, matching(EMAIL, "an address such as ops@example.com")] | None = None
    """Your address for the CA. With it, each host of `services` and `redirect` gets a certificate by ACME."""
    files: dict[Host, Pair] = Field(default_factory=dict)
    """Certificates that you bring, by host name: [certificates.pem, key.pem]."""
    listen: Listens = Field(
        default_factory=lambda: [model.Listen("", domain.PORT)], json_schema_extra={"default": "443"}
    )
    """Where nginx is published for HTTPS: [ADDRESS:]PORT, or a list of them."""
    http2: bool = True
    """Whether HTTP/2 is offered. At a reload its clients must repeat what nginx says it has not begun; some do not."""
    hsts: Duration = 0.0
    """How long browsers may use HTTPS only (Strict-Transport-Security); 0: the header is not sent."""
    directory: Annotated[
        str,
        AfterValidator(_directory),
        WithJsonSchema({"type": "string", "pattern": "^(?:letsencrypt|staging|https://.+)$"}),
    ] = Field(default=domain.LETS_ENCRYPT, json_schema_extra={"default": "letsencrypt"})
    """The CA: letsencrypt, staging (its CA for tests), or the URL of an ACME directory."""
    directory_ca: Annotated[str, Field(min_length=1)] | None = None
    """A file of CA certificates for that URL, if it is a CA of your own."""
    profile: Annotated[str, matching(PROFILE, "the name of a profile, such as shortlived")] = ""
    """The certificate profile that the CA is asked for, such as shortlived."""
    dns: Annotated[DnsBlock, BeforeValidator(_dns)] | None = None
    """A command for DNS-01. Needed for `*.` names; without it the CA asks nginx on port 80 (HTTP-01)."""
    self_check: bool = True
    """Whether the CA is asked only after bluegreen has reached nginx by the name itself."""
    challenge_port: Port = domain.CHALLENGE_PORT
    """The port on which the CA asks. Only a CA of your own asks another than 80."""

    def tls(self) -> domain.Tls:
        dns = model.Task(tuple(self.dns.command), None, self.dns.timeout) if self.dns else None
        return domain.Tls(
            tuple(self.listen), self.email or "", self.directory, self.directory_ca or "", self.profile, dns,
            {name: (pair[0], pair[1]) for name, pair in self.files.items()}, self.hsts, self.http2,
            self.self_check, self.challenge_port,
        )  # fmt: skip


def problems(settings: model.Settings) -> Iterable[tuple[str, str, str]]:
    """(key, what was found, what is expected) for what does not fit together."""
    tls = settings.tls
    if tls is None:
        return
    if not tls.email and not tls.files:
        yield "tls", "neither email nor files", "email, for certificates of a CA, or files"
    others = {*settings.listen, *([settings.preview] if settings.preview else [])}
    if taken := sorted({it.port for it in others} & {it.port for it in tls.listen}):
        yield "tls.listen", str(taken[0]), "a port that neither listen nor preview uses"
    if tls.email and not domain.hosts(settings):
        yield "tls.email", "no host to get a certificate for", "services.NAME.host, such as shop.example.com"
    yield from _challenges(settings, tls)


def _challenges(settings: model.Settings, tls: domain.Tls) -> Iterable[tuple[str, str, str]]:
    mine = [name for name, source in domain.certificates(settings).items() if source == domain.ACME]
    for name in mine:
        if name.startswith(domain.ANY) and tls.dns is None:
            yield "tls.dns", f"nothing, and {name} needs it", "a command for DNS-01: no CA gives *. names without one"
        if domain.is_ip(name) and tls.dns:
            yield "tls.dns", f"a command, and {name} is an address", "a host name: an address has no DNS-01"
    for route in settings.routes if mine and not tls.dns else ():
        if route.path == CHALLENGES or route.path.startswith(f"{CHALLENGES}/"):
            yield f"services.{route.service}.path", route.path, "a path that the CA does not ask"


def unused(block: Any) -> Iterable[tuple[str, str, str]]:
    """Keys that only certificates of a CA have a use for."""
    given = block.model_fields_set if block else set()
    for key in ("directory", "directory_ca", "profile", "dns", "self_check", "challenge_port"):
        if key in given and not block.email:
            yield f"tls.{key}", "given without email", "email, or no such key"
