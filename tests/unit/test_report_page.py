"""The page of `bluegreen report`: values in, one HTML file out that loads nothing, runs nothing and stays small."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from bluegreen.domain.figures import HOUR, Figures, Gap, in_hours
from bluegreen.domain.receipt import Move
from bluegreen.features.report import charts
from bluegreen.features.report.facts import Facts, Log
from bluegreen.features.report.page import page
from tests.support.sample_report import BACK, MOVED, NOW, figures, move, sample

MOST = 4_000_000  # bytes, as docs/how-to/report.md says, whatever is on the page
USUAL = 150_000
HOSTILE = (
    "</title></pre><script>document.title='bad'</script><img src=x onerror=\"document.title='bad'\">"
    "&amp;'\"{{7*7}}\x1b[2J\0\ud800"
)
VOID = {"meta", "img", "br", "link", "input"}


class Parsed(HTMLParser):
    """The page as a browser reads it: tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(facts: Facts) -> Parsed:
    """The page, which is sound, alone and harmless."""
    text = page(facts, NOW)
    assert len(text.encode()) < MOST
    found = Parsed(text)
    assert found.open == []
    names = {name for name, _ in found.tags}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "form", "a", "base", "use", "image"})
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "srcset", "style")]
    assert "url(" not in text
    assert "@import" not in text
    policy = next(it["content"] for name, it in found.tags if name == "meta" and "http-equiv" in it)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    return found


def test_a_release_that_was_taken_back() -> None:
    text = parsed(sample()).text
    for words in (
        "shop, release 42", "moved back", "dana", "Orders per hour rise by 2 %", "Old baskets are kept",
        "web.BASKET_CACHE+",
        "6 of 16 requests failed", "traffic is back on blue", "switch from blue to green, 2026-11-27 14:05",
        "moved back from green to blue", "KeyError: 'basket'", "0042_basket.sql", "4.20 s", "Faster basket, part 41",
    ):  # fmt: skip
        assert words in text, words


def test_figures_are_those_of_the_journal() -> None:
    facts = sample()
    text = re.sub(r"<[^>]+>", " ", page(facts, NOW).partition('<table id="figures">')[2])
    for release in (41, 42):
        total = facts.figures.total(release)
        assert re.search(rf"\s{release}\s+{total.requests}\s+{total.failed}\s", text), release


def test_what_others_have_written_is_text() -> None:
    facts = sample(log=[HOSTILE] * 20, owner=HOSTILE, subject=HOSTILE, note=HOSTILE, revision=HOSTILE)
    hostile = {"verb": HOSTILE, "step": HOSTILE, "detail": HOSTILE}
    operation = facts.operations[0] | {
        "verb": HOSTILE,
        "target": HOSTILE,
        "steps": [facts.operations[0]["steps"][0] | hostile],
    }
    facts = replace(
        facts, app=HOSTILE, notes=[HOSTILE], operations=[operation], logs=[Log(HOSTILE, HOSTILE, [HOSTILE])],
        receipts=[it | {"words": HOSTILE, "verb": HOSTILE} for it in facts.receipts],
        moves=[replace(it, verb=HOSTILE, left=HOSTILE, color=HOSTILE) for it in facts.moves],
        lived=[replace(it, verb=HOSTILE) for it in facts.lived],
    )  # fmt: skip
    facts.release["color"] = facts.releases[0]["color"] = HOSTILE
    facts.figures.gaps.append(Gap(HOSTILE, HOSTILE, HOSTILE))
    found = parsed(facts)
    assert found.text.count("{{7*7}}") > 20
    assert "document.title='bad'" in found.text
    assert not [char for char in found.text if not char.isprintable() and char != "\n"]


def test_a_release_of_which_nothing_is_known() -> None:
    empty = sample().release | {"changed": None, "images": {}, "runs": [], "seconds": None, "created": "soon"}
    facts = Facts("shop", "bluegreen", empty)
    text = parsed(facts).text
    assert "No traffic has moved to or from this release" in text
    assert "There is no release before it to compare with" in text
    assert "The journal has no operation of this release" in text


