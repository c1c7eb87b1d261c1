"""README and docs: every block parses, every command exists, every link and anchor leads somewhere."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from markdown_it import MarkdownIt

from bluegreen.cli.main import VERBS, cli
from bluegreen.settings.parse import parse_settings
from tests.support.blocks import DOCS, README, Block, blocks, pages
from tests.support.machine import ROOT

BLOCKS = [block for page in pages() for block in blocks(page)]
LANGUAGES = {
    "{include}",
    "{toctree}",
    "console",
    "yaml",
    "json",
    "text",
    "nginx",
    "make",
    "dockerfile",
    "python",
    "ini",
    "haproxy",
    "sql",
}
GENERATED = ("reference/", "errors/")
# What a page may tell people to type, besides bluegreen: programs of the machine and of this repository.
PROGRAMS = {
    "apt", "cat", "cd", "chmod", "chown", "cp", "crontab", "curl", "df", "docker", "echo", "eval", "export", "free",
    "git", "id", "journalctl", "jq", "kamal", "kill", "less", "ls", "make", "man", "mkdir", "mount", "mv", "nano",
    "pip", "pipx", "printf", "ps", "python3", "rm", "rsync", "scp", "sed", "sleep", "ss", "ssh", "sudo",
    "systemctl", "tar", "test", "touch", "usermod",
}  # fmt: skip
README_LINES = 150


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_its_language_and_parses(block: Block) -> None:
    assert block.language in LANGUAGES, f"{block}: {block.language!r}"
    if block.language == "json":
        json.loads(block.text)
    if block.language == "yaml":
        found = yaml.safe_load(re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", block.text))  # as Compose does
        if isinstance(found, dict) and "x-bluegreen" in found:
            parse_settings(found["x-bluegreen"], _services(found))


def _services(found: dict[str, Any]) -> list[str]:
    """The services that an excerpt of a Compose file names, where it leaves them out."""
    block = found["x-bluegreen"]
    named = [block.get("service"), (block.get("migrate") or {}).get("service")]
    named += [*(block.get("services") or {}), *(block.get("internal") or {})]
    return [*(found.get("services") or {}), *filter(None, named)]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=str)
def test_every_command_of_a_page_exists(block: Block) -> None:
    assert block.commands(), f"{block} has no line that begins with '$ '"
    for typed in block.commands():
        for words in _simple(typed):
            if words[0] == "bluegreen":
                _parses(words[1:], f"{block}: {typed}")
            else:
                assert words[0] in PROGRAMS, f"{block}: {words[0]}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists(page: Path) -> None:
    for code in re.findall(r"(?<!`)`(bluegreen [^`\n]+)`(?!`)", page.read_text()):
        if code.split()[1] not in ("help",) and not re.search(r"[A-Z]{3}|…|<", code):
            _parses(shlex.split(code)[1:], f"{page}: {code}")


def test_every_console_block_is_run_or_says_why_not() -> None:
    bare = [
        str(block) for block in BLOCKS
        if block.language == "console" and block.mark not in ("run", "shown") and not _generated(block.page)
    ]  # fmt: skip
    assert bare == []


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert len(README.read_text().splitlines()) <= README_LINES


def _generated(page: Path) -> bool:
    return page.is_relative_to(DOCS) and str(page.relative_to(DOCS)).startswith(GENERATED)


def _simple(typed: str) -> Iterator[list[str]]:
    """The simple commands of a line, without variables before them, redirections and comments."""
    typed = re.sub(r"\s+#\s.*$", "", typed)
    for part in re.split(r"\s(?:&&|\|\||\||;)\s", typed):
        words = shlex.split(part)
        while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] == "sudo"):
            words = words[1:]
        if words:
            yield words


def _parses(words: list[str], where: str) -> None:
    """Whether the program accepts these words. `help` and global options included; nothing is run."""
    words = [word for word in words if not re.match(r"[<>]", word)]
    try:
        context = cli.make_context("bluegreen", list(words))
        rest = [*context._protected_args, *context.args]  # what click 8.2 keeps apart, click 9 will not
        if rest:
            command = cli.get_command(context, rest[0])
            assert command is not None, where
            command.make_context(rest[0], list(rest[1:]), parent=context)
    except click.exceptions.Exit:  # --help, --version
        return
    except click.ClickException as error:
        pytest.fail(f"{where}: {error.format_message()}")


# --- links


def _anchor(title: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower())
    return kept.strip().replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    tokens = MarkdownIt().parse(page.read_text())
    return {_anchor(tokens[at + 1].content) for at, token in enumerate(tokens) if token.type == "heading_open"}


def _links(page: Path) -> Iterator[str]:
    for token in MarkdownIt().enable("table").parse(page.read_text()):
        for child in token.children or ():
            for name in ("href", "src"):
                if found := child.attrGet(name):
                    yield str(found)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{page}: {link}"


def test_every_verb_has_its_line_in_the_readme() -> None:
    named = set(re.findall(r"`bluegreen ([a-z-]+)", README.read_text()))
    assert set(VERBS) <= named, set(VERBS) - named
