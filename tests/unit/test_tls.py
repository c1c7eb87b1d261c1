"""TLS without a network: which names, when to renew, what a certificate must be, and orders from a fake CA."""

from __future__ import annotations

import datetime
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from bluegreen.domain.tls import ACME, FILES, certificates, covering, covers, stem
from bluegreen.features.certificates import pair, timer
from bluegreen.features.certificates.ca import Challenge, Refused
from bluegreen.features.certificates.reach import unreached
from bluegreen.features.certificates.record import DAY, LATER, Record, shown
from bluegreen.features.certificates.renew import Done, Renewal, alone
from bluegreen.features.certificates.store import Store
from bluegreen.settings.parse import InvalidSettings, parse_settings

NOW = 1_800_000_000.0
WEB = {"port": 8000, "host": ["shop.test", "*.shop.test", "a.shop.test"]}


def _settings(tls: Mapping[str, Any], host: Any = "shop.test", **more: Any) -> Any:
    service = {"port": 8000, **({"host": host} if host else {})}
    return parse_settings({"services": {"web": service}, "tls": tls, **more}, ("web", "api"))


def _problems(tls: Any, host: Any = "shop.test", **more: Any) -> str:
    with pytest.raises(InvalidSettings) as error:
        _settings(tls, host, **more)
    return "; ".join(map(str, error.value.problems))


# -- which names have a certificate


def test_each_host_has_one_unless_a_wider_one_covers_it() -> None:
    dns = {"email": "a@b.test", "dns": ["./dns"]}
    assert certificates(_settings({"email": "a@b.test"}, ["a.test", "b.test"])) == {"a.test": ACME, "b.test": ACME}
    assert certificates(_settings(dns, ["shop.test", "*.shop.test", "a.shop.test"])) == {
        "shop.test": ACME, "*.shop.test": ACME,
    }  # fmt: skip
    files = {"files": {"*.shop.test": ["c", "k"]}}
    assert certificates(_settings(files, ["a.shop.test", "b.test"])) == {"*.shop.test": FILES}, "b.test stays plain"
    both = {**files, "email": "a@b.test"}
    assert certificates(_settings(both, ["a.shop.test", "b.test"])) == {"*.shop.test": FILES, "b.test": ACME}
    redirected = _settings({"email": "a@b.test"}, "b.test", redirect={"www.b.test": "b.test"})
    assert certificates(redirected) == {"b.test": ACME, "www.b.test": ACME}, "a redirect over https needs one, too"


@pytest.mark.parametrize(
    ("name", "host", "good"),
    [
        ("a.test", "a.test", True), ("a.test", "b.test", False), ("*.a.test", "x.a.test", True),
        ("*.a.test", "a.test", False), ("*.a.test", "x.y.a.test", False), ("*.a.test", "*.a.test", True),
        ("*.0.0.1", "127.0.0.1", False), ("*.test", "a.test", True),
    ],
)  # fmt: skip
def test_a_wildcard_is_one_label(name: str, host: str, good: bool) -> None:
    assert covers(name, host) is good


def test_a_names_own_certificate_is_taken_before_a_wider_one() -> None:
    assert covering(["*.a.test", "x.a.test"], "x.a.test") == "x.a.test"
    assert covering(["*.a.test"], "x.a.test") == "*.a.test"
    assert covering(["*.a.test"], "a.test") is None
    assert stem("*.a.test") == "_.a.test"


