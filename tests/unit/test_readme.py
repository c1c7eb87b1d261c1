"""The README is checked against the program."""

from __future__ import annotations

import re

import click
import pytest

from bluegreen.cli.main import VERBS, cli
from bluegreen.errors import ExitCode
from tests.support.faults import BESIDE, FAULTS, FOLDER, LOSSLESS, NONE, functions_of
from tests.support.readme import README, with_generated_parts

TEXT = README.read_text()


def test_the_settings_table_is_what_the_code_validates() -> None:
    assert with_generated_parts(TEXT) == TEXT, "run python -m tests.support.readme"


def test_every_fault_of_the_table_has_its_test_and_every_test_its_row() -> None:
    for fault in FAULTS:
        path, _, name = fault.test.partition(":")
        assert name in functions_of(path), fault
        if fault.lost == NONE and "killed_at_every_step" not in path:
            assert any(words in functions_of(path)[name] for words in LOSSLESS), (
                f"{fault.test} does not hold that 0 are lost"
            )
    there = {
        f"faults/{path.name}:{name}"
        for path in (FOLDER / "faults").glob("test_*.py")
        for name in functions_of(f"faults/{path.name}")
    }
    named = {fault.test for fault in FAULTS}
    assert there - named == BESIDE


def test_every_verb_and_no_other_is_described() -> None:
    described = set(re.findall(r"^\| `bluegreen ([a-z-]+)", TEXT, re.MULTILINE))
    assert described == set(VERBS)


def test_every_option_that_the_readme_names_exists() -> None:
    known = {option for command in (cli, *map(_command, VERBS)) for option in _options(command)}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--version", "--remove-orphans"}
    assert named <= known, named - known


def test_every_exit_code_is_explained() -> None:
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    assert described == {int(code) for code in ExitCode}


def test_every_command_that_the_readme_shows_parses() -> None:
    shown = re.findall(r"^(?:    |\$ )(?:[A-Z]+=\S+ )?bluegreen ([a-z-]+)((?: --?[a-z-]+)*)", TEXT, re.MULTILINE)
    assert len(shown) >= 5
    for verb, options in shown:
        assert set(options.split()) <= _options(_command(verb))


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


def _command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_says_what_each_says_of_itself(verb: str) -> None:
    assert (_command(verb).help or "").split("\n")[0] == VERBS[verb][2]
