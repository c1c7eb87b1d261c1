"""What a person is asked, told and left with at the end of an app, before a flip-back and by init."""

from __future__ import annotations

import fcntl
import io
import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from bluegreen.cli.main import VERBS
from bluegreen.flow import answers
from bluegreen.host import sources
from bluegreen.state.journal import Journal
from tests.fakes.site import Site, Tell


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PAUSE", 0.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# -- down


@pytest.mark.parametrize(
    ("answer", "code", "running"), [("y\n", 0, 0), ("n\n", 1, 2), ("\n", 1, 2), ("", 130, 2)]
)  # fmt: skip
def test_down_asks_before_it_acts(
    live: Site, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, running: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _: _line(sys.stdin))
    assert live.run("down") == code
    assert live.running("blue") == running


def _line(stream: Any) -> str:
    if line := stream.readline():
        return str(line).rstrip("\n")
    raise EOFError


def test_down_says_what_it_will_take(
    live: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(click, "confirm", lambda question, **_: asked.append(question))
    assert (live.run("down"), live.run("down", "--volumes")) == (1, 1)
    first, second = asked
    assert first.startswith("Stop shop?")
    assert "deleted" not in first
    assert "volumes are deleted" in second
    assert live.running("blue") == 2
    assert live.run("down", "-y") == 0
    assert "named volumes stay" in capsys.readouterr().out
    assert len(asked) == 2


def test_leaving_to_plain_compose_asks_shows_its_plan_and_keeps_the_data(
    live: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tell: Tell
) -> None:
    assert live.run("down", "--to-compose", "--volumes", "--yes") == 2
    assert "--volumes does not go with it" in capsys.readouterr().err
    steps = [it["step"] for phase in tell("down", "--to-compose", "--dry-run")[1]["phases"] for it in phase["steps"]]
    assert steps == ["beside", "health", "publish", "leave", "stop", "remove", "shared"]
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(click, "confirm", lambda question, **_: asked.append(question))
    assert live.run("down", "--to-compose") == 1
    assert [words.startswith("Leave shop to plain Compose?") for words in asked] == [True]
    assert live.running("blue") == 2


def test_a_plain_compose_that_starts_nothing_takes_nothing_over(live: Site, tell: Tell) -> None:
    """Compose says that it has done it, and there is no container."""
    code, found = tell("down", "--to-compose", "--yes")
    assert (code, found["error"]["code"]) == (1, "plain-not-healthy"), found
    assert found["error"]["failed"] == "web has no container that runs"
    assert found["error"]["traffic"] == "blue, release 1 (unchanged)"
    assert live.running("blue") == 2
    beside = next(words for words in live.asked_of_compose if " --file - " in words and " up " in words)
    assert beside.endswith("up --detach --no-deps --no-build web")
    (live.folder / "code").write_text("1\n")
    assert tell("down", "--to-compose", "--yes")[0] == 2, "the Compose file is needed"


def test_a_port_that_somebody_else_holds_is_said_before_anything_starts(live: Site, tell: Tell) -> None:
    live.document["services"]["web"]["ports"] = [{"target": 9000, "published": "8199", "protocol": "tcp"}]
    live.engine.add("other", HostConfig={"PortBindings": {"8199/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8199"}]}})
    code, found = tell("down", "--to-compose", "--yes")
    assert (code, found["error"]["code"]) == (1, "plain-port-held"), found
    assert found["error"]["summary"] == "Port 8199 is held by other."
    assert not [words for words in live.asked_of_compose if " --file - " in words and " up " in words]


