"""What is learned from answers, and how another answer differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain.answers import Answer, Expectation, differences, document, parse
from bluegreen.domain.learning import Identity, learn, merge
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.state import expected_file

ASKED = Expectation("GET", "/api/items")
LIVE = Identity("blue", 7)


def _answer(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {"content-type": "application/json", **headers}, json.dumps(body))


def _learned(*bodies: Any, other: tuple[Identity, Answer] | None = None, exact: bool = True) -> Any:
    return learn(ASKED, [_answer(body) for body in bodies], LIVE, other, exact).json


@pytest.mark.parametrize(
    ("bodies", "learned"),
    [
        ([{"a": 1}, {"a": 1}], {"a": 1}),
        ([{"a": 1}, {"a": 2}], {"a": "#number"}),
        ([{"a": "x"}, {"a": "y"}], {"a": "#string"}),
        ([{"a": True}, {"a": False}], {"a": "#boolean"}),
        ([{"a": 1}, {"a": None}], {"a": "#ignore"}),
        ([{"a": "2026-11-24T10:00:00Z"}, {"a": "2026-11-24T10:00:01+00:00"}], {"a": "#time"}),
        ([{"a": f"{n}" * 8 + "-aaaa-bbbb-cccc-" + "d" * 12} for n in (1, 2)], {"a": "#uuid"}),
        ([[1, 2], [1, 3]], [1, "#number"]),
        ([[1], [1, 2]], "#array"),
        ([{"a": 1, "b": 1}, {"a": 1}], {"a": 1}),
        ([{"a": "#string"}] * 2, {"a": "#literal #string"}),
        ([{"access_token": "always the same"}] * 2, {"access_token": "#string"}),
        ([list(range(101))] * 2, "#array"),
    ],
)
def test_what_varies_is_learned_as_its_type_and_the_rest_as_it_is(bodies: list[Any], learned: Any) -> None:
    assert _learned(*bodies) == learned
    for body in bodies:
        assert differences(Expectation("GET", "/", json=learned), _answer(body)) == []


NOTES = [{"id": 1, "text": "milk", "done": False}, {"id": 2, "text": "bread", "done": False, "due": None}]
NOTE = {"id": "#number", "text": "#string", "done": "#boolean"}
EDITED = {"id": "#number", "text": "#regex ^."}
IDS = [{"id": f"{n}" * 8 + "-aaaa-bbbb-cccc-" + "d" * 12, "at": f"2026-11-2{n}"} for n in (1, 2)]


@pytest.mark.parametrize(
    ("body", "learned"),
    [
        (NOTES, ["#each", NOTE]),
        ({"notes": NOTES, "total": 2}, {"notes": ["#each", NOTE], "total": 2}),
        ({"notes": NOTES[:1]}, {"notes": ["#each", NOTE]}),
        ({"notes": []}, {"notes": "#array"}),
        (IDS, ["#each", {"id": "#uuid", "at": "#string"}]),
        ({"rows": [{"tags": ["a"], "by": {"name": "Ann"}}, {"tags": [], "by": {"name": "Bob", "age": 3}}]},
         {"rows": ["#each", {"tags": ["#each", "#string"], "by": {"name": "#string"}}]}),
        ({"rows": [{"tags": []}, {"tags": []}]}, {"rows": ["#each", {"tags": "#array"}]}),
        ({"rows": [{"a": 1}, {"a": None}]}, {"rows": ["#each", {"a": "#ignore"}]}),
        ({"rows": [1, "x"]}, {"rows": "#array"}),
        ({"places": [[1.5, 2.5], [3, 4]]}, {"places": ["#each", ["#each", "#number"]]}),
        ({"languages": ["de", "en"], "scopes": ["read:items"]}, {"languages": ["de", "en"], "scopes": ["read:items"]}),
        (["de", "en"], ["#each", "#string"]),
        ({"ids": [1, 2, 3]}, {"ids": ["#each", "#number"]}),
        ({"titles": ["buy milk", "call Bob"]}, {"titles": ["#each", "#string"]}),
        ({"words": [f"w{n}" for n in range(11)]}, {"words": ["#each", "#string"]}),
        ({"odd": ["#each", "#number"]}, {"odd": ["#each", "#string"]}),
        ({"access_tokens": ["abc", "def"]}, {"access_tokens": ["#string", "#string"]}),
    ],
)  # fmt: skip
def test_a_list_of_data_is_learned_as_the_shape_of_its_entries(body: Any, learned: Any) -> None:
    assert _learned(body, body, body, exact=False) == learned
    assert differences(Expectation("GET", "/", json=learned), _answer(body)) == []
    assert parse(document([Expectation("GET", "/", json=learned)]))[1] == []


@pytest.mark.parametrize(
    ("bodies", "learned"),
    [
        ([[], [{"id": 1}]], ["#each", {"id": "#number"}]),
        ([{"names": ["a"]}, {"names": ["a", "b"]}], {"names": ["#each", "#string"]}),
        ([[{"a": 1, "b": 1}], [{"a": 1}]], ["#each", {"a": "#number"}]),
        ([[1], {"a": 1}], "#ignore"),
    ],
)
def test_lists_that_vary_are_one_shape(bodies: list[Any], learned: Any) -> None:
    assert _learned(*bodies, exact=False) == learned


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], []),
        ([*NOTES, {"id": 3, "text": "one more", "done": True, "more": 1}], []),
        ([NOTES[0], {"id": "2", "text": "x", "done": True}], ['json[1].id is "2", expected #number']),
        ([{"id": 1, "done": True}] * 5, ["json[0].text is absent, expected #string", "json: 4 more entries differ"]),
        ([3], [f"json[0] is 3, expected {json.dumps(NOTE)}"]),
        ({"a": 1}, ['json is {"a": 1}, expected ["#each", {"id": "#number", "text": "#string", "done": "#...']),
    ],
)
def test_each_entry_is_held_against_the_shape(body: Any, words: list[str]) -> None:
    assert differences(Expectation("GET", "/", json=["#each", NOTE]), _answer(body)) == words


@pytest.mark.parametrize(
    ("before", "today", "exact", "after"),
    [
        (["#each", EDITED], NOTES, False, ["#each", EDITED]),
        (["#each", {"id": "#uuid"}], NOTES, False, ["#each", {"id": "#number"}]),
        (["#each", NOTE], [], False, ["#each", NOTE]),
        (NOTES, NOTES, False, NOTES),
        (NOTES[:1], NOTES, False, ["#each", NOTE]),
        ("#array", NOTES, False, "#array"),
        ("#ignore", NOTES, False, "#ignore"),
        (["#each", NOTE], NOTES[:1], True, NOTES[:1]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, False, {"a": {"b": [1, 2]}}),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2, 3]}}, False, {"a": {"b": ["#each", "#number"]}}),
        ([["#each", "#number"], 1], [[1], 2], True, [[1], 2]),
    ],
)  # fmt: skip
def test_recording_again_keeps_what_was_edited_of_lists(before: Any, today: Any, exact: bool, after: Any) -> None:
    known = Expectation("GET", "/api/items", json=before)
    learned = learn(ASKED, [_answer(today)] * 3, LIVE, None, exact)
    assert merge(known, learned, today, exact).json == after


def test_a_color_that_names_itself_is_no_difference_between_releases() -> None:
    mine = {"color": "blue", "paint": "blue", "release": "7", "count": 7}
    other = (Identity("green", 6), _answer({"color": "green", "paint": "blue", "release": "6", "count": 7}))
    learned = _learned(mine, mine, other=other)
    assert learned == {"color": "#regex ^(blue|green)$", "paint": "blue", "release": "#regex ^[0-9]+$", "count": 7}
    alone = _learned(mine, mine)
    assert alone == learned, "without an idle color the names of the keys tell"


@pytest.mark.parametrize(
    ("wanted", "body", "words"),
    [
        ({"a": {"b": [1, {"c": "x"}]}}, {"a": {"b": [1, {"c": "y"}]}}, 'json.a.b[1].c is "y", expected "x"'),
        ({"a": 1}, {}, "json.a is absent, expected 1"),
        ({"a": 1}, {"a": "1"}, 'json.a is "1", expected 1'),
        ({"a": 1}, {"a": True}, "json.a is true, expected 1"),
        ({"a": "#number"}, {"a": "x"}, 'json.a is "x", expected #number'),
        ({"a": "#regex ^v[0-9]+$"}, {"a": "w1"}, 'json.a is "w1", expected #regex ^v[0-9]+$'),
        ([1, 2], [1], "json has 1 entries, expected 2"),
        ({"a": None}, {"a": 0}, "json.a is 0, expected null"),
        ({"a": "#ignore"}, {}, "json.a is absent, expected #ignore"),
    ],
)
def test_a_difference_names_its_place(wanted: Any, body: Any, words: str) -> None:
    assert differences(Expectation("GET", "/", json=wanted), _answer(body)) == [words]


def test_what_a_release_adds_is_no_difference() -> None:
    assert differences(Expectation("GET", "/", json={"a": 1}), _answer({"a": 1, "b": 2})) == []


def test_status_headers_text_and_silence_are_compared() -> None:
    wanted = Expectation("GET", "/", status=201, answer_headers={"Location": "#regex ^/items/"}, text="^ok")
    assert differences(wanted, Answer(200, {}, "no")) == ['status is 200, expected 201: "no"']
    assert differences(wanted, Answer(201, {"location": "/else"}, "no")) == [
        'header Location is "/else", expected #regex ^/items/', 'text does not match ^ok: "no"',
    ]  # fmt: skip
    assert differences(wanted, Answer(201, {"location": "/items/3"}, "ok!")) == []
    assert differences(wanted, Answer(problem="did not answer")) == ["did not answer"]
    assert differences(Expectation("GET", "/", json={"a": 1}), Answer(200, {}, "{")) == [
        'json is absent, expected {"a": 1}'
    ]


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "expected.yaml"
    assert expected_file.read(path) is None
    written = (
        Expectation("GET", "/", {"Accept": "*/*"}, None, 200, {"Content-Type": "text/html"}),
        Expectation("POST", "/a?b=${C}", {}, '{"x": 1}', 201, {}, {"at": "2026-11-24", "n": None, "s": "yes"}, "x"),
        Expectation("GET", "/null", json=None),
    )
    expected_file.write(path, written)
    assert expected_file.read(path) == written
    path.write_text("- request: GET /\n  json: {at: 2026-11-24, when: 2026-11-24T10:00:00Z}\n")
    assert (expected_file.read(path) or ())[0].json == {"at": "2026-11-24", "when": "2026-11-24T10:00:00Z"}
    assert parse(document(written)) == (written, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1", "expected a list of entries"),
        ("- request: GRAB /", "entry 1.request: found"),
        ("- request: GET /\n- {request: GET /, statsu: 1}", "entry 2.statsu: unknown key"),
        ("- {request: GET /, status: true}", "entry 1.status"),
        ("- {request: GET /, headers: {a b: c}}", "entry 1.headers"),
        ('- {request: GET /, headers: {a: "c\\x1b"}}', "entry 1.headers"),
        ("- {request: GET /, json: {a: ['#regex (']}}", "entry 1.json.a[0]: found"),
        ("- {request: GET /, text: '('}", "entry 1.text: found"),
        ("- {request: GET /, json: {a: ['#each']}}", "entry 1.json.a: expected a list of two"),
        ("- {request: GET /, json: ['#each', 1, 2]}", "entry 1.json: expected a list of two"),
        ("- {request: GET /, json: {a: [{b: '#each'}]}}", "entry 1.json.a[0].b: expected a list of two"),
        ("- {request: GET /, json: ['#each', ['#each', '#each']]}", "entry 1.json[1]: expected a list of two"),
        ("- {request: 'GET / HTTP/1.1', status: 200}", "entry 1.request: found"),
        ("[" * 2000, ""),
        ("- !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("3", "expected a list of entries"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "expected.yaml"
    path.write_text(text)
    with pytest.raises(BluegreenError) as error:
        expected_file.read(path)
    assert error.value.exit_code == ExitCode.USAGE
    assert any(words in line for line in error.value.lines), error.value.lines


@pytest.mark.parametrize(
    ("before", "today", "after"),
    [
        ({"a": "#number"}, {"a": 4}, {"a": "#number"}),
        ({"a": "#ignore"}, {"a": [1]}, {"a": "#ignore"}),
        ({"a": "#regex ^v"}, {"a": "v2"}, {"a": "#regex ^v"}),
        ({"a": "#regex ^v"}, {"a": "w2"}, {"a": "w2"}),
        ({"a": 3}, {"a": 4}, {"a": 4}),
        ({"a": 3}, {"a": 3, "new": 1}, {"a": 3}),
        ({"a": 3, "gone": 1}, {"a": 3}, {"a": 3}),
        ([{"a": "#string"}, 1], [{"a": "x"}, 2], [{"a": "#string"}, 2]),
        ([1], [1, 2], [1, 2]),
        ({"a": {"b": "#object"}}, {"a": {"b": {"c": 1}}}, {"a": {"b": "#object"}}),
        ({"a": "#literal #x"}, {"a": "#x"}, {"a": "#literal #x"}),
        ("#array", [1, 2], "#array"),
    ],
)
def test_what_was_edited_stays_where_todays_answer_fits_it(before: Any, today: Any, after: Any) -> None:
    known = Expectation("GET", "/api/items", json=before)
    assert merge(known, learn(ASKED, [_answer(today)] * 3, LIVE, None, True), today, True).json == after


def test_what_varies_today_is_no_reason_to_forget_a_pattern() -> None:
    learned = learn(ASKED, [_answer({"at": number, "id": number}) for number in (1, 2)], LIVE, None)
    kept = merge(Expectation("GET", "/api/items", json={"at": "#ignore", "id": 7}), learned)
    assert kept.json == {"at": "#ignore", "id": "#number"}


def test_headers_and_texts_of_a_person_stay_as_well() -> None:
    known = Expectation("GET", "/", answer_headers={"Content-Type": "#regex json", "X-Mine": "1"}, text="hello")
    again = merge(known, learn(ASKED, [_answer({"a": 1})], LIVE, None))
    assert again.answer_headers == {"Content-Type": "#regex json", "X-Mine": "1"}
    assert (again.text, again.status) == ("hello", 200)
