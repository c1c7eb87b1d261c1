"""Certificates are ordered and renewed. Safe to run again, and by several at the same time; nothing waits for it.

What fails is noted and tried again later, each time after a longer wait. nginx goes on with what it has.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bluegreen.domain.tls import ACME, CHALLENGE_PORT
from bluegreen.features.certificates.record import ASK_CA, Record, moment
from bluegreen.features.certificates.store import Store
from bluegreen.frontdoor.secure import FRESH
from bluegreen.state import holder

LOCK_WAIT = 300.0  # seconds for one that renews now
SHOWN_WITHIN = 10.0  # seconds until nginx must show a new certificate
VALUES = ("BLUEGREEN_ACME_ACTION", "BLUEGREEN_ACME_RECORD", "BLUEGREEN_ACME_VALUE", "BLUEGREEN_ACME_NAME")

Tell = Callable[[str], None]
RunHook = Callable[[Sequence[str], Mapping[str, str], Path, float], tuple[int | None, str, str]]


@dataclass(frozen=True)
class Done:
    """What was done about one name: renewed, kept, waiting or failed."""

    name: str
    outcome: str
    detail: str
    record: Record


class CaPort(Protocol):
    """What is asked of a CA; see `ca.py`."""

    def order(self, name: str, csr: bytes, kind: str, prove: Any, begun: Callable[[str], None]) -> bytes: ...
    def fetch(self, url: str, csr: bytes) -> bytes | None: ...
    def renewal(self, pem: bytes) -> tuple[float | None, float]: ...


@dataclass
class Renewal:
    """One run. `tell` shows what is going on; `run` runs the hook of DNS-01 on this machine."""

    store: Store
    wanted: Mapping[str, Any]
    run: RunHook
    tell: Tell
    make_ca: Callable[[Store, Mapping[str, Any]], CaPort]
    reached: Callable[[Store, str, int], str]
    shows: Callable[[str, str], bytes | None]  # a listener and a name to the certificate that is shown, DER
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _away: Any = None  # the CA's error that counts for all names

    def names(self) -> list[str]:
        """Those that a CA is asked for."""
        return [name for name, source in self.wanted.get("names", {}).items() if source == ACME]

    def pending(self) -> list[str]:
        """Those that would be ordered now."""
        now = self.clock()
        return [name for name in self.names() if (it := self.store.record(name)).due(now) and not it.waits(now)]

    def renew(self, now_too: bool = False, ask: bool = True, within: float = math.inf) -> list[Done]:
        """Orders what is due. `now_too`: also what waits after a failure; `ask`: the CA, when it wants a renewal.

        Nothing more is begun after `within` seconds. What a CA that cannot be reached says counts for all names.
        """
        ca: CaPort | None = None
        done: list[Done] = []
        self.store.nginx.forget_challenges()
        began = self.clock()
        for name in self.names():
            record, now = self.store.record(name), self.clock()
            if now - began > within:
                break
            if not record.due(now):
                if not ask or now < record.ask_at:
                    done.append(Done(name, "kept", f"until {moment(record.ends)}", record))
                    continue
                ca = ca or self.make_ca(self.store, self.wanted)
                record = self._asked(ca, record)
            if not (why := record.due(now)):
                done.append(Done(name, "kept", f"until {moment(record.ends)}", record))
            elif record.waits(now) and not now_too:
                done.append(Done(name, "waiting", f"{record.error}; next try {moment(record.next_try)}", record))
            else:
                if self._away is None:
                    self.tell(f"Certificate for {name}: {why}; asking the CA.")
                ca = ca or self.make_ca(self.store, self.wanted)
                done.append(self._one(ca, record))
        return done

    def _asked(self, ca: CaPort, record: Record) -> Record:
        """With what the CA says about when to renew; what it does not say is asked again later."""
        from bluegreen.features.certificates.ca import Refused

        pem = self.store.pem(record.name)
        now = self.clock()
        try:
            when, again = ca.renewal(pem) if pem else (None, now + ASK_CA)
        except Refused:
            when, again = record.renew_at or None, now + ASK_CA
        found = replace(record, renew_at=int(when or 0), ask_at=int(min(max(again, now + 60), now + 4 * ASK_CA)))
        self.store.note(found)
        return found

    def _one(self, ca: CaPort, record: Record) -> Done:
        from bluegreen.features.certificates.ca import Refused

        try:
            if self._away is not None:
                raise self._away
            if why := self._unreached(record.name):
                raise Refused(why)
            pem = self._ordered(ca, record)
            return self._show(record.name, pem)
        except Refused as error:
            self._away = error if error.all_names else None
            left = self.store.record(record.name)
            failed = left.failed(str(error), self.clock(), error.not_before)
            self.store.note(failed)
            return Done(record.name, "failed", f"{error}; next try {moment(failed.next_try)}", failed)

    def _unreached(self, name: str) -> str:
        if self.wanted.get("dns") or not self.wanted.get("self_check", True):
            return ""
        return self.reached(self.store, name, int(self.wanted.get("challenge_port", CHALLENGE_PORT)))

    def _ordered(self, ca: CaPort, record: Record) -> bytes:
        """Key and certificates. An order that was begun before, and cut off, is finished."""
        from bluegreen.features.certificates import pair

        pending = self.store.pending_key(record.name)
        if record.order and pending and (found := ca.fetch(record.order, pair.request(record.name, pending))):
            return self._joined(record.name, found, pending)
        key = self._key(record)
        self.store.keep_pending_key(record.name, key)

        def begun(url: str) -> None:
            self.store.note(replace(self.store.record(record.name), order=url))

        kind, prove = ("dns-01", self._by_dns) if self.wanted.get("dns") else ("http-01", self._by_http)
        return self._joined(record.name, ca.order(record.name, pair.request(record.name, key), kind, prove, begun), key)

    def _key(self, record: Record) -> bytes:
        """The key stays: nginx reads key and certificate one after the other, and a renewal may come in between."""
        from bluegreen.features.certificates import pair

        kept = self.store.pem(record.name) if record.real else None
        try:
            return pair.key_of(kept) if kept else pair.new_key()
        except pair.UnfitPair:
            return pair.new_key()

    def _joined(self, name: str, certificates: bytes, key: bytes) -> bytes:
        from bluegreen.features.certificates import pair
        from bluegreen.features.certificates.ca import Refused

        try:
            return pair.joined(name, certificates, key, self.clock())
        except pair.UnfitPair as error:
            raise Refused(f"what the CA gave is of no use: {error}; is this server's clock right?") from None

    def _by_http(self, challenge: Any, proven: Callable[[], None]) -> None:
        with self.store.nginx.challenge(challenge.token, challenge.answer.encode()):
            proven()

    def _by_dns(self, challenge: Any, proven: Callable[[], None]) -> None:
        from bluegreen.features.certificates.ca import Refused

        hook = self.wanted["dns"]
        zone = challenge.name.removeprefix("*.")

        def call(action: str) -> str:
            values = (action, f"_acme-challenge.{zone}", challenge.value, challenge.name)
            environment = dict(zip(VALUES, values, strict=True))
            code, output, why = self.run(hook["command"], environment, Path(self.wanted["folder"]), hook["timeout"])
            last = output.strip().splitlines()[-1:] or [""]
            return "" if code == 0 else f"{why}{f': {last[0][:200]}' if last[0] else ''}"

        try:
            if failed := call("add"):
                raise Refused(f"tls.dns: {hook['command'][0]} failed to add the record ({failed})")
            proven()
        finally:
            if failed := call("remove"):
                self.tell(f"tls.dns: {hook['command'][0]} did not remove the record of {challenge.name} ({failed}).")

    def _show(self, name: str, pem: bytes) -> Done:
        """Kept, shown to nginx, and looked at as a visitor would; only then plain HTTP is sent there."""
        from bluegreen.features.certificates import pair

        facts = pair.facts(pem)
        self.store.keep(name, pem)
        self.store.nginx.show(name, pem)
        made = Record(
            name, ACME, facts.issuer, facts.serial, facts.begins, facts.ends, real=True,
            ask_at=int(self.clock()) if facts.ends - facts.begins > ASK_CA else 0,
        )  # fmt: skip
        self.store.note(made)
        self.store.keep_pending_key(name, None)
        seen = self._seen(name, pair.first(pem))
        self.store.nginx.mark_real(name, real=True)
        words = f"by {facts.issuer}, until {moment(facts.ends)}"
        return Done(name, "renewed", words if seen else f"{words}; nginx does not show it yet", made)

    def _seen(self, name: str, wanted: bytes) -> bool:
        """Whether nginx shows it, once every worker has looked at the file again."""
        self.sleep(FRESH + 0.1)
        listens = self.wanted.get("listen", ())
        deadline = self.clock() + SHOWN_WITHIN
        while not all(self.shows(listen, name) == wanted for listen in listens):
            if self.clock() > deadline:
                return False
            self.sleep(0.25)
        return True


def described(names: Mapping[str, str], tls: Any, folder: str) -> dict[str, Any]:
    """What the block says of TLS, as it is written down for renewals."""
    return {
        "names": dict(names), "email": tls.email, "directory": tls.directory, "profile": tls.profile,
        "directory_ca": os.path.join(folder, tls.directory_ca) if tls.directory_ca else "", "folder": folder,
        "dns": {"command": list(tls.dns.command), "timeout": tls.dns.timeout} if tls.dns else None,
        "files": {name: list(pair) for name, pair in tls.files.items()}, "self_check": tls.self_check,
        "challenge_port": tls.challenge_port, "listen": list(map(str, tls.listen)),
    }  # fmt: skip


@contextlib.contextmanager
def alone(store: Store, wait: float = LOCK_WAIT) -> Iterator[bool]:
    """One at a time renews; False: another one does, and goes on beyond `wait` seconds. Raises OSError."""
    os.makedirs(store.folder, 0o700, exist_ok=True)
    deadline = time.monotonic() + wait
    while (descriptor := holder.take(str(store.folder))) is None:
        if time.monotonic() >= deadline:
            yield False
            return
        time.sleep(0.2)
    try:
        yield True
    finally:
        os.close(descriptor)
