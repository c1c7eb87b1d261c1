"""One app on a fake machine: every verb, cut off at any call that it makes to the outside."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bluegreen.cli.signals import Signals
from bluegreen.domain.app import Health, HookName, Route, Settings, Stack, Task
from bluegreen.domain.routing import Routing
from bluegreen.domain.world import PlainContainer
from bluegreen.errors import BluegreenError
from bluegreen.flow import down as downs
from bluegreen.flow.flip_back import FlipBackOptions, flip_back
from bluegreen.flow.give_up import give_up
from bluegreen.flow.leave import leave
from bluegreen.flow.making import Request
from bluegreen.flow.switch import switch
from bluegreen.flow.up import up
from bluegreen.flow.values import Result, StepDone, Tools
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.text import GENERATION_MARK, HEADER, SINCE_MARK
from bluegreen.plans.plan import Plan, Step, Wish
from bluegreen.state.journal import Journal
from tests.fakes.machine import (
    FakeCertificates,
    FakeColors,
    FakeContainers,
    FakeDoor,
    FakeEdge,
    FakeEngine,
    FakeImages,
    FakeProber,
    FakeProxy,
    FakeStatic,
    Machine,
)

APP = "shop"


class Killed(BaseException):
    """SIGKILL: nothing of the command runs after this."""


@dataclass
class Cut:
    """Where the command is cut: before (or after) its `at`th call to the outside. `at` 0: nowhere."""

    at: int = 0
    after: bool = False
    how: str = "SIGKILL"
    calls: int = 0
    signals: Signals | None = None
    watch: Callable[[], None] = lambda: None
    log: list[str] = field(default_factory=list)

    def around(self, what: str, act: Callable[[], Any]) -> Any:
        self.calls += 1
        self.log.append(what)
        mine = self.calls == self.at
        if mine and not self.after:
            self._end()
        found = act()
        self.watch()
        if mine and self.after:
            self._end()
        return found

    def _end(self) -> None:
        if self.how == "SIGKILL":
            raise Killed
        if self.how == "fails":
            raise BluegreenError("It failed.", failed="it was to fail", expected="no failure")
        assert self.signals is not None
        self.signals._note(signal.Signals[self.how], None)


class Counted:
    """A port whose every call may be the last."""

    def __init__(self, port: Any, cut: Cut) -> None:
        self._port, self._cut = port, cut

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found
        label = f"{type(self._port).__name__}.{name}"
        return lambda *arguments, **named: self._cut.around(label, lambda: found(*arguments, **named))


class CountedJournal:
    """The real journal, every part of it counted."""

    def __init__(self, journal: Journal, cut: Cut) -> None:
        self.releases, self.operations = Counted(journal.releases, cut), Counted(journal.operations, cut)
        self.runs, self.pending_images = Counted(journal.runs, cut), Counted(journal.pending_images, cut)
        self.figures = Counted(journal.figures, cut)
        self.receipts = Counted(journal.receipts, cut)


@dataclass
class Shown:
    """What a person would have read."""

    steps: list[StepDone] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def plan(self, plan: Plan) -> None:
        pass

    def started(self, step: Step) -> None:
        pass

    def progress(self, text: str) -> None:
        pass

    def ended(self, done: StepDone) -> None:
        self.steps.append(done)

    def notice(self, text: str) -> None:
        self.notices.append(text)


class FakeCompose:
    """ComposePort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def up(self, services: Any, tell: object, recreate: bool = True) -> None:  # noqa: ARG002 - the port's
        self.it.shared |= set(services)

    def changed(self, services: object, running: object) -> list[str]:  # noqa: ARG002 - the port's
        return []

    def down(self, volumes: bool, tell: object) -> None:  # noqa: ARG002 - the port's
        self.it.shared.clear()

    def interpolated(self, folder: Path) -> dict[str, str]:  # noqa: ARG002 - the port's
        return {}

    def plain_command(self, override: object, services: object) -> str:  # noqa: ARG002 - the port's
        return "docker compose up -d"


