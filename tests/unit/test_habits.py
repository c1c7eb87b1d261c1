"""What is typed by habit of another tool gets the command that does it here; completion offers values."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from bluegreen.cli.habits import INSTEAD, hint
from bluegreen.cli.main import VERBS, cli, main
from tests.fakes.site import Site


@pytest.mark.parametrize(("word", "instead"), INSTEAD.items())
def test_what_is_said_instead_can_be_typed(word: str, instead: str) -> None:
    assert word not in VERBS
    if not instead.startswith("bluegreen "):
        return
    typed = shlex.split(re.split(r" \(|,", instead)[0].replace("RELEASE", "1"))[1:]
    try:
        context = cli.make_context("bluegreen", typed)
        rest = [*context._protected_args, *context.args]  # what click 8.2 keeps apart, click 9 will not
        command = cli.get_command(context, rest[0])
        assert command is not None
        command.make_context(rest[0], rest[1:], parent=context)
    except click.exceptions.Exit:
        pass


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("rollback", "Type: bluegreen flip-back"), ("Deploy", "bluegreen switch"), ("swich", "bluegreen switch"),
        ("exec", "docker exec -it"), ("xyzzy", "bluegreen --help"), ("rollbak", "Type: bluegreen flip-back"),
    ],
)  # fmt: skip
def test_one_line_says_what_to_type(typed: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in hint(typed, VERBS)
    assert main([typed, "--with", "anything"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


def _offered(words: list[str], typed: str) -> list[str]:
    return [it.value for it in ShellComplete(cli, {}, "bluegreen", "_X").get_completions(words, typed)]


@pytest.mark.whole
def test_values_are_completed_from_the_state_folder(two: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two.project)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")  # nobody asks an Engine
    assert _offered(["logs"], "") == ["blue", "green", "proxy", "web", "worker"]
    assert _offered(["logs", "blue"], "w") == ["web", "worker"]
    assert _offered(["switch", "--to"], "") == ["2", "1"]
    assert _offered(["show"], "1") == ["1"]
    assert _offered(["switch", "--image"], "we") == ["web="]


def test_completion_offers_topics_and_verbs_without_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _offered(["help"], "locke") == ["locked"]
    assert "migrations" in _offered(["help"], "mi")
    assert _offered(["schema"], "st") == ["status"]
    assert _offered(["logs"], "p") == ["proxy"]
    assert _offered(["show"], "") == []


def test_completion_of_a_broken_state_prints_nothing(two: Site) -> None:
    (two.state / "journal.db").write_bytes(b"no database")
    (two.state / "nginx" / "nginx.conf").write_text("nonsense")
    words = {"COMP_WORDS": "bluegreen show ", "COMP_CWORD": "2", "_BLUEGREEN_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "bluegreen"], cwd=two.project, env={"PATH": "/usr/bin:/bin", **words},
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (b"", b"")
