"""A certificate with its key: read, checked, made. The only file that needs `cryptography` for a look."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from bluegreen.domain.tls import covers, is_ip

PLACEHOLDER = "bluegreen placeholder"  # the issuer of a certificate that only lets nginx answer
LIFE = datetime.timedelta(days=3650)  # of a placeholder
WEAK_RSA = 2048  # bits; less is refused by browsers


class UnfitPair(ValueError):
    """Why these are no certificate and key for this name, in words."""


@dataclass(frozen=True)
class Facts:
    """What a certificate says. Times in seconds since 1970, UTC."""

    names: tuple[str, ...]
    issuer: str
    serial: str
    begins: int
    ends: int

    @property
    def placeholder(self) -> bool:
        return self.issuer == PLACEHOLDER


def facts(pem: bytes) -> Facts:
    """What the first certificate of a PEM file says. Raises UnfitPair."""
    leaf = _chain(pem)[0]
    issuer = {it.oid: str(it.value) for it in leaf.issuer}
    said = issuer.get(NameOID.ORGANIZATION_NAME) or issuer.get(NameOID.COMMON_NAME) or leaf.issuer.rfc4514_string()
    return Facts(
        tuple(_names(leaf)), said, f"{leaf.serial_number:x}",
        int(leaf.not_valid_before_utc.timestamp()), int(leaf.not_valid_after_utc.timestamp()),
    )  # fmt: skip


def joined(name: str, certificates: bytes, key: bytes, now: float) -> bytes:
    """One PEM of key and certificates, for nginx. Raises UnfitPair when they are of no use for this name."""
    chain, private = _chain(certificates), _key(key)
    leaf = chain[0]
    if leaf.public_key().public_bytes(_DER, _SPKI) != private.public_key().public_bytes(_DER, _SPKI):
        raise UnfitPair("the key is not the one of the certificate")
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < WEAK_RSA:
        raise UnfitPair(f"an RSA key of {private.key_size} bits; browsers take {WEAK_RSA} or more")
    if not any(covers(it, name) for it in _names(leaf)):
        raise UnfitPair(f"it is for {', '.join(_names(leaf)) or 'no name'}")
    if leaf.not_valid_after_utc.timestamp() <= now:
        raise UnfitPair(f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    for above, below in zip(chain[1:], chain, strict=False):
        if below.issuer != above.subject:
            raise UnfitPair("the certificates are not in order: each must be followed by the one that signed it")
    return _private_bytes(private) + b"".join(it.public_bytes(serialization.Encoding.PEM) for it in chain)


def placeholder(name: str) -> bytes:
    """A certificate that nobody trusts, so that nginx answers until there is a real one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, PLACEHOLDER)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _private_bytes(key) + made.public_bytes(serialization.Encoding.PEM)


def key_of(pem: bytes) -> bytes:
    """The key alone, as PEM. Raises UnfitPair."""
    return _private_bytes(_key(pem))


def new_key() -> bytes:
    """A new key for a certificate: ECDSA on P-256, which every browser takes."""
    return _private_bytes(ec.generate_private_key(ec.SECP256R1()))


def request(name: str, key: bytes) -> bytes:
    """The certificate request (CSR) for one name, as PEM."""
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        .sign(_key(key), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def first(pem: bytes) -> bytes:
    """The first certificate as DER: what a server shows in its handshake. Raises UnfitPair."""
    return _chain(pem)[0].public_bytes(_DER)


_DER = serialization.Encoding.DER
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _chain(pem: bytes) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise UnfitPair(f"no certificate in PEM ({error})") from None


def _key(pem: bytes) -> Private:
    try:
        found = serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise UnfitPair("the key is encrypted; nginx cannot ask for a password") from None
    except ValueError as error:
        raise UnfitPair(f"no private key in PEM ({error})") from None
    if not isinstance(found, Private):
        raise UnfitPair("a key that is neither ECDSA nor RSA")
    return found


def _private_bytes(key: Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_ip(name) else x509.DNSName(name)


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = map(str, found.get_values_for_type(x509.IPAddress))
    return [*(name.lower() for name in found.get_values_for_type(x509.DNSName)), *addresses]
