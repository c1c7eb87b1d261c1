"""The full story of a flip-back, and of what up makes again: what is said, in which order things are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.app import Health, Route, Settings, Stack
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow import flip_back as flips
from bluegreen.flow import up as ups
from bluegreen.flow.flip_back import FlipBack, FlipBackOptions
from bluegreen.flow.steps import once
from bluegreen.flow.steps.edge import Moving
from bluegreen.flow.up import Repair
from bluegreen.flow.values import Result, StepDone
from bluegreen.frontdoor import route
from bluegreen.plans.plan import Plan, Step
from tests.fakes.app import App, Cut
from tests.fakes.noted import tools
from tests.fakes.site import Site, Tell
from tests.unit.worlds import PROXY, WISH, replica, replicas, slot

BLUE, GREEN = slot("blue", 1), slot("green", 2)
BLUE = replace(BLUE, images=dict.fromkeys(("web", "worker"), BLUE.images["web"]))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """Release 2 is live in green, on ports in memory."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(route, "BUCKETS", 1)
    app = App(tmp_path)
    app.run("up")
    app.content = "two"
    app.run("switch")
    return app


def _world(live: Any = "green", **more: Any) -> World:
    intended = Routing("shop", 5, live, {"blue": BLUE, "green": GREEN}, "previous", "then", 5.0, **more)
    return World("shop", PROXY, ControlAnswer("shop", 5, live, "1", 7, live), intended, replicas("blue", 1))


def _flip(world: World | None = None, force: bool = False, **ports: Any) -> FlipBack:
    it = tools(**ports)
    plan = Plan("flip-back", "blue", 1, ())
    operation: Any = SimpleNamespace(tools=it, plan=plan, result=Result("flip-back", "failed"))
    return FlipBack(operation, world or _world(), FlipBackOptions(force, _no_stack))


def _no_stack() -> Stack:
    raise BluegreenError("The Compose file is broken.")


# -- a flip-back


def test_history_is_opened_when_traffic_is_back_and_before_anything_else(two: App) -> None:
    cut = Cut()
    done = two.run("flip-back", cut)
    assert done is not None
    assert done.outcome == "flipped-back"
    order = [cut.log.index(call) for call in ("FakeDoor.turn", "FakeDoor.confirm", "Operations.start", "FakeDoor.seal")]
    assert order == sorted(order)
    assert cut.log.index("FakeContainers.start") > order[-1], "jobs are no hurry"


def test_a_color_that_is_not_healthy_is_only_gone_to_by_force_and_when_something_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = {"web-1": "answered 503", "web-2": "is silent"}
    monkeypatch.setattr(flips, "observe", lambda _: _world())
    flip = _flip(prober={"once": silent})
    with pytest.raises(BluegreenError, match="blue is not healthy") as error:
        flip._health()
    assert error.value.failed == "GET /health of web-1 answered 503; GET /health of web-2 is silent"
    forced = _flip(force=True, prober={"once": silent})
    assert forced._health().startswith("forced, but not healthy: GET /health of web-1 answered 503")
    assert forced.tools.told.notices[0].startswith("Forced, but not healthy: GET")  # type: ignore[attr-defined]  # the fake's
    monkeypatch.setattr(flips, "observe", lambda _: replace(_world(), replicas=replicas("blue", 3)))
    with pytest.raises(BluegreenError, match="blue is not healthy"):
        _flip(force=True, prober={"once": silent})._health()  # what runs there is another release
    assert _flip(prober={"once": {}})._health() == "2 replicas"


def test_the_path_of_a_probe_is_its_routes_own() -> None:
    routes = (Route("web", 1, health=Health("/up")), Route("web-api", 2, health=Health("/api")))
    world = _world()
    assert world.intended is not None
    slots: Any = {"blue": replace(BLUE, routes=routes), "green": GREEN}
    flip = _flip(replace(world, intended=replace(world.intended, slots=slots)))
    assert [flip._path(name) for name in ("web-1", "web-api-12", "other-1")] == ["/up", "/api", "/"]


@pytest.mark.parametrize(
    ("left", "release", "warned"), [(True, 2, True), (False, 2, False), (True, 0, False), (True, 1, False)]
)
def test_a_migration_of_the_release_that_was_left_is_said_to_stay(left: bool, release: int, warned: bool) -> None:
    world = _world()
    assert world.intended is not None
    slots: Any = {"blue": BLUE, "green": replace(GREEN, migrated=left, release=release)}
    flip = _flip(replace(world, intended=replace(world.intended, slots=slots)))
    flip._tell_of_migration()
    assert bool(flip.result.warnings) is warned


