"""Who is to blame: the same requests, asked of both releases."""

from __future__ import annotations

import pytest

from bluegreen.domain.blame import Answered, Blame, Pair
from tests.simulation import blaming

FINE, BROKEN, NOTHING = Answered(200, 0.1), Answered(500, 0.1), Answered(0, 2.0)


def blame_of(*pairs: tuple[Answered, Answered], route: str = "GET /", slow: bool = False) -> Blame:
    blame = Blame(slow)
    for old, new in pairs:
        blame.see(Pair(route, "/items?token=secret", old, new))
    return blame


@pytest.mark.parametrize("failed", [BROKEN, NOTHING, Answered(502, 0.1)])
def test_a_release_that_fails_alone_is_accused_after_ten_pairs(failed: Answered) -> None:
    assert blame_of(*[(FINE, failed)] * 9).answer == "unknown"
    assert blame_of(*[(FINE, failed)] * 9).at_the_end() == "unknown"
    blame = blame_of(*[(FINE, failed)] * 10)
    assert (blame.answer, blame.at_the_end(), blame.shared) == ("new", "new", [])
    assert blame.words() == f"asked again, /items gives {failed}, and 200 before"
    assert str(NOTHING) == "no answer"


def test_what_fails_with_both_is_shared() -> None:
    assert blame_of((BROKEN, BROKEN)).answer == "unknown"
    blame = blame_of(*[(BROKEN, BROKEN)] * 2)
    assert (blame.answer, blame.shared, blame.words()) == ("shared", ["GET /"], "")
    assert blame_of(*[(BROKEN, FINE)] * 50).answer != "new"
    assert blame_of(*[(FINE, FINE)] * 50).at_the_end() == "unknown"


def test_one_route_that_is_shared_does_not_clear_another() -> None:
    blame = blame_of(*[(BROKEN, BROKEN)] * 3)
    for _ in range(4):
        blame.see(Pair("GET /other", "/other", FINE, BROKEN))
    assert (blame.answer, blame.at_the_end(), blame.shared) == ("unknown", "shared", ["GET /"])
    for _ in range(6):
        blame.see(Pair("GET /other", "/other", FINE, BROKEN))
    assert blame.answer == "new"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 401, 403, 407])
@pytest.mark.parametrize("slow", [False, True])
def test_the_way_to_a_login_says_nothing(status: int, slow: bool) -> None:
    away = Answered(status, 0.01)
    blame = blame_of(*[(away, BROKEN), (BROKEN, away), (away, Answered(200, 9.0))] * 50, slow=slow)
    assert (blame.pairs, blame.answer, blame.shared) == (0, "unknown", [])


def test_slowness_is_weighed_pair_by_pair() -> None:
    slow = Answered(200, 0.5)
    blame = blame_of(*[(FINE, slow)] * 13, slow=True)
    assert (blame.answer, blame.shared) == ("new", [])
    assert blame.words() == "asked again, /items takes 0.50 s, and 0.10 s before"
    assert blame_of(*[(FINE, slow)] * 12, slow=True).answer == "unknown"
    for pair in ((slow, slow), (slow, FINE), (Answered(200, 0.001), Answered(200, 0.02)), (FINE, Answered(200, 0.14))):
        same = blame_of(*[pair] * 11, slow=True)
        assert (same.answer, same.shared, same.words()) == ("shared", ["GET /"], "")


# --- a sample of the simulation


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 1.0])
def test_what_both_do_accuses_nobody(rate: float) -> None:
    found = blaming.failing(2, rate, rate, 200)
    assert found.counts["new"] <= 2
    assert found.counts["shared"] >= 190


@pytest.mark.parametrize(("rate", "most"), [(0.2, 150), (1.0, 10)])
def test_a_release_that_fails_alone_is_accused(rate: float, most: int) -> None:
    found = blaming.failing(2, rate, 0.0, 50)
    assert found.counts["new"] == 50
    assert max(found.pairs) <= most


@pytest.mark.parametrize("constant", [True, False])
def test_slow_pairs_accuse_who_is_three_times_as_slow(constant: bool) -> None:
    assert blaming.slow(2, 1.0, constant, 100).counts["new"] <= 1
    assert blaming.slow(2, 3.0, constant, 50).counts["new"] >= 49
