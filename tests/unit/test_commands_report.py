"""`bluegreen report`, typed on a machine in memory."""

from __future__ import annotations

import stat
import webbrowser
from pathlib import Path

import pytest

from bluegreen.flow import receipts
from tests.fakes.site import Site
from tests.fakes.visitors import Visitors
from tests.unit.test_report_page import Parsed


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "LATE", 0.0)


def _page(it: Site, *words: str) -> str:
    assert it.run("report", *words, "-o", "page.html") == 0
    return Parsed(Path("page.html").read_text()).text


def test_a_switch_and_its_traffic(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    visitors = Visitors(live)
    visitors.ask(200, "blue", 1)
    live.release("shop:2")
    assert live.run("switch", "--owner", "dana", "--note", "<b>careful</b>", "--progress", "none") == 0
    visitors.ask(90, "green", 2)
    capsys.readouterr()
    text = _page(live)
    assert capsys.readouterr().out == "page.html\n"
    for words in (
        "shop, release 2",
        "dana",
        "<b>careful</b>",
        "switch from blue to green",
        "web.image",
        "renamed to green",
    ):
        assert words in text
    first = _page(live, "1")
    assert "shop, release 1" in first
    assert "switch from blue to green" in first
    assert live.run("report", "9", "-o", "page.html") == 1


def test_it_is_named_after_app_and_release_and_readable_as_other_files(two: Site) -> None:
    assert two.run("report") == 0
    (found,) = two.project.glob("*.html")
    assert found.name == "shop-release-2.html"
    assert stat.S_IMODE(found.stat().st_mode) == 0o644


def test_of_a_release_that_failed_the_logs_are_there(live: Site) -> None:
    live.release("shop:2")
    live.sick.add(2)
    assert live.run("switch", "--progress", "none") == 1
    containers = live.replicas("green")
    for it in containers:
        it.output = b"<script>alert(1)</script>\n"
    text = _page(live)
    assert "did not become healthy" in text
    assert "failed" in text
    if containers:
        assert "<script>alert(1)</script>" in text


def test_before_the_first_release(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("report") == shop.run("show") == 1
    assert "Nothing is live yet" in capsys.readouterr().err
    assert list(Path().glob("*.html")) == []


def test_open_asks_the_browser(live: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url))
    assert live.run("report", "--open") == 0
    assert opened == [(Path.cwd() / "shop-release-1.html").as_uri()]
    assert "No browser was found" in capsys.readouterr().err
    assert live.run("report", "-o", "-", "--open") == 2


def test_stdout(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert live.run("report", "-o", "-") == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert list(Path().glob("*.html")) == []


def test_without_nginx_it_says_so_and_goes_on(live: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluegreen.flow.receipts.account", _broken)
    assert "nginx's log cannot be read" in _page(live)


def _broken(*_: object) -> None:
    raise OSError("broken")
