"""Whole commands on a machine that is not real: what a person types, reads, and finds on the Engine afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.site import Site, site, told

Tell = Callable[..., tuple[int, Any]]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site(monkeypatch) as it:
        yield it


@pytest.fixture
def tell(shop: Site, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command with --json."""
    return lambda *words: told(lambda: shop.run(*words, "--json"), capsys)


def test_the_life_of_an_app(shop: Site, tell: Tell) -> None:
    code, found = tell("up")
    assert (code, found["outcome"], found["live"]) == (0, "switched", {"color": "blue", "release": 1}), found
    assert (shop.running("blue"), shop.running("blue", "worker")) == (2, 1)
    shop.release("shop:2")
    code, found = tell("switch")
    assert (code, found["live"]["color"], found["previous"]["color"]) == (0, "green", "blue"), found
    assert (shop.running("green"), shop.running("green", "worker"), shop.running("blue", "worker")) == (2, 1, 0)
    code, found = tell("flip-back")
    assert (code, found["outcome"], found["live"]) == (0, "flipped-back", {"color": "blue", "release": 1}), found
    assert shop.nginx is not None
    assert shop.nginx.live == "blue"
    code, found = tell("down", "--yes")
    assert (code, found["outcome"]) == (0, "down")
    assert [it.name for it in shop.engine.containers.values()] == ["shop-db-1"]
