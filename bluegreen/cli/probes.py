"""The probe room behind the port that the stories know. What waits and what records is loaded when it is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.domain.secrets import without_secrets
from bluegreen.domain.verdict import Unreached
from bluegreen.flow.values import Check
from bluegreen.probe import public
from bluegreen.probe.once import Target, once
from bluegreen.probe.one import MAX_BODY, OURS
from bluegreen.unix_http import NoAnswer, get

if TYPE_CHECKING:
    from bluegreen.domain.answers import Answer, Expectation
    from bluegreen.domain.traffic import Seen
    from bluegreen.probe.health import Prober, Tries

AGAIN = {"X-Bluegreen-Again": "1"}  # how an application tells such a request from a visitor's


class Probes:
    """The probe room behind the port that the stories know."""

    def __init__(self, sockets: Path, unseal: Callable[[Check], Check] = lambda check: check) -> None:
        """`unseal` fills in the headers of a check that are written down nowhere."""
        self._sockets, self._unseal = sockets, unseal

    @cached_property
    def _prober(self) -> Prober:
        from bluegreen.probe.health import Prober

        return Prober(self._sockets)

    def once(self, checks: Sequence[Check]) -> dict[str, str]:
        results = once(str(self._sockets), [self._target(check) for check in checks])
        return {target.name: _masked(reason) for target, reason in results if reason}

    def wait(self, checks: Sequence[Check], between: Callable[[str], None]) -> dict[str, tuple[int, str]]:
        from bluegreen.probe.health import Unproven

        def tell(tries: Sequence[Tries]) -> None:
            waiting = [attempt for attempt in tries if not attempt.proven]
            text = f"{len(tries) - len(waiting)} of {len(tries)} healthy"
            between(f"{text}; {waiting[0].target.name} {_masked(waiting[0].last)}" if waiting else text)

        try:
            self._prober.wait([self._target(check) for check in checks], tell)
        except Unproven as unproven:
            return {t.target.name: (t.count, _masked(t.last)) for t in unproven.tries if not t.proven}
        return {}

    def public(self, listens: Sequence[str], host: str | None, path: str) -> list[str]:
        return public.silent(listens, host, path)

    def visit(self, listen: str, host: str | None, path: str, secure: bool) -> tuple[int, float, str]:
        return public.visit(listen, host, path, secure)

    def secure(self, listens: Sequence[str], host: str) -> list[str]:
        return public.no_handshake(listens, host)

    def ask(self, where: str, request: Expectation) -> Answer:
        return self._prober.ask(f"{where}.sock", request)

    def replay(self, address: str, port: int, seen: Seen, target: str, timeout: float) -> tuple[Answer, float]:
        """A visitor's GET, by the visitor's scheme, of one replica: at most 64 KB of its body, and the seconds."""
        from bluegreen.domain.answers import Answer

        more = {**AGAIN, **({"X-Forwarded-Proto": "https"} if seen.scheme == "https" else {})}
        host, asked = seen.host or "localhost", f"/probe/{address}/{port}{target}"
        began = time.monotonic()
        try:
            status, headers, body = get(f"{self._sockets}/probe.sock", asked, host, timeout, MAX_BODY, more)
            words = body.decode(errors="replace")
            found = (
                Answer(problem=words or "nginx has no answer") if OURS in headers else Answer(status, headers, words)
            )
        except NoAnswer as error:
            found = Answer(problem=str(error))
        return found, time.monotonic() - began

    def _target(self, check: Check) -> Target:
        if any("\0" in value for value in check.policy.request_headers.values()):
            check = self._unseal(check)
        return Target(check.name, check.address, check.port, check.host, check.policy, check.path)


def _masked(reason: str) -> str:
    """What a replica answered, without what it was given; our own nginx's words as they are."""
    return reason if isinstance(reason, Unreached) else without_secrets(reason)