@pytest.mark.parametrize(
    ("tls", "more", "words"),
    [
        ({}, {}, "tls: found neither email nor files"),
        ({"email": "ops"}, {}, "tls.email"),
        ({"email": "a@b.test", "emial": 1}, {}, "did you mean email?"),
        ({"email": "a@b.test", "directory": "http://ca.test"}, {}, "an https URL, or one of letsencrypt, staging"),
        ({"email": "a@b.test"}, {"host": "*.a.test"}, "tls.dns: found nothing, and *.a.test needs it"),
        ({"email": "a@b.test", "dns": ["x"]}, {"host": "203.0.113.7"}, "an address has no DNS-01"),
        ({"email": "a@b.test"}, {"host": None}, "tls.email: found no host"),
        ({"email": "a@b.test", "listen": 80}, {}, "tls.listen: found 80"),
        ({"email": "a@b.test", "listen": "127.0.0.1:8081"}, {}, "tls.listen: found 8081"),
        ({"email": "a@b.test", "dns": {"timeout": "1m"}}, {}, "tls.dns.command"),
        ({"email": "a@b.test", "hsts": "-1s"}, {}, "tls.hsts"),
        ({"email": "a@b.test", "profile": "a b"}, {}, "tls.profile"),
        ({"files": {"a.test": ["c.pem"]}}, {}, "two files, [certificates.pem, key.pem]"),
        ({"files": {"a b": ["c.pem", "k.pem"]}}, {}, "a host name"),
        ({"files": {"a.test": ["c", "k"]}, "directory": "staging"}, {}, "tls.directory: found given without email"),
        (True, {}, "tls: found True"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(tls: Any, more: dict[str, Any], words: str) -> None:
    assert words in _problems(tls, **more)


def test_a_path_that_the_ca_asks_for_is_no_place_of_a_service() -> None:
    tls = {"email": "a@b.test"}
    services = {"web": {"port": 1, "host": "a.test"}, "api": {"port": 2, "path": "/.well-known/acme-challenge"}}
    with pytest.raises(InvalidSettings) as error:
        parse_settings({"services": services, "tls": tls}, ("web", "api"))
    assert "services.api.path" in str(error.value)
    parse_settings({"services": services, "tls": {**tls, "dns": ["./dns"]}}, ("web", "api"))


# -- when


@pytest.mark.parametrize("days", [6, 47, 64, 90])
def test_a_certificate_is_renewed_at_two_thirds_of_its_life(days: int) -> None:
    record = Record("a.test", real=True, begins=int(NOW), ends=int(NOW) + days * DAY)
    assert record.due(NOW) == ""
    assert record.due(NOW + days * DAY * 0.66) == ""
    assert record.due(NOW + days * DAY * 0.67) != ""
    assert record.due(NOW + days * DAY) == "it has expired"


def test_the_ca_says_when_and_its_word_counts() -> None:
    record = Record("a.test", real=True, begins=int(NOW), ends=int(NOW) + 90 * DAY, renew_at=int(NOW) + DAY)
    assert record.due(NOW + DAY - 1) == ""
    assert record.due(NOW + DAY) != "", "earlier than usual: the CA revokes it"
    late = Record("a.test", real=True, begins=int(NOW), ends=int(NOW) + 90 * DAY, renew_at=int(NOW) + 300 * DAY)
    assert late.due(NOW + 90 * DAY) != "", "never after its end"


def test_failures_wait_longer_each_time_and_no_longer_than_a_day() -> None:
    record, at = Record("a.test"), NOW
    waits = []
    for _ in range(len(LATER) + 2):
        record = record.failed("no", at)
        waits.append(record.next_try - at)
        assert record.waits(record.next_try - 1)
        assert not record.waits(record.next_try)
        at = record.next_try
    assert waits == [*LATER, DAY, DAY]
    assert record.failed("limited", at, at + 3 * DAY).next_try == at + 3 * DAY, "the CA's own word"
    assert record.failed("limited", at, at + 300 * DAY).next_try == at + 7 * DAY
    assert not record.waits(NOW - 400 * DAY), "the clock was set back: it does not wait for a year"


def test_records_are_read_back_and_what_is_broken_is_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, (os.getuid(), os.getgid()))
    record = Record("*.a.test", real=True, begins=1, ends=2, error="ü")
    store.note(record)
    assert store.record("*.a.test") == record
    for broken in ("", "[]", "{", '{"ends": "soon"}', '{"real": 1}', "\0", "[" * 100_000):
        (tmp_path / "tls" / "_.a.test.json").write_text(broken)
        assert store.record("*.a.test") == Record("*.a.test")
    (tmp_path / "tls" / "wanted.json").write_text("[1]")
    assert store.wanted() is None


def test_what_is_shown_of_a_record() -> None:
    placeholder = shown(Record("a.test").failed("no", NOW), NOW + 1)
    assert (placeholder["state"], placeholder["days"], placeholder["error"]) == ("placeholder", None, "no")
    assert placeholder["next_try"] == "2027-01-15T08:05:00Z"
    good = shown(Record("a.test", real=True, issuer="CA", begins=int(NOW), ends=int(NOW) + 3 * DAY), NOW)
    assert (good["state"], good["days"], good["expires"]) == ("valid", 3, "2027-01-18T08:00:00Z")
    assert (good["renew"], good["next_try"]) == ("2027-01-17T08:00:00Z", None)


# -- certificate and key


def _made(
    names: list[str], key: Any = None, days: int = 9, signer: tuple[Any, x509.Certificate] | None = None
) -> tuple[Any, x509.Certificate]:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "CA")])
    now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
        .issuer_name(signer[1].subject if signer else subject).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=20)).not_valid_after(now + datetime.timedelta(days=days))
    )  # fmt: skip
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(it) for it in names]), False)
    return key, builder.sign(signer[0] if signer else key, hashes.SHA256())


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(it.public_bytes(serialization.Encoding.PEM) for it in certificates)