@pytest.mark.whole
def test_two_hundred_releases_are_a_page_of_bounded_size() -> None:
    found = parsed(sample(200, log=["x" * 400] * 60, subject="s" * 400, note="n" * 5000))
    assert "The newest 50 of 200 releases" in found.text
    assert "Faster" not in found.text
    moves = [move("switch", "blue", "green", MOVED - 3600 * n, 199) for n in range(6)]
    many = Figures()
    for number in range(6):
        many.merge(figures(200))
        many.minutes |= {key._replace(start=key.start - 3600 * number): it for key, it in figures(200).minutes.items()}
    facts = sample(200, log=["<" * 400] * 60)
    logs = facts.logs * 6
    assert len(page(sample(200), NOW)) < len(page(replace(sample(200), moves=moves, figures=many), NOW)) < USUAL
    worst = "'" * 10**6
    error = dict.fromkeys(facts.operations[0]["error"], worst) | {"lines": [worst] * 100}
    operation = facts.operations[0] | {
        "error": error,
        "steps": [facts.operations[0]["steps"][0] | {"detail": worst}] * 20,
    }
    facts.release["runs"] *= 100
    facts.release["changed"]["images"] = [worst] * 1000
    parsed(replace(facts, moves=moves, figures=many, logs=logs, operations=[operation] * 8))


def test_one_text_cannot_fill_the_page() -> None:
    facts = sample()
    facts.release["note"] = "n" * 10**6
    facts.release["runs"][0]["output"] = "o" * 10**6 + "the end"
    text = parsed(facts).text
    assert "the end" in text


# -- what is drawn


def _around(found: Figures, *moves: Move) -> list[charts.Around]:
    return charts.all_around(found, moves)


def test_moves_soon_after_each_other_are_one_picture() -> None:
    there, back = move("switch", "blue", "green", MOVED, 41), move("moved back", "green", "blue", BACK, 42)
    later = move("switch", "blue", "green", MOVED + 900, 41)
    found = _around(figures(42), there, back, later)
    assert [[it.verb for it in one.moves] for one in found] == [["switch"], ["switch", "moved back"]]
    assert len(found[0].charts[0].marks) == 3


def test_everything_is_inside_of_its_picture_and_adds_up() -> None:
    known = figures(42)
    (found,) = _around(known, move("switch", "blue", "green", MOVED, 41))
    requests, failed, latency = found.charts
    for chart in found.charts:
        for bar in chart.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= charts.WIDTH
            assert 0 <= bar.y <= bar.y + bar.height <= charts.HEIGHT
    assert sum(int(bar.title.rpartition(": ")[2].split()[0].replace(",", "")) for bar in requests.bars) == (
        known.total().requests
    )
    assert [bar.kind for bar in failed.bars] == ["bad"]
    assert {line.kind for line in latency.lines} == {"blue p95", "blue p50", "green p95", "green p50"}
    assert [(side.release, side.sums.requests) for side in found.sides] == [
        (41, known.total(41).requests), (42, 16),
    ]  # fmt: skip


def test_of_an_old_move_hours_are_drawn() -> None:
    old = Figures(in_hours(figures(42).minutes.items()))
    (found,) = _around(old, move("switch", "blue", "green", MOVED, 41))
    assert (found.step, found.charts[0].empty) == (HOUR, False)
    (none,) = _around(Figures(), move("switch", "blue", "green", MOVED, 41))
    assert none.charts[0].empty


@pytest.mark.parametrize("most", [0.0, 0.4, 1, 3, 7, 10, 99, 101, 12345, 10**9])
def test_the_axis_ends_above_the_most(most: float) -> None:
    top, places = charts._scale(most)
    assert most <= top <= max(1, 10 * most)
    assert places[-1] in (top, 0.0)


def test_the_strip_of_what_was_live_is_full() -> None:
    facts = sample()
    bars, begin = charts.strip(facts.lived, facts.colors, (NOW + timedelta(days=1)).timestamp())
    assert begin.startswith("2026-11-")
    assert {bar.kind for bar in bars} == {"blue", "green"}
    assert bars[-1].x + bars[-1].width == pytest.approx(charts.STRIP, abs=1)
    assert charts.strip([], {}, 0.0) == ([], "")
    assert charts.strip([replace(facts.lived[0], since="soon")], {}, 0.0) == ([], "")
