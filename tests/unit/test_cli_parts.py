"""Parts of the command by themselves: arguments, what the disk refuses, probes, notes, the runbook's page."""

from __future__ import annotations

import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from bluegreen.cli import arguments, boundary, page, streams, wishes
from bluegreen.cli.probes import Probes
from bluegreen.cli.show import show_result
from bluegreen.cli.statefolder import fingerprint, salt, writing
from bluegreen.cli.wiring import ExpectedFile
from bluegreen.domain.answers import Expectation
from bluegreen.domain.app import Health, Listen, Migration, Route, Settings, Stack, Task
from bluegreen.domain.release import Note
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Result
from bluegreen.host import git
from bluegreen.look.runbook import Facts
from bluegreen.probe import health

# -- what was typed


def _typed(words: str, headers: tuple[str, ...] = (), data: str | None = None) -> list[Expectation]:
    return arguments.requests(words.split(), headers, data)


def test_requests_to_be_recorded_are_read_in_pairs() -> None:
    assert _typed("/ POST /a/b?c=1 get /d") == [
        Expectation(method, path, {}, None) for method, path in (("GET", "/"), ("POST", "/a/b?c=1"), ("GET", "/d"))
    ]  # fmt: skip
    for words in ("", "GET", "/a POST", "GET POST /a", "a", "/a\x07", "/ä", "FETCH /"):
        with pytest.raises(click.UsageError):
            _typed(words)


@pytest.mark.parametrize(
    ("headers", "data", "sent"),
    [
        ((), "{}", {"Content-Type": "application/json"}), ((), "{", {}), ((), None, {}),
        (("content-type: text/plain",), "{}", {"content-type": "text/plain"}),
        (("X-A:  b c ",), None, {"X-A": "b c"}), (("X-A:b:c",), "a", {"X-A": "b:c"}),
    ],
)  # fmt: skip
def test_a_body_that_is_json_is_sent_as_such(headers: tuple[str, ...], data: str | None, sent: dict[str, str]) -> None:
    (found,) = _typed("POST /a", headers, data)
    assert (found.headers, found.body) == (sent, data)


