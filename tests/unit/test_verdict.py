"""What counts as healthy."""

from __future__ import annotations

from bluegreen.domain.app import Health
from bluegreen.domain.verdict import expectation, judge, shown


def test_the_expected_answer_is_healthy() -> None:
    policy = Health(json={"ok": True, "db": {"up": True}}, headers={"X-App": "shop"}, body="ok")
    answer = '{"ok": true, "db": {"up": true, "ms": 3}, "more": [1]}'
    assert judge(policy, 200, {"x-app": "shop"}, answer) is None


def test_each_difference_is_named() -> None:
    assert judge(Health(), 503, {}, '{"ok": false}') == 'answered 503: {"ok": false}'
    assert judge(Health(headers={"X-App": "a"}), 200, {"x-app": "b"}, "") == "answered 200 with X-App: b"
    assert judge(Health(headers={"X-App": "a"}), 200, {}, "") == "answered 200 with X-App: absent"
    assert judge(Health(body="^ok$"), 200, {}, "no") == "answered 200 with another body: no"
    assert judge(Health(json={"ok": True}), 200, {}, "<html>") == "answered 200 without JSON: <html>"
    assert judge(Health(json={"ok": True}), 200, {}, '{"ok": "yes"}') == 'answered 200: {"ok": "yes"}'
    assert judge(Health(json=[1]), 200, {}, "[1, 2]") == "answered 200: [1, 2]"


def test_quotations_are_short_and_printable() -> None:
    assert shown("a\x1b[31m\n b" + "x" * 500) == "a [31m b" + "x" * (120 - 3 - 8) + "..."


def test_the_expectation_reads_as_a_sentence() -> None:
    assert expectation(Health(json={"ok": True})) == '200 with {"ok": true}, 3 in a row'