def test_down_without_a_readable_file_leaves_shared_services(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (live.folder / "code").write_text("15\n")
    for words in (["down", "--dry-run"], ["down", "--yes", "--progress", "plain"]):
        assert live.run(*words) == 0
        assert "The Compose file cannot be read" in capsys.readouterr().err
    assert [it.name for it in live.engine.containers.values()] == ["shop-db-1"]
    assert not [line for line in live.asked_of_compose if " down" in line]
    journal = Journal(live.state, lambda: "now", lambda _: None)
    assert journal.operations.unfinished() is None
    journal.close()


def test_down_that_fails_keeps_the_state_and_can_be_gone_on_with(live: Site, tell: Tell) -> None:
    live.engine.refuse["DELETE /networks"] = (500, {"message": "busy"})
    code, found = tell("down", "--yes")
    assert (code, found["outcome"], found["error"]["traffic"]) == (1, "failed", "none: down has begun")
    assert found["error"]["next"] == "bluegreen down"
    assert "busy" in found["error"]["failed"]
    assert [it["outcome"] for it in found["steps"]][-1] == "failed"
    assert (live.state / "nginx" / "nginx.conf").is_file()
    live.engine.refuse.clear()
    code, found = tell("down", "--yes")
    assert (code, found["outcome"]) == (0, "down")
    alone, left = found["warnings"]
    assert "The command above starts release 1" in alone
    assert left.startswith(f"Left: its history (rm -r {live.state})")
    assert not (live.state / "nginx").exists()


# -- flip-back


@pytest.mark.usefixtures("live")
def test_without_a_previous_release_there_is_no_plan_to_go_back(tell: Tell) -> None:
    code, found = tell("flip-back", "--dry-run")
    assert (code, found["error"]["summary"]) == (1, "There is no previous release on green.")


def test_a_flip_back_is_planned_and_nothing_moves(two: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    code, plan = tell("flip-back", "--dry-run")
    assert (code, plan["verb"], plan["target"], plan["release"], plan["notices"]) == (0, "flip-back", "blue", 1, [])
    assert two.run("flip-back", "--dry-run") == 0
    assert capsys.readouterr().out.startswith("flip-back to blue, release 1")
    assert two.nginx is not None
    assert two.nginx.live == "green"


@pytest.mark.usefixtures("two")
def test_a_forced_flip_back_is_planned_as_such(tell: Tell) -> None:
    causes = [tell("flip-back", "--dry-run", *more)[1]["phases"][0]["steps"][0]["cause"] for more in ([], ["--force"])]
    assert ["--force" in words for words in causes] == [False, True]


def test_what_cannot_be_taken_along_when_a_release_comes_back(two: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--pull"], ["--image", "web=shop:2"]):
        assert two.run("switch", "--to", "1", *words) == 2
        assert "--to" in capsys.readouterr().err
    assert two.run("switch", "--image", "db=x") == 2
    assert "--image names db" in capsys.readouterr().err
    for image in ("web", "web=", "=x"):
        assert two.run("switch", "--image", image) == 2
        assert f"found {image}" in capsys.readouterr().err
    assert two.nginx is not None
    assert two.nginx.live == "green"


# -- recorded answers, as a person reads them


def test_expect_says_what_was_recorded_and_what_differs(live: Site, capsys: pytest.CaptureFixture[str]) -> None:
    live.pages["/price"] = "10"
    assert live.run("expect", "--record", "GET", "/price") == 0
    assert "Recorded GET /price in" in capsys.readouterr().out
    assert live.run("expect") == 0
    assert "blue, release 1: all 1" in capsys.readouterr().out
    live.pages["/price"] = "11"
    assert live.run("expect") == 1
    assert "1 of 1 differ" in capsys.readouterr().out
    for words in (["-d", "x"], ["-H", "A: b"], ["GET", "/"]):
        assert live.run("expect", *words) == 2, "requests are only given to be recorded"


def test_there_has_to_be_a_color_to_ask(live: Site, tell: Tell) -> None:
    assert live.run("expect", "--record", "GET", "/price") == 0
    code, found = tell("expect", "--color", "idle")
    assert (code, found["error"]["summary"]) == (1, "There is no idle color to ask.")


def test_a_file_of_answers_that_is_named_has_to_be_there(live: Site, tell: Tell) -> None:
    live.document["x-bluegreen"]["expected"] = "answers.yaml"
    code, found = tell("expect")
    assert (code, found["error"]["summary"]) == (2, "answers.yaml does not exist.")
    assert found["error"]["next"].startswith("bluegreen expect --record")


def test_nothing_is_recorded_before_something_is_live(shop: Site, tell: Tell) -> None:
    code, found = tell("expect", "--record", "GET", "/")
    assert (code, found["error"]["next"]) == (1, "bluegreen up")
    assert not (shop.project / "expected.yaml").exists()


# -- init, as a person reads it


def test_init_says_why_and_what_to_type(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    del shop.document["x-bluegreen"]
    shop.document["services"]["web"]["ports"] = [{"target": 8000, "published": "80"}]
    assert shop.run("init") == 0
    said = capsys.readouterr()
    reasons = [line.split()[0] for line in said.err.splitlines() if line and not line.startswith("Note: ")]
    assert reasons[:2] == ["service", "port"]
    assert said.err.splitlines()[-1].endswith("bluegreen init --write")
    assert "Note: " in said.err
    shop.run("init", "--json")
    said = capsys.readouterr()
    assert said.err == ""
    assert {"file", "block", "decisions", "advice", "question", "write_also"} == set(json.loads(said.out))


def test_init_writes_the_block_and_says_what_comes_next(
    shop: Site, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    del shop.document["x-bluegreen"]
    shop.document["services"]["web"]["ports"] = [{"target": 8000, "published": "80"}]
    with_block = shop.document | {"x-bluegreen": tell("init")[1]["block"]}
    (shop.folder / "with_block.json").write_text(json.dumps(with_block))
    assert shop.run("init", "--write") == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].endswith("Next: bluegreen up")
    assert "To add it" not in said.err
    assert "x-bluegreen:" in (shop.project / "compose.yaml").read_text()


@pytest.fixture
def fresh(shop: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A FastAPI project without a Compose file, where the person stands."""
    folder = shop.folder / "fresh"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    (folder / "requirements.txt").write_text("fastapi\nuvicorn\n")
    return folder


def test_init_from_nothing_lists_what_it_wrote(shop: Site, fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def listed(verb: str, said: str) -> list[str]:
        return [line.removeprefix(verb).strip() for line in said.splitlines() if line.startswith(verb)]

    before = sorted(it.name for it in fresh.iterdir())
    assert shop.run("init") == 0
    said = capsys.readouterr()
    wanted = listed("to write", said.err)
    assert "compose.yaml" in wanted
    assert sorted(it.name for it in fresh.iterdir()) == before, "without --write nothing is"
    assert said.err.splitlines()[-1].endswith("bluegreen init --write")
    assert shop.run("init", "--write") == 0
    said = capsys.readouterr()
    assert listed("written", said.err) == wanted
    assert all((fresh / name).is_file() for name in wanted)
    assert said.out == "", "files are there to be read"
    assert "Next: bluegreen up" in said.err


def test_init_that_cannot_write_says_where(shop: Site, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", "compose.yaml")

    monkeypatch.setattr(sources, "write_new", refuse)
    code, found = _told(shop)
    assert (code, found["error"]["failed"]) == (2, "Read-only file system: compose.yaml")
    assert not (fresh / "compose.yaml").exists()


def _told(shop: Site) -> tuple[int, Any]:
    stream, before = io.StringIO(), sys.stdout
    sys.stdout = stream
    try:
        code = shop.run("init", "--write", "--json")
    finally:
        sys.stdout = before
    return code, json.loads(stream.getvalue())


# -- the command itself


def test_help_lists_every_verb_and_an_unknown_one_is_refused(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("--help") == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in listed if line[2:3].strip()] == sorted(VERBS)
    assert shop.run("flop-back") == 2
    assert "There is no command 'flop-back'" in capsys.readouterr().err
    assert shop.run("--version") == 0
    assert capsys.readouterr().out.startswith("bluegreen ")


def test_the_schema_and_the_completion_are_printed(shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("schema") == 0
    assert "service" in json.loads(capsys.readouterr().out)["properties"]
    for shell in ("bash", "zsh", "fish"):
        assert shop.run("completion", shell) == 0
        assert "_BLUEGREEN_COMPLETE" in capsys.readouterr().out
    assert shop.run("completion", "csh") == 2


@pytest.mark.parametrize(("typed", "code"), [("0", 75), ("0.01s", 75), ("20ms", 75), ("soon", 2), ("-1", 2)])
def test_how_long_another_one_is_waited_for(live: Site, typed: str, code: int) -> None:
    with (live.state / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert live.run("switch", "--wait", typed) == code
