"""`rehearse` as a whole command on a machine that is not real: what its stage runs, shows, refuses and takes away."""

from __future__ import annotations

import fcntl
import io
import itertools
import json
import shutil
import signal
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli import janitor, rehearsing
from bluegreen.cli.app import App
from bluegreen.cli.rehearsing import CleanupJob, Stage
from bluegreen.cli.where import STATE_VARIABLE
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError
from bluegreen.features.rehearsal import rehearse
from bluegreen.host import processes
from bluegreen.probe import load
from tests.fakes.site import Site, Tell

STEP = {
    "phase": "prepare",
    "step": "health",
    "color": "green",
    "seconds": 1.5,
    "outcome": "done",
    "detail": "2 replicas",
}
ENDS = {"up": "switched", "switch": "switched", "flip-back": "flipped-back"}


class Clients:
    answered, lost = 40, Counter[str]()

    def __init__(self, *given: Any) -> None:
        self.given = given

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Troupe:
    """The processes of a rehearsal: the verbs on its stage, and the one that takes everything away."""

    def __init__(self) -> None:
        self.ran: list[tuple[list[str], str, dict[str, str]]] = []  # command, overlay, environment
        self.jobs: list[CleanupJob] = []
        self.taken_away: list[float] = []
        self.ends, self.left, self.said = dict(ENDS), (0, ""), [json.dumps({"event": "end", **STEP})]
        self.output: str | None = None
        self.cleans = True
        self.check: Callable[[], None] = lambda: None

    def follow(
        self, command: list[str], environment: dict[str, str], tell: Callable[[str], None], _: float
    ) -> tuple[str, list[str]]:
        overlay = [word for word in command if word.endswith("overlay.yaml")]
        self.ran.append((command, Path(overlay[0]).read_text(), environment))
        self.check()
        for line in self.said:
            tell(line)
        verb = next(word for word in command if word in ENDS)
        found = {"outcome": self.ends[verb], "steps": [STEP], "error": None if self.ends[verb] == ENDS[verb] else ERROR}
        return json.dumps(found) if self.output is None else self.output, self.said

    def successor(self, command: list[str], environment: dict[str, str], job: str) -> Troupe:
        assert command[-1] == janitor.__name__
        assert STATE_VARIABLE in environment
        self.jobs.append(CleanupJob.from_text(job))
        return self

    def take_over(self, timeout: float) -> tuple[int, str]:
        self.taken_away.append(timeout)
        if self.cleans:
            shutil.rmtree(self.jobs[-1].folder)
        return self.left


ERROR = BluegreenError("green is sick.", failed="GET /health").fields()


@pytest.fixture
def troupe(monkeypatch: pytest.MonkeyPatch) -> Troupe:
    found = Troupe()
    monkeypatch.setattr(rehearse, "SETTLED", 0.0)
    monkeypatch.setattr(processes, "follow", found.follow)
    monkeypatch.setattr(processes, "Successor", found.successor)
    monkeypatch.setattr(load, "Load", Clients)
    return found