def _key_pem(key: Any, password: bytes | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    found: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    return found


def test_a_pair_of_no_use_is_refused_with_the_reason() -> None:
    authority = _made([])
    key, leaf = _made(["a.test"], signer=authority)
    other = _made(["b.test"])
    weak, weak_leaf = _made(["a.test"], rsa.generate_private_key(65537, 1024))  # noqa: S505 - it is refused
    _, old = _made(["a.test"], key, days=-1)
    for certificate, private, words in (
        (_pem(leaf), _key_pem(other[0]), "the key is not the one of the certificate"),
        (_pem(other[1]), _key_pem(other[0]), "it is for b.test"),
        (_pem(old), _key_pem(key), "it expired on"),
        (_pem(weak_leaf), _key_pem(weak), "an RSA key of 1024 bits"),
        (_pem(leaf, other[1]), _key_pem(key), "not in order"),
        (_pem(authority[1], leaf), _key_pem(key), "the key is not the one of the certificate"),
        (_pem(leaf), _key_pem(key, b"secret"), "the key is encrypted"),
        (b"", _key_pem(key), "no certificate in PEM"),
        (b"\0\xff", _key_pem(key), "no certificate in PEM"),
        (_pem(leaf), b"no key", "no private key in PEM"),
    ):
        with pytest.raises(pair.UnfitPair, match=re.escape(words)):
            pair.joined("a.test", certificate, private, NOW)
    joined = pair.joined("a.test", _pem(leaf, authority[1]), _key_pem(key), NOW)
    assert joined.count(b"BEGIN CERTIFICATE") == 2
    assert joined.startswith(b"-----BEGIN PRIVATE KEY")
    facts = pair.facts(joined)
    assert (facts.names, facts.issuer, facts.placeholder) == (("a.test",), "CA", False)


@pytest.mark.parametrize("name", ["a.test", "*.a.test", "203.0.113.7"])
def test_a_placeholder_is_known_as_one(name: str) -> None:
    facts = pair.facts(pair.placeholder(name))
    assert facts.placeholder
    assert facts.names == (name,)
    request = x509.load_pem_x509_csr(pair.request(name, pair.new_key()))
    assert len(list(request.subject)) == 0, "the name is where browsers look for it, and nowhere else"


# -- orders


@dataclass
class FakeCa:
    """A CA that gives certificates of `days`; it may fail, or be killed at a moment."""

    store: Store
    days: float = 90.0
    fails: str = ""
    not_before: float = 0.0
    away: bool = False
    killed_at: str = ""
    issued: dict[str, bytes] = field(default_factory=dict)  # order URL -> certificate
    asked: list[str] = field(default_factory=list)
    renew: float | None = None
    clock: Callable[[], float] = lambda: NOW

    def order(self, name: str, csr: bytes, kind: str, prove: Any, begun: Callable[[str], None]) -> bytes:
        self.asked.append(f"{kind} {name}")
        if self.fails:
            raise Refused(self.fails, self.not_before, self.away)

        def proven() -> None:
            self._moment("proof")
            if kind == "http-01":
                folder = self.store.folder.parent / "nginx" / "tls" / "challenges"
                assert (folder / "token").read_text() == "answer"

        prove(Challenge(name, "token", "answer", "value"), proven)
        url = f"order {len(self.issued)}"
        begun(url)
        self._moment("begun")
        self.issued[url] = self._sign(csr)
        self._moment("issued")
        return self.issued[url]

    def fetch(self, url: str, csr: bytes) -> bytes | None:
        found = self.issued.get(url)
        request = x509.load_pem_x509_csr(csr)
        if found and x509.load_pem_x509_certificate(found).public_key() != request.public_key():
            return None
        return found

    def renewal(self, pem: bytes) -> tuple[float | None, float]:
        assert pem
        return self.renew, self.clock() + 6 * 3600

    def _moment(self, name: str) -> None:
        if self.killed_at == name:
            raise KeyboardInterrupt

    def _sign(self, csr: bytes) -> bytes:
        request = x509.load_pem_x509_csr(csr)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        now = datetime.datetime.fromtimestamp(self.clock(), datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Fake CA")])
        made = (
            x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(subject).public_key(request.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=self.days)).add_extension(names, True)
        )  # fmt: skip
        return _pem(made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()))