@pytest.mark.parametrize(
    ("answered", "edited", "warned"), [(5, False, False), (4, False, False), (6, False, True), (5, True, True)]
)
def test_drift_after_a_flip_back_is_said_unless_it_is_a_seal_that_only_began(
    answered: int, edited: bool, warned: bool
) -> None:
    flip = _flip()
    after = replace(
        _world(), answer=ControlAnswer("shop", answered, "green", "1", 7, "green"), edited=edited, replicas=()
    )
    flip._tell_of_drift(after)
    assert bool(flip.result.warnings) is warned
    assert all(words.endswith("bluegreen -p shop up") for words in flip.result.warnings)


def test_without_a_release_on_the_other_color_there_is_no_way_back() -> None:
    world = _world()
    assert world.intended is not None
    with pytest.raises(BluegreenError, match="no previous release on blue"):
        _flip(replace(world, intended=replace(world.intended, slots={"green": GREEN})))


def test_who_moved_traffic_meanwhile_is_not_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flips, "observe", lambda _: _world())
    monkeypatch.setattr(flips, "give_up", lambda *_: False)
    wanted = FlipBackOptions(False, _no_stack)
    result = flips._refused(tools(prober={"once": {}}), wanted, Result("flip-back", "failed"))
    assert result.error is not None
    assert result.error.summary == "nginx answers another color than a moment ago."
    assert result.live == {"color": "green", "release": 2}
    world = replace(_world(), intended=None, answer=None)
    monkeypatch.setattr(flips, "observe", lambda _: world)
    result = flips._refused(tools(), wanted, Result("flip-back", "failed"))
    assert result.error is not None
    assert "no color is live" in result.error.summary
    assert result.error.next == "bluegreen -p shop up"


@pytest.mark.whole
def test_hooks_that_need_a_broken_file_do_not_run_and_that_is_a_warning(live: Site, tell: Tell) -> None:
    hooks = {"after_flip_back": [["touch", "back"]], "on_failure": [["touch", "failed"]]}
    live.document["x-bluegreen"]["hooks"] = hooks
    live.release("shop:2")
    assert tell("switch")[0] == 0
    (live.folder / "code").write_text("15\n")
    code, found = tell("flip-back")
    assert (code, found["live"]["release"]) == (0, 1)
    (warning,) = found["warnings"]
    assert "The hook after_flip_back did not run" in warning
    assert not (live.project / "back").exists()
    (live.folder / "code").write_text("0\n")
    live.sick.add(2)
    code, found = tell("flip-back")
    assert (code, (live.project / "failed").exists()) == (1, True)
    assert (live.project / "back").exists() is False


# -- what up makes again


STACK = Stack("shop", Settings((Route("web", 8000),), ("worker",)), {"web": {}, "worker": {}}, {}, {}, {}, {}, (), "/")


def _repair(*there: Any, **ports: Any) -> Any:
    world = _world("blue")
    assert world.intended is not None
    return SimpleNamespace(
        tools=tools(**ports), stack=STACK, wish=replace(WISH, definition="old"), live=BLUE, routing=world.intended,
        world=replace(world, replicas=there), result=Result("up", "unchanged"),
    )  # fmt: skip


def test_containers_that_are_gone_are_made_as_they_were_at_free_addresses() -> None:
    made: list[Any] = []

    def create(_: Stack, order: Any) -> str:
        made.append(order)
        return f"new{len(made)}"

    def free(release: int, count: int, avoid: frozenset[str]) -> list[str]:
        assert {"172.20.0.16", "172.20.0.17", "172.20.0.33"} <= avoid
        return [next(f"10.{release}.{count}.{n}" for n in range(9) if f"10.{release}.{count}.{n}" not in avoid)]

    it = _repair(
        replica("blue", 1, number=2, address=None),
        replica("blue", 0),
        colors={"create": create, "free_addresses": free},
    )
    assert Repair._recreate(it) == "2 containers"
    assert [(order.service, order.number, order.role, order.address, order.release) for order in made] == [
        ("web", 1, "routed", "10.1.1.0", 1), ("worker", 1, "job", "10.1.1.1", 1),
    ]  # fmt: skip
    assert [call[1] for call in it.tools.log if call[0] == "start"] == ["new1", "new2"]
    assert it.live.addresses == {"web": ("10.1.1.0", "172.20.0.17")}, "a disconnected one keeps what nginx knows"
    assert it.routing.slots["blue"] is it.live
    assert it.routing.slots["green"] is GREEN