def test_a_rehearsal_is_the_command_itself_on_a_stage_of_its_own(
    live: Site, troupe: Troupe, capsys: pytest.CaptureFixture[str]
) -> None:
    stage, before = live.state / "rehearsal", list(live.engine.containers)

    def check() -> None:
        assert [stat.S_IMODE(it.stat().st_mode) for it in (stage, stage / "state")] == [0o700, 0o700]
        assert len(troupe.jobs) == 1, "who takes everything away is there before anything is made"
        assert troupe.taken_away == []

    troupe.check = check
    live.release("shop:2")
    assert live.run("--env-file", "a.env", "rehearse", "--progress", "json") == 0
    said = capsys.readouterr()
    assert "The rehearsal passed" in said.out
    assert [next(word for word in command if word in ENDS) for command, _, _ in troupe.ran] == list(ENDS)
    for command, overlay, environment in troupe.ran:
        assert command[1:3] == ["-m", "bluegreen"]
        pairs = list(itertools.pairwise(command))
        assert [value for key, value in pairs if key == "--file"] == [
            "compose.yaml", str(stage / "overlay.yaml"),
        ]  # fmt: skip
        assert ("--project-name", "shop-rehearsal") in pairs
        assert ("--project-directory", str(live.project)) in pairs
        assert ("--env-file", "a.env") in pairs
        assert command[-3:] == ["--json", "--progress", "json"]
        assert environment[STATE_VARIABLE] == str(stage / "state")
        assert "shop-rehearsal" in overlay
    first, second = troupe.ran[0][1], troupe.ran[1][1]
    assert "sha256:shop-1" in first, "today's images"
    assert "sha256:shop-1" not in second, "those of the file"
    events = [json.loads(line) for line in said.err.splitlines()]
    progress = [it["text"] for it in events if it["event"] == "progress"]
    assert "rehearsing switch: health 1.50 s 2 replicas" in progress
    assert len(troupe.taken_away) == 1
    assert list(live.engine.containers) == before


def test_who_takes_a_rehearsal_away_knows_what_was_there_before(live: Site, troupe: Troupe) -> None:
    live.document["services"]["web"] |= {"image": "shop:next", "build": {"context": "."}}
    live.document["services"]["worker"]["image"] = "shop:next"
    live.document["services"]["cache"] = {"image": "redis:7", "restart": "always"}
    live.engine.pulled("postgres:17")
    assert live.run("rehearse") == 0
    (job,) = troupe.jobs
    assert (job.name, job.folder) == ("shop-rehearsal", str(live.state / "rehearsal"))
    assert job.command[-5:] == ("down", "--yes", "--volumes", "--wait", "60s")
    assert job.built == ("shop-rehearsal-web:rehearsal",)
    assert job.pulled == (("postgres:17", "sha256:postgres-17"), ("redis:7", None)), "none of ours"


@pytest.mark.parametrize("verb", ["up", "switch", "flip-back"])
def test_a_rehearsal_that_fails_says_so_and_is_taken_away(live: Site, troupe: Troupe, tell: Tell, verb: str) -> None:
    troupe.ends[verb] = "failed"
    assert live.run("rehearse") == 1
    code, found = tell("rehearse")
    assert (code, found["outcome"], found["failed_verb"]) == (1, "failed", verb)
    assert len(troupe.taken_away) == 2


@pytest.mark.usefixtures("live")
def test_a_verb_without_a_result_is_an_error_with_its_last_words(troupe: Troupe, tell: Tell) -> None:
    troupe.output = "Killed"
    for said, failed in (
        (["first", "second", "third", "fourth"], "second third fourth"), ([], "it printed nothing"),
        (["x" * 400], "x" * 300),
    ):  # fmt: skip
        troupe.said = list(said)
        code, found = tell("rehearse")
        assert (code, found["error"]["failed"], found["error"]["traffic"]) == (1, failed, "unchanged")
    assert len(troupe.taken_away) == 3, "all the same"


@pytest.mark.usefixtures("live")
def test_what_is_left_of_a_rehearsal_is_said(troupe: Troupe, tell: Tell) -> None:
    troupe.left = (1, "x" * 300 + "volume is in use\n")
    code, found = tell("rehearse")
    assert (code, found["error"]["traffic"]) == (1, "unchanged")
    assert len(found["error"]["failed"]) == 300
    assert found["error"]["failed"].endswith("volume is in use")
    assert found["error"]["next"].endswith("label=bluegreen.app=shop-rehearsal")


