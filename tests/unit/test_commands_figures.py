"""The four questions, receipts, `why` and `--at`, typed on a machine in memory."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli import output, report
from bluegreen.cli.watching import fitting, watching
from bluegreen.errors import BluegreenError
from bluegreen.flow import receipts
from tests.fakes.site import Site, Tell
from tests.fakes.visitors import Visitors


@pytest.fixture
def visitors(live: Site) -> Visitors:
    return Visitors(live)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No receipt is due until a test says so."""
    monkeypatch.setattr(receipts, "LATE", 1000.0)


def questions(tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = tell("status")[1]["questions"]
    return found


def _switched(live: Site, visitors: Visitors, before: int = 200, after: int = 200, **fields: Any) -> None:
    visitors.ask(before, "blue", 1)
    live.release("shop:2")
    assert live.run("switch", "--progress", "none") == 0
    time.sleep(0.01 + after / 1000)
    more: dict[str, Any] = {"color": "green", "release": 2, **fields}
    visitors.ask(after, **more)
    receipts.LATE = 0.0


def test_a_quiet_app_is_up_and_says_what_it_cannot_know(live: Site, tell: Tell) -> None:
    found = questions(tell)
    assert {name: found[name]["answer"] for name in ("up", "slow", "jobs", "changed")} == {
        "up": "yes", "slow": "cannot tell", "jobs": "no", "changed": "cannot tell",
    }  # fmt: skip
    assert "answered 200" in found["up"]["words"]
    assert found["slow"]["words"] == "no requests in 5 min"
    assert live.run("status") == 0


@pytest.mark.whole
def test_figures_are_right_to_the_request_however_often_they_are_read(
    live: Site, visitors: Visitors, tell: Tell
) -> None:
    for number in (10, 25, 7):
        visitors.ask(number, "blue", 1)
        questions(tell)
    visitors.ask(5, "blue", 1, door="preview")
    visitors.ask(5, "blue", 1, agent="bluegreen")
    assert questions(tell)["slow"]["now"]["requests"] == 42
    assert live.run("status") == 0


@pytest.mark.whole
def test_a_release_that_changes_nothing(live: Site, visitors: Visitors, tell: Tell) -> None:
    _switched(live, visitors)
    found = questions(tell)["changed"]
    assert (found["answer"], found["what"], found["releases"]) == ("no", [], [1, 2])
    assert (found["before"]["requests"], found["after"]["requests"]) == (200, 200)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"status": 500}, {"errors"}), ({"seconds": 0.5}, {"latency"}), ({"bytes": 9000}, {"sizes"}),
        ({"uri": "/new/items"}, {"routes"}),
    ],
)  # fmt: skip
def test_what_a_release_has_changed(
    live: Site, visitors: Visitors, tell: Tell, fields: dict[str, Any], names: set[str]
) -> None:
    _switched(live, visitors, **fields)
    found = questions(tell)["changed"]
    assert found["answer"] == "yes", found
    assert {it["name"] for it in found["what"]} == names


def test_slow_is_seen_beside_the_hour_before(visitors: Visitors, tell: Tell) -> None:
    visitors.ask(100, "blue", 1, ago=1800)
    visitors.ask(100, "blue", 1, seconds=0.4)
    found = questions(tell)["slow"]
    assert found["answer"] == "yes", found
    assert "the hour before" in found["words"]
    assert (found["now"]["requests"], found["hour"]["requests"]) == (100, 100)


