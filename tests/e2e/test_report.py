"""What a browser shows of a report, and what report and metrics say after real releases under real traffic."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bluegreen.features.report.page import page
from tests.conftest import Make
from tests.e2e.test_watch import COMPOSE, SERVER
from tests.support.browser import Page, browser
from tests.support.machine import ROOT
from tests.support.project import Project
from tests.support.sample_report import NOW, sample
from tests.support.visitors import Visitors

BUILD = ROOT / "build" / "report"
WIDTHS = (1280, 390)
HOSTILE = "<script>document.title='bad'</script><img src=x onerror=document.title='bad'>"
VISIBLE = """[...document.querySelectorAll('h1, h2, h3, td, dd, p, pre, text')].filter(it => it.textContent.trim()
    && getComputedStyle(it).display != 'none' && it.closest('.bar') == null)
    .filter(it => { const r = it.getBoundingClientRect(); return r.width < 1 || r.height < 5; })
    .map(it => it.outerHTML.slice(0, 120))"""
# Texts whose contrast with the page is less than 4.5 to 1, as WCAG 2.1 (1.4.3) asks for.
PALE = """(() => {
    const light = rgb => { const [r, g, b] = rgb.match(/[0-9.]+/g).map(v => { v /= 255;
        return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const paper = light(getComputedStyle(document.body).backgroundColor);
    return [...document.querySelectorAll('h1, h2, p, td, th, dt, dd, .badge, text')].filter(it => {
        const style = getComputedStyle(it), ink = light(it.tagName == 'text' ? style.fill : style.color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) < 4.5;
    }).map(it => it.outerHTML.slice(0, 120));
})()"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as it:
        yield it


def _looked_at(tab: Page, file: Path, name: str) -> None:
    """Fits each screen, light and dark; pictures of it are in build/report."""
    for width in WIDTHS:
        for dark in (False, True):
            tab.open(file, width, dark)
            how = f"{name}-{width}-{'dark' if dark else 'light'}"
            picture = tab.picture(BUILD / f"{how}.png")
            assert picture.stat().st_size > 20_000
            assert tab.value("document.documentElement.scrollWidth") <= width, how
            assert tab.value("innerWidth") == width, how
            assert tab.value(VISIBLE) == [], how
            assert tab.value(PALE) == [], how
            small = "[...document.querySelectorAll('svg text')].map(it => it.getBoundingClientRect().height)"
            assert min(tab.value(small), default=9) >= 8, how
            assert tab.value("performance.getEntriesByType('resource').length") == 0, "it loads nothing"


def test_a_report_fits_a_desk_and_a_phone_and_prints(tab: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(sample(), NOW))
    _looked_at(tab, file, "sample")
    assert tab.value("document.title") == "shop, release 42"
    printed = tab.printed()
    (BUILD / "sample.pdf").write_bytes(printed)
    assert printed.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6


def test_nothing_that_others_wrote_runs(tab: Page, tmp_path: Path) -> None:
    facts = sample(log=[HOSTILE] * 5, owner=HOSTILE, subject=HOSTILE, note=HOSTILE, revision=HOSTILE)
    file = tmp_path / "hostile.html"
    text = page(facts, NOW)
    file.write_text(text)
    _looked_at(tab, file, "hostile")
    assert tab.value("document.title") == "shop, release 42"
    assert tab.value("document.querySelectorAll('script, img, [onerror]').length") == 0
    # The second wall: even if something was not escaped, the page's own policy lets it do nothing.
    file.write_text(text.replace("</main>", f"{HOSTILE}</main>"))
    tab.open(file, 1280)
    assert tab.value("document.querySelectorAll('script').length") == 1
    assert tab.value("document.title") == "shop, release 42"


def test_a_release_of_which_nothing_is_known_and_one_of_two_hundred(tab: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    empty = sample().release | {"changed": None, "images": {}, "runs": []}
    bare = replace(sample(), release=empty, operations=[], moves=[], receipts=[], lived=[], logs=[], releases=[])
    for name, facts in (("bare", bare), ("many", sample(200, log=["x" * 400] * 60, owner="o" * 400))):
        file.write_text(page(facts, NOW))
        _looked_at(tab, file, name)


# -- the real Engine

LOUD = SERVER.replace(
    "    def log_message(self, *_):\n        pass\n",
    f"    def log_message(self, *_):\n        print({HOSTILE!r}, env['TOKEN'], self.path, flush=True)\n",
)
PATHS = ("/", "/items/1", f"/<script>{HOSTILE[8:]}", "POST /orders")


@pytest.fixture
def released(make_project: Make) -> Project:
    """Two switches under traffic, and a release that was taken back."""
    assert LOUD != SERVER
    project = make_project(COMPOSE.replace("environment:", "environment:\n      TOKEN: canary-7f3a-token"))
    (project.folder / "watched.py").write_text(LOUD)
    (project.folder / "shared").mkdir()
    project.ok("up")
    with Visitors(project.port, 40, tuple(it.replace(" /", " /").replace("<", "%3C") for it in PATHS), people=20):
        time.sleep(2)
        project.ok("switch", "--watch", "2s", "--note", HOSTILE, "--owner", "dana", NUMBER="2")
        time.sleep(1)
        project.ok("switch", "--watch", "2s", "--expect", "more orders", NUMBER="3")
        time.sleep(1)
        done = project.run("switch", "--watch", "20s", "--json", FAILING="1")
        time.sleep(1)
    assert done.code == 4, str(done)
    assert done.json()["error"]["code"] == "release-taken-back"
    time.sleep(1.2)
    return project


def _journal(project: Project) -> dict[int, tuple[int, int]]:
    """Requests and failures of each release, as the journal has them."""
    found: dict[int, tuple[int, int]] = {}
    with contextlib.closing(sqlite3.connect(project.state / "journal.db")) as journal:
        for release, text in journal.execute("select release, sums from figures where release > 0"):
            it, was = json.loads(text), found.get(release, (0, 0))
            found[release] = (was[0] + it["requests"], was[1] + it["failed"])
    return found


def _figures(text: str) -> dict[int, tuple[int, int]]:
    rows = re.findall(
        r"<tr><td>(\d+)</td><td class=\"n\">(\d+)</td><td class=\"n\">(\d+)</td>", text.partition('id="figures"')[2]
    )
    return {int(release): (int(requests), int(failed)) for release, requests, failed in rows}


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_after_two_switches_and_a_release_that_was_taken_back(released: Project, tab: Page) -> None:
    name = f"{released.name}-release-4.html"
    assert released.ok("report").out == f"{name}\n"
    file = released.folder / name
    text = file.read_text()
    print(f"\n{len(text):,} bytes; requests and failures of each release: {_figures(text)}")
    assert _figures(text) == _journal(released)
    assert set(_figures(text)) == {1, 2, 3, 4}
    shown = re.sub(r"<[^>]+>", "", text)
    for words in ("release 4", "moved back", "traffic is back on", "requests failed", "moved back from", "dana"):
        assert words in shown, words
    assert re.search(r"\b\d+ m?s\b", shown), "how long it took"
    assert "canary" not in text
    assert "/var/run" not in text
    _looked_at(tab, file, "real")
    assert tab.value("document.title") == f"{released.name}, release 4"
    third = released.ok("report", "3", "-o", "-").out
    assert "more orders" in third
    assert re.search(r"each answered one time, none by \w+ after the move", third)
    assert "Watched: " in third
    _metrics(released)


def _metrics(project: Project) -> None:
    place = project.folder / "shop.prom"
    print(f"metrics took {project.ok('metrics', '--textfile', str(place)).seconds:.2f} s")
    assert place.stat().st_mode & 0o777 == 0o644
    families = {it.name: it for it in text_string_to_metric_families(place.read_text())}

    def total(name: str, **labels: str) -> float:
        return sum(it.value for it in families[name].samples if labels.items() <= it.labels.items())

    journal = _journal(project)
    assert total("bluegreen_requests", color="blue") == journal[1][0] + journal[3][0]
    assert total("bluegreen_requests", color="green") == journal[2][0] + journal[4][0]
    assert total("bluegreen_requests_failed") == sum(failed for _, failed in journal.values())
    assert total("bluegreen_operations", verb="switch", outcome="switched") == 2
    assert total("bluegreen_operations", verb="switch", outcome="moved-back") == 1
    assert total("bluegreen_last_operation_success") == 0
    assert (total("bluegreen_up"), total("bluegreen_live", color="blue")) == (1, 1)
