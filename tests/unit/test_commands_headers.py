"""`health.headers` through whole commands: sent wherever the health check asks, written down nowhere if a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bluegreen.cli import quick
from bluegreen.domain import secrets
from tests.fakes import site as machine
from tests.fakes.site import Site, Tell
from tests.fakes.sockets import Pieces, answer

CANARY = "canary-7f3a-token"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The heads of all probes of replicas; one without `Host: shop.example` or the token gets no good answer."""
    found: list[str] = []

    def through(name: str) -> None:
        reply = getattr(machine.Nginx, name)

        def guarded(it: Any, text: str) -> Pieces:
            found.append(text)
            if "\r\nHost: shop.example\r\n" not in text:
                return answer(400, "another host")
            if it.site.wants and f"\r\nAuthorization: Bearer {it.site.wants}\r\n" not in text:
                return answer(401, f"{it.site.wants} is wanted")
            answered: Pieces = reply(it, text)
            return answered

        monkeypatch.setattr(machine.Nginx, name, guarded)

    through("_probe")
    through("_preview")
    monkeypatch.setattr(machine.Site, "wants", "", raising=False)
    yield found
    secrets.forget()


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Flip-backs that went the quick way."""
    found: list[str] = []
    settle = quick.Quick._settle

    def noted(it: quick.Quick) -> int:
        found.append(it.target)
        return settle(it)

    monkeypatch.setattr(quick.Quick, "_settle", noted)
    return found


def _without_job(it: Site) -> None:
    del it.document["x-bluegreen"]["jobs"]
    it.document["services"]["worker"]["profiles"] = ["never"]


def _wants_token(it: Site, given: bool = True) -> None:
    it.wants = CANARY  # type: ignore[attr-defined]  # of the fixture
    headers = {"Host": "shop.example", "Authorization": f"Bearer {CANARY}"}
    it.document["x-bluegreen"]["health"]["headers"] = headers
    if given:
        it.document["services"]["web"]["environment"] = {"PROBE_TOKEN": CANARY}


def _two(it: Site) -> None:
    assert it.run("up", "--progress", "none") == 0
    it.release("shop:2")
    assert it.run("switch", "--progress", "none") == 0


def _is_nowhere(it: Site, capsys: pytest.CaptureFixture[str]) -> None:
    printed = capsys.readouterr()
    kept = [path.read_bytes().decode("latin-1") for path in it.states.rglob("*") if path.is_file()]
    labels = [json.dumps(found.labels) for found in it.engine.containers.values()]
    for text in (printed.out + printed.err, *kept, *labels):
        assert CANARY not in text, text[-2000:]


def test_a_host_is_sent_by_every_check_and_by_the_quick_way_back(
    shop: Site, asked: list[str], quickly: list[str]
) -> None:
    _without_job(shop)
    shop.document["x-bluegreen"]["health"]["headers"] = {"Host": "shop.example"}
    _two(shop)
    for verb in ("status", "check", "flip-back"):
        asked.clear()
        assert shop.run(verb) == 0
        assert asked, verb
    assert quickly == ["blue"], "nothing of it is a secret"


@pytest.mark.parametrize("broken", [False, True])
def test_the_way_back_has_the_secret_from_its_container(
    shop: Site, asked: list[str], quickly: list[str], capsys: pytest.CaptureFixture[str], broken: bool
) -> None:
    """The Compose file may be broken, and have another secret by now."""
    _without_job(shop)
    _wants_token(shop)
    _two(shop)
    shop.document["x-bluegreen"]["health"]["headers"]["Authorization"] = "Bearer canary-of-tomorrow"
    (shop.folder / "code").write_text(f"{int(broken)}\n")
    assert shop.run("flip-back") == 0
    assert quickly == [], "a secret is asked of the Engine"
    assert any(CANARY in text for text in asked)
    _is_nowhere(shop, capsys)


def test_a_secret_that_no_container_has_comes_from_the_compose_file(
    shop: Site, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _without_job(shop)
    _wants_token(shop, given=False)
    _two(shop)
    assert shop.run("status") == 0
    assert shop.run("flip-back") == 0
    assert any(CANARY in text for text in asked)
    _is_nowhere(shop, capsys)


def test_without_that_file_the_way_back_says_what_it_lacks_and_can_be_forced(
    shop: Site, asked: list[str], tell: Tell
) -> None:
    _without_job(shop)
    _wants_token(shop, given=False)
    _two(shop)
    (shop.folder / "code").write_text("1\n")
    asked.clear()
    code, found = tell("flip-back")
    assert code == 1
    assert "its header Authorization is a secret, and in the Compose file alone" in found["error"]["failed"]
    assert "flip-back --force" in found["error"]["next"]
    assert asked == [], "no replica is asked without its header"
    assert tell("flip-back", "--force")[0] == 0


@pytest.mark.parametrize("words", [[], ["--json"], ["--progress", "json"]])
def test_a_replica_that_says_the_secret_is_masked(
    shop: Site, asked: list[str], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    _wants_token(shop)
    _two(shop)
    shop.wants = f"{CANARY}-of-another"  # type: ignore[attr-defined]  # of the fixture
    shop.release("shop:1")
    assert shop.run("switch", *words) == 1
    assert asked
    _is_nowhere(shop, capsys)
    assert shop.run("flip-back", *words) == 1
    for verb in ("status", "check", "history", "show"):
        shop.run(verb, *words[:1] if words == ["--json"] else [])
    _is_nowhere(shop, capsys)


def test_a_kept_release_is_asked_with_todays_secret(
    shop: Site, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _wants_token(shop)
    _two(shop)
    _is_nowhere(shop, capsys)
    shop.wants = "canary-of-today"  # type: ignore[attr-defined]  # of the fixture
    shop.document["services"]["web"]["environment"] = {"PROBE_TOKEN": "canary-of-today"}
    shop.document["x-bluegreen"]["health"]["headers"]["Authorization"] = "Bearer canary-of-today"
    assert shop.run("switch", "--to", "1") == 0
    assert any("canary-of-today" in text for text in asked)


def test_another_secret_is_another_release(shop: Site, asked: list[str], tell: Tell) -> None:
    _wants_token(shop, given=False)
    assert shop.run("up") == 0
    assert tell("switch")[1]["outcome"] == "unchanged"
    shop.wants = "canary-of-today"  # type: ignore[attr-defined]  # of the fixture
    shop.document["x-bluegreen"]["health"]["headers"]["Authorization"] = "Bearer canary-of-today"
    assert tell("switch")[1]["outcome"] == "switched"
    assert asked