def test_the_receipt_of_a_move(live: Site, visitors: Visitors, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    _switched(live, visitors, 30, 40)
    (found,) = tell("show")[1]["receipts"]
    assert found["right"], found
    assert found["requests"] == {"before": 30, "across": 0, "after": 40}
    assert live.run("show") == 0
    assert "each answered one time, none by blue after the move" in capsys.readouterr().out


def test_the_quick_way_back_leaves_its_receipt_to_the_next_verb(two: Site, tell: Tell) -> None:
    assert two.run("flip-back") == 0
    time.sleep(0.03)
    Visitors(two).ask(9, "blue", 1)
    receipts.LATE = 0.0
    found = tell("show", "1")[1]["receipts"][-1]
    assert (found["verb"], found["left"], found["requests"]["after"], found["right"]) == ("flip-back", "green", 9, True)


def test_a_color_that_goes_on_after_the_rename_is_told_on(live: Site, visitors: Visitors, tell: Tell) -> None:
    """The route is renamed and nginx says so, but visitors stay where they were: a protection is gone."""
    _switched(live, visitors, 30, 40, color="blue", release=1)
    (found,) = tell("show")[1]["receipts"]
    assert not found["right"]
    assert found["late"]["count"] == 40
    assert "were answered by blue" in found["words"]


@pytest.mark.whole
def test_no_address_of_a_visitor_is_in_the_journal(live: Site, visitors: Visitors, tell: Tell) -> None:
    _switched(live, visitors, color="blue", release=1, uri="/items/7?card=4111")
    tell("show")
    tell("status")
    journal = sqlite3.connect(live.state / "journal.db")
    text = "\n".join(journal.iterdump())
    journal.close()
    assert "GET /items/*" in text
    assert not any(word in text for word in ("203.0.113", "4111", "Firefox"))


def test_not_up_is_exit_code_1(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    live.sick.add(1)
    code, found = tell("status")
    assert (code, found["questions"]["up"]["answer"]) == (1, "no")
    live.sick.clear()
    live.unreached.add("8123")
    assert tell("status")[0] == 1
    live.unreached.clear()
    assert live.run("maintenance", "on") == 0
    capsys.readouterr()
    code, found = tell("status")
    assert (code, "maintenance" in found["questions"]["up"]["words"]) == (1, True)
    assert live.run("maintenance", "off") == 0
    assert live.run("status") == 0


def test_who_may_not_write_sees_the_figures_too(
    live: Site, visitors: Visitors, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors.ask(50, "blue", 1)
    monkeypatch.setattr("bluegreen.state.figures.FigureTables.writable", lambda _: False)
    for _ in range(2):
        assert questions(tell)["slow"]["now"]["requests"] == 50
    assert live.run("status") == 0


# -- why, and --at


def test_why_finds_a_request_and_what_the_application_wrote(
    live: Site, visitors: Visitors, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    (first, _) = live.replicas("blue")
    address = first.address("shop_bluegreen")
    visitors.ask(3, "blue", 1)
    visitors.ask(1, "blue", 1, request_id="07a3", status=500, upstream=f"{address}:8000")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    first.output = (
        f"2020-01-01T00:00:00.000000000Z long ago 07a3\n{stamp}.000000000Z boom \x1b[2J\n2099-01-01T00:00:00.0Z later\n"
    ).encode()
    code, found = tell("why", "07a3")
    (one,) = found["requests"]
    assert code == 0
    assert (one["status"], one["color"], one["release"], one["container"]) == (500, "blue", 1, first.name)
    assert [(it["by"], it["text"]) for it in one["lines"]][:2] == [("id", "long ago 07a3"), ("time", "boom \x1b[2J")]
    assert live.run("why", "07a3") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "release 1" in out


def test_why_says_when_the_container_is_gone_and_when_nginx_answered(visitors: Visitors, tell: Tell) -> None:
    visitors.ask(1, "blue", 1, request_id="gone", upstream="10.9.9.9:80")
    visitors.ask(1, "", None, request_id="own", upstream="", upstream_status="", status=301)
    visitors.ask(1, "blue", 1, request_id="left", upstream="10.9.9.9:80", status=499, upstream_status="-")
    visitors.ask(
        1, "blue", 1, request_id="both", upstream="10.9.9.9:80, 10.9.9.8:80", upstream_status="502, 502", status=502
    )
    said = {name: tell("why", name)[1]["requests"][0]["why"] for name in ("gone", "own", "left", "both")}
    assert "its container is gone" in said["gone"]
    assert "nginx answered itself" in said["own"]
    assert "the visitor left" in said["left"]
    assert "no replica gave an answer" in said["both"]


def test_a_request_that_never_was(live: Site, visitors: Visitors, tell: Tell) -> None:
    code, found = tell("why", "none")
    assert (code, found["error"]["code"]) == (1, "no-such-request")
    visitors.ask(1, "blue", 1)
    assert "goes back to" in tell("why", "none")[1]["error"]["failed"]
    assert live.run("why", "none") == 1


def test_what_was_live_at_a_time(
    live: Site, visitors: Visitors, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    began = datetime.now().astimezone()
    _switched(live, visitors, 30, 40)
    now = tell("status", "--at", datetime.now().astimezone().isoformat())[1]
    assert (now["live"], now["verb"], now["until"]) == ({"color": "green", "release": 2}, "switch", None)
    before = tell("status", "--at", "2020-01-01 00:00")[1]
    assert (before["live"], before["since"], before["figures"]) == (None, None, None)
    assert tell("status", "--at", began.strftime("%H:%M"))[0] == 0
    assert live.run("status", "--at", datetime.now().astimezone().strftime("%H:%M:%S")) == 0
    out = capsys.readouterr().out
    assert "was live" in out or "nothing was live" in out
    assert live.run("status", "--at", "later") == 2


# -- --watch


def test_a_screen_fits_whatever_is_on_it() -> None:
    lines = ["short", "a long line " * 20, *(f"row {number}" for number in range(40))]
    for columns, rows in ((80, 24), (40, 10), (10, 3), (1, 1)):
        found = fitting(lines, columns, rows)
        assert len(found) <= max(1, rows - 1)
        assert all(len(line) <= max(columns, 20) for line in found[:-1])
    assert (
        fitting(["one two three " * 8], 60, 24)
        == [
            "one two three one two three one two three one two three one",
            "            two three one two three one two three one two",
            "            three one two three",
        ]
        or len(fitting(["one two three " * 8], 60, 24)) > 1
    )


def test_watch_shows_it_again_until_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    looks = iter(["yes", "no", BluegreenError("The Engine is silent.", failed="x", expected="y"), KeyboardInterrupt()])

    def look() -> dict[str, Any]:
        found = next(looks)
        if isinstance(found, BaseException):
            raise found
        return {"questions": {"up": {"answer": found}}}

    monkeypatch.setattr(report, "status_text", lambda state, *_: f"up {state['questions']['up']['answer']}")
    monkeypatch.setattr(output, "terminal", lambda _: True)
    assert watching(look, "bluegreen", every=0) == 1
    out = capsys.readouterr().out
    assert all(words in out for words in ("up yes", "up no", "The Engine is silent."))
    assert re.search("\x1b\\[H.*up no\x1b\\[K", out, re.S)


def test_without_a_terminal_it_is_plain_and_ends_when_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, live: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bluegreen.cli.watching.sleep", ends)
    assert live.run("status", "--watch") == 0
    assert "\x1b" not in (out := capsys.readouterr().out)
    assert "up?" in out
    assert live.run("status", "--watch", "--json") == 2


def test_the_journal_of_the_figures_stays_readable(live: Site, visitors: Visitors, tell: Tell, tmp_path: Path) -> None:
    visitors.ask(3, "blue", 1)
    tell("status")
    with sqlite3.connect(live.state / "journal.db") as it:
        ((text,),) = it.execute("select sums from figures where release = 1").fetchall()
    it.close()
    (tmp_path / "sums.json").write_text(text)
    assert json.loads(text)["requests"] == 3