@dataclass
class Shop:
    """One app's certificates, with a clock that a test sets."""

    folder: Path
    wanted: dict[str, Any]
    now: float = NOW
    hooked: list[str] = field(default_factory=list)
    hook_code: int = 0
    unreached: str = ""

    def __post_init__(self) -> None:
        self.store = Store(self.folder, (os.getuid(), os.getgid()))
        self.ca = FakeCa(self.store, clock=lambda: self.now)

    def run(self, **more: Any) -> list[Done]:
        def hook(command: Any, environment: Any, folder: Path, timeout: float) -> tuple[int, str, str]:  # noqa: ARG001
            self.hooked.append(f"{environment['BLUEGREEN_ACME_ACTION']} {environment['BLUEGREEN_ACME_RECORD']}")
            return self.hook_code, "no zone", "exit code 3" if self.hook_code else ""

        def shown(_: str, name: str) -> bytes:
            return pair.first(self.store.nginx.pem(name) or b"")

        it = Renewal(
            self.store, self.wanted, hook, lambda _: None, lambda *_: self.ca, lambda *_: self.unreached, shown,
            lambda: self.now, lambda _: None,
        )  # fmt: skip
        return it.renew(**more)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    wanted = {"names": {"a.test": ACME}, "dns": None, "folder": str(tmp_path), "listen": ["443"], "self_check": True}
    return Shop(tmp_path / "state", wanted)


def test_a_first_order_is_kept_shown_and_marked_real(shop: Shop) -> None:
    (done,) = shop.run()
    assert done.outcome == "renewed"
    pem = shop.store.pem("a.test")
    assert pem is not None
    assert pem == shop.store.nginx.pem("a.test")
    assert shop.store.nginx.is_real("a.test")
    assert (shop.folder / "tls" / "a.test.pem").stat().st_mode & 0o777 == 0o600
    assert [it.outcome for it in shop.run()] == ["kept"]
    assert len(shop.ca.issued) == 1