def test_what_an_earlier_rehearsal_left_is_taken_away_first(
    live: Site, troupe: Troupe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    did: list[tuple[str, bool]] = []

    def take_away(job: CleanupJob, environment: dict[str, str]) -> list[str]:
        did.append((job.name, environment[STATE_VARIABLE].startswith(job.folder)))
        return []

    monkeypatch.setattr(rehearsing, "take_away", take_away)
    troupe.cleans = False
    assert live.run("rehearse") == 0
    assert did == []
    assert live.run("rehearse") == 0  # nobody took away what stood on the first stage
    assert did == [("shop-rehearsal", True)]
    assert "An earlier rehearsal was cut" in capsys.readouterr().err
    assert len(troupe.jobs) == 2


def test_one_rehearsal_at_a_time_and_production_may_act_meanwhile(live: Site, troupe: Troupe, tell: Tell) -> None:
    free: list[bool] = []

    def check() -> None:
        for name in ("lock", "rehearsing/lock"):
            with (live.state / name).open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    free.append(True)
                except BlockingIOError:
                    free.append(False)

    troupe.check = check
    assert live.run("rehearse") == 0
    assert free[:2] == [True, False]
    with (live.state / "rehearsing" / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert tell("rehearse")[0] == 75
    assert live.state.is_dir()


def test_a_rehearsal_before_the_first_up_leaves_nothing(shop: Site, troupe: Troupe) -> None:
    troupe.ends["switch"] = "failed"
    assert shop.run("rehearse") == 1
    assert troupe.ran, "it was begun"
    assert list(shop.states.iterdir()) == []


def test_a_stage_has_ports_a_name_and_tools_of_its_own(live: Site, troupe: Troupe) -> None:
    live.run("status")  # writes the document
    app = App(Options())
    stage = Stage(app, app.stack)
    ports = {int(at.removeprefix("127.0.0.1:")) for at in (stage.listen, stage.preview)}
    assert len(ports) == 2
    assert stage.load(["/a"], "shop.example").given == (int(stage.listen.split(":")[1]), ["/a"], "shop.example")  # type: ignore[attr-defined]  # the fake's
    stage.__exit__(None, None, None)
    assert troupe.taken_away == [], "nothing was begun"
    tools = stage.tools()
    assert (tools.app, tools.command.split()[:3]) == ("shop-rehearsal", ["bluegreen", "-p", "shop-rehearsal"])
    assert stage.tools().show is tools.show


def test_folders_are_copied_onto_the_stage(live: Site, troupe: Troupe) -> None:
    live.run("status")
    app = App(Options())
    folder = live.folder / "data"
    folder.mkdir()
    (folder / "file").write_text("x")
    with Stage(app, app.stack) as stage:
        first, second = stage.copy(str(folder)), stage.copy(str(folder))
        assert first != second
        assert (Path(first, "file").read_text(), Path(first).name) == ("x", "data")
        assert Path(second).is_relative_to(stage.folder)
        assert (stage.size(str(folder)) or 0) > 0
        assert stage.size(str(folder / "none")) is None
        with pytest.raises(BluegreenError, match="could not be copied") as error:
            stage.copy(str(folder / "none"))
    assert "No such file" in error.value.failed
    assert len(troupe.taken_away) == 1


# -- the process that waits


@pytest.fixture
def _signals() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize(("left", "code"), [([], 0), (["a volume", "a network"], 1)])
def test_the_janitor_does_its_job_when_the_rehearsal_has_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: list[str], code: int
) -> None:
    job, done = CleanupJob("shop-rehearsal", "/x", ("down",), ("a",), (("b", None),)), list[CleanupJob]()
    entered = io.StringIO(f"{job.as_text()}\nwhatever comes later")

    def take_away(given: CleanupJob, _: object) -> list[str]:
        assert entered.read() == "", "it has waited for the end"
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        done.append(given)
        return left

    monkeypatch.setattr(janitor, "take_away", take_away)
    monkeypatch.setattr(sys, "stdin", entered)
    assert janitor.main() == code
    assert done == [job]
    assert capsys.readouterr().out.split("\n")[: len(left)] == left


@pytest.mark.usefixtures("_signals")
def test_a_janitor_without_a_job_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert janitor.main() == 0
