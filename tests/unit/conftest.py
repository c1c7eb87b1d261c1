"""A machine that is not real, for tests of whole commands."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.journals import hasty
from tests.fakes.site import Site, Tell, live_at_once, site, told, two_at_once

# Tables and whole commands beyond what the inner loop has time for: `make check` leaves them out, `make test` has all.
WHOLE = {
    "any_input", "commands_around", "commands_belong", "commands_ends", "commands_first_day", "commands_health",
    "commands_headers", "commands_made_of", "commands_neighbours", "commands_only_look", "commands_proxy",
    "commands_repairs", "commands_secrets", "commands_shared", "commands_states", "commands_who", "commands_whose",
    "compose", "files", "git", "lock_lost", "model", "odd_machines", "owners", "protections", "streams", "typeable",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what stands in those files."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and item.path.stem.removeprefix("test_") in WHOLE:
            item.add_marker(pytest.mark.whole)


@pytest.fixture(autouse=True)
def databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """Those that this test opens."""
    with hasty(monkeypatch) as opened:
        yield opened


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
