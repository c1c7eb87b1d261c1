"""The generated pages of the reference are what the program says, and the pages name nothing that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from bluegreen.cli.main import VERBS, cli
from bluegreen.errors import ExitCode
from tests.support.blocks import DOCS, README, pages
from tests.support.faults import BESIDE, FAULTS, FOLDER, LOSSLESS, NONE, functions_of
from tests.support.pages import generated

OTHERS_OPTIONS = {"--providers"}  # of other programs, as the pages name them


@pytest.mark.parametrize("page", generated(), ids=lambda page: page.name)
def test_a_generated_page_is_what_the_program_says(page: Path) -> None:
    assert page.read_text() == generated()[page], "run python -m tests.support.pages"


def test_every_fault_of_the_table_has_its_test_and_every_test_its_row() -> None:
    for fault in FAULTS:
        path, _, name = fault.test.partition(":")
        assert name in functions_of(path), fault
        if fault.lost == NONE and "killed_at_every_step" not in path:
            assert any(words in functions_of(path)[name] for words in LOSSLESS), (
                f"{fault.test} does not assert that 0 are lost"
            )
    there = {
        f"faults/{path.name}:{name}"
        for path in (FOLDER / "faults").glob("test_*.py")
        for name in functions_of(f"faults/{path.name}")
    }
    named = {fault.test for fault in FAULTS}
    assert there - named == BESIDE


def test_every_exit_code_is_explained() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text()
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert described == {int(code) for code in ExitCode}


@pytest.mark.parametrize("page", [page for page in pages() if page != README], ids=lambda page: page.name)
def test_every_option_in_a_sentence_of_a_page_exists(page: Path) -> None:
    known = {option for command in (cli, *map(_command, VERBS)) for option in _options(command)}
    named = set(re.findall(r"(?<!`)`(--[a-z][a-z-]+)", page.read_text()))
    assert named <= known | OTHERS_OPTIONS, named - known


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }


def _command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_says_what_each_says_of_itself(verb: str) -> None:
    assert (_command(verb).help or "").split("\n")[0] == VERBS[verb][2]