def test_a_renewal_keeps_the_key(shop: Shop) -> None:
    """nginx reads certificate and key one after the other; were both new, it could meet one of each."""
    shop.run()
    first = shop.store.pem("a.test")
    shop.now += 61 * DAY
    assert [it.outcome for it in shop.run()] == ["renewed"]
    second = shop.store.pem("a.test")
    assert first is not None
    assert second is not None
    assert first != second
    assert pair.key_of(first) == pair.key_of(second)


@pytest.mark.parametrize("moment", ["proof", "begun", "issued"])
def test_cut_off_at_any_step_the_next_one_finishes_with_one_certificate(shop: Shop, moment: str) -> None:
    shop.ca.killed_at = moment
    with pytest.raises(KeyboardInterrupt):
        shop.run()
    shop.ca.killed_at = ""
    assert [it.outcome for it in shop.run()] == ["renewed"]
    assert len(shop.ca.issued) == 1
    assert shop.store.pending_key("a.test") is None
    assert shop.store.record("a.test").order == ""


def test_a_failure_waits_and_a_person_may_ask_again(shop: Shop) -> None:
    shop.ca.fails = "rateLimited: too many. retry after 2027"
    shop.ca.not_before = NOW + 2 * DAY
    (done,) = shop.run()
    assert (done.outcome, "too many" in done.detail) == ("failed", True)
    assert shop.store.record("a.test").next_try == NOW + 2 * DAY
    assert [it.outcome for it in shop.run()] == ["waiting"]
    assert len(shop.ca.asked) == 1, "the CA is left alone meanwhile"
    shop.ca.fails = ""
    assert [it.outcome for it in shop.run(now_too=True)] == ["renewed"]
    assert shop.store.record("a.test").error == ""


def test_a_ca_that_cannot_be_reached_is_asked_once_for_all_names(shop: Shop) -> None:
    shop.wanted["names"] = {"a.test": ACME, "b.test": ACME, "c.test": ACME}
    shop.ca.fails, shop.ca.away = "the CA cannot be reached: no route", True
    assert [it.outcome for it in shop.run()] == ["failed"] * 3
    assert shop.ca.asked == ["http-01 a.test"]
    assert shop.store.record("c.test").error == "the CA cannot be reached: no route"
    shop.ca.away = False
    shop.run(now_too=True)
    assert len(shop.ca.asked) == 4, "what it says of one name is of that name alone"


def test_a_verb_does_not_wait_for_many_orders(shop: Shop) -> None:
    shop.wanted["names"] = {"a.test": ACME, "b.test": ACME}
    assert [it.name for it in shop.run(within=-1.0)] == []
    assert [it.name for it in shop.run(within=60.0)] == ["a.test", "b.test"]


def test_a_renewal_that_fails_leaves_the_certificate_that_there_is(shop: Shop) -> None:
    shop.run()
    before = shop.store.pem("a.test")
    shop.now += 80 * DAY
    shop.ca.fails = "serverInternal: closed today"
    assert [it.outcome for it in shop.run()] == ["failed"]
    assert shop.store.nginx.pem("a.test") == before
    assert shop.store.nginx.is_real("a.test")
    assert shown(shop.store.record("a.test"), shop.now)["error"] == "serverInternal: closed today"


def test_who_is_not_reached_does_not_ask_the_ca(shop: Shop) -> None:
    shop.unreached = "a.test leads to 203.0.113.9"
    assert [it.outcome for it in shop.run()] == ["failed"]
    assert shop.ca.asked == []
    shop.wanted["self_check"] = False
    assert [it.outcome for it in shop.run(now_too=True)] == ["renewed"]


