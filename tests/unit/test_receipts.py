"""The receipt of a move: each request one time, none by the color that was left, or which ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluegreen.domain.receipt import AFTER, NAMED, Books, Move, in_words
from bluegreen.domain.traffic import Seen
from bluegreen.flow.cutover import Cutover
from bluegreen.flow.receipts import account, accounted
from bluegreen.state.journal import Journal
from tests.fakes.noted import tools
from tests.unit.test_figures import one
from tests.unit.test_traffic import line

AT = 1_795_780_800.0
MOVE = Move("switch", "blue", "green", AT, AT + 0.0002, 31, 32, ("10.0.0.2",))


def request(began: float, seconds: float, color: str, **more: Any) -> Seen:
    """By the clock of the test: `began` seconds after the move."""
    fields = {"ended": round(AT + began + seconds, 3), "seconds": seconds, "color": color, "routed": color}
    return one(**(fields | {"upstream": "10.0.0.2:80" if color == "blue" else "10.0.0.3:80"} | more))


def ids(number: int) -> str:
    return f"{number:032x}"


def traffic(connections: int, each: int, seed: int = 0) -> list[Seen]:
    """Keep-alive connections, from 5 s before the move to 5 s after it, as nginx logs them."""
    found: list[Seen] = []
    rolled = random.Random(seed)  # noqa: S311 - no secret
    for connection in range(1, connections + 1):
        at = -5.0
        for nth in range(1, each + 1):
            began = at + rolled.random() * 5 / each
            seconds = round(rolled.random() * 5 / each, 3)
            at = began + seconds
            color = "blue" if began <= 0 else "green"
            found.append(request(began, seconds, color, connection=connection, nth=nth, request_id=ids(len(found))))
    return found


def receipt(requests: list[Seen], move: Move = MOVE) -> dict[str, Any]:
    books = Books(move)
    for it in requests:
        books.see(it)
    return books.receipt()


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 30), st.integers(0, 1000))
def test_of_a_move_that_went_right_it_says_so_in_whatever_order_it_reads(
    connections: int, each: int, seed: int
) -> None:
    requests = traffic(connections, each, seed)
    random.Random(seed).shuffle(requests)  # noqa: S311 - no secret
    found = receipt(requests)
    assert found["right"], found
    assert sum(found["requests"].values()) == connections * each


@pytest.mark.whole
@settings(deadline=None)
@given(st.integers(1, 8), st.integers(3, 30), st.data())
def test_each_request_that_is_missing_is_named(connections: int, each: int, data: Any) -> None:
    requests = traffic(connections, each)
    gone = data.draw(st.integers(0, len(requests) - 1).filter(lambda it: requests[it].nth not in (1, each)))
    lost = requests.pop(gone)
    data.draw(st.randoms()).shuffle(requests)
    found = receipt(requests)
    assert not found["right"]
    assert found["missing"] == {"count": 1, "which": [f"request {lost.nth} of connection {lost.connection}"]}


@pytest.mark.whole
@settings(deadline=None)
@given(st.integers(1, 8), st.integers(3, 30), st.data())
def test_a_request_that_is_answered_twice_is_named(connections: int, each: int, data: Any) -> None:
    requests = traffic(connections, each)
    again = data.draw(st.sampled_from(requests))
    requests.append(again)
    data.draw(st.randoms()).shuffle(requests)
    found = receipt(requests)
    assert found["twice"] == {"count": 1, "ids": [again.request_id]}
    assert not found["right"]
    assert "answered twice" in in_words(found)


@settings(deadline=None)
@given(st.floats(0.003, 10), st.floats(0, 3).map(lambda it: round(it, 3)))
def test_none_that_began_after_the_move_may_be_answered_by_the_color_that_was_left(
    began: float, seconds: float
) -> None:
    found = receipt([request(began, seconds, "blue", request_id="abc", uri="/items/7?x")])
    assert (found["right"], found["late"]["count"]) == (False, 1)
    late = found["late"]["which"][0]
    assert (late["request_id"], late["route"], late["color"]) == ("abc", "GET /items/*", "blue")
    assert "1 that began after the move were answered by blue" in in_words(found)


@settings(deadline=None)
@given(st.floats(-9, 0.0), st.floats(0, 9).map(lambda it: round(it, 3)))
def test_what_began_before_the_move_may_be_answered_by_either(began: float, seconds: float) -> None:
    for color in ("blue", "green"):
        assert receipt([request(began, seconds, color)])["right"]


def test_the_address_that_nginx_asked_counts_too_whatever_the_log_calls_it() -> None:
    assert receipt([request(1, 0.1, "green", upstream="10.0.0.3:80, 10.0.0.2:80")])["late"]["count"] == 1
    assert receipt([request(1, 0.1, "green", upstream="10.0.0.3:80")])["right"]


def test_a_file_of_the_release_before_and_an_answer_in_its_place_are_no_mistakes() -> None:
    """An asset that only the left release has, and failover: the route chose green, blue's container was asked."""
    assert receipt([request(1, 0.1, "blue", routed="green", upstream="10.0.0.2:80")])["right"]


