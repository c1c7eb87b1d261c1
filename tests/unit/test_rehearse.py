"""The rehearsal of a release: what is run on the stage, what is reported, and that nothing is left of it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bluegreen.cli.rehearsing import CleanupJob, take_away
from bluegreen.cli.wiring import ExpectedFile
from bluegreen.domain.answers import Answer, Expectation
from bluegreen.domain.app import HookName, Settings, Stack, Task
from bluegreen.domain.world import EngineFacts
from bluegreen.errors import BluegreenError
from bluegreen.features.rehearsal.rehearse import RehearsalOptions, refuse, rehearse
from bluegreen.flow.values import Tools
from tests.fakes.app import App, Cut, FakeCompose, NoMachine
from tests.fakes.machine import FakeEngine
from tests.fakes.site import Site


@dataclass
class Clients:
    answered: int = 40
    lost: Counter[str] = field(default_factory=Counter)
    did: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.did.append("start")

    def stop(self) -> None:
        self.did.append("stop")


def _step(phase: str, step: str, seconds: float) -> dict[str, Any]:
    return {"phase": phase, "step": step, "seconds": seconds}


class Stage:
    """StagePort: verbs end as they are told to."""

    name, listen, preview = "shop-rehearsal", "127.0.0.1:9000", "127.0.0.1:9001"
    own: Mapping[str, str] = MappingProxyType({})

    def __init__(self, folder: Path, tools: Tools) -> None:
        self.folder, self._tools, self.clients = folder, tools, Clients()
        self.ran: list[tuple[str, ...]] = []
        self.overlays: list[str] = []
        self.copied: list[str] = []
        self.wanted: tuple[list[str], str] = ([], "")
        steps = [_step("prepare", "migrate", 2.0), _step("cutover", "route", 0.5), _step("settle", "jobs", 9.0)]
        self.results: dict[str, dict[str, Any]] = {
            verb: {"error": None, "outcome": outcome, "steps": steps}
            for verb, outcome in (("up", "switched"), ("switch", "switched"), ("flip-back", "flipped-back"))
        }

    def run(self, overlay: str, *arguments: str) -> dict[str, Any]:
        self.overlays.append(overlay)
        self.ran.append(arguments)
        return self.results[arguments[0]]

    def tools(self) -> Tools:
        return self._tools

    def load(self, paths: Sequence[str], host: str) -> Clients:
        self.wanted = (list(paths), host)
        return self.clients

    def copy(self, folder: str) -> str:
        self.copied.append(folder)
        return f"/copy{folder}"

    def size(self, folder: str) -> int | None:
        return {"/small": 10, "/big": 10**9}.get(folder)

    def copy_volume(self, key: str, name: str) -> None:
        self.copied.append(f"{key}={name}")

    def volume_size(self, name: str) -> int:  # noqa: ARG002 - the port's
        return 1000


class Prober:
    """Answers of today, then, after the switch, those of the release to come."""

    def __init__(self) -> None:
        self.pages = {"/a": ["1", "1"]}

    def ask(self, where: str, request: Expectation) -> Answer:
        assert where == "public"
        return Answer(200, {"content-type": "text/plain"}, self.pages[request.path].pop(0))


class _Engine(FakeEngine):
    def facts(self) -> EngineFacts:
        return EngineFacts("27.0", "1.44", "/var/lib/docker")

    def volume_path(self, name: str) -> str | None:
        return None if name == "shop_new" else f"/v/{name}"


class _Machine(NoMachine):
    free = 10**12

    def free_bytes(self, path: object) -> int:  # noqa: ARG002 - the port's
        return self.free


class _Compose(FakeCompose):
    told = "2.30.0"

    def version(self) -> str:
        return self.told


class Play:
    """A rehearsal of an app that has released twice, or never."""

    def __init__(self, folder: Path, released: bool = True) -> None:
        app = App(folder / "state")
        if released:
            app.run("up")
            app.content = "two"
            app.run("switch")
        self.prober, self.machine = Prober(), _Machine()
        tools = app.tools(Cut())
        outside: Any = {
            "prober": self.prober, "expected": ExpectedFile(), "machine": self.machine, "engine": _Engine(app.machine),
            "compose": _Compose(app.machine),
        }  # fmt: skip
        self.tools = dataclasses.replace(tools, **outside)
        self.app, self.folder = app, folder
        (folder / "stage").mkdir()
        self.stage = Stage(folder / "stage", self.tools)

    def stack(self, **more: Any) -> Stack:
        services = {name: {**service, **more.get(name, {})} for name, service in self.app.stack().services.items()}
        hooks: dict[HookName, tuple[Task, ...]] = {"after_switch": (Task(("x",)),)} if more.get("hooks") else {}
        settings = dataclasses.replace(self.app.stack().settings, hooks=hooks, expected="expected.yaml")
        return dataclasses.replace(
            self.app.stack(), services=services, settings=settings, volumes=more.get("volumes", {}),
            project_directory=str(self.folder),
        )  # fmt: skip

    def run(self, wanted: RehearsalOptions | None = None, **more: Any) -> dict[str, Any]:
        return rehearse(self.tools, self.stack(**more), self.stage, wanted or RehearsalOptions())


def test_a_rehearsal_is_an_up_of_today_a_switch_to_what_comes_and_the_way_back(tmp_path: Path) -> None:
    play = Play(tmp_path)
    found = play.run(hooks=True)
    assert play.stage.ran == [("up",), ("switch", "--force"), ("flip-back",)]
    assert "sha256:web:two" in play.stage.overlays[0], "today's image"
    assert "sha256:web:two" not in play.stage.overlays[1]
    assert play.stage.overlays[1] == play.stage.overlays[2]
    assert (found["outcome"], found["from"], found["way_back"], found["error"]) == ("passed", 2, "proven", None)
    assert (found["switch_seconds"], found["flip_back_seconds"], found["migration_seconds"]) == (2.5, 2.5, 2.0)
    assert found["requests"] == {"answered": 40, "lost": 0, "why": {}}
    assert found["production"]["release"] == 2
    assert found["left_out"] == ["hooks"]
    assert play.stage.clients.did == ["start", "stop"]
    assert play.stage.wanted == (["/health"], "localhost")


def test_before_the_first_up_there_is_no_today(tmp_path: Path) -> None:
    play = Play(tmp_path, released=False)
    found = play.run()
    assert (found["outcome"], found["from"], found["production"]["release"]) == ("passed", None, None)
    assert play.stage.overlays[0] == play.stage.overlays[1]
    assert found["left_out"] == []


@pytest.mark.whole
@pytest.mark.parametrize(
    ("verb", "ran"), [("up", ["up"]), ("switch", ["up", "switch"]), ("flip-back", ["up", "switch", "flip-back"])]
)
def test_what_fails_on_the_stage_is_reported(tmp_path: Path, verb: str, ran: list[str]) -> None:
    play = Play(tmp_path)
    gone = "bluegreen -p shop-rehearsal logs green"
    play.stage.results[verb] = {"error": {"summary": "no", "next": gone}, "outcome": "failed", "steps": []}
    found = play.run()
    assert (found["outcome"], found["error"]["summary"], found["failed_verb"]) == ("failed", "no", verb)
    assert found["error"]["next"].startswith("bluegreen rehearse "), "nothing of the stage is there to be looked at"
    assert found["way_back"] == "not proven"
    assert [words[0] for words in play.stage.ran] == ran
    assert play.stage.clients.did == ([] if verb == "up" else ["start", "stop"])


def test_a_lost_request_or_a_way_back_that_was_none_is_not_well(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.stage.clients.lost["/ answered 503"] = 2
    found = play.run()
    assert (found["outcome"], found["requests"]) == (
        "failed", {"answered": 40, "lost": 2, "why": {"/ answered 503": 2}},
    )  # fmt: skip
    play.stage.clients.lost.clear()
    play.stage.results["flip-back"] = {"error": None, "outcome": "unchanged", "steps": []}
    assert (play.run()["outcome"], play.run()["way_back"]) == ("failed", "not proven")


@pytest.mark.parametrize(
    ("before", "after", "differ", "beside", "outcome"),
    [
        ("1", "1", [], [], "passed"), ("1", "2", ["GET /a"], [], "failed"), ("2", "2", [], ["GET /a"], "passed"),
    ],
)  # fmt: skip
def test_the_recorded_answers_are_asked_of_today_and_of_what_comes(
    tmp_path: Path, before: str, after: str, differ: list[str], beside: list[str], outcome: str
) -> None:
    play = Play(tmp_path)
    play.tools.expected.write(tmp_path / "expected.yaml", [_recorded()])
    play.prober.pages["/a"] = [before, after]
    found = play.run()
    assert [it["request"] for it in found["expected"]["differ"]] == differ
    assert (found["expected"]["cannot_be_compared"], found["expected"]["asked"]) == (beside, 1)
    assert found["outcome"] == outcome
    assert play.stage.wanted[0] == ["/health", "/a"]


def _recorded() -> Expectation:
    from bluegreen.domain.learning import Identity, learn

    answers = [Answer(200, {"content-type": "text/plain"}, "1")] * 3
    return learn(Expectation("GET", "/a"), answers, Identity("blue", 1), None)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("source", "service", "everything", "copied"),
    [
        ("/small", "web", False, True), ("/small", "db", False, False), ("/small", "db", True, True),
        ("/big", "web", False, False), ("/big", "web", True, True), ("/none", "web", True, False),
    ],
)  # fmt: skip
def test_small_folders_are_copied_and_others_when_asked(
    tmp_path: Path, source: str, service: str, everything: bool, copied: bool
) -> None:
    play = Play(tmp_path)
    play.run(
        RehearsalOptions(everything), **{service: {"volumes": [{"type": "bind", "source": source, "target": "/d"}]}}
    )
    assert play.stage.copied == ([source] if copied else [])
    assert (f'"source": "/copy{source}"' in play.stage.overlays[1]) == copied
    assert (f"{source} is empty in the rehearsal; --copy-volumes copies it." in play.app.shown.notices) == (not copied)


def test_volumes_are_copied_when_asked_and_when_there_is_room(tmp_path: Path) -> None:
    play = Play(tmp_path)
    mounts = [{"type": "volume", "source": name, "target": f"/{name}"} for name in ("data", "new")]
    volumes = {"data": {"name": "shop_data"}, "new": {"name": "shop_new"}}
    play.run(web={"volumes": mounts}, volumes=volumes)
    assert play.stage.copied == []
    play.run(RehearsalOptions(copy_volumes=True), web={"volumes": mounts}, volumes=volumes)
    assert play.stage.copied == ["data=shop_data"]
    play.machine.free = 200 * 1000 * 1000 + 999
    with pytest.raises(BluegreenError, match="not enough disk space"):
        play.run(RehearsalOptions(copy_volumes=True), web={"volumes": mounts}, volumes=volumes)
    play.machine.free += 1
    play.run(RehearsalOptions(copy_volumes=True), web={"volumes": mounts}, volumes=volumes)


@pytest.mark.parametrize(("version", "fits"), [("2.24.3", False), ("2.24.4", True), ("2.9.9", False), ("5.0.0", True)])
def test_an_old_compose_cannot_rehearse(tmp_path: Path, version: str, fits: bool) -> None:
    play = Play(tmp_path, released=False)
    play.tools.compose.told = version  # type: ignore[attr-defined]  # the fake's
    if fits:
        refuse(play.tools, play.stack(), RehearsalOptions())
        return
    with pytest.raises(BluegreenError, match="too old for a rehearsal"):
        refuse(play.tools, play.stack(), RehearsalOptions())


def test_a_database_outside_is_refused_unless_the_person_says_so(tmp_path: Path) -> None:
    play = Play(tmp_path, released=False)
    stack = play.stack(web={"environment": {"URL": "postgres://u:p@db.example.com/x"}})
    with pytest.raises(BluegreenError, match="could touch production") as error:
        refuse(play.tools, stack, RehearsalOptions())
    assert "rehearse --outside" in error.value.next
    refuse(play.tools, stack, RehearsalOptions(outside=True))
    assert isinstance(stack.settings, Settings)


def test_everything_of_a_rehearsal_is_taken_away(shop: Site) -> None:
    engine, name, folder = shop.engine, "shop-rehearsal", shop.folder / "rehearsal"
    folder.mkdir()
    compose = {"com.docker.compose.project": name, "com.docker.compose.oneoff": "False"}
    engine.add("stray", Labels={"bluegreen.app": name})
    engine.add("db", Labels=compose | {"com.docker.compose.service": "db"})
    engine.volume_create({}, {"Name": "theirs", "Labels": {"com.docker.compose.project": "shop"}})
    engine.volume_create({}, {"Name": "ours", "Labels": compose})
    for reference in ("built:1", "new:1", "moved:1", "same:1"):
        engine.pulled(reference)
    before = engine.pulled("before:1")
    job = CleanupJob(
        name, str(folder), ("false",), ("built:1",),
        (("new:1", None), ("moved:1", before), ("same:1", "sha256:same-1")),
    )  # fmt: skip
    assert CleanupJob.from_text(json.loads(json.dumps(job.as_text()))) == job
    assert take_away(job, {}) == []
    assert [it.name for it in engine.containers.values()] == ["shop-db-1"]
    assert list(engine.volumes) == ["theirs"]
    names = {name for image in engine.images.values() for name in image["RepoTags"]}
    assert not {"built:1", "new:1"} & names
    assert {"same:1", "before:1", "moved:1"} <= names
    assert "moved:1" in engine.images[before]["RepoTags"]
    assert not folder.exists()
    folder.mkdir()
    (folder / "overlay.yaml").touch()
    failing = dataclasses.replace(job, command=("sh", "-c", "echo went wrong >&2; exit 1"), pulled=())
    assert take_away(failing, {"PATH": "/usr/bin:/bin"}) == ["went wrong"]
    engine.refuse["GET /containers"] = (500, {"message": "broken"})
    assert "broken" in take_away(failing, {})[0]
