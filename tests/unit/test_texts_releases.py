"""What a person reads of releases: history, one of them, a rehearsal, and how an operation ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bluegreen.cli import report
from bluegreen.cli.text import result_text, urls

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def _release(**more: Any) -> dict[str, Any]:
    return {
        "release": 3, "created": "2026-11-03T10:00:00+00:00", "color": "blue", "outcome": "live", "standing": None,
        "kept": True, "owner": "Ada", "revision": "bbb", "subject": "faster", "expect": "", "note": "",
        "restores": None, "previous": 2, "previous_revision": "aaa", "changed": None, "seconds": None,
    } | more  # fmt: skip


def _row(**more: Any) -> str:
    return report.history_text([_release(**more)], NOW)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"standing": "live"}, "live"), ({"standing": "previous"}, "previous"), ({}, "kept"),
        ({"kept": False}, "gone"), ({"kept": False, "outcome": "failed"}, "failed"),
    ],
)  # fmt: skip
def test_history_says_what_became_of_each_release(more: dict[str, Any], word: str) -> None:
    assert _row(**more).split() == ["3", word, "2", "h", "ago", "Ada", "aaa..bbb", "faster"]


@pytest.mark.parametrize(
    ("more", "revision"),
    [
        ({"previous_revision": "bbb"}, "bbb"),
        ({"previous_revision": None}, "bbb"),
        ({"previous_revision": "aaa"}, "aaa..bbb"),
        ({"revision": ""}, None),
    ],
)
def test_a_revision_is_shown_from_where_to_where_it_moved(more: dict[str, Any], revision: str | None) -> None:
    assert _row(**more).split()[6:] == [*([revision] if revision else []), "faster"]


def test_history_says_what_each_release_changed_and_what_it_brought_back() -> None:
    first, second = _row(
        restores=1, changed={"images": ["web"], "keys": [], "environment": ["web.A", "web.B"]}
    ).splitlines()
    assert first.endswith("as release 1")
    assert second.strip() == "changed: images web; environment web.A, web.B"
    assert _row(changed={"images": [], "keys": []}).splitlines()[1].endswith("nothing")
    assert len(_row(changed=None).splitlines()) == 1, "nothing is known of the one before"
    assert report.history_text([], NOW) == "No release yet."


def _show(**more: Any) -> dict[str, list[str]]:
    """The values of `show` by the first word of their lines."""
    images = {"web": {"ref": "shop:3", "id": "sha256:0123456789abcdef"}}
    text = report.release_text(_release(images=images, runs=[]) | more, "bluegreen -p shop")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value.strip())
    return found


def test_show_has_what_is_known_and_no_empty_line() -> None:
    found = _show()
    assert found == {
        "release": ["3 on blue, live"], "made": ["2026-11-03T10:00:00+00:00"], "owner": ["Ada"],
        "revision": ["aaa..bbb faster"], "image": ["web shop:3 (0123456789ab)"],
        "again": ["bluegreen -p shop switch --to 3"],
    }  # fmt: skip
    found = _show(seconds=2.5, restores=1, expect="half the time", note="mind the cache", standing="previous")
    assert found["made"][0].endswith(", 2.5 s")
    assert (found["restores"], found["expect"], found["note"]) == (["release 1"], ["half the time"], ["mind the cache"])
    assert found["release"] == ["3 on blue, previous"]


def test_show_says_how_to_leave_the_live_release_or_to_come_back_to_an_old_one() -> None:
    live = _show(standing="live")
    assert live["back"][0].startswith("bluegreen -p shop flip-back (to release 2")
    assert "again" not in live
    for more in ({"standing": "live", "previous": None}, {"standing": "previous"}, {"kept": False}):
        found = _show(**more)
        assert "back" not in found, more
        assert "again" not in found, more


def test_show_has_how_a_run_ended_and_its_last_lines() -> None:
    output = "\n".join(f"line {number}" for number in range(1, 41))
    failed = {"kind": "migrate", "name": "web", "outcome": "failed", "code": 3, "output": output}
    done = {"kind": "after_switch", "name": "warm", "outcome": "done", "code": 0, "output": "hot\x07"}
    found = _show(runs=[failed, done])
    assert found["ran"] == ["migrate web: failed (exit code 3)", "after_switch warm: done"]
    assert found["migrate"] == [f"| line {number}" for number in range(11, 41)]
    assert found["after_switch"] == ["| hot"]


# -- rehearse


def _rehearsal(**more: Any) -> list[str]:
    found = {
        "outcome": "passed", "switch_seconds": 2.0, "flip_back_seconds": 0.256, "migration_seconds": None,
        "requests": {"answered": 40, "lost": 0, "why": {}}, "way_back": "proven", "left_out": [],
        "expected": {"asked": 0, "differ": [], "cannot_be_compared": []}, "error": None, "failed_verb": None,
        "production": {"release": 7, "switch_seconds": 3.0, "flip_back_seconds": None, "migration_seconds": None},
    } | more  # fmt: skip
    return report.rehearsal_text(found, "bluegreen -p shop").splitlines()


def test_a_rehearsal_is_shown_beside_productions_last_release() -> None:
    lines = _rehearsal()
    assert lines[0].split() == ["rehearsal", "release", "7"]
    assert lines[1].split() == ["switch", "2.00", "s", "3.00", "s"]
    assert lines[2].split() == ["flip-back", "0.26", "s", "-"]
    assert lines[3].split() == ["requests", "40", "answered,", "0", "lost"], "no migration, so no line of one"
    assert lines[4].split() == ["way", "back", "proven"]
    assert lines[-2].startswith("The rehearsal passed")
    assert lines[-1].endswith("bluegreen -p shop switch")
    production = {"release": None, "switch_seconds": None, "flip_back_seconds": None, "migration_seconds": 9.0}
    first = _rehearsal(production=production)
    assert first[0].split() == ["rehearsal", "no", "release", "yet"]
    assert first[3].split() == ["migration", "-", "9.00", "s"]


def test_a_rehearsal_that_did_not_go_well_says_why_and_not_to_release() -> None:
    error = {"summary": "green is sick.", "failed": "GET /health", "expected": "", "lines": ["boom\x1b"]}
    lines = _rehearsal(
        outcome="failed", error=error, failed_verb="switch", left_out=["hooks", "jobs"],
        requests={"answered": 3, "lost": 2, "why": {"no answer": 2}},
    )  # fmt: skip
    stripped = [" ".join(line.split()) for line in lines]
    assert "requests 3 answered, 2 lost" in stripped
    assert "2 x no answer" in stripped
    assert "left out hooks, jobs" in stripped
    assert "switch failed: green is sick." in stripped
    assert "failed GET /health" in stripped
    assert "| boom" in stripped
    assert not [line for line in stripped if line.startswith("expected")]
    assert stripped[-1].startswith("The rehearsal failed"), "and no command to release it"


def test_a_rehearsal_shows_answers_that_differ_and_those_that_cannot_be_compared() -> None:
    differ = [{"request": "GET /a", "differences": ["status", "body"]}]
    lines = _rehearsal(expected={"asked": 5, "differ": differ, "cannot_be_compared": ["GET /b", "GET /c"]})
    stripped = [" ".join(line.split()) for line in lines]
    place = stripped.index("expected 5 asked, 1 differ")
    assert stripped[place + 1 : place + 3] == ["GET /a: status", "GET /a: body"]
    assert stripped[place + 3].endswith("GET /b, GET /c")
    assert "--copy-volumes" in stripped[place + 3]


# -- how an operation ended


def _result(**more: Any) -> list[str]:
    found = {
        "outcome": "switched", "live": {"color": "green", "release": 2}, "previous": {"color": "blue", "release": 1},
        "steps": [], "error": None, "message": "", "warnings": [], "next": None,
    } | more  # fmt: skip
    return result_text(found, "bluegreen", more.get("preview"), more.get("addresses", ())).splitlines()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0996, "moved after 100 ms"), (0.1, "moved after 0.10 s"), (0.004, "moved after 4 ms")]
)
def test_how_long_it_took_until_traffic_had_moved(seconds: float, words: str) -> None:
    steps = [{"phase": phase, "seconds": seconds / 2} for phase in ("prepare", "cutover")]
    assert words in _result(steps=[*steps, {"phase": "settle", "seconds": 50.0}])[0]


def test_what_was_done_and_what_to_type_next() -> None:
    assert _result(message="Taken over from web-1.")[1:] == [
        "Taken over from web-1.", "To go back to release 1: bluegreen flip-back",
    ]  # fmt: skip
    assert _result(previous=None)[1:] == ["Next release: bluegreen switch"], "there is no way back yet"
    first = _result(previous=None, addresses=["http://localhost/"])
    assert first[0] == "Running: http://localhost/ (green, release 2)."
    assert len(_result(outcome="flipped-back", previous=None)) == 1
    stays, move = _result(outcome="prepared", preview="127.0.0.1:8081")
    assert "green, release 2" in stays
    assert "http://127.0.0.1:8081/" in stays
    assert move.endswith("bluegreen switch")
    assert "http" not in _result(outcome="prepared")[0]
    assert _result(outcome="unchanged", message="it is the same")[0].endswith("it is the same.")
    assert _result(outcome="down", message="It is down.", warnings=["a\x07", "b"]) == [
        "It is down.", "Warning: a ", "Warning: b",
    ]  # fmt: skip


def test_how_to_serve_it_without_us() -> None:
    (line,) = _result(outcome="down", message="It is down.", next="docker compose up -d")[1:]
    assert "release 2" in line
    assert line.endswith("docker compose up -d")
    assert "release" not in _result(outcome="down", message="It is down.", live=None, next="x")[1]


def test_where_a_browser_finds_what_is_published() -> None:
    assert urls(["80", "8080", "127.0.0.1:81"]) == [
        "http://localhost/",
        "http://localhost:8080/",
        "http://127.0.0.1:81/",
    ]