def test_only_what_belongs_to_a_color_is_started() -> None:
    there = (
        replica("blue", 1, state="exited"), replica("blue", 1, number=2), replica("blue", 1, "worker", state="exited"),
        replica("green", 2, state="exited"), replica("green", 2, "worker", state="exited"),
    )  # fmt: skip
    it = _repair(*there, containers={"replicas": there})
    assert Repair._start(it, "blue") == "shop-blue-web-1, shop-blue-worker-1"
    assert Repair._start(it, "green") == "shop-green-web-1"
    starts = [call[0] for call in it.tools.log if call[0] in ("restart_as_defined", "start")]
    assert starts == ["restart_as_defined", "start"] * 3


def test_a_proxy_that_sees_gone_folders_is_restarted_only_when_nothing_else_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ups, "run_proxy", lambda it, _: str(it.log.append(("run",))))
    monkeypatch.setattr(ups, "accounted", lambda *_: "")
    for definition, restarted in (("same", True), ("other", False)):
        it = _repair(door={"intended": "a file"})
        it.world = replace(it.world, proxy=replace(PROXY, stale=True, definition=definition))
        it._first_file = lambda it=it: it.tools.log.append(("first",))
        it._moving = Moving(it.tools, it.stack, lacks=False)
        words = Repair._proxy(it)
        assert ("restart", "p", 2) in it.tools.log if restarted else it.tools.log[-1] == ("run",)
        assert words.startswith("restarted") is restarted
        assert words.endswith("s without answers at most")
        assert (("first",) in it.tools.log) is not restarted, "another nginx must accept its file first"
        assert it.tools.told.deferred_now == 0


def test_between_two_doors_a_signal_is_only_noted_and_an_error_says_that_nobody_is_answered() -> None:
    it = _repair()
    moving = Moving(it.tools, it.stack, lacks=False)
    assert moving.published("nginx") == "nginx"
    assert not it.tools.told.held
    assert moving.traffic == ""
    moving.begins()
    it.tools.told.now += 2
    assert it.tools.told.held
    assert moving.traffic == "no visitor gets an answer until bluegreen -p shop up is done"
    assert moving.published("nginx") == "nginx, 2.0 s without answers at most"
    assert moving.traffic == "", "they get answers again"


@pytest.mark.parametrize("wrong", [{}, {"web-2": (7, "answered 503"), "web-1": (7, "is silent")}])
def test_a_live_color_has_to_be_healthy_and_the_way_back_should(wrong: dict[str, Any]) -> None:
    it = _repair(prober={"wait": wrong}, containers={"replicas": ()})
    it._start = lambda color: f"started {color}"
    assert Repair._warm(it) == "started green"
    assert [("green" in words, "web-2, web-1" in words) for words in it.result.warnings] == (
        [(True, True)] if wrong else []
    )
    if not wrong:
        assert Repair._health(it) == "2 replicas"
        return
    with pytest.raises(BluegreenError) as error:
        Repair._health(it)
    assert error.value.failed == "web-2 answered 503 (7 tries)"
    assert error.value.next == "bluegreen -p shop logs blue"


# -- values


def test_what_scripts_read_of_an_operation() -> None:
    done = StepDone(Step("prepare", "image", "x", "green"), 1.23456, "done", "fine")
    assert done.as_dict() == {
        "phase": "prepare", "step": "image", "color": "green", "seconds": 1.2346, "outcome": "done", "detail": "fine",
    }  # fmt: skip
    result = Result("up", "unchanged")
    assert (result.as_dict()["next"], result.as_dict()["error"], result.as_dict()["steps"]) == (None, None, [])
    result = Result("up", "failed", steps=[done], error=BluegreenError("no"), next="x")
    assert (result.as_dict()["next"], result.as_dict()["steps"]) == ("x", [done.as_dict()])
    assert result.as_dict()["error"]["summary"] == "no"


def test_a_migration_waits_for_what_it_depends_on_and_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[str] = []
    monkeypatch.setattr(once, "await_dependencies", lambda _, service: did.append(f"await {service}"))

    def migrate_now(*given: Any) -> str:
        did.append(f"migrate {given[2:]}")
        return "done"

    monkeypatch.setattr(once, "migrate", migrate_now)
    migrate = SimpleNamespace(run=SimpleNamespace(service="schema"))
    it: Any = SimpleNamespace(
        stack=SimpleNamespace(settings=SimpleNamespace(migrate=migrate)), tools=None,
        new=SimpleNamespace(images={"schema": "image"}, color="green", release=2, migrated=False),
        request=SimpleNamespace(migrate="again"),
    )  # fmt: skip
    assert once.migration(it) == "done"
    assert did == ["await schema", "migrate ('image', 'green', 2, 'again')"]
    assert it.new.migrated is True
