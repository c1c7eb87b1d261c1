"""Notices: what they say, when they are sent, and that no part of a URL is ever shown."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli import notices
from bluegreen.domain import secrets
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.features.notices.message import ending, of_certificates, of_result
from bluegreen.features.notices.post import post
from bluegreen.flow.steps import health
from bluegreen.frontdoor import change
from bluegreen.settings.compare import urls, wrong_urls
from bluegreen.settings.parse import InvalidSettings, parse_settings
from tests.fakes.site import Site, Tell
from tests.support.webhook import Webhook, webhook

CANARY = "canary-hook-4711"
LIVE, PREVIOUS = {"color": "green", "release": 2}, {"color": "blue", "release": 1}
BASE: dict[str, Any] = {"outcome": "switched", "live": LIVE, "previous": PREVIOUS, "error": None}


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


# -- what they say


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "shop: switched: green (release 2) is live. The way back is blue (release 1)."),
        ({"previous": None}, "shop: switched: green (release 2) is live."),
        ({"outcome": "flipped-back"}, "shop: flipped back: green (release 2) is live. blue (release 1) was left."),
        ({"outcome": "failed"}, "shop: failed. It &lt;broke&gt;. Traffic: blue."),
        ({"outcome": "moved-back"}, "shop: traffic was moved back. It &lt;broke&gt;. Traffic: blue."),
        ({"outcome": "unknown"}, "shop: LOOK NOW, traffic is unknown. It &lt;broke&gt;. Traffic: blue."),
    ],
)
def test_a_notice_says_what_has_happened(fields: dict[str, Any], text: str) -> None:
    error = BluegreenError("It <broke>.", failed="canary of a log", expected="x", traffic="blue", code="broken")
    more = {} if fields.get("outcome", "switched") in ("switched", "flipped-back") else {"error": error.fields()}
    found = of_result("shop", {**BASE, **more, **fields})
    assert found
    assert found["text"] == text
    assert "canary" not in json.dumps(found), "nothing of a log or an answer"


@pytest.mark.parametrize("outcome", ["prepared", "unchanged", "repaired", "given-up", "down"])
def test_nobody_waits_for_a_notice_of_this(outcome: str) -> None:
    assert of_result("shop", {**BASE, "outcome": outcome}) is None


def _certificate(**more: Any) -> dict[str, Any]:
    return {"name": "a.example", "days": 5, "state": "valid", "renew": None, "expires": "soon", **more}


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, True), ({"days": 7}, False), ({"days": -1, "state": "expired"}, True), ({"days": None}, False),
        ({"state": "placeholder"}, False), ({"renew": "2026-11-01T00:00:00+00:00"}, True),
        ({"renew": "2026-12-24T00:00:00+00:00"}, False),
    ],
)  # fmt: skip
def test_a_certificate_is_about_to_end_when_nobody_has_renewed_it(fields: dict[str, Any], ends: bool) -> None:
    one = _certificate(**fields)
    assert ending([one], datetime(2026, 11, 27, tzinfo=UTC)) == ([one] if ends else [])
    if ends:
        words = "has expired" if one["state"] == "expired" else "in 5 days"
        assert of_certificates("shop", [one])["text"] == f"shop: a certificate is about to end: a.example {words}."


# -- settings


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([], ()), ("", ()), (["", " "], ()), ("https://a.example/x", ("https://a.example/x",)),
        (["https://a/x", "http://b:81", "https://a/x"], ("https://a/x", "http://b:81")),
    ],
)  # fmt: skip
def test_an_empty_url_means_none(value: Any, found: tuple[str, ...]) -> None:
    block = {"service": "web", "port": 1, "notify": value}
    assert parse_settings(block, ["web"]).notify == found == urls(value)
    assert "https" not in repr(parse_settings(block, ["web"]))


@pytest.mark.parametrize(
    "value",
    [
        f"ftp://{CANARY}", CANARY, f"https:/{CANARY}", f"https://a:99999/{CANARY}", f"https://a/{CANARY} x",
        f"https://[::1/{CANARY}", f"https://a/{CANARY}\u00e9", {"url": CANARY}, [{"url": CANARY}], 7, [[CANARY]],
        [f"https://a/{CANARY}/{number}" for number in range(21)], f"https://a/{CANARY}{'x' * 4000}", f"//{CANARY}",
        f"https://a:0/{CANARY}",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_without_being_quoted(value: Any) -> None:
    assert list(wrong_urls(value))
    with pytest.raises(InvalidSettings) as error:
        parse_settings({"service": "web", "port": 1, "notify": value}, ["web"])
    assert CANARY not in str(error.value)
    assert str(error.value).startswith("notify")


def test_urls_are_masked_wherever_something_is_shown() -> None:
    secrets.remember({"x-bluegreen": {"notify": [f"https://hooks.slack.com/services/T0/{CANARY}"]}})
    try:
        said = f"cannot open https://hooks.slack.com/services/T0/{CANARY}"
        assert CANARY not in secrets.without_secrets(said)
        assert CANARY not in secrets.masked(said)
    finally:
        secrets.forget()
    odd: list[Any] = [{"notify": None}, {"notify": 3}, {"notify": [{}]}, [], None, "x"]
    for block in odd:
        secrets.remember({"x-bluegreen": block})


# -- sending


def test_all_get_it_at_the_same_time_and_a_dead_one_costs_bounded_time(hook: Webhook) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        began = time.monotonic()
        dead = [f"http://127.0.0.1:{it.getsockname()[1]}/{CANARY}" for it in (silent, closed)]
        found = post([*dead, hook.url], {"event": "x"}, 0.5)
    assert time.monotonic() - began < 1.5
    assert found == ["did not answer within 0.5 s", "Connection refused", ""]
    assert hook.got == [{"event": "x"}]


def test_a_redirect_is_not_followed_and_a_refusal_is_said(hook: Webhook) -> None:
    with webhook() as other:
        hook.status, hook.location = 307, other.url
        assert post([hook.url], {"event": "x"}) == ["answered 307; redirects are not followed"]
        hook.status, hook.location = 302, other.url
        assert post([hook.url], {"event": "x"}) == ["answered 302; redirects are not followed"]
        hook.status, hook.location = 404, ""
        assert post([hook.url], {"event": "x"}) == ["answered 404"]
        assert other.got == []


@pytest.mark.parametrize(
    "url", [f"https://127.0.0.1:1/{CANARY}", f"http://no-such-host.invalid/{CANARY}", f"http://a b/{CANARY}"]
)
def test_what_fails_is_said_without_the_url(url: str) -> None:
    (why,) = post([url], {"event": "x"}, 2.0)
    assert why
    assert CANARY not in why


def test_a_name_that_is_never_resolved_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20))
    began = time.monotonic()
    assert post(["http://slow.example/"], {"event": "x"}, 0.3) == ["did not answer within 0.3 s"]
    assert time.monotonic() - began < 1
    ended.set()


# -- whole commands


def _notified(it: Site, hook: Webhook) -> None:
    it.document["x-bluegreen"]["notify"] = [hook.url, ""]


@pytest.mark.whole
def test_each_event_arrives_once_it_is_decided(shop: Site, tell: Tell, hook: Webhook) -> None:
    _notified(shop, hook)
    assert tell("up")[1]["warnings"] == []
    shop.release("shop:2")
    assert tell("switch", "--owner", "Ada")[1]["warnings"] == []
    shop.release("shop:1")
    shop.sick.add(3)
    assert tell("switch")[0] == 1
    assert tell("flip-back")[0] == 0
    assert tell("switch", "--dry-run")[0] == 0
    assert tell("status")[0] == 0
    assert hook.events == ["switched", "switched", "failed", "flipped-back"]
    switched, failed, back = hook.got[1:]
    assert (switched["app"], switched["verb"], switched["live"]) == ("shop", "switch", {"color": "green", "release": 2})
    assert switched["text"].startswith("shop: switched: green (release 2) is live.")
    assert (failed["live"]["release"], failed["error"]["code"]) == (2, "not-healthy")
    assert set(failed["error"]) == {"summary", "code", "traffic"}
    assert (back["verb"], back["live"]["release"], back["previous"]["release"]) == ("flip-back", 1, 2)
    assert {"host", "owner", "at"} <= back.keys()
    assert set(hook.paths) == {f"/services/{CANARY}"}


@pytest.mark.whole
@pytest.mark.parametrize("words", [["flip-back"], ["flip-back", "--force"]])
def test_a_flip_back_sends_it_after_traffic_has_moved(
    two: Site, tell: Tell, hook: Webhook, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _notified(two, hook)
    two.document["x-bluegreen"]["drain"] = "1s"
    assert tell("up")[0] == 0
    seen: list[str | None] = []
    really = notices._send

    def send(*given: Any) -> list[str]:
        seen.append(two.nginx.live if two.nginx else None)
        return really(*given)

    monkeypatch.setattr(notices, "_send", send)
    code, found = tell(*words)
    assert (code, found["outcome"], found["warnings"]) == (0, "flipped-back", [])
    assert seen == ["blue"]
    assert hook.events == ["flipped-back"]


@pytest.mark.whole
def test_a_dead_webhook_is_a_warning_in_time_and_changes_no_exit_code(two: Site, tell: Tell, hook: Webhook) -> None:
    _notified(two, hook)
    hook.pause = 20.0
    two.release("shop:1")
    began = time.monotonic()
    code, found = tell("switch")
    assert (code, found["outcome"]) == (0, "switched")
    assert found["warnings"] == ["Notice 1 of 1 was not sent: it did not answer within 3 s."]
    assert time.monotonic() - began < 8
    hook.pause, hook.status = 0.0, 500
    code, found = tell("flip-back")
    assert (code, found["warnings"]) == (0, ["Notice 1 of 1 was not sent: it answered 500."])


def test_a_flip_back_whose_compose_file_cannot_be_read_says_so(two: Site, tell: Tell, hook: Webhook) -> None:
    _notified(two, hook)
    two.release("shop:1")
    assert tell("switch")[0] == 0
    two.document["x-bluegreen"]["notify"] = [""]
    code, found = tell("flip-back")
    assert (code, found["warnings"]) == (
        0, ["No notice was sent: notify has no URL here (is its variable set?)."],
    )  # fmt: skip
    (two.folder / "code").write_text("1\n")
    code, found = tell("flip-back")
    assert (code, found["outcome"]) == (0, "flipped-back")
    assert found["warnings"][-1].startswith("No notice was sent: the Compose file cannot be read")
    assert hook.events == ["switched"]


def test_who_typed_something_wrong_or_ended_it_causes_no_notice(
    live: Site, tell: Tell, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    _notified(live, hook)
    live.document["x-bluegreen"]["require"] = ["note"]
    assert tell("switch")[0] == 2
    del live.document["x-bluegreen"]["require"]
    live.release("shop:2")
    monkeypatch.setattr(health, "health", lambda _: signal.raise_signal(signal.SIGINT))
    assert tell("switch")[0] == ExitCode.INTERRUPTED
    assert hook.got == []


@pytest.mark.whole
def test_traffic_that_was_moved_back_is_said(
    two: Site, tell: Tell, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "CONFIRM_TIMEOUT", 0.1)
    _notified(two, hook)
    two.release("shop:1")
    two.stubborn = True
    code, found = tell("switch")
    assert (code, found["outcome"]) == (4, "moved-back"), found
    assert hook.events == ["moved-back"]
    assert hook.got[0]["text"].startswith("shop: traffic was moved back.")


def test_a_signal_while_it_is_sent_changes_nothing(
    two: Site, tell: Tell, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    _notified(two, hook)
    two.release("shop:1")
    from bluegreen.features.notices import post as sending

    really = sending.post

    def interrupted(*given: Any) -> list[str]:
        signal.raise_signal(signal.SIGINT)
        return really(*given)

    monkeypatch.setattr(sending, "post", interrupted)
    code, found = tell("switch")
    assert (code, found["outcome"]) == (0, "switched")
    assert hook.events == ["switched"]


@pytest.mark.whole
def test_no_part_of_a_url_is_shown_or_kept(live: Site, hook: Webhook, capsys: pytest.CaptureFixture[str]) -> None:
    _notified(live, hook)
    hook.status = 403
    live.release("shop:2")
    for words in (
        ["switch", "--json"], ["status", "--json"], ["show", "--json"], ["check"], ["switch", "--dry-run", "--json"],
        ["flip-back", "--json"], ["flip-back"], ["runbook"], ["history", "--json"], ["up"], ["compare"],
    ):  # fmt: skip
        live.run(*words)
    assert len(hook.got) == 3
    said = capsys.readouterr()
    assert "was not sent: it answered 403" in said.err + said.out
    assert CANARY not in said.err + said.out
    for path in Path(live.states).rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    labels = json.dumps([it.labels for it in live.engine.containers.values()])
    assert CANARY not in labels


def test_a_certificate_is_reported_once_a_day(
    live: Site, tell: Tell, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bluegreen.cli import certificates
    from bluegreen.cli.app import App
    from bluegreen.compose.options import Options

    _notified(live, hook)
    assert tell("switch", "--force")[0] == 0
    monkeypatch.setattr(certificates, "looked_at", lambda _: [_certificate()])

    def app() -> App:
        return App(Options())

    assert notices.of_certificates(app()) == []
    assert hook.events == ["switched", "certificate"]
    assert hook.got[1]["text"] == "shop: a certificate is about to end: a.example in 5 days."
    assert notices.of_certificates(app()) == []
    assert len(hook.got) == 2, "one notice a day"
    (live.state / notices.STAMP).write_text("2026-01-01\n")
    hook.status = 500
    assert notices.of_certificates(app()) == ["Notice 1 of 1 was not sent: it answered 500."]
    hook.status = 200
    assert notices.of_certificates(app()) == []
    assert len(hook.got) == 4, "one that did not arrive is sent again"
    monkeypatch.setattr(certificates, "looked_at", lambda _: None)
    (live.state / notices.STAMP).unlink()
    assert notices.of_certificates(app()) == []
    assert len(hook.got) == 4
