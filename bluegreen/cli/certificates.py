"""Certificates, as the verbs use them: written down and renewed by those that act, shown by those that look."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # loaded only when there is TLS; start-up time is part of the product
    from collections.abc import Mapping

    from bluegreen.cli.app import App
    from bluegreen.domain.app import Stack
    from bluegreen.features.certificates.renew import CaPort, Done, Renewal
    from bluegreen.features.certificates.store import Store

PASSING = 60.0  # seconds after which a verb begins no other order: the timer goes on
PASSING_WAIT = 0.0  # seconds that a verb waits for another renewal: it does that one's work


def has_tls(state: Path) -> bool:
    return (state / "tls" / "wanted.json").exists()


def store(state: Path) -> Store:
    from bluegreen.features.certificates.store import Store
    from bluegreen.frontdoor.folders import proxy_user

    return Store(state, proxy_user(state))


def write_down(app: App, stack: Stack) -> None:
    """What the block says, for renewals that read no Compose file. The lock is held."""
    tls = stack.settings.tls
    if tls is None and not has_tls(app.state):
        return
    from bluegreen.cli.statefolder import writing
    from bluegreen.domain.tls import certificates

    with writing(app.state):
        if tls is None:
            store(app.state).want(None)
            return
        from bluegreen.features.certificates.renew import described

        store(app.state).want(described(certificates(stack.settings), tls, stack.project_directory))


def renewal(app: App, kept: Store, wanted: Mapping[str, Any]) -> Renewal:
    """One run of renewals, with the real CA."""
    from bluegreen.cli.wiring import run_on_host
    from bluegreen.features.certificates import reach, renew

    return renew.Renewal(kept, wanted, run_on_host, app.show.notice, _ca, reach.unreached, reach.shows)


def _ca(kept: Store, wanted: Mapping[str, Any]) -> CaPort:
    from bluegreen.features.certificates.ca import Ca

    return Ca(kept, wanted["directory"], wanted["email"], wanted["profile"], wanted["directory_ca"])


def in_passing(app: App) -> list[str]:
    """Orders what is due, at the end of a verb that acts; what failed, in sentences. No CA makes it raise."""
    kept = store(app.state)
    wanted = kept.wanted()
    if wanted is None or app.signals.asked:  # who wants to leave waits for no CA
        return []
    from bluegreen.cli.signals import Signals
    from bluegreen.errors import Interrupted
    from bluegreen.features.certificates.ensure import renew_files
    from bluegreen.features.certificates.renew import alone
    from bluegreen.frontdoor.folders import give_to_owner

    it = renewal(app, kept, wanted)
    try:
        with alone(kept, PASSING_WAIT) as mine:
            if not mine:
                return []
            said = [f"The certificate of {name} cannot be used: {why}." for name, why in renew_files(kept, wanted)]
            with Signals().listening():
                done = it.renew(ask=False, within=PASSING) if it.pending() else []
    except Interrupted:  # the verb itself is done, and its exit code says so
        return [f"Certificates: interrupted. To go on: {app.command} tls renew"]
    except OSError as error:
        return [f"Certificates were not looked at: {error.strerror}: {error.filename}."]
    finally:
        give_to_owner(app.state)
    return said + [_failed(app, one) for one in done if one.outcome == "failed"]


def _failed(app: App, one: Done) -> str:
    has = "the one that it has stays" if one.record.real else "HTTPS shows a placeholder until then"
    return f"No certificate for {one.name}: {one.detail} ({has}). To try now: {app.command} tls renew --now"


def looked_at(state: Path) -> list[dict[str, Any]] | None:
    """All names with how their certificates are; None: the app has no TLS. Reads only."""
    if not has_tls(state):
        return None
    from bluegreen.features.certificates.record import shown

    kept = store(state)
    wanted = kept.wanted() or {}

    now = time.time()
    names = wanted.get("names")
    return [shown(kept.record(name), now) for name in (names if isinstance(names, dict) else {})]
