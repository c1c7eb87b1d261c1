"""When notices are sent: at the end of a verb, after traffic has moved or has not, and once a day of certificates."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bluegreen.domain.words import NOTIFY
from bluegreen.errors import BluegreenError

if TYPE_CHECKING:  # an app without notices does not wait for them
    from bluegreen.cli.app import App
    from bluegreen.flow.values import Result

STAMP = "noticed"  # in the state folder: the day of the last notice about certificates


def after(app: App, result: Result, urls: Sequence[str]) -> None:
    """Sends how a verb ended; what fails is a warning of the result."""
    if not urls:
        return
    from bluegreen.features.notices.message import of_result
    from bluegreen.flow.hooks import QUIET

    if result.error and result.error.exit_code in QUIET:
        return
    if result.error:
        result.error.complete(app.command)
    if notice := of_result(_name(app), result.as_dict()):
        result.warnings += _send(app, urls, {**notice, "verb": result.verb})


def after_back(app: App, result: Result) -> None:
    """The same of a flip-back, which reads the Compose file for it only now, and only if there are notices."""
    if not _wanted(app):
        return
    with _undisturbed():
        urls, why = _urls(app)
        if why:
            result.warnings.append(f"No notice was sent: {why}.")
        after(app, result, urls)


def of_certificates(app: App) -> list[str]:
    """A notice when a certificate is about to end, one a day at most; what failed, in sentences."""
    from bluegreen.cli.certificates import looked_at
    from bluegreen.features.notices.message import ending, of_certificates

    now = datetime.now(UTC)
    found = ending(looked_at(app.state) or [], now)
    if not found or not _wanted(app) or _stamp(app) == now.date().isoformat():
        return []
    urls, why = _urls(app)
    if why:
        return [f"No notice was sent: {why}."]
    said = _send(app, urls, of_certificates(_name(app), found))
    if len(said) < len(urls):
        _stamped(app, now.date().isoformat())
    return said


def _wanted(app: App) -> bool:
    """Whether the rendered file says that this app has notices: no Compose file is read for one that has none."""
    return app.routing is not None and NOTIFY in app.routing.hooks


def _urls(app: App) -> tuple[tuple[str, ...], str]:
    """(the URLs, why there are none)."""
    try:
        found = app.stack.settings.notify
    except BluegreenError as error:
        return (), f"the Compose file cannot be read ({error.summary.rstrip('.')})"
    return found, "" if found else "notify has no URL here (is its variable set?)"


def _name(app: App) -> str:
    return app.routing.app if app.routing else app.stack.app


def _send(app: App, urls: Sequence[str], notice: Mapping[str, Any]) -> list[str]:
    from bluegreen.cli.clock import utc_now
    from bluegreen.cli.wishes import owner
    from bluegreen.domain.secrets import without_secrets
    from bluegreen.features.notices.post import post

    with _undisturbed():
        sent = {"app": _name(app), "host": socket.gethostname(), "owner": owner(app), "at": utc_now(), **notice}
        failed = post(urls, _masked(sent, without_secrets))
    return [f"Notice {number} of {len(urls)} was not sent: it {why}." for number, why in enumerate(failed, 1) if why]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A signal changes nothing meanwhile: it takes a few seconds at most, and what was done is done."""
    from bluegreen.cli.signals import Signals

    signals = Signals()
    signals.hold()
    with signals.listening():
        yield


def _masked(value: Any, mask: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: _masked(it, mask) for name, it in value.items()}
    return [_masked(it, mask) for it in value] if isinstance(value, list) else value


def _stamp(app: App) -> str:
    from bluegreen import files

    try:
        return files.text(str(app.state / STAMP)).strip()
    except OSError:
        return ""


def _stamped(app: App, day: str) -> None:
    from bluegreen import files
    from bluegreen.frontdoor.folders import give_to_owner

    with contextlib.suppress(OSError):
        files.replace(str(app.state / STAMP), f"{day}\n".encode())
        give_to_owner(app.state)
