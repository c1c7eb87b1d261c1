"""A machine that is not real, for tests of whole commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.site import Site, Tell, live_at_once, site, told, two_at_once


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An app that was never started."""
    with site(monkeypatch) as it:
        yield it


@pytest.fixture
def live(shop: Site) -> Site:
    """Release 1 of it is live in blue."""
    live_at_once(shop)
    return shop


@pytest.fixture
def two(shop: Site) -> Site:
    """Release 2 is live in green, release 1 is the way back."""
    two_at_once(shop)
    return shop


@pytest.fixture
def tell(shop: Site, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command with --json: (its exit code, what it printed)."""
    return lambda *words: told(lambda: shop.run(*words, "--json"), capsys)
