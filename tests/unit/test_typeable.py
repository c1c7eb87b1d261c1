"""What a message tells a person to type: with their own options, and as a shell reads it."""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli import main, where
from bluegreen.cli.verbs import look
from bluegreen.compose.options import Options
from bluegreen.domain.answers import Expectation
from bluegreen.errors import BluegreenError
from tests.fakes.site import Site, Tell

Say = Callable[..., str]
GLOBAL = ("-f", "-p", "--env-file", "--project-directory")


def options(words: list[str]) -> dict[str, list[str]]:
    """The global options in front of the verb."""
    found: dict[str, list[str]] = {}
    while words and words[0] in GLOBAL:
        found.setdefault(words[0], []).append(words[1])
        words = words[2:]
    return found


def commands(text: str) -> list[list[str]]:
    """Every command of ours in a text, as a shell would read it; what follows a comma or a bracket is for people."""
    lines = [re.split(r" \(|, or |, then |; |`", line)[0] for line in re.findall(r"(?<![\w-])bluegreen .*", text)]
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture
def typed(shop: Site) -> list[str]:
    """What a person types here: names with spaces, quotes, dollars and letters beyond ASCII."""
    place = shop.project / "it's my $HOME"
    place.mkdir()
    for name in ("compose file.yaml", "über all.yaml", "a & b.env"):
        (place / name).write_text("services: {}\n")
    folder = str(place.relative_to(shop.project))
    return [
        "-f", f"{folder}/compose file.yaml", "-f", f"{folder}/über all.yaml", "--env-file", f"{folder}/a & b.env",
        "--project-directory", folder, "-p", "shop",
    ]  # fmt: skip


def test_every_command_that_is_named_has_the_options_that_were_typed(
    shop: Site, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        capsys.readouterr()
        shop.run(*typed, *words)
        return "".join(capsys.readouterr())

    mine = options(typed[:])
    before = said("status")
    up = said("up")
    shop.release("shop:2")
    switched, status, checked = said("switch"), said("status"), said("check")
    shop.sick.add(3)
    shop.release("shop:1")
    failed = said("switch")
    wrong = said("switch", "--image", "nothing=shop:1")
    for text in (before, switched, status, checked, failed, wrong, said("show"), said("show", "77"), said("logs", "x")):
        named = commands(text)
        assert named, text
        assert all(options(words) == mine for words in named if words[0] != "help"), named
    assert up


def test_json_has_the_command_to_go_back_as_a_shell_takes_it(
    shop: Site, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.run(*typed, "up") == 0
    shop.release("shop:2")
    assert shop.run(*typed, "switch") == 0
    capsys.readouterr()
    shop.run(*typed, "status", "--json")
    back = shlex.split(json.loads(capsys.readouterr().out)["flip_back"])
    assert shop.run(*back[1:], "--json") == 0
    assert json.loads(capsys.readouterr().out)["live"] == {"color": "blue", "release": 1}


def test_the_quick_way_back_names_the_options_too(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    other = live.project / "a b.yaml"
    other.write_text("services: {}\n")
    live.release("shop:2")
    assert live.run("switch") == 0
    record = json.loads((live.state / "project.json").read_text())
    (live.state / "project.json").write_text(json.dumps(record | {"files": [str(other)]}))
    capsys.readouterr()
    live.document["x-bluegreen"]["jobs"] = []
    assert live.run("-f", "a b.yaml", "flip-back") == 0
    assert "bluegreen -f 'a b.yaml' flip-back" in capsys.readouterr().out


def test_a_bug_and_a_refusal_before_there_is_an_app_name_them_as_well(
    typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(look, "App", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    main.main([*typed, "history", "-n", "3"])
    (words,) = [it for it in commands(capsys.readouterr().err) if it[-1] == "status"]
    assert options(words) == options(typed[:])


def test_options_that_make_no_sense_are_left_out_of_a_message() -> None:
    assert main.reaching(["--no-such-option", "x", "status"]) == "bluegreen"
    assert main.reaching(["--file=a b", "status", "--json"]) == "bluegreen -f 'a b'"
    assert main.reaching([]) == "bluegreen"


def test_the_runbook_can_be_typed_in_another_folder_and_shell(
    live: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one two.yaml", "three.yaml", "my env"):
        (live.project / name).write_text("services: {}\n")
    monkeypatch.chdir(live.project.parent)
    monkeypatch.setenv("COMPOSE_FILE", "shop/one two.yaml:shop/three.yaml")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "shop")
    monkeypatch.setenv("COMPOSE_ENV_FILES", "shop/my env")
    capsys.readouterr()
    assert live.run("runbook") == 0
    text = capsys.readouterr().out
    named = [words for words in commands(text.split("When something is wrong")[0]) if words[0] != "runbook"]
    there = str(live.project)
    wanted = {"-f": [f"{there}/one two.yaml", f"{there}/three.yaml"], "-p": ["shop"], "--env-file": [f"{there}/my env"]}
    assert len(named) > 5
    assert all(options(words) == wanted for words in named), named


@pytest.mark.parametrize(
    ("given", "variables", "wanted"),
    [
        (Options(), {}, "bluegreen"),
        (Options(("/a b/c.yaml",)), {"COMPOSE_FILE": "x.yaml"}, "bluegreen -f '/a b/c.yaml'"),
        (Options(project_directory="/a;b"), {}, "bluegreen --project-directory '/a;b'"),
        (Options(), {"COMPOSE_FILE": "/x,/y", "COMPOSE_PATH_SEPARATOR": ","}, "bluegreen -f /x -f /y"),
        (Options(project_name="mine"), {"COMPOSE_PROJECT_NAME": "theirs"}, "bluegreen -p mine"),
    ],
)
def test_options_from_anywhere(given: Options, variables: dict[str, str], wanted: str) -> None:
    assert given.from_anywhere("/nowhere", variables).command() == wanted


def test_compose_is_named_with_the_options_and_as_it_is_called_here(live: Site, typed: list[str], tell: Tell) -> None:
    (live.folder / "code").write_text("1\n")
    code, found = tell(*typed, "check")
    assert code == 2
    words = shlex.split(found["error"]["next"])
    assert words[:2] == ["docker", "compose"]
    assert options(words[2:]) == options(typed[:])


def test_a_request_that_is_recorded_again_is_the_same_request() -> None:
    wanted = Expectation("POST", "/a?x=1&y=2", {"Authorization": "Bearer ${TOKEN}"}, '{"name": "it\'s"}')
    words = shlex.split(wanted.typed)
    assert words == [
        "POST", "/a?x=1&y=2", "-H", "Authorization: Bearer ${TOKEN}", "-d", '{"name": "it\'s"}',
    ]  # fmt: skip


def test_check_names_it_so(live: Site, tell: Tell) -> None:
    (live.project / "expected.yaml").write_text("- request: GET /a?x=1&y=2\n  status: 200\n  text: never\n")
    _, found = tell("check")
    (fix,) = [it["fix"] for it in found["findings"] if it["name"] == "expected" and it["outcome"] == "failed"]
    assert "'/a?x=1&y=2'" in fix


def test_another_user_s_state_is_named_with_the_verb_that_was_typed(
    live: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(_: Any) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", no)
    with pytest.raises(BluegreenError) as raised:
        where.refuse_unreadable(live.state, "bluegreen -f 'a b' history")
    assert raised.value.next == "sudo bluegreen -f 'a b' history"