@pytest.mark.parametrize("header", ["no colon", "bad name: x", ": x", "A: b\x00c"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(click.UsageError):
        _typed("/a", (header,))


def test_images_are_typed_by_service() -> None:
    assert arguments.overrides(("web=a:1", "api=b=c")) == {"web": "a:1", "api": "b=c"}


def test_durations_are_read_as_compose_reads_them() -> None:
    kind = arguments.Seconds()
    assert [kind.convert(it, None, None) for it in (0.5, "7", "1m30s", "20ms")] == [0.5, 7.0, 90.0, 0.02]
    with pytest.raises(click.BadParameter):
        kind.convert("soon", None, None)


# -- the key, and what the disk refuses


def test_a_look_writes_no_key_and_hashes_of_different_keys_differ(tmp_path: Path) -> None:
    assert salt(tmp_path, acts=False) != salt(tmp_path, acts=False)
    assert list(tmp_path.iterdir()) == []
    key = salt(tmp_path, acts=True)
    assert (key, (tmp_path / "salt").stat().st_mode & 0o777) == (salt(tmp_path, acts=False), 0o600)
    assert len(key) == 32
    assert fingerprint(key, "a") == fingerprint(key, "a") != fingerprint(b"other", "a")
    assert fingerprint(key, "a") != fingerprint(key, "b")


def test_what_the_disk_refuses_names_the_file() -> None:
    for error, failed in (
        (OSError(28, "No space left on device", "/x/y"), "No space left on device: /x/y"),
        (OSError(28, "No space left on device"), "No space left on device: /state/shop"),
        (OSError("odd"), "odd: /state/shop"),
    ):  # fmt: skip
        with pytest.raises(BluegreenError) as found, writing(Path("/state/shop")):
            raise error
        assert found.value.failed == failed
        assert found.value.next == "ls -ld /state/shop; df -h /state"


def test_recorded_answers_that_are_not_there_are_none(tmp_path: Path) -> None:
    file = ExpectedFile()
    assert file.read(tmp_path / "expected.yaml") is None
    file.write(tmp_path / "expected.yaml", [Expectation("GET", "/a")])
    assert [it.request for it in file.read(tmp_path / "expected.yaml") or ()] == ["GET /a"]


# -- ends


def test_an_end_by_hand_and_a_reader_that_left_are_no_bugs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(error: BaseException) -> int:
        raise error

    assert boundary.guarded(lambda: 7, False, str) == 7
    assert boundary.guarded(lambda: ends(KeyboardInterrupt()), False, str) == ExitCode.INTERRUPTED
    assert boundary.guarded(lambda: ends(BluegreenError("no", exit_code=ExitCode.USAGE)), False, str) == ExitCode.USAGE
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[0]) == ("", "Error: no")
    broken = BrokenPipeError(32, "Broken pipe")
    assert boundary.guarded(lambda: ends(broken), False, str) == ExitCode.FAILED, "no reader: the Engine's socket"
    assert "Broken pipe" in capsys.readouterr().err
    for refused, words in ((broken, ""), (OSError(28, "No space left on device"), "No space left on device")):
        stream = io.TextIOWrapper(io.BufferedWriter(raw := streams.Patient(os.devnull, "w")))
        raw.refused = refused
        monkeypatch.setattr(sys, "stdout", stream)
        assert boundary.guarded(lambda: 7, False, str) == 7, "a verb ends as it would have"
        said = capsys.readouterr()
        assert words in said.err
        assert bool(words) is bool(said.err), "who left has heard enough"
        stream.close()


def test_a_result_that_failed_is_an_error_with_its_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    error = BluegreenError("It moved back.", exit_code=ExitCode.MOVED_BACK)
    result = Result("switch", "moved-back", error=error, warnings=["jobs: no\x07"])
    assert show_result(result, "bluegreen -p shop", None, False) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == "Warning: jobs: no "
    assert "bluegreen -p shop status" in said.err
    assert show_result(result, "bluegreen", None, True) == 4
    said = capsys.readouterr()
    assert (said.err, '"outcome": "moved-back"' in said.out) == ("", True)


# -- probes


def test_what_is_waited_for_is_said_between_two_rounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def attempt(name: str, proven: bool) -> Any:
        return SimpleNamespace(target=SimpleNamespace(name=name), proven=proven, last="answered 503", count=4)

    tries, said = [attempt("web-1", True), attempt("web-2", False), attempt("web-3", False)], list[str]()

    class Prober:
        def __init__(self, _: Path) -> None: ...

        def wait(self, _: Any, tell: Any) -> None:
            tell(tries)
            tell(tries[:1])
            raise health.Unproven(tries)

    monkeypatch.setattr(health, "Prober", Prober)
    assert Probes(tmp_path).wait([], said.append) == {"web-2": (4, "answered 503"), "web-3": (4, "answered 503")}
    assert said == ["1 of 3 healthy; web-2 answered 503", "1 of 1 healthy"]


# -- what a release says of itself


@pytest.mark.parametrize(
    ("given", "commit", "user", "found"),
    [
        (Note(), git.Commit("abc", "faster"), "Ada", Note("Ada", "", "", "abc", "faster")),
        (Note(owner="Bo", revision="v1"), git.Commit("abc", "faster"), "Ada", Note("Bo", "", "", "v1", "")),
        (Note(), None, "", Note("the login")), (Note(expect="x"), None, "Ada", Note("Ada", "x")),
    ],
)  # fmt: skip
def test_what_was_not_given_comes_from_git_and_the_login(
    monkeypatch: pytest.MonkeyPatch, given: Note, commit: Any, user: str, found: Note
) -> None:
    monkeypatch.setattr(git, "commit", lambda _: commit)
    monkeypatch.setattr(git, "user", lambda _: user)
    monkeypatch.setattr(wishes, "user", lambda: "the login")
    app: Any = SimpleNamespace(project_directory=Path("/x"), command="bluegreen")
    assert wishes.note(app, given, ()) == found
    if not user and not given.owner:
        with pytest.raises(BluegreenError, match="its owner and its note"):
            wishes.note(app, given, ("owner", "note"))  # a mere login does not count


# -- the runbook's page


def _page(releases: list[dict[str, Any]], routes: tuple[Route, ...], shown: Any = None, **settings: Any) -> str:
    stack = Stack(
        "shop", Settings(routes, listen=(Listen("", 80),), **settings), {}, {}, {}, {}, {}, ("db",), "/srv/a b"
    )
    live = {"color": "blue", "release": 4}
    state = {
        "live": live, "idle": None, "urls": ["http://localhost/"], "flip_back": None, "no_way_back": "it is gone",
        "forward": False, **(shown or {}),
    }  # fmt: skip
    facts = Facts("shop", "/srv/a b", "bluegreen -p shop", stack, state, releases, "shop-proxy", 2)
    return page.page(facts, datetime(2026, 11, 3, 12, 0, 59, tzinfo=UTC))


def test_the_page_names_what_can_be_typed_and_only_that() -> None:
    line: dict[str, Any] = {"created": "today", "owner": "a|b", "expect": None, "note": "", "outcome": "live"}
    releases: list[dict[str, Any]] = [
        line | {"release": 4, "standing": "live", "kept": True}, line | {"release": 3, "standing": None, "kept": True},
        line | {"release": 2, "standing": None, "kept": False},
    ]  # fmt: skip
    routes = (
        Route("web", 1), Route("api", 2, "/api", health=Health("/api/health")), Route("x", 3, "/x"),
        Route("h", 4, "/", "h.example", Health("/h")),
    )  # fmt: skip
    hooks: Any = {
        "after_switch": (
            Task(
                ("notify", "it's done"),
            ),
        ),
        "on_failure": (Task((), "web"),),
    }
    text = _page(releases, routes, hooks=hooks, require=("owner", "expect"), jobs=("worker",))
    assert "2026-11-03T12:00+00:00" in text
    assert "cd '/srv/a b'" in text
    assert [it.split()[-1] for it in text.splitlines() if it.startswith("curl")] == [
        "http://localhost/health", "http://localhost/api/health",
    ]  # fmt: skip
    said = ' --owner "…" --expect "…"'
    assert f"bluegreen -p shop switch --to 3 --dry-run{said}" in text
    assert "--to 4" not in text, "it is live"
    assert "--to 2" not in text, "it is gone"
    assert "| 3 | today | a\\|b | kept | - | - |" in text
    assert text.index("notify 'it'") < text.index("when traffic has moved") < text.index("`web`: when a release or")
    assert "Not at the moment (it is gone)" in text
    assert "migration" not in text.partition("## Is it healthy?")[0]


def test_the_page_says_when_a_flip_back_goes_forward() -> None:
    back = {"flip_back": "bluegreen flip-back", "idle": {"release": 5, "color": "green"}}
    texts = [_page([], (Route("web", 1),), back | {"forward": forward}) for forward in (True, False)]
    assert all("Release 5 is on standby on green" in text for text in texts)
    assert ["somebody went back from that release" in text for text in texts] == [True, False]


def test_the_page_warns_of_a_migration_that_cannot_be_taken_back() -> None:
    task = Task(("up",), "schema")
    texts = [_page([], (Route("web", 1),), migrate=Migration(task, reversible)) for reversible in (True, False)]
    assert ["**not reversible**" in text for text in texts] == [False, True]
    assert all("None yet." in text for text in texts)
