"""Whether a new release may stay: which requests count, whom they are asked of again, and what is no evidence."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from bluegreen.domain.judge import HURT, SETTLING, SUSPECTS, VISITORS, Before, Judge, hurt_lines
from bluegreen.domain.traffic import OURS, Seen
from tests.simulation import failing

LATER = 10.0  # seconds since traffic has moved
USUAL = Before(requests=20_000, failed=0)
PLAIN = Seen(
    ended=1010.0, seconds=0.1, status=200, color="green", release=2, service="web", method="GET", uri="/",
    host="shop.example.com", client="203.0.113.7", request_id="07a3", agent="Firefox",
)  # fmt: skip
BROKEN = replace(PLAIN, status=500)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def judge_of(*seen: Seen, before: Before = USUAL) -> Judge:
    judge = Judge(2, before)
    for one in seen:
        judge.see(one, LATER)
    return judge


def by(visitor: int, one: Seen = BROKEN) -> Seen:
    return replace(one, client=f"203.0.113.{visitor}")


@pytest.mark.parametrize(
    "other",
    [
        replace(BROKEN, release=1), replace(BROKEN, release=None), replace(BROKEN, service=""),
        replace(BROKEN, agent=OURS),
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_release_is_left_alone(other: Seen) -> None:
    judge = judge_of(*[other] * 50)
    assert (judge.requests, judge.failed, judge.strength("failures"), judge.suspects("failures")) == (0, 0, 0, [])
    assert judge.figures() == "no requests; before: 20,000 requests, 0.0 % failed"


def test_what_was_usual_is_read_from_the_release_before() -> None:
    old = replace(PLAIN, release=1)
    seen = [old, replace(old, status=503), replace(old, status=101, seconds=900), replace(old, agent=OURS), PLAIN]
    before = Before.of(seen, 1)
    assert (before.requests, before.failed, before.all_latency.count) == (3, 1, 1)
    assert list(before.latency) == ["GET /"]


def test_a_release_that_always_fails_is_seen_after_three_requests() -> None:
    judge = judge_of(BROKEN, by(8))
    assert 0.5 <= judge.strength("failures") < 1
    judge.see(by(9), LATER)
    assert judge.strength("failures") >= 1
    assert judge.evidence("failures") == "3 of 3 requests failed: GET / 500 (3 x); 0 of 20000 before"


def test_who_left_early_and_who_asked_wrong_are_no_failures() -> None:
    wrong = [replace(PLAIN, status=404), replace(PLAIN, status=499, upstream_status="-")]
    judge = judge_of(*wrong * 100)
    assert (judge.failed, judge.strength("failures")) == (0, 0)


def test_requests_are_asked_again_the_latest_first_and_each_address_one_time() -> None:
    paths = ["/a", "/b", "/a", "/c?x=1", "/c?x=2"]
    seen = [replace(by(number), uri=path) for number, path in enumerate(paths)]
    others = [replace(BROKEN, method="POST"), replace(BROKEN, uri="*"), replace(PLAIN, uri="/fine")]
    judge = judge_of(*seen, *others)
    assert [one.uri for one in judge.suspects("failures")] == ["/c?x=2", "/c?x=1", "/a", "/b"]
    assert judge.suspects("failures")[2] == seen[2]
    judge = judge_of(*(replace(BROKEN, uri=f"/{number}") for number in range(500)))
    assert len(judge.suspects("failures")) == SUSPECTS


# --- spread


def test_one_visitor_on_one_route_is_not_enough() -> None:
    others = [by(number, PLAIN) for number in range(20)]
    assert not judge_of(*others, *[by(99)] * 10).spread
    assert judge_of(*others, by(98), by(99)).spread
    assert judge_of(*others, by(99), replace(by(99), uri="/other")).spread
    assert not judge_of(*others, by(99), replace(by(99), status=503)).spread


def test_a_proxy_that_hides_its_visitors_is_many_of_them() -> None:
    assert judge_of(*[PLAIN] * 10, *[BROKEN] * 5).spread
    assert not judge_of(*[BROKEN] * 5).spread  # one visitor who gets nothing else may do something odd
    assert not judge_of(*(by(number, PLAIN) for number in range(3)), *[BROKEN] * 5).spread


# --- what both releases do


def test_a_shared_route_is_no_evidence_any_more() -> None:
    bad = [replace(by(number), uri="/report") for number in range(20)]
    judge = judge_of(*bad, PLAIN)
    assert judge.strength("failures") >= 1
    judge.clear("failures", ["GET /report"])
    assert judge.strength("failures") == 0
    assert judge.suspects("failures") == []
    assert not judge.spread
    for one in bad:
        judge.see(one, LATER)
    assert (judge.strength("failures"), judge.failed, judge.spread) == (0, 40, False)
    for number in range(24):  # more than for a release that shares nothing: this may have the same cause
        judge.see(by(number), LATER)
    assert judge.strength("failures") >= 1
    assert judge.spread


def test_who_was_hurt_on_a_shared_route_alone_does_not_make_another_one_spread() -> None:
    judge = judge_of(*(replace(by(number), uri="/report") for number in range(20)))
    judge.clear("failures", ["GET /report"])
    for _ in range(20):
        judge.see(replace(by(99), method="POST"), LATER)
    assert not judge.spread


@pytest.mark.parametrize(("each", "enough"), [(5, False), (3, True)])
def test_what_cannot_be_asked_again_must_fail_more_often_than_what_is_shared(each: int, enough: bool) -> None:
    shared = [replace(by(number), uri="/report", status=200 if number % 10 else 500) for number in range(200)]
    judge = judge_of(*shared)
    judge.clear("failures", ["GET /report"])  # fails one time in ten, by what both have
    for number in range(90):
        status = 200 if number % (2 * each) else 500
        judge.see(replace(by(number), method="POST", status=status), LATER)
    assert (judge_strength := judge.strength("failures")) < 1
    for number in range(90 if enough else 0):
        judge.see(replace(by(number), method="POST", status=500 if number % 2 else 200), LATER)
    assert (judge.strength("failures") >= 1) is enough
    assert judge.strength("failures") >= judge_strength


def test_a_route_that_is_as_slow_with_both_says_nothing_any_more() -> None:
    usual = [replace(PLAIN, release=1, uri=uri) for uri in ("/", "/report") for _ in range(200)]
    before = Before.of(usual, 1)
    judge = judge_of(*[replace(PLAIN, seconds=2.0, uri="/report")] * 60, before=before)
    assert judge.strength("slow") >= 1
    assert [one.uri for one in judge.suspects("slow")] == ["/report"]
    judge.clear("slow", ["GET /report"])
    assert (judge.strength("slow"), judge.suspects("slow")) == (0, [])
    for _ in range(60):
        judge.see(replace(PLAIN, seconds=2.0, uri="/report"), LATER)
    assert judge.strength("slow") == 0
    for _ in range(60):
        judge.see(replace(PLAIN, seconds=2.0), LATER)
    assert judge.strength("slow") >= 1
    assert judge.evidence("slow").startswith("p95 is 2")


def test_a_cold_cache_failures_and_web_sockets_are_not_slow() -> None:
    before = Before.of([replace(PLAIN, release=1)] * 200, 1)
    judge = judge_of(*[replace(BROKEN, seconds=2.0), replace(PLAIN, status=101, seconds=900.0)] * 60, before=before)
    for _ in range(60):
        judge.see(replace(PLAIN, seconds=2.0), SETTLING - 0.1)
    assert judge.strength("slow") == 0


# --- visitors who stay on the release before


def both(count: int, old: int, new: int, **fields: Any) -> list[Seen]:
    """So many requests of each release, of which every `old`-th, and every `new`-th, fails; 0: none."""
    found = []
    for number in range(count):
        for release, each in ((1, old), (2, new)):
            status = 500 if each and number % each == 0 else 200
            found.append(replace(by(number), release=release, method="POST", status=status, **fields))
    return found


def beside(*seen: Seen, before: Before = USUAL, leave_out: tuple[str, ...] = ()) -> Judge:
    judge = Judge(2, before, 1, leave_out)
    for one in seen:
        judge.see(one, LATER)
    return judge


def test_what_visitors_who_stayed_get_too_is_shared() -> None:
    assert beside(*both(40, 4, 4)).shared("failures") == ["POST /"]
    assert beside(*both(40, 0, 4)).shared("failures") == []
    assert beside(*both(40, 20, 2)).shared("failures") == []  # it fails ten times as often
    assert beside(*both(4, 4, 2)).shared("failures") == []  # one failure may be chance
    assert judge_of(*both(40, 4, 4)).shared("failures") == []  # nobody was kept there
    judge = beside(*both(40, 4, 4))
    assert judge.strength("failures") >= 1
    judge.clear("failures", judge.shared("failures"))
    assert (judge.strength("failures"), judge.shared("failures")) == (0, [])


def test_what_is_late_for_those_who_stayed_too_is_shared() -> None:
    before = Before.of([replace(PLAIN, release=1, method="POST")] * 300, 1)
    assert beside(*both(40, 0, 0, seconds=2.0), before=before).shared("slow") == ["POST /"]
    assert beside(*both(40, 0, 0, seconds=0.12), before=before).shared("slow") == []
    slower = [replace(one, seconds=2.0) if one.release == 2 else one for one in both(40, 0, 0)]
    assert beside(*slower, before=before).shared("slow") == []
    assert beside(*both(40, 0, 0, seconds=2.0)).shared("slow") == []  # what is usual is not known


def test_those_who_stayed_are_told_beside_the_others() -> None:
    judge = beside(*both(40, 4, 2))
    assert judge.figures().endswith("; 10 of 40 failed for visitors still on release 1")
    assert "; 10 of 40 failed for visitors still on release 1" in judge.evidence("failures")
    assert "still" not in beside(PLAIN, BROKEN).figures()
    assert judge.failed == 20  # nobody counts them as the new release's


def test_what_may_have_an_effect_or_holds_a_secret_is_not_asked_again() -> None:
    seen = [replace(BROKEN, uri=uri) for uri in ("/a", "/b?token=x", "/logout/now", "/c?page=2")]
    found = beside(*seen, leave_out=("/logout/",)).suspects("failures")
    assert [one.uri for one in found] == ["/c?page=2", "/a"]


@pytest.mark.parametrize("most", [10])
def test_routes_beside_are_bounded(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluegreen.domain.beside.ROUTES", most)
    names = map("".join, itertools.product(LETTERS, repeat=2))
    judge = beside(*(replace(BROKEN, release=1, uri=f"/{name}") for name in names))
    assert (len(judge.beside._old), judge.beside.requests) == (most, 676)


# --- memory and words


@pytest.mark.parametrize(("most", "requests"), [(300, 2_000), pytest.param(VISITORS, 100_000, marks=pytest.mark.whole)])
def test_however_many_visitors_and_routes_there_are_no_more_than_so_many_are_counted_apart(
    most: int, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluegreen.domain.judge.VISITORS", most)
    judge = Judge(2, USUAL)
    names = map("".join, itertools.product(LETTERS, repeat=4))
    for number, name in zip(range(requests), names, strict=False):
        judge.see(replace(BROKEN, uri=f"/{name}", client=name, status=500 + number % 3), LATER)
    kept = (judge._visitors, judge._hurt_visitors, judge._by_route, judge.failing)
    assert [len(it) for it in kept] == [most + 1, most + 1, most + 1, most + 3]
    assert (len(judge.hurt), len(judge.slow_ones), judge.requests) == (HURT, 0, requests)
    assert sum(judge.failing.values()) == sum(known[1] for known in judge._by_route.values()) == requests
    judge.see(replace(BROKEN, uri="/aaaa"), LATER)
    assert judge._by_route["GET /aaaa"] == [2, 2]  # whom it knows it goes on to know


def test_what_is_shown_has_no_queries() -> None:
    asked = replace(BROKEN, uri="/login?token=secret", ended=1_795_788_627.4)
    judge = judge_of(*[asked] * 30, PLAIN)
    lines = hurt_lines(judge.hurt, 20)
    assert lines[0] == "the last 20 of 30"
    assert lines[1:] == ["14:10:27 GET /login 500 07a3"] * 20
    assert hurt_lines([asked], 20) == ["14:10:27 GET /login 500 07a3"]
    texts = [*lines, judge.evidence("failures"), judge.figures(), judge.was()]
    assert not [text for text in texts if "secret" in text or "?" in text]
    assert judge.figures().startswith("31 requests, 96.8 % failed, p50 1")


# --- with the traffic of the simulation


def test_the_judge_says_worse_when_the_evidence_alone_does() -> None:
    for rate in (0.05, 0.2, 1.0):
        dice = failing.dice_of(3, rate)
        judge, known = Judge(2, USUAL), failing.watch(failing.dice_of(3, rate), 0.01, rate, 5000)
        for gap in failing.gaps(dice, rate):
            for number in range(gap):
                judge.see(by(number % 200, PLAIN), LATER)
            judge.see(BROKEN, LATER)
            if judge.strength("failures") >= 1:
                break
        assert known
        assert (judge.requests, judge.failed) == (known.requests, known.hurt)


def test_what_can_be_asked_again_is_measured_as_before_also_beside_a_route_that_always_fails_with_both() -> None:
    judge = judge_of(*[replace(BROKEN, uri="/gone")] * 20)
    judge.clear("failures", ["GET /gone"])
    for number in range(100):
        judge.see(replace(by(number), status=500 if number % 5 == 0 else 200), LATER)
    assert judge.strength("failures") >= 1
