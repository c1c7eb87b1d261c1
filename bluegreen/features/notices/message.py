"""What a notice says: JSON with a `text`, as Slack and those like it show it, and the same as fields. Pure.

Of an error only its sentence and its code: what an application has answered or logged goes to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

EVENTS = ("switched", "canary", "flipped-back", "moved-back", "failed", "unknown")  # outcomes that have a notice
SOON = 7  # days before the end of a certificate


def of_result(app: str, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The notice of how a verb ended, by the fields of `--json`; None: it is none that anybody waits for."""
    if found["outcome"] not in EVENTS:
        return None
    error = found["error"]
    return {
        "text": escaped(f"{app}: {_sentence(found)}"),
        "event": found["outcome"],
        "live": found["live"],
        "previous": found["previous"],
        "error": {name: error[name] for name in ("summary", "code", "traffic")} if error else None,
    }


def _sentence(found: Mapping[str, Any]) -> str:
    outcome, error = found["outcome"], found["error"]
    live = f"{_release(found['live'])} is live." if found["live"] else "nothing is live."
    before = _release(found["previous"]) if found["previous"] else ""
    if outcome == "switched":
        return f"switched: {live}{f' The way back is {before}.' if before else ''}"
    if outcome == "canary":
        return f"canary: {found['message']}"
    if outcome == "flipped-back":
        return f"flipped back: {live}{f' {before} was left.' if before else ''}"
    words = {"moved-back": "traffic was moved back.", "unknown": "LOOK NOW, traffic is unknown."}
    summary = f" {error['summary']}" if error else ""
    traffic = f" Traffic: {error['traffic']}." if error and error["traffic"] else ""
    return f"{words.get(outcome, 'failed.')}{summary}{traffic}"


def _release(it: Mapping[str, Any]) -> str:
    return f"{it['color']} (release {it['release']})"


def of_certificates(app: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The notice of certificates that end soon."""
    words = (f"{it['name']} {_ends(it)}" for it in found)
    return {
        "text": escaped(f"{app}: a certificate is about to end: {'; '.join(words)}."),
        "event": "certificate",
        "certificates": [{name: it[name] for name in ("name", "days", "expires")} for it in found],
    }


def _ends(it: Mapping[str, Any]) -> str:
    return "has expired" if it["state"] == "expired" else f"in {it['days']} days"


def ending(found: Sequence[Mapping[str, Any]], now: datetime) -> list[Mapping[str, Any]]:
    """The certificates that end soon and should have been renewed: short-lived ones end soon all the time."""
    return [
        it for it in found
        if it["days"] is not None and it["days"] < SOON and it["state"] != "placeholder"
        and (it["renew"] is None or datetime.fromisoformat(it["renew"]) <= now)
    ]  # fmt: skip


def escaped(text: str) -> str:
    """As Slack asks for: what is between < and > would be a link, or call everybody in the channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
