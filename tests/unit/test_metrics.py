"""`bluegreen metrics`, read by Prometheus' own client: names, values, counters that only grow, complete files."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bluegreen.domain.evidence import Histogram
from bluegreen.domain.figures import Figures, Key, Position, Sums
from bluegreen.features.metrics.exposition import Family, written
from bluegreen.features.metrics.metrics import cumulative
from bluegreen.state import figures as tables
from bluegreen.state.journal import Journal
from tests.fakes.site import Site
from tests.fakes.visitors import Visitors

Read = Callable[[], dict[str, Metric]]
HOSTILE = 'a"b\\c\nd\r\0\ud800</script>'


def parse(text: str) -> dict[str, Metric]:
    """The families by name; no name, type or sample is there twice."""
    assert text.endswith("\n")
    found = list(text_string_to_metric_families(text))
    assert len({it.name for it in found}) == len(found)
    for it in found:
        assert it.documentation
        assert it.type in ("counter", "gauge", "histogram")
        assert it.name.startswith("bluegreen_")
        keys = [(one.name, *sorted(one.labels.items())) for one in it.samples]
        assert len(set(keys)) == len(keys)
        assert all(one.labels["app"] == "shop" for one in it.samples)
    return {it.name: it for it in found}


@pytest.fixture
def read(shop: Site, capsys: pytest.CaptureFixture[str]) -> Read:
    def act() -> dict[str, Metric]:
        capsys.readouterr()
        assert shop.run("metrics") == 0
        return parse(capsys.readouterr().out)

    return act


def value(found: Metric, name: str = "", **labels: str) -> float:
    mine = [
        it for it in found.samples if labels.items() <= it.labels.items() and it.name == (name or it.name)
    ]  # fmt: skip
    assert len(mine) == 1, mine
    return float(mine[0].value)


def test_of_an_app_that_lives(live: Site, read: Read) -> None:
    visitors = Visitors(live)
    visitors.ask(30, "blue", 1, ago=3, seconds=0.02)
    visitors.ask(4, "blue", 1, ago=2, status=502, seconds=0.3)
    visitors.ask(2, "", None, ago=1, status=301, seconds=0.001)
    visitors.ask(1, "blue", 1, status=101, seconds=900)
    found = read()
    assert value(found["bluegreen_up"]) == 1
    assert (value(found["bluegreen_live"], color="blue"), value(found["bluegreen_live"], color="green")) == (1, 0)
    assert value(found["bluegreen_requests"], color="blue", status="2xx") == 30
    assert value(found["bluegreen_requests"], color="blue", status="5xx") == 4
    assert value(found["bluegreen_requests"], color="none", status="3xx") == 2
    assert value(found["bluegreen_requests_failed"], color="blue") == 4
    assert value(found["bluegreen_operations"], verb="up", outcome="switched") == 1
    assert value(found["bluegreen_operations"], verb="switch", outcome="moved-back") == 0
    seconds = found["bluegreen_request_duration_seconds"]
    name = "bluegreen_request_duration_seconds"
    assert value(seconds, f"{name}_count", color="blue") == 34
    assert value(seconds, f"{name}_sum", color="blue") == pytest.approx(30 * 0.02 + 4 * 0.3)
    assert value(seconds, f"{name}_bucket", color="blue", le="0.027") == 30
    assert value(seconds, f"{name}_bucket", color="blue", le="0.269") == 30
    assert value(seconds, f"{name}_bucket", color="blue", le="0.525") == 34
    assert value(seconds, f"{name}_bucket", color="blue", le="+Inf") == 34
    release = next(it for it in found["bluegreen_release_info"].samples if it.labels["color"] == "blue")
    assert (release.labels["release"], release.labels["standing"]) == ("1", "live")
    assert "bluegreen_certificate_valid" not in found


@pytest.mark.whole
def test_what_ended_how(two: Site, read: Read) -> None:
    two.sick.add(3)
    two.release("shop:1")
    assert two.run("switch", "--progress", "none") == 1
    found = read()
    assert value(found["bluegreen_operations"], verb="switch", outcome="failed") == 1
    assert value(found["bluegreen_last_operation_success"]) == 0
    assert two.run("flip-back") == 0
    found = read()
    assert value(found["bluegreen_operations"], verb="flip-back", outcome="flipped-back") == 1
    assert value(found["bluegreen_last_operation_success"]) == 1
    (last,) = found["bluegreen_last_operation_timestamp_seconds"].samples
    assert (last.labels["verb"], last.labels["outcome"]) == ("flip-back", "flipped-back")
    assert value(found["bluegreen_live"], color="blue") == 1


def test_an_app_that_is_down_closed_or_unreached(live: Site, read: Read) -> None:
    live.unreached.add("8123")
    assert value(read()["bluegreen_up"]) == 0
    live.unreached.clear()
    assert live.run("maintenance", "on") == 0
    found = read()
    assert (value(found["bluegreen_up"]), value(found["bluegreen_maintenance"])) == (0, 1)


def test_without_an_app_it_fails_as_other_looks_do(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("status") == shop.run("metrics") == shop.run("metrics", "--textfile", "shop.prom") == 1
    assert not Path("shop.prom").exists()
    assert capsys.readouterr().out == ""


def test_who_may_not_write_the_journal_counts_too(live: Site, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    Visitors(live).ask(50, "blue", 1)
    monkeypatch.setattr(tables.FigureTables, "writable", lambda _: False)
    for _ in range(2):
        assert value(read()["bluegreen_requests"], color="blue", status="2xx") == 50


def test_a_damaged_journal_is_no_bug(live: Site, read: Read) -> None:
    Visitors(live).ask(5, "blue", 1)
    read()
    with sqlite3.connect(live.state / "journal.db") as journal:
        journal.execute("update totals set sums = '[1'")
        journal.execute("update operations set verb = x'ff', outcome = 'a\"b'")
    journal.close()
    assert value(read()["bluegreen_requests"], color="blue", status="2xx") == 0


# -- counters


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, lambda: "2026-11-27T14:00:00+00:00")


def _minute(start: int, requests: int, color: str = "blue") -> Figures:
    sums = Sums(requests, 1, 100, {"2": requests}, Histogram({3: requests}), 0.5)
    return Figures({Key(start, 60, start, color): sums})


def test_counters_only_grow_whatever_is_cleaned_up(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROOM", 800)
    was = None
    for number in range(1, 40):
        now = Position("c", f"{number}", 1)
        assert journal.figures.add(_minute(3600 * number, 10), was, now)
        journal.figures.keep([number])
        was = now
        total = journal.figures.totals()["blue"]
        assert (total.requests, total.failed, total.latency.count) == (10 * number, number, 10 * number)
        assert total.seconds == pytest.approx(0.5 * number)
    assert journal.figures.known().total().requests < 100
    assert not journal.figures.add(_minute(1, 10), None, Position("c", "x", 1)), "somebody else has read the same"
    assert journal.figures.totals()["blue"].requests == 390


def test_a_journal_of_the_last_version_gets_totals(journal: Journal, tmp_path: Path) -> None:
    assert journal.figures.add(_minute(60, 10), None, Position("c", "1", 1))
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as it:
        it.execute("drop table totals")
        it.execute("pragma user_version = 4")
        text = json.loads(it.execute("select sums from figures").fetchone()[0])
        del text["seconds"]  # of a bluegreen that did not count them
        it.execute("update figures set sums = ?", (json.dumps(text),))
    it.close()
    assert journal.figures.add(_minute(60, 7), Position("c", "1", 1), Position("c", "2", 1))
    assert journal.figures.totals()["blue"].requests == 7
    assert journal.figures.known().total().requests == 17


# -- the format


def test_a_bucket_has_what_took_no_longer_than_its_edge() -> None:
    histogram = Histogram()
    for millisecond in range(70_000):
        histogram.add(millisecond / 1000)
    found = list(cumulative(histogram))
    assert [round(1000 * edge) + 1 for edge, _ in found] == [count for _, count in found]
    assert len(found) == len(dict(found)) == 12


def test_hostile_labels_are_escaped() -> None:
    family = Family("bluegreen_x", "gauge", f"Help {HOSTILE}").add(float("inf"), name=HOSTILE).add(0.5)
    text = written([family, Family("bluegreen_none", "gauge", "None.")], {"app": "shop"})
    found = parse(text)
    assert found["bluegreen_x"].samples[0].labels["name"] == 'a"b\\c\nd  ?</script>'
    assert [it.value for it in found["bluegreen_x"].samples] == [float("inf"), 0.5]
    assert len(text.splitlines()) == 4


# -- the file


def test_the_file_is_complete_and_for_everybody(
    live: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path("shop.prom")
    place.write_text("old")
    place.chmod(0o600)
    assert live.run("metrics", "--textfile", "shop.prom") == 0
    assert capsys.readouterr().out == ""
    assert "bluegreen_up" in parse(place.read_text())
    assert stat.S_IMODE(place.stat().st_mode) == 0o644

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "shop.prom")

    before = place.read_text()
    monkeypatch.setattr(os, "replace", full)
    assert live.run("metrics", "--textfile", "shop.prom") == 1
    assert place.read_text() == before
    assert list(Path().glob(".shop*")) == []


@pytest.mark.parametrize("kind", ["folder", "nowhere"])
def test_what_is_no_file_is_refused(live: Site, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    place = Path("there")
    if kind == "folder":
        place.mkdir()
    assert live.run("metrics", "--textfile", "there" if kind == "folder" else "no/where.prom") == 1
    assert ("a folder, not a file" if kind == "folder" else "No such file") in capsys.readouterr().err
    assert live.run("report", "-o", "there" if kind == "folder" else "no/where.html") == 1
    assert place.is_dir() == (kind == "folder")


def test_a_name_that_node_exporter_does_not_read_is_said(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.run("metrics", "--textfile", "shop.txt") == 0
    assert ".prom" in capsys.readouterr().err
