"""The README is checked against the program."""

from __future__ import annotations

import re

import click

from bluegreen.cli.main import cli
from bluegreen.release.errors import ExitCode
from tests.support.readme import README, with_generated_parts

TEXT = README.read_text()


def test_the_settings_table_is_what_the_code_validates() -> None:
    assert with_generated_parts(TEXT) == TEXT, "run python -m tests.support.readme"


def test_every_verb_and_no_other_is_described() -> None:
    described = set(re.findall(r"^\| `bluegreen ([a-z-]+)", TEXT, re.MULTILINE))
    assert described == set(cli.commands)


def test_every_option_that_the_readme_names_exists() -> None:
    known = {option for command in (cli, *cli.commands.values()) for option in _options(command)}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--version"}
    assert named <= known, named - known


def test_every_exit_code_is_explained() -> None:
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    assert described == {int(code) for code in ExitCode}


def test_every_command_that_the_readme_shows_parses() -> None:
    shown = re.findall(r"^(?:    |\$ )(?:[A-Z]+=\S+ )?bluegreen ([a-z-]+)((?: --?[a-z-]+)*)", TEXT, re.MULTILINE)
    assert len(shown) >= 5
    for verb, options in shown:
        assert set(options.split()) <= _options(cli.commands[verb])


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}