class FakePlain:
    """PlainPort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def start(self, images: Any, services: Any) -> None:
        assert set(images) >= set(services)
        for service in services:
            self._put(service, running=True, published=False)

    def create(self, override: Any, services: Any) -> None:
        assert override["services"]
        for service in services:
            self._put(service, running=False, published=True)

    def serve(self, override: Any, services: Any) -> None:
        assert override["services"]
        for service in services:
            self._put(service, running=True, published=service == "web")

    def command(self, override: Any, services: Any) -> str:
        assert override["services"]
        return f"docker compose -f compose.yaml -f plain.yaml up -d {' '.join(services)}"

    def _put(self, service: str, running: bool, published: bool) -> None:
        """As Compose: what is as it should be stays, whether it runs or not; else a new one takes its place."""
        there = next((it for it in self.it.plain.values() if it.service == service), None)
        if there and (there.id in self.it.published) == published:
            self.it.plain[there.id] = replace(there, running=there.running or running)
            return
        if there:
            del self.it.plain[there.id]
        self.it.made += 1
        identity = f"plain{self.it.made}"
        self.it.plain[identity] = PlainContainer(identity, f"shop-{service}-1", service, running)
        if published:
            self.it.published.add(identity)


class NoMachine:
    """MachinePort: plenty of room."""

    def free_bytes(self, path: object) -> int:  # noqa: ARG002 - the port's
        return 10**12

    def texts(self, folder: object) -> dict[str, str]:  # noqa: ARG002 - the port's
        return {}


class App:
    """Verbs on a machine of its own; the state is in a real folder."""

    def __init__(self, state: Path, jobs: bool = True, hooks: dict[HookName, tuple[Task, ...]] | None = None) -> None:
        self.state = state
        (state / "nginx").mkdir(parents=True)
        self.machine = Machine(APP, Files(str(state / "nginx")))
        self.jobs: tuple[str, ...] = ("worker",) if jobs else ()
        self.hooks = hooks or {}
        self.content = "one"
        self.shares: tuple[int, ...] = ()  # of the next switch or promote
        self.seconds = 0.0
        self.shown = Shown()
        self.hosted: list[str] = []

    def stack(self) -> Stack:
        services: dict[str, dict[str, Any]] = {
            "web": {"image": f"web:{self.content}", "deploy": {"replicas": 2}, "depends_on": {"db": {}}},
            "db": {"image": "db"},
        }
        if self.jobs:
            services["worker"] = {"image": f"web:{self.content}"}
        routes = (Route("web", 8000, health=Health(timeout=1.0)),)
        settings = Settings(routes, self.jobs, preview=None, hooks=self.hooks)
        return Stack(APP, settings, services, {}, {}, {}, {}, ("db",), "/srv/shop")

    def wish(self, tools: Tools) -> Wish:
        names = ["web", *self.jobs]
        return Wish(
            definition=f"definition {self.content}", replicas=dict.fromkeys(names, 1) | {"web": 2}, jobs=self.jobs,
            shared=("db",), proxy_definition="same", release=tools.journal.releases.newest() + 1,
            hooks=tuple(self.hooks), shares=self.shares,
        )  # fmt: skip

    def tools(self, cut: Cut) -> Tools:
        it, signals = self.machine, Signals()
        cut.signals, self.cut = signals, cut
        self.shown = Shown()

        def counted(port: Any) -> Any:
            return Counted(port, cut)

        def clock() -> float:
            self.seconds += 0.01
            return self.seconds

        def sleep(seconds: float) -> None:
            self.seconds += seconds

        def host(command: Any, environment: Any, folder: object, timeout: float) -> tuple[int, str, str]:  # noqa: ARG001
            self.hosted.append(environment["BLUEGREEN_HOOK"])
            return (1, "no", "exit code 1") if command == ("false",) else (0, "", "")

        return Tools(
            APP, counted(FakeColors(it)), counted(FakeContainers(it)), counted(FakeImages(it)), counted(FakeProxy(it)),
            counted(FakeEngine(it)), counted(FakeCompose(it)), counted(FakeDoor(it, render)),
            FakeCertificates(), FakeEdge(), FakeStatic(), counted(FakeProber(it)),
            CountedJournal(Journal(self.state, lambda: "2026-11-01T10:00:00+00:00"), cut), host, NoMachine(), None,  # type: ignore[arg-type]  # not used
            str, lambda words: words[:32], self.shown, signals, lambda _: None, lambda: "2026-11-01T10:00:00+00:00",
            clock, sleep,
        )  # fmt: skip

    def run(self, verb: str, cut: Cut | None = None, **more: Any) -> Result | None:
        """The result; None: the command was killed."""
        cut = cut or Cut()
        tools = self.tools(cut)
        try:
            return self._story(verb, tools, more)
        except Killed:
            return None

    def _story(self, verb: str, tools: Tools, more: dict[str, Any]) -> Result:
        if verb == "flip-back":
            return flip_back(tools, FlipBackOptions(more.get("force", False), self.stack))
        stack = self.stack()
        if verb == "down":
            return downs.down(tools, stack, False)
        if verb == "leave":
            return leave(tools, Counted(FakePlain(self.machine), self.cut), stack)
        if verb == "give-up":
            return give_up(tools, stack)
        if verb == "promote":
            return switch(tools, stack, self.wish(tools), Request("promote"))
        if verb == "up":
            return up(tools, stack, self.wish(tools), Request("up"))
        request = Request("prepare" if verb == "prepare" else "switch", more.get("force", False))
        return switch(tools, stack, self.wish(tools), request)


def render(routing: Routing) -> str:
    """A text that says what it routes, and nothing else."""
    found = routing.as_dict() | {"generation": GENERATION_MARK, "since": SINCE_MARK if routing.live else None}
    return f"{HEADER}{json.dumps(found, sort_keys=True)}\n"