def test_the_preview_is_the_other_color_and_no_visitor() -> None:
    found = receipt(
        [request(1, 0.1, "blue", door="preview", nth=1), request(1, 0.1, "green", agent="bluegreen", nth=2)]
    )
    assert found["right"]
    assert found["requests"] == {"before": 0, "across": 0, "after": 0}


def test_a_trusted_proxy_may_use_its_own_ids_more_often() -> None:
    assert receipt([request(1, 0.1, "green", request_id="job-7", nth=nth) for nth in (1, 2)])["right"]
    assert not receipt([request(1, 0.1, "green", request_id=ids(7), nth=nth) for nth in (1, 2)])["right"]


def test_what_may_have_ended_before_the_receipt_begins_is_not_missing() -> None:
    """HTTP/2: 4 began long before and lasts, 5 came and went before, 6 is in."""
    long = request(-30, 25, "blue", nth=4)
    assert receipt([long, request(-1, 0.1, "blue", nth=6)])["right"]
    assert receipt([request(-1, 0.1, "blue", nth=6), long])["right"]
    assert receipt([request(-5, 0.1, "blue", nth=4), request(-1, 0.1, "blue", nth=6)])["missing"]["count"] == 1


def test_it_ends_where_traffic_moves_again() -> None:
    books = Books(MOVE, AT + 2)
    books.see(request(3, 0.1, "blue"))
    assert books.receipt()["right"]
    assert Books(MOVE, AT + 1000).until == MOVE.ended + AFTER


def test_no_more_are_named_than_a_person_reads() -> None:
    found = receipt([request(1, 0.1, "blue", nth=nth, request_id=ids(nth)) for nth in range(1, 100)])
    assert (found["late"]["count"], len(found["late"]["which"])) == (99, NAMED)


def test_what_failed_is_counted_beside() -> None:
    found = receipt([request(-1, 0.1, "blue", status=502), request(1, 0.1, "green", status=499, nth=4)])
    assert (found["failed"]["before"], found["unanswered"]["after"], found["right"]) == (1, 1, True)


# -- in the journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path, lambda: "2026-11-27T14:00:00+00:00", pytest.fail)
    found.releases.newest()
    yield found
    found.close()


SLOTS = {
    "blue": {"release": 31, "addresses": {"web": ["10.0.0.2"]}},
    "green": {"release": 32, "addresses": {"web": ["10.0.0.3"]}},
}


def log(requests: list[Seen]) -> list[bytes]:
    lines = []
    for it in sorted(requests, key=lambda one: one.ended):
        second = int(it.ended - AT) + 30
        fields = {name: getattr(it, name) for name in ("ended", "seconds", "color", "routed", "connection", "nth")}
        fields |= {"request_id": it.request_id, "upstream": it.upstream}
        lines.append(f"2026-11-27T12:00:{second:02}.000000000Z ".encode() + line(**fields) + b"\n")
    return lines


def machine(journal: Journal, requests: list[Seen], wall: float = AT + 20, **more: Any) -> Any:
    it = tools(journal=journal, containers={"read_log": lambda *_: iter(log(requests)), **more})
    it.wall, it.now = lambda: wall, lambda: "2026-11-27T12:01:00+00:00"
    return it


