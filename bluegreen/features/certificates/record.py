"""What is known of one name's certificate, and when something must be done about it. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from bluegreen.domain.shape import shaped
from bluegreen.domain.tls import ACME

DAY = 86400
LATER = (300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, DAY)  # seconds until the next try, after each failure
LONGEST_WAIT = 7 * DAY  # that a CA may ask for
ASK_CA = 6 * 3600  # seconds between two questions when to renew. Source: RFC 9773, 4.3.3


@dataclass(frozen=True)
class Record:
    """One name. Times in seconds since 1970, UTC; 0: never, or not known."""

    name: str
    source: str = ACME
    issuer: str = ""
    serial: str = ""
    begins: int = 0
    ends: int = 0
    real: bool = False  # else a placeholder
    renew_at: int = 0  # as the CA said; 0: two thirds of its life
    ask_at: int = 0  # when the CA is asked again when to renew
    failures: int = 0  # in a row
    error: str = ""  # of the last try, in the CA's own words
    failed_at: int = 0
    next_try: int = 0
    order: str = ""  # the URL of an order that is not finished
    stamp: str = ""  # of the files that a person brought: tells one state of them from another

    def due(self, now: float) -> str:
        """Why a certificate must be ordered, whatever failed before; empty: it is not."""
        if not self.real:
            return "there is none yet"
        if now >= self.ends:
            return "it has expired"
        return "it is time to renew it" if now >= self.renewal else ""

    def waits(self, now: float) -> bool:
        """Whether a failed try must not be repeated yet; a clock that was set back does not count."""
        return now < self.next_try <= now + LONGEST_WAIT

    @property
    def renewal(self) -> float:
        """When it is renewed: as the CA said, else at two thirds of its life."""
        usual = self.begins + (self.ends - self.begins) * 2 / 3
        return min(self.renew_at, self.ends) if self.renew_at else usual

    def failed(self, error: str, now: float, not_before: float = 0.0) -> Record:
        """After a try that failed. `not_before`: what the CA asks for."""
        wait = LATER[min(self.failures, len(LATER) - 1)]
        until = min(max(now + wait, not_before), now + LONGEST_WAIT)
        return replace(self, failures=self.failures + 1, error=error, failed_at=int(now), next_try=int(until))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """The inverse of `as_dict`. Raises TypeError for a document of another shape."""
        known = {it.name for it in fields(cls)}  # a newer bluegreen may have written more
        return shaped(cls, {key: value for key, value in data.items() if key in known})


def shown(record: Record, now: float) -> dict[str, Any]:
    """A record for `--json` and for people."""
    due = record.due(now)
    return {
        "name": record.name,
        "source": record.source,
        "state": "placeholder" if not record.real else "expired" if now >= record.ends else "valid",
        "issuer": record.issuer if record.real else None,
        "expires": moment(record.ends) if record.real else None,
        "days": int((record.ends - now) // DAY) if record.real else None,
        "renew": moment(record.renewal) if record.real and record.source == ACME else None,
        "error": record.error or None,
        "next_try": moment(record.next_try) if due and record.waits(now) else None,
    }


def moment(when: float) -> str:
    """ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
