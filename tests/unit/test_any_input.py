"""Whatever is typed, written or set: never a bug's exit code, never a traceback, never no end.

Hypothesis makes arguments, environments, Compose documents, states and journals; whole commands run on a machine that
is not real. HYPOTHESIS=nightly: 10,000 of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socketserver
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluegreen.cli import boundary
from bluegreen.cli.main import VERBS
from bluegreen.compose import found, run
from bluegreen.errors import ExitCode
from bluegreen.frontdoor import change, text
from tests.fakes import hostile
from tests.fakes.site import Site, at_once, site

NIGHTLY = os.environ.get("HYPOTHESIS") == "nightly"
EXAMPLES = int(os.environ.get("EXAMPLES", "10000")) if NIGHTLY else 60
HANGS = 30  # seconds
PLAYED = [verb for verb in VERBS if verb != "rehearse"]  # that starts processes of its own, which play the others
PLAINLY = {
    "completion": [["bash"]], "down": [["--yes"]], "expect": [[], ["--color", "idle"], ["--record", "GET", "/"]],
    "flip-back": [[], ["--json"], ["--force"], ["--dry-run"], ["--now"]], "init": [[], ["--write"]],
    "show": [[], ["1"], ["2"], ["--json"]], "status": [[], ["--json"], ["--at", "14:05"]],
    "why": [["07a3"], ["", "--json"]], "history": [[], ["--json"]],
    "switch": [[], ["--to", "1"], ["--to", "2", "--force"], ["--force", "--json"], ["--dry-run"],
               ["--migrate", "skip"]],
    "up": [[], ["--dry-run"], ["--here"], ["--adopt"]], "logs": [[], ["blue"], ["web", "-n", "1"]],
    "prepare": [[], ["--json", "--progress", "json"]],
}  # fmt: skip
BLOCK = {
    "service": "web", "port": 8000, "jobs": ["worker"], "listen": 8123, "preview": 8124, "drain": "10ms",
    "health": {"path": "/health", "timeout": "3s", "interval": "10ms", "successes": 1, "expect": {"status": 200}},
    "migrate": {"service": "web", "command": ["true"], "timeout": "1s"}, "keep": 3, "failover": False,
    "hooks": {"after_switch": [{"command": ["true"]}], "before_switch": [{"service": "web", "command": ["true"]}]},
    "proxy": {"include": "snippets", "trust": ["10.0.0.0/8"], "max_body": "1m"}, "require": [],
    "expected": "expected.yaml",
}  # fmt: skip
EXPECTED = [
    {"request": "GET /", "status": 200, "headers": {"A": "b"}, "json": {"a": ["#number", "#regex ^a"]}, "text": "a"},
    {"request": "POST /", "status": 200, "body": "{}", "answer_headers": {"content-type": "text/plain"}},
]  # fmt: skip


PLAIN = [[verb, *more] for verb in PLAYED for more in PLAINLY.get(verb, [[]])]


class NoEnd(BaseException):
    """A command that hangs."""


def _document(it: Site) -> None:
    it.document["x-bluegreen"] = json.loads(json.dumps(BLOCK))


def _switched(it: Site) -> int:
    it.run("up", "--progress", "none")
    it.release("shop:2")
    return it.run("switch", "--progress", "none")


STATES: dict[str, Callable[[Site], Any]] = {
    "nothing": lambda _: None,
    "live": lambda it: at_once(it, "any live", lambda: it.run("up", "--progress", "none")),
    "switched": lambda it: at_once(it, "any switched", lambda: _switched(it)),
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A Compose without processes, an nginx that is not waited for, a bug that is shown as one."""
    with site(monkeypatch) as it:
        answer = found.ask

        def ask(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
            ours = "input" in more or any("proxy.yaml" in word for word in command)
            if "config" in command and "--no-interpolate" not in command and not ours:
                return subprocess.CompletedProcess(command, 0, (it.folder / "document.json").read_text(), "")
            if "version" in command:
                return subprocess.CompletedProcess(command, 0, "2.30.1\n", "")
            return answer(command, **more)

        monkeypatch.setattr(found, "ask", ask)
        monkeypatch.setattr(run, "ask", ask)
        yield it


def _shown(error: Exception) -> int:
    raise AssertionError(f"a bug: {type(error).__name__}: {error}") from error


def _fresh(it: Site) -> None:
    """The machine as it was, but for what is kept of each state."""
    if it.nginx:
        it.nginx.end()
        it.nginx = None
    for path in it.states.rglob("*"):
        if os.path.isdir(path) and not path.is_symlink():
            path.chmod(0o700)
    for folder in (it.states, it.project, it.folder / "mine"):
        for path in folder.iterdir() if folder.is_dir() else ():
            shutil.rmtree(path) if os.path.isdir(path) and not path.is_symlink() else path.unlink()
    (it.project / "compose.yaml").write_text("services: {}\n")
    (it.project / "expected.yaml").write_text(json.dumps([]))
    (it.project / "snippets").mkdir()
    (it.project / "snippets" / "a.conf").write_text("proxy_set_header X-A b;\n")
    for part in ("containers", "networks", "volumes"):
        getattr(it.engine, part).clear()
    it.engine.containers[it.database.id] = it.database


@contextlib.contextmanager
def _within(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise NoEnd

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _header(it: Site) -> Any:
    return text.header((it.state / "nginx" / "nginx.conf").read_text())


def _state_changes(it: Site) -> st.SearchStrategy[hostile.Act]:
    STATES["switched"](it)
    header, project = _header(it), json.loads((it.state / "project.json").read_text())
    lock = {"verb": "switch", "who": "ann", "since": "now", "pid": 1, "started": "5", "phase": "prepare",
            "left": {"verb": "flip-back", "pid": 2}}  # fmt: skip
    return st.one_of(
        hostile.odd_file(lambda it: it.state, hostile.STATE_FILES),
        hostile.other_json("project.json", project), hostile.other_json("lock", lock), hostile.other_header(header),
        hostile.other_journal(), hostile.other_link(), hostile.modes(),
    )  # fmt: skip


def test_no_input_is_a_bug(machine: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "_bug", _shown)
    monkeypatch.setattr(socketserver.BaseServer, "handle_error", lambda *_: None)  # a proxy that does not start
    _document(machine)
    original = json.loads(json.dumps(machine.document))
    codes: Counter[int] = Counter()
    slowest: list[tuple[float, list[str]]] = []
    for make in STATES.values():  # while nothing is odd yet
        _fresh(machine)
        machine.document = json.loads(json.dumps(original))
        make(machine)
    _fresh(machine)
    state_changes = _state_changes(machine)
    project_changes = st.one_of(
        hostile.odd_file(lambda it: it.project, hostile.PROJECT_FILES),
        hostile.mutated(EXPECTED).map(
            lambda value: lambda it: (it.project / "expected.yaml").write_text(json.dumps(value))
        ),
    )
    plain = st.sampled_from(PLAIN)
    blocks = st.one_of(st.just(BLOCK), st.just(BLOCK), hostile.mutated(BLOCK), hostile.mutated(BLOCK))

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None,
        derandomize=not NIGHTLY, print_blob=True,
    )  # fmt: skip
    @given(
        st.sampled_from(sorted(STATES)), st.lists(state_changes, max_size=2), st.lists(project_changes, max_size=1),
        blocks, st.one_of(plain, plain, hostile.typed(PLAYED)), st.one_of(st.just({}), hostile.environments()),
    )  # fmt: skip
    def judge(
        state: str, changes: list[hostile.Act], project: list[hostile.Act], block: Any, words: list[str],
        environment: dict[str, str | None],
    ) -> None:  # fmt: skip
        _fresh(machine)
        machine.document = json.loads(json.dumps(original))
        STATES[state](machine)
        machine.document["x-bluegreen"] = block
        machine.state.mkdir(exist_ok=True)
        for act in (*changes, *project):
            act(machine)
        out, err = io.StringIO(), io.StringIO()
        began = time.monotonic()
        with monkeypatch.context() as patch:
            for timeout in ("ROUTE_TIMEOUT", "CONFIRM_TIMEOUT", "QUIT_TIMEOUT"):
                patch.setattr(change, timeout, 0.05)
            for name, value in environment.items():
                patch.delenv(name, raising=False) if value is None else patch.setenv(name, value)
            with _within(HANGS), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = machine.run(*words)
        slowest.append((time.monotonic() - began, words))
        codes[code] += 1
        assert code in set(ExitCode) - {ExitCode.BUG}, err.getvalue()
        assert "Traceback" not in err.getvalue()

    judge()
    print(f"\n{dict(codes)}; slowest {sorted(slowest, reverse=True)[:5]}")
    assert codes[0] > EXAMPLES / 20, "enough of them get somewhere"


LARGE = [place for place in hostile.places(BLOCK) if place]


@pytest.mark.parametrize("place", LARGE if NIGHTLY else LARGE[::9], ids=lambda place: ".".join(map(str, place)))
@pytest.mark.parametrize(
    "value", ["a" * 1_000_000, "/" + "a/" * 500_000, ["true"] * 10_000], ids=["text", "path", "list"]
)
def test_a_megabyte_of_settings_is_used_or_named(
    machine: Site, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, ...], value: Any
) -> None:
    monkeypatch.setattr(boundary, "_bug", _shown)
    _fresh(machine)
    machine.document["x-bluegreen"] = hostile.changed(BLOCK, place, value)
    for words in (["check"], ["up"], ["status"]):
        with _within(HANGS):
            assert machine.run(*words) in set(ExitCode) - {ExitCode.BUG}
