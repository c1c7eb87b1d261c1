"""An application that says what it was given, wherever its words are shown or kept, on a machine that is not real."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain import secrets
from bluegreen.domain.secrets import MASK
from tests.fakes.site import Site, Tell

GIVEN = {
    "DATABASE_URL": "jdbc:postgresql://db/shop?user=shop&password=canaryjdbc",
    "CONNECTION": "Server=db;User Id=sa;Password=canaryconn;Encrypt=true",
    "NOTIFY": "https://hooks.example.com/services/canary/hook",
    "API_TOKEN": "c4nry",
    "STUFF": "canary-7f3a-plain",
    "SENTRY": "https://canary0f3c4bd2a1@sentry.example.com/7",
}
TOLD = ("canaryjdbc", "canaryconn", "services/canary/hook", "c4nry", "canary-7f3a-plain", "canary0f3c4bd2a1")
SAYS = " ".join(["blue of shop on port 8000 says", *GIVEN.values(), *TOLD])
READ = "blue of shop on port 8000 says"


@pytest.fixture
def telling(live: Site) -> Iterator[Site]:
    """Release 2 will be given secrets, and its word is out: it says them."""
    for name in ("web", "worker"):
        live.document["services"][name]["environment"] = {**GIVEN, "LOG_LEVEL": "debug", "PORT": "8000"}
    live.release("shop:2")
    yield live
    secrets.forget()


def _is_masked(it: Site, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What was printed and what is kept has none of it; returns what was printed."""
    printed = capsys.readouterr()
    kept = [path.read_bytes().decode("latin-1") for path in it.states.rglob("*") if path.is_file()]
    for text in (printed.out + printed.err, *kept, *more):
        assert [value for value in TOLD if value in text] == [], text[-3000:]
    return printed.out + printed.err


def _starts_and_says(it: Site) -> None:
    changed = it.engine.changed

    def says(container: Any, what: str) -> None:
        container.output = SAYS.encode() + b"\n" + b"\n".join(value.encode() for value in TOLD)
        container.body.setdefault("Env", [])
        changed(container, what)

    it.engine.changed = says


@pytest.mark.parametrize("words", [[], ["--json"], ["--progress", "json"], ["--progress", "plain"]])
def test_the_log_and_the_answers_of_a_release_that_fails(
    telling: Site, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    _starts_and_says(telling)
    telling.pages["/health"] = SAYS
    telling.document["x-bluegreen"]["health"]["expect"] = {"json": {"ok": True}}
    assert telling.run("switch", *words) == 1
    said = _is_masked(telling, capsys)
    assert MASK in said
    assert READ in said, "what is harmless can be read"
    assert telling.run("history", "--json") == 0
    assert telling.run("show", "2", "--json") == 0
    _is_masked(telling, capsys)


def test_what_the_journal_keeps_of_it(telling: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    telling.sick.add(2)
    _starts_and_says(telling)
    assert tell("switch")[0] == 1
    _is_masked(telling, capsys)
    with sqlite3.connect(telling.state / "journal.db") as db:
        errors = [row[0] for row in db.execute("select error from operations where error is not null")]
    db.close()
    assert any(READ in error and MASK in error for error in errors)


def test_a_build_that_says_what_it_was_given(telling: Site, capsys: pytest.CaptureFixture[str]) -> None:
    telling.document["services"]["web"]["build"] = {"context": ".", "args": {"NPM_LOGIN": "canary-arg-5x"}}
    program = telling.folder / "bin" / "docker"
    lines = "".join(f"echo '#7 {value}'\n" for value in (SAYS, *TOLD, "canary-arg-5x"))
    program.write_text(
        program.read_text().replace('case " $*', f'case " $* " in *" build "*)\n{lines}exit 1;; esac\ncase " $*')
    )
    for words in ([], ["--json"], ["--progress", "json"]):
        assert telling.run("switch", *words) == 1
        printed = capsys.readouterr()
        said = printed.out + printed.err
        assert "canary-arg-5x" not in said
        assert [value for value in TOLD if value in said] == [], said
        assert f"{READ} {MASK}" in said
    _is_masked(telling, capsys)


@pytest.mark.parametrize("code", [0, 3])
def test_a_migration_and_hooks_that_say_it(
    telling: Site, tell: Tell, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    once = telling.engine.once
    telling.engine.once = lambda it: (code, SAYS.encode()) if it.body.get("Cmd") == ["migrate"] else once(it)
    telling.document["x-bluegreen"]["migrate"] = {"service": "web", "command": ["migrate"], "timeout": "2s"}
    telling.document["x-bluegreen"]["hooks"] = {
        "before_switch": [["sh", "-c", f"echo '{SAYS}'"]], "on_failure": [["sh", "-c", f"echo '{SAYS}'; exit 1"]],
    }  # fmt: skip
    assert telling.run("switch") == (1 if code else 0)
    _is_masked(telling, capsys)
    shown = tell("show", "2")[1]["runs"]
    assert shown
    assert all(READ in run["output"] and MASK in run["output"] for run in shown if run["output"])
    _is_masked(telling, capsys, json.dumps(shown))


def test_recorded_answers(telling: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    telling.pages["/me"] = json.dumps({"name": "Ann", "said": SAYS, "list": [TOLD[0]], "port": 8000})
    assert telling.run("expect", "--record", "GET", "/me") == 0
    kept = (telling.project / "expected.yaml").read_text()
    _is_masked(telling, capsys, kept)
    assert "Ann" in kept
    assert tell("expect")[0] == 0, "any text may stand there"
    telling.pages["/me"] = json.dumps({"name": SAYS, "said": 1, "list": [], "port": 8000})
    assert telling.run("expect") == 1
    assert MASK in _is_masked(telling, capsys)


def test_a_way_back_that_is_not_well_knows_what_its_containers_were_given(
    live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Compose file is not read, and may say something else by now: the release's own values count."""
    live.release("shop:2")
    assert tell("switch")[0] == 0
    for it in live.replicas("blue"):
        it.body["Env"] = [f"{name}={value}" for name, value in GIVEN.items()]
    live.pages["/health"] = SAYS
    live.sick.add(1)
    site_reply = live.reply_of
    live.reply_of = lambda *words: [piece.replace(b"sick", SAYS.encode()[:90]) for piece in site_reply(*words)]  # type: ignore[method-assign, union-attr]  # bytes
    for words in ([], ["--json"], ["--force"]):
        assert live.run("flip-back", *words) in (0, 1)
        _is_masked(live, capsys)


def test_files_of_secrets_count_as_well(live: Site, tell: Tell) -> None:
    (live.project / "key.txt").write_text("canary-of-a-file\n")
    live.document["secrets"] = {"key": {"file": str(live.project / "key.txt")}, "gone": {"file": "none.txt"}}
    live.document["services"]["web"]["secrets"] = [{"source": "key"}]
    live.release("shop:2")
    live.sick.add(2)
    changed = live.engine.changed

    def says(container: Any, what: str) -> None:
        container.output = b"the key canary-of-a-file is wrong\n"
        changed(container, what)

    live.engine.changed = says
    code, found = tell("switch")
    assert code == 1
    assert f"web-1  the key {MASK} is wrong" in found["error"]["lines"]


def test_logs_are_the_applications_own_words(telling: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for it in telling.replicas("blue"):
        it.output = b"2026-01-01T00:00:00Z canary-7f3a-plain\n"
    assert telling.run("logs", "blue", "web") == 0
    assert "canary-7f3a-plain" in capsys.readouterr().out
    assert Path(telling.project).is_dir()
