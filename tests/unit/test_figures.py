"""Figures: sums of nginx's log by minute and route, kept in the journal, bounded, each request counted one time."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluegreen.domain.evidence import Histogram
from bluegreen.domain.figures import (
    BATCH_ROUTES,
    HOUR,
    LONGEST_ROUTE,
    OTHER,
    ROUTES,
    Figures,
    Gap,
    Key,
    Position,
    RouteKey,
    Sums,
    bounded,
    in_hours,
)
from bluegreen.domain.traffic import Seen, parse
from bluegreen.flow.figures import catch_up, figures
from bluegreen.flow.receipts import accounted
from bluegreen.state import figures as tables
from bluegreen.state.journal import Journal
from tests.fakes.noted import tools
from tests.unit.test_traffic import line

DAY = 86_400
NOON = 1_795_780_800 - 1_795_780_800 % DAY


def one(**fields: Any) -> Seen:
    found = parse(line(**fields))
    assert found
    return found


def stamp(number: int) -> str:
    return f"2026-11-27T14:{number // 6000 % 60:02}:{number // 100 % 60:02}.{number % 100:02}0000000Z"


def log(*numbers: int, **fields: Any) -> list[bytes]:
    """Lines of the Engine, one for each number."""
    return [f"{stamp(it)} ".encode() + line(nth=it, **fields) + b"\n" for it in numbers]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path, lambda: "2026-11-27T14:00:00+00:00", pytest.fail)
    found.releases.newest()  # the file is made
    yield found
    found.close()


def machine(journal: Journal, lines: list[bytes], **more: Any) -> Any:
    it = tools(journal=journal, containers={"read_log": lambda *_, **__: iter(lines)}, **more)
    it.now = lambda: "2026-11-27T14:10:00+00:00"
    return it


def test_a_request_is_in_the_sums_of_its_minute_and_of_its_route() -> None:
    found = Figures()
    found.see(one(ended=NOON + 61.5, bytes=10, seconds=0.1))
    found.see(one(ended=NOON + 62.5, status=503, bytes=20, uri="/items/8?card=4111"))
    found.see(one(ended=NOON + 62.5, status=404, uri="/wp-login.php"))
    found.see(one(ended=NOON + 62.5, door="preview"))
    (key, sums), *more = found.minutes.items()
    assert more == []
    assert key == Key(NOON + 60, 60, 32, "blue")
    assert (sums.requests, sums.failed, sums.sent, sums.classes) == (3, 1, 42, {"2": 1, "5": 1, "4": 1})
    assert list(found.of_routes(32)) == ["GET /items/*", OTHER]
    assert found.of_routes(32)["GET /items/*"].failed == 1
    assert "4111" not in json.dumps([*found.routes])


def test_no_address_of_a_visitor_is_in_a_sum() -> None:
    found = Figures()
    found.see(one(client="203.0.113.7", agent="Firefox", request_id="07a3"))
    text = repr(found)
    assert not any(word in text for word in ("203.0.113.7", "Firefox", "07a3"))


def test_an_upgraded_connection_is_not_slow() -> None:
    found = Sums()
    found.see(one(status=101, seconds=900.0))
    assert (found.requests, found.latency.count) == (1, 0)


REQUESTS = st.lists(
    st.tuples(st.integers(NOON, NOON + 3 * HOUR), st.sampled_from([200, 404, 500]), st.integers(0, 3), st.floats(0, 20))
)


@pytest.mark.whole
@settings(deadline=None)
@given(REQUESTS, st.integers(0, 30))
def test_sums_do_not_depend_on_where_a_log_was_cut(requests: list[tuple[int, int, int, float]], at: int) -> None:
    seen = [one(ended=ended, status=status, uri=f"/r{n}", seconds=long) for ended, status, n, long in requests]
    together, first, second = Figures(), Figures(), Figures()
    for it in seen:
        together.see(it)
    for it in seen[:at]:
        first.see(it)
    for it in seen[at:]:
        second.see(it)
    first.merge(second)
    assert _plain(first) == _plain(together)
    hours = Figures(in_hours(together.minutes.items()))
    assert hours.total().as_dict() == together.total().as_dict()
    assert {
        key: Sums.from_dict(json.loads(json.dumps(it.as_dict()))).as_dict() for key, it in first.minutes.items()
    } == {key: it.as_dict() for key, it in first.minutes.items()}


def _plain(found: Figures) -> Any:
    return (
        {key: it.as_dict() for key, it in found.minutes.items()},
        {key: it.as_dict() for key, it in found.routes.items()},
    )


def test_routes_are_bounded_and_no_request_is_lost_by_it() -> None:
    found = Figures()
    names = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(BATCH_ROUTES + 200)]
    for number, name in enumerate(names):
        for _ in range(1 + (number < 10)):
            found.see(one(uri=f"/{name}"))
    found.see(one(uri="/".join(["", *["long" * 9] * 5])))
    assert len(found.routes) <= BATCH_ROUTES + 1
    assert all(len(place.route) <= LONGEST_ROUTE for place in found.routes)
    kept = bounded(found.routes)
    assert len(kept) == ROUTES + 1
    assert sum(it.requests for it in kept.values()) == found.total().requests
    assert {f"GET /{name}" for name in names[:10]} <= {place.route for place in kept}


def test_each_line_is_counted_one_time_however_often_it_is_read(journal: Journal) -> None:
    lines = log(*range(10))
    for end in (3, 3, 7, 10, 10):
        catch_up(machine(journal, lines[:end]), "proxy")
    assert journal.figures.known().total().requests == 10
    assert journal.figures.known().gaps == []


def test_lines_of_one_moment_are_told_apart(journal: Journal) -> None:
    lines = [f"{stamp(5)} ".encode() + line(nth=nth) + b"\n" for nth in range(6)]
    for end in (2, 4, 6, 6):
        catch_up(machine(journal, lines[:end]), "proxy")
    assert journal.figures.known().total().requests == 6
    assert journal.figures.position() == Position("proxy", stamp(5), 6)


def test_a_log_that_was_rotated_leaves_a_gap_that_is_said(journal: Journal) -> None:
    lines = log(*range(10))
    catch_up(machine(journal, lines[:3]), "proxy")
    catch_up(machine(journal, lines[5:]), "proxy")
    found = journal.figures.known()
    assert found.total().requests == 8
    assert [(gap.since, gap.until) for gap in found.gaps] == [(stamp(2), stamp(5))]
    assert found.incomplete("2026-11-27T14:00:00+00:00", "2026-11-27T15:00:00+00:00")
    assert found.incomplete("2026-11-27T15:00:00+00:00", "2026-11-27T16:00:00+00:00") == []


def test_of_another_container_nobody_knows_what_was_before(journal: Journal) -> None:
    catch_up(machine(journal, log(1)), "proxy")
    catch_up(machine(journal, log(2)), "proxy-2")
    assert journal.figures.known().gaps[0].why == "nginx runs in another container"


def test_what_was_not_read_in_time_is_read_by_the_next(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluegreen.flow.figures.MOST", 4)
    lines = log(*range(10))
    ends = []
    for _ in range(4):
        at = journal.figures.position()
        start = next((n for n, it in enumerate(lines) if at and it.startswith(at.stamp.encode())), 0)
        ends.append(catch_up(machine(journal, lines[start:]), "proxy").behind)
    assert journal.figures.known().total().requests == 10
    assert ends == [True, True, True, False]
    assert journal.figures.known().gaps == []


def test_reading_takes_no_longer_than_it_may(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluegreen.flow.figures.LOOK_AT_CLOCK", 1)
    it = machine(journal, log(*range(100)))
    it.clock = iter(range(1000)).__next__
    assert catch_up(it, "proxy").behind
    assert journal.figures.known().total().requests < 5


def test_two_commands_that_read_the_same_count_it_one_time(journal: Journal) -> None:
    found, was = Figures(), journal.figures.position()
    found.see(one())
    assert journal.figures.add(found, was, Position("proxy", stamp(1)))
    assert not journal.figures.add(found, was, Position("proxy", stamp(1)))
    assert journal.figures.known().total().requests == 1


def test_who_may_not_write_sees_the_same_figures(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    catch_up(machine(journal, log(1, 2)), "proxy")
    monkeypatch.setattr(type(journal.figures), "writable", lambda _: False)
    it = machine(journal, log(2, 3, 4))
    unkept = catch_up(it, "proxy")
    assert figures(it, unkept).total().requests == 4
    assert journal.figures.known().total().requests == 2


def test_what_the_engine_says_instead_of_a_log_is_no_line(journal: Journal) -> None:
    it = machine(journal, [b"The log cannot be read: logging driver none\n"])
    assert catch_up(it, "proxy").unread
    assert journal.figures.position() is None


def test_an_engine_that_does_not_answer_is_a_warning(journal: Journal) -> None:
    it = machine(journal, [])
    it.containers = tools(containers={"read_log": OSError("no Engine")}).containers
    assert "no Engine" in accounted(it, "proxy")
    assert accounted(machine(journal, []), "proxy") == ""


def test_without_nginx_there_is_nothing_to_read(journal: Journal) -> None:
    assert catch_up(machine(journal, [], proxy={"container": None})).minutes == {}


def test_a_killed_command_has_added_all_or_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Figures()
    found.see(one())
    monkeypatch.setattr(journal.figures, "_make_room", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        journal.figures.add(found, None, Position("proxy", stamp(1)))
    assert (journal.figures.known().minutes, journal.figures.position()) == ({}, None)


def test_sums_that_are_none_of_ours_are_left_out(journal: Journal, tmp_path: Path) -> None:
    catch_up(machine(journal, log(1)), "proxy")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as other, other:
        other.execute("insert into figures values (0, 60, 1, 'blue', '[]')")
        other.execute("insert into figures values ('x', 60, 1, 'blue', '{}')")
        other.execute("insert into route_figures values (0, 1, 'GET /', '{\"requests\": 1}')")
    assert journal.figures.known().total().requests == 1


def test_minutes_become_hours_and_nothing_grows_for_ever(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MINUTES", 100), ("HOURS", 5), ("ROUTE_HOURS", 2)):
        monkeypatch.setattr(tables, name, most)
    for number in range(10):
        found = Figures()
        for minute in range(60):
            found.see(one(ended=NOON + number * HOUR + minute * 60))
        was = journal.figures.position()
        journal.figures.add(found, was, Position("proxy", stamp(number)))
    known = journal.figures.known()
    assert sum(key.seconds == 60 for key in known.minutes) in range(100, 161)
    assert sum(key.seconds == HOUR for key in known.minutes) == 5
    assert known.total(since=NOON + 3 * HOUR).requests == 7 * 60
    assert len({place.start for place in known.routes}) == 2
    assert {key.start for key in journal.figures.known(NOON + 9 * HOUR).minutes} == {
        NOON + 9 * HOUR + 60 * minute for minute in range(60)
    }


@pytest.mark.whole
def test_all_figures_take_no_more_room_than_they_may(journal: Journal, tmp_path: Path) -> None:
    """The worst that can be in a sum: every bucket of latency, in each minute of many releases."""
    worst = Sums(10**9, 10**9, 10**15, {str(digit): 10**9 for digit in range(1, 6)})
    worst.latency = Histogram({bucket: 10**7 + random.randrange(10**6) for bucket in range(151)})  # noqa: S311 - no secret
    for release in range(1, 6):
        found = Figures({Key(NOON + 60 * n, 60, release, "blue"): worst for n in range(tables.MINUTES)})
        found.routes = {RouteKey(NOON, release, f"GET /{'x' * 150}{n}"): worst for n in range(ROUTES)}
        journal.figures.add(found, journal.figures.position(), Position("proxy", stamp(release)))
    journal.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as it:
        assert it.execute(tables.SIZE).fetchone()[0] <= tables.ROOM
        size = it.execute("select sum(pgsize) from dbstat where name in ('figures', 'route_figures')").fetchone()[0]
        print(f"{size:,} bytes on the disk")
        assert size <= 2 * tables.ROOM
    assert journal.figures.known().minutes


def test_what_no_kept_release_needs_goes(journal: Journal) -> None:
    found = Figures()
    for release in ("", "1", "2", "3"):
        found.see(one(release=release))
    journal.figures.add(found, None, Position("proxy", stamp(1)))
    journal.figures.keep({2, 3})
    assert sorted({key.release for key in journal.figures.known().minutes}) == [0, 2, 3]
    assert sorted({key.release for key in journal.figures.known().routes}) == [0, 2, 3]


def test_gaps_are_kept_and_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GAPS", 3)
    for number in range(6):
        found = Figures(gaps=[Gap(stamp(number), stamp(number + 1), "rotated")])
        journal.figures.add(found, journal.figures.position(), Position("proxy", stamp(number)))
    assert [gap.since for gap in journal.figures.known().gaps] == [stamp(3), stamp(4), stamp(5)]


def test_a_journal_of_the_version_before_gets_the_tables(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: "now", pytest.fail)
    journal.releases.newest()
    journal.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as old, old:
        for table in ("figures", "route_figures", "log_position", "log_gaps", "receipts"):
            old.execute(f"drop table {table}")
        old.execute("insert into releases (number, created, color) values (7, 'then', 'blue')")
        old.execute("pragma user_version = 3")
    assert journal.figures.position() is None
    assert catch_up(machine(journal, log(1)), "proxy").minutes == {}
    assert journal.figures.known().total().requests == 1
    assert journal.releases.newest() == 7
    journal.close()


def test_a_journal_that_is_gone_or_full_does_not_stop_anybody(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gone", lambda: "now", lambda _: None)
    found = catch_up(machine(journal, log(1, 2)), "proxy")
    assert found.total().requests == 2
    journal.close()
