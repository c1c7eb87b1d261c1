"""What visitors got, in figures that are right to the request; receipts of moves; the four questions."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.load import Load
from tests.support.project import Project

pytestmark = pytest.mark.alone

MIX = {"get": 20, "patient": 4, "post": 4, "fresh": 2, "slow": 1}


def _receipt(project: Project) -> dict[str, Any]:
    time.sleep(1.2)
    shown = project.ok("show", "--json").json()
    found: dict[str, Any] = shown["receipts"][-1]
    return found


def test_each_move_under_load_has_a_receipt_that_is_right_to_the_request(shop: Project) -> None:
    shop.ok("up")
    with Load(shop.port, MIX) as load:
        time.sleep(1.5)
        shop.ok("switch", GREETING="two")
        time.sleep(1)
        switched = _receipt(shop)
        shop.ok("flip-back")
        back = _receipt(shop)
    assert load.tally.lost == [], load.tally.why()
    for found, left in ((switched, "blue"), (back, "green")):
        print("\n" + found["words"], found["rename_ms"], "ms")
        assert found["right"], found
        assert found["left"] == left
        assert found["requests"]["before"] > 50
        assert found["requests"]["after"] > 50