def test_a_revoked_certificate_is_renewed_when_the_ca_says_so(shop: Shop) -> None:
    shop.run()
    shop.ca.renew = NOW + DAY
    shop.now += DAY + 7 * 3600
    assert [it.outcome for it in shop.run(ask=False)] == ["kept"], "in passing nobody waits for the CA"
    assert [it.outcome for it in shop.run()] == ["renewed"]


def test_the_hook_adds_and_removes_also_when_the_ca_says_no(shop: Shop) -> None:
    shop.wanted |= {"dns": {"command": ["./dns"], "timeout": 5.0}, "names": {"*.a.test": ACME}}
    assert [it.outcome for it in shop.run()] == ["renewed"]
    assert shop.ca.asked == ["dns-01 *.a.test"]
    assert shop.hooked == ["add _acme-challenge.a.test", "remove _acme-challenge.a.test"]
    shop.now, shop.hook_code = shop.now + 80 * DAY, 3
    (done,) = shop.run()
    assert "./dns failed to add the record (exit code 3: no zone)" in done.detail
    assert shop.hooked[2:] == ["add _acme-challenge.a.test", "remove _acme-challenge.a.test"]


@pytest.mark.parametrize("hours", [-200, 200 * 24])
def test_a_clock_that_jumps_harms_nothing(shop: Shop, hours: int) -> None:
    shop.run()
    before = shop.store.pem("a.test")
    shop.now += hours * 3600
    shop.ca.fails = "the CA's server cannot be trusted: not yet valid"
    shop.run()
    shop.now -= hours * 3600
    shop.ca.fails = ""
    shop.run(now_too=True)
    assert shop.store.record("a.test").real
    assert shop.store.pem("a.test") == before


def test_what_the_ca_gives_must_be_of_use(shop: Shop) -> None:
    shop.ca.days = 0.0
    (done,) = shop.run()
    assert "is this server's clock right?" in done.detail
    assert not shop.store.nginx.is_real("a.test")


def test_one_at_a_time(shop: Shop) -> None:
    inside, most, turns = [0], [0], [0]

    def act() -> None:
        with alone(shop.store, 20.0) as mine:
            assert mine
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            turns[0] += 1
            inside[0] -= 1

    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], turns[0]) == (1, 8)
    with alone(shop.store) as mine, alone(shop.store, 0.0) as second:
        assert (mine, second) == (True, False)


def test_a_name_that_does_not_resolve_is_said_before_anything_is_sent(shop: Shop) -> None:
    def nowhere(name: str, port: int) -> list[str]:  # noqa: ARG001 - the resolver's
        raise OSError(-2, "Name or service not known")

    assert unreached(shop.store, "a.test", 80, nowhere) == (
        "a.test does not resolve to an address (Name or service not known)"
    )


def test_the_timer_runs_this_program_from_anywhere() -> None:
    command = timer.command("shop", "/var/lib/bluegreen/shop 100%")
    assert command[-5:] == ["bluegreen", "-p", "shop", "tls", "renew"]
    units = timer.units("shop", command)
    assert set(units) == {"bluegreen-tls-shop.service", "bluegreen-tls-shop.timer"}
    assert '"BLUEGREEN_STATE_FOLDER=/var/lib/bluegreen/shop 100%%"' in units["bluegreen-tls-shop.service"]
    assert "OnCalendar=hourly" in units["bluegreen-tls-shop.timer"]
    line = timer.cron(command)
    assert line.startswith("17 * * * * /usr/bin/env ")
    assert "100\\%" in line


def test_what_is_written_down_is_json(tmp_path: Path) -> None:
    from bluegreen.features.certificates.renew import described

    settings = _settings({"email": "a@b.test", "directory": "staging", "directory_ca": "ca.pem"})
    found = described(certificates(settings), settings.tls, str(tmp_path))
    assert json.loads(json.dumps(found)) == found
    assert found["directory"].startswith("https://acme-staging-v02")
    assert found["directory_ca"] == str(tmp_path / "ca.pem")