def moved(journal: Journal) -> None:
    journal.receipts.begin(("switch", "blue", "green"), SLOTS, (AT, AT + 0.0002))


def test_a_move_gets_its_receipt_when_the_log_has_the_requests(journal: Journal) -> None:
    moved(journal)
    account(machine(journal, [], wall=AT + 0.5), "proxy")
    assert [pending for _, _, pending in journal.receipts.moves()] == [True]
    account(machine(journal, traffic(3, 20)), "proxy")
    (found,) = journal.receipts.of(32)
    assert found["right"]
    assert (found["verb"], found["previous"], found["release"]) == ("switch", 31, 32)
    assert sum(found["requests"].values()) == 60
    account(machine(journal, []), "proxy")
    assert journal.receipts.of(32) == [found], "it is written one time"


def test_a_route_that_was_renamed_and_is_not_followed_is_seen(journal: Journal) -> None:
    """A protection is gone: visitors stay on the color that was left."""
    moved(journal)
    requests = [
        request(it.began - AT, it.seconds, "blue", nth=it.nth, connection=it.connection) for it in traffic(3, 20)
    ]
    account(machine(journal, requests), "proxy")
    (found,) = journal.receipts.of(32)
    assert not found["right"]
    assert found["late"]["count"] == found["requests"]["after"] > 0


def test_a_log_that_was_rotated_makes_it_incomplete(journal: Journal) -> None:
    account(machine(journal, [request(-25, 0.1, "blue")]), "proxy")
    moved(journal)
    account(machine(journal, [request(2, 0.1, "green", nth=9)]), "proxy")
    (found,) = journal.receipts.of(32)
    assert not found["right"]
    assert "rotated" in found["incomplete"][0]
    assert "incomplete" in in_words(found)


def test_what_cannot_be_read_makes_it_incomplete_or_leaves_it_to_the_next(journal: Journal) -> None:
    moved(journal)
    assert "no Engine" in accounted(machine(journal, [], read_log=OSError("no Engine")), "proxy")
    assert journal.receipts.of(32) == [journal.receipts.of(32)[0]]
    assert "requests" not in journal.receipts.of(32)[0]
    account(machine(journal, [], read_log=lambda *_: iter([b"no log: 500\n"])), "proxy")
    assert journal.receipts.of(32)[0]["incomplete"] == ["the Engine cannot read nginx's log"]


def test_a_log_of_too_many_lines_makes_it_incomplete(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluegreen.flow.receipts.MOST", 5)
    moved(journal)
    account(machine(journal, traffic(3, 20)), "proxy")
    assert journal.receipts.of(32)[0]["incomplete"] == ["only 5 lines of nginx's log were read"]


def test_a_move_and_the_move_back_have_one_each(journal: Journal) -> None:
    moved(journal)
    journal.receipts.begin(("flip-back", "green", "blue"), SLOTS, (AT + 2, AT + 2.0002))
    after = [request(n, 0.1, "blue" if n > 2 else "green", nth=n, request_id=ids(n)) for n in (1, 3, 4)]
    account(machine(journal, [*after, request(2.5, 0.1, "blue", nth=2)]), "proxy")
    assert (journal.receipts.of(32)[0]["right"], journal.receipts.of(31)[0]["right"]) == (True, True)


def test_a_receipt_that_is_none_of_ours_is_left_out(journal: Journal) -> None:
    moved(journal)
    journal._database.execute("insert into receipts (release, moved, receipt) values (32, '', '[1]')")
    journal._database.execute("insert into receipts (release, moved, receipt) values (32, '', '{\"began\": {}}')")
    assert len(journal.receipts.moves()) == len(journal.receipts.of(32)) == 1


def test_whatever_goes_wrong_with_its_note_traffic_stays_moved(journal: Journal) -> None:
    from tests.unit.test_flow_decides import _world

    it = tools(journal=journal, door={"confirm": None, "intended": OSError("the disk")})
    cutover = Cutover(it, _world(), "green")
    cutover.route()
    assert cutover.confirm() == "nginx answers green"
    assert journal.receipts.moves() == []
