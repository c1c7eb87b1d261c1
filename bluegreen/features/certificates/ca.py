"""A CA that speaks ACME (RFC 8555), by the client library of certbot."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from acme import challenges, client, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import DeserializationError
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from bluegreen import __version__
from bluegreen.features.certificates.store import Store

REQUEST_TIMEOUT = 20  # seconds for one request to the CA
PATIENCE = 90.0  # seconds until an order must be done
TRIES = 3  # of one request whose nonce the CA does not take
RETRY_AFTER = re.compile(r"retry after (\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)", re.IGNORECASE)
HOUR = 3600
T = TypeVar("T")
Prove = Callable[["Challenge", Callable[[], None]], None]


class Refused(Exception):
    """Why no certificate came, in the CA's own words.

    `not_before`: when it may be asked again, seconds since 1970. `all_names`: whether other names would fare the same.
    """

    def __init__(self, words: str, not_before: float = 0.0, all_names: bool = False) -> None:
        super().__init__(words)
        self.not_before, self.all_names = not_before, all_names


@dataclass(frozen=True)
class Challenge:
    """What the CA asks for. `token` and `answer`: of HTTP-01; `value`: of the TXT record of DNS-01."""

    name: str
    token: str
    answer: str
    value: str


class _Network(client.ClientNetwork):
    """The library repeats a request whose nonce was refused once; a busy CA refuses twice in a row."""

    def __init__(self, key: JWKEC, verify: str) -> None:
        super().__init__(
            key, alg=ES256, user_agent=f"bluegreen/{__version__}", timeout=REQUEST_TIMEOUT,
            verify_ssl=bool(verify),
        )  # fmt: skip
        self._verify = verify

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        self.verify_ssl = self._verify or True  # type: ignore[assignment]  # requests takes a file of CA certificates, too
        return super()._send_request(method, url, *args, **kwargs)

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(TRIES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class Ca:
    """One account at one CA. Every method raises Refused."""

    def __init__(self, store: Store, directory: str, email: str, profile: str = "", verify: str = "") -> None:
        self._store, self._url, self._email, self._profile = store, directory, email, profile
        self._id = hashlib.sha256(directory.encode()).hexdigest()[:16]
        account = store.account(self._id)
        self._key, self._uri = _kept(account) or (JWKEC(key=ec.generate_private_key(ec.SECP256R1())), "")
        self._network = _Network(self._key, verify)
        self._acme: client.ClientV2 | None = None

    def order(self, name: str, csr: bytes, kind: str, prove: Prove, begun: Callable[[str], None]) -> bytes:
        """A new certificate for a request: PEM with its chain.

        `prove` makes the CA find the answer to a challenge of `kind` (http-01, dns-01) while it calls what it is given;
        `begun` gets the order's URL before anything is issued.
        """
        return _said(lambda: self._order(name, csr, kind, prove, begun))

    def fetch(self, url: str, csr: bytes) -> bytes | None:
        """The certificate of an order that was begun before; None: there is none to be had any more."""

        def fetch() -> bytes | None:
            acme = self._ready()
            response = acme._post_as_get(url)
            body = messages.Order.from_json(response.json())
            if body.status not in (messages.STATUS_VALID, messages.STATUS_PROCESSING, messages.STATUS_READY):
                return None
            order = messages.OrderResource(body=body, uri=url, authorizations=[], csr_pem=csr)
            return _text(acme.finalize_order(order, _deadline())) if body.status == messages.STATUS_READY else _text(
                acme.poll_finalization(order, _deadline())
            )  # fmt: skip

        try:
            return _said(fetch)
        except Refused:
            return None

    def renewal(self, pem: bytes) -> tuple[float | None, float]:
        """(when the CA wants this certificate renewed, None: it does not say; when to ask again). RFC 9773."""

        def ask() -> tuple[float | None, float]:
            acme = self._ready(account=False)
            when, again = acme.renewal_time(pem)
            return (when.timestamp() if when else None), again.timestamp()

        return _said(ask)

    # -- small parts

    def _ready(self, account: bool = True) -> client.ClientV2:
        if self._acme is None:
            directory = client.ClientV2.get_directory(self._url, self._network)
            self._acme = client.ClientV2(directory, self._network)
        if account and self._network.account is None:
            self._network.account = self._account(self._acme)
        return self._acme

    def _account(self, acme: client.ClientV2) -> messages.RegistrationResource:
        if self._uri:
            body = messages.Registration.from_data(email=self._email)
            return messages.RegistrationResource(body=body, uri=self._uri)
        if acme.external_account_required():
            raise Refused("this CA wants an account that was made elsewhere (external account binding)")
        body = messages.NewRegistration.from_data(email=self._email, terms_of_service_agreed=True)
        try:
            made = acme.new_account(body)
        except errors.ConflictError as error:
            made = messages.RegistrationResource(body=body, uri=error.location)
        self._uri = made.uri
        key = json.loads(self._key.json_dumps())
        self._store.keep_account(self._id, {"directory": self._url, "uri": made.uri, "key": key})
        return made

    def _order(self, name: str, csr: bytes, kind: str, prove: Prove, begun: Callable[[str], None]) -> bytes:
        acme = self._ready()
        try:
            order = acme.new_order(csr, profile=self._profile or None)
        except messages.Error as error:
            if error.code != "accountDoesNotExist":
                raise
            self._uri, self._network.account = "", None  # the CA has forgotten it; a test CA does at each start
            acme = self._ready()
            order = acme.new_order(csr, profile=self._profile or None)
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue
            asked = _of_kind(authorization, kind)
            response, answer = asked.response_and_validation(self._key)
            value = answer if kind == "dns-01" else ""
            token = asked.chall.encode("token") if kind == "http-01" else ""

            def proven(asked: Any = asked, response: Any = response) -> None:
                acme.answer_challenge(asked, response)
                acme.poll_authorizations(order, _deadline())

            prove(Challenge(name, token, answer, value), proven)
        begun(str(order.uri))
        return _text(acme.finalize_order(order, _deadline()))


def _kept(account: dict[str, Any] | None) -> tuple[JWKEC, str] | None:
    """The key and the URL of an account; None: there is none that can be read."""
    try:
        return (JWKEC.json_loads(json.dumps(account["key"])), str(account["uri"])) if account else None
    except (KeyError, ValueError, TypeError, DeserializationError):
        return None


def _of_kind(authorization: messages.AuthorizationResource, kind: str) -> Any:
    wanted = {"http-01": challenges.HTTP01, "dns-01": challenges.DNS01}[kind]
    for found in authorization.body.challenges:
        if isinstance(found.chall, wanted):
            return found
    raise Refused(f"the CA does not offer {kind} for {authorization.body.identifier.value}")


def _deadline() -> datetime.datetime:
    return datetime.datetime.now() + datetime.timedelta(seconds=PATIENCE)  # noqa: DTZ005 - the library compares with local time


def _text(order: messages.OrderResource) -> bytes:
    return str(order.fullchain_pem).encode()


def _said(act: Callable[[], T]) -> T:
    """Runs what talks to the CA; whatever it does not answer is Refused."""
    try:
        return act()
    except Refused:
        raise
    except messages.Error as error:
        raise Refused(_problem(error), _not_before(error)) from None
    except errors.ValidationError as error:
        found = [
            _problem(it.error)
            for authorization in error.failed_authzrs
            for it in authorization.body.challenges
            if it.error is not None
        ]
        raise Refused("; ".join(found) or "the CA did not accept the proof") from None
    except errors.IssuanceError as error:
        raise Refused(_problem(error.error)) from None
    except errors.TimeoutError:
        raise Refused(f"the CA was not done after {PATIENCE:g} s") from None
    except requests.exceptions.SSLError as error:
        raise Refused(f"the CA's server cannot be trusted: {_cause(error)}", all_names=True) from None
    except requests.exceptions.RequestException as error:
        raise Refused(f"the CA cannot be reached: {_cause(error)}", all_names=True) from None
    except OSError as error:
        raise Refused(f"tls.directory_ca: {getattr(error, 'strerror', None) or error}", all_names=True) from None
    except (errors.Error, JoseError, ValueError, KeyError, AttributeError) as error:
        raise Refused(f"the CA's answer is not ACME: {str(error)[:200] or type(error).__name__}") from None


def _problem(error: Any) -> str:
    words = [str(it) for it in (error.title, error.detail) if it]
    return f"{error.code or error.typ}: {'. '.join(words)}" if words else str(error)


def _not_before(error: messages.Error) -> float:
    """When a CA that limits how often it is asked may be asked again; it says so in its detail."""
    if error.code != "rateLimited":
        return 0.0
    now = datetime.datetime.now(datetime.UTC)
    if match := RETRY_AFTER.search(error.detail or ""):
        return datetime.datetime.fromisoformat(match[1]).replace(tzinfo=datetime.UTC).timestamp()
    return now.timestamp() + HOUR


def _cause(error: BaseException) -> str:
    """The innermost reason of an exception that wraps others, shortened."""
    seen = error
    while seen.args and isinstance(seen.args[0], BaseException):
        seen = seen.args[0]
    reason = getattr(seen, "reason", None)
    words = str(reason if isinstance(reason, BaseException) else seen)
    return re.sub(r"<[^>]*>:? ?|\w+\(host=[^)]*\): ?", "", words)[:200]
