"""README and docs: the commands that they show are typed, in the order of the page, and print what the page shows."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.blocks import blocks, pages
from tests.support.files import SERVER
from tests.support.machine import EXAMPLE, images
from tests.support.page_run import PageRun, scenarios
from tests.support.project import Project

WAYS_IN = ("compose", "nothing", "example")
OWN_FILES = ("script", "plain", "jobs", "rollout", "kamal", "migrations", "hooks", "canary")  # the first one each time
COMMANDS = 3  # of each way in
SWITCH_WITHIN = 90.0  # seconds of machine time, from the first command to the end of the first switch
FOUND = scenarios([block for page in pages() for block in blocks(page)])
PLAIN = """
name: shop
services:
  web:
    build: .
    command: [python3, server.py]
    ports: ["8080:8000"]
    init: true
"""
SHOP = """
name: shop
x-bluegreen:
  service: web
  port: 8000
services:
  web:
    profiles: [release]
    image: shop
    init: true
    command: [python3, server.py]
"""
MAIN = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ok": True}
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PageRun]:
    name = f"bgt-{uuid.uuid4().hex[:8]}"
    made = PageRun(Project(tmp_path / name, "", name), tmp_path / "tools")
    yield made
    made.remove()


def _changed(run: PageRun, path: str) -> Callable[[str], None]:
    """Before each switch the reader has changed the app."""

    def change(typed: str) -> None:
        if typed.endswith("bluegreen switch"):
            file = run.folder / path
            file.write_text(file.read_text() + "# changed\n")

    return change


def _first_switch(run: PageRun) -> None:
    """The three commands of a way in, and the time that they took."""
    assert len(run.seconds) == COMMANDS, run.seconds
    print({typed: round(seconds, 1) for typed, seconds in run.seconds.items()})
    assert sum(run.seconds.values()) < SWITCH_WITHIN, run.seconds


@pytest.mark.long
def test_the_way_in_from_compose(run: PageRun) -> None:
    (run.folder / "server.py").write_text(SERVER)
    (run.folder / "Dockerfile").write_text(f"FROM {images()['PYTHON_IMAGE']}\nWORKDIR /srv\nCOPY server.py .\n")
    run.file("compose.yaml", PLAIN)
    run.type("docker compose up -d", [], "before the page")
    run.seconds.clear()
    run.play(FOUND["compose"], _changed(run, "server.py"))
    _first_switch(run)


def test_the_way_in_from_nothing(run: PageRun) -> None:
    (run.folder / "requirements.txt").write_text("fastapi\nuvicorn\n")
    (run.folder / "main.py").write_text(MAIN)
    run.play(FOUND["nothing"], _changed(run, "main.py"))
    _first_switch(run)


@pytest.mark.long
def test_the_way_in_by_the_example(run: PageRun) -> None:
    shutil.copytree(EXAMPLE, run.folder / "compose" / "example", ignore=shutil.ignore_patterns("__pycache__"))
    run.play(FOUND["example"])
    assert sum(run.seconds.values()) < SWITCH_WITHIN, run.seconds


# The others by the page that they are on: a tutorial starts with its own files, a how-to page with an app or its own.
@pytest.mark.parametrize("name", [*OWN_FILES[:1], *(pytest.param(it, marks=pytest.mark.long) for it in OWN_FILES[1:])])
def test_a_page_with_its_own_files(run: PageRun, name: str) -> None:
    run.image()
    run.play(FOUND[name])


def test_the_first_tutorial(run: PageRun) -> None:
    run.play(FOUND["first"])


@pytest.mark.long
def test_the_pages_about_an_app_that_runs(run: PageRun) -> None:
    run.image()
    run.file("compose.yaml", SHOP)
    run.type("bluegreen up", [], "before the pages")
    run.play(FOUND["shop"])
    run.play(FOUND["leaving"])


def test_every_block_that_is_marked_as_run_is_run_here() -> None:
    assert set(FOUND) == {*WAYS_IN, *OWN_FILES, "first", "shop", "leaving"}
