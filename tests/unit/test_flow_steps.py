"""The steps of a release one by one: images, containers, the preview, and what is taken back."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.app import Health, Migration, Route, Settings, Stack, Task
from bluegreen.domain.record import Restored
from bluegreen.domain.release import Image
from bluegreen.domain.routing import Routing
from bluegreen.domain.world import DockerHealth, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Candidate, Making, Request
from bluegreen.flow.run import NothingChanged
from bluegreen.flow.steps import health, image, make, preview, settle, withdraw
from bluegreen.flow.up import Repair
from bluegreen.plans.plan import Plan, Step
from tests.fakes.noted import Noted, done, tools
from tests.unit.worlds import PROXY, WISH, replica, replicas, slot

BLUE, GREEN = slot("blue", 1), slot("green", 2)
SERVICES: dict[str, Any] = {
    "web": {"image": "shop:2", "depends_on": {"worker": {}}}, "worker": {"image": "shop:2", "build": {"context": "."}},
}  # fmt: skip
STACK = Stack("shop", Settings((Route("web", 8000),), ("worker",)), SERVICES, {}, {}, {}, {}, (), "/srv/shop")


def _world(**more: Any) -> World:
    intended = Routing("shop", 5, "blue", {"blue": BLUE}, None, "then", 5.0)
    return replace(World("shop", PROXY, None, intended, replicas("blue", 1)), **more)


class Play:
    """A release in the making on ports that note what they are asked."""

    def __init__(
        self, request: Request | None = None, world: World | None = None, moves: Any = (), records: Any = (),
        **more: Any,
    ) -> None:  # fmt: skip
        self.journal: list[tuple[Any, ...]] = []
        part = Noted(self.journal, names={}, in_doubt=[], all=records)
        moved = Noted([], moves=list(moves))
        journal = SimpleNamespace(releases=part, pending_images=part, runs=part, operations=moved)
        ports: dict[str, Any] = {
            "images": {"of_service": lambda _, name, how, __: how.pinned or Image(f"{name}:x", f"sha256:{name}")},
            "compose": {"interpolated": {}}, "containers": {"replicas": ()}, "engine": {"owners": {}},
        }  # fmt: skip
        self.tools = tools(journal=journal, **{**ports, **more})
        steps = (Step("prepare", "create", "x"),)
        self.plan = Plan("switch", "green", 2, steps)
        self.result = SimpleNamespace(steps=[])
        operation: Any = SimpleNamespace(tools=self.tools, plan=self.plan, result=self.result)
        self.it = Making(STACK, WISH, request or Request(), world or _world(), operation, None)

    @property
    def told(self) -> Any:
        return self.tools.told

    def written(self, name: str) -> list[Any]:
        return [call[1:] for call in self.journal if call[0] == name]


# -- images


def test_what_is_built_comes_first_and_every_name_is_noted_before() -> None:
    play = Play(Request(build=False, pull=True, overrides={"web": "other:1"}))
    image.image(play.it)
    asked = [call for call in play.tools.log if call[0] == "of_service"]
    assert [call[2] for call in asked] == ["worker", "web"]
    assert [(it.build, it.pull, it.override, it.pinned) for it in (call[3] for call in asked)] == [
        (False, True, None, None), (False, True, "other:1", None),
    ]  # fmt: skip
    assert play.journal[1] == ("start", {"other:1": None, "shop:2": None})
    assert [call[0] for call in play.journal[1:]] == ["start", "start", "end"]
    (begun,) = (call[1] for call in play.journal if call[0] == "start" and not isinstance(call[1], dict))
    assert (begun.number, begun.color, begun.previous, begun.restores) == (2, "green", 1, None)
    held = [call for call in play.tools.log if call[0] == "hold"]
    assert held == [("hold", "sha256:worker", "worker", 2), ("hold", "sha256:web", "web", 2)], "nobody's prune has them"


def _restored() -> Restored:
    return Restored(1, STACK, {"web": Image("shop:1", "sha256:1"), "worker": Image("shop:1", "sha256:1")}, "d", ())


def test_what_is_brought_back_has_its_very_images_and_none_is_made() -> None:
    play = Play(Request(restored=_restored()))
    assert image.image(play.it) == "worker 1, web 1"
    assert play.journal[1] == ("start", {})
    assert play.written("start")[1][0].restores == 1


@pytest.mark.parametrize(
    ("definition", "images", "content", "force", "nothing"),
    [
        ("new", "sha256:web", "", False, True), ("new", "sha256:web", "", True, False),
        ("new", "sha256:old", "", False, False), ("old", "sha256:web", "", False, False),
        ("new", "sha256:old", "what web has", False, True), ("new", "sha256:old", "something else", False, False),
    ],
)  # fmt: skip
def test_a_release_is_new_by_its_definition_or_its_images(
    definition: str, images: str, content: str, force: bool, nothing: bool
) -> None:
    live = replace(BLUE, definition=definition, images={"web": Image("shop:1", images, content=content)})
    world = _world(intended=Routing("shop", 5, "blue", {"blue": live}, None, None, 0.0))
    made = {"of_service": lambda _, name, *__: Image(f"{name}:x", f"sha256:{name}", content=f"what {name} has")}
    play = Play(Request(force=force), world, containers={"replicas": replicas("blue", 1)}, images=made)
    if not nothing:
        image.image(play.it)
        return
    with pytest.raises(NothingChanged, match="release 1 on blue is what the Compose file says"):
        image.image(play.it)
    assert [call[0] for call in play.journal] == ["names", "start", "end"], "no release was begun"


@pytest.mark.parametrize(
    ("moves", "images", "force", "refused"),
    [
        ([("switch", 3), ("flip-back", 1)], "sha256:web", False, True),
        ([("switch", 3), ("flip-back", 1)], "sha256:web", True, False),
        ([("switch", 3), ("flip-back", 1)], "sha256:new", False, False), ([("switch", 3)], "sha256:web", False, False),
    ],
)  # fmt: skip
def test_what_somebody_went_back_from_is_not_begun_again(moves: Any, images: str, force: bool, refused: bool) -> None:
    kept = {"web": {"ref": "shop:3", "id": images}, "worker": {"ref": "shop:3", "id": "sha256:worker"}}
    records = [{"number": 3, "definition": "new", "images": kept}]
    play = Play(Request(force=force), moves=moves, records=records)
    if not refused:
        image.image(play.it)
        return
    with pytest.raises(BluegreenError, match="went back from release 3") as error:
        image.image(play.it)
    assert error.value.next == "bluegreen -p shop switch --force"
    assert [call for call in play.tools.log if call[0] == "hold"] == []
    assert [call[0] for call in play.journal].count("start") == 1, "no release was begun"


@pytest.mark.parametrize(("answer", "migrates", "asked"), [(None, "", 0), ("again", "", 1), ("again", "web", 0)])
def test_a_doubt_that_no_step_will_settle_is_settled_here(answer: Any, migrates: str, asked: int) -> None:
    play = Play(Request(migrate=answer), containers={"replicas": (), "task_containers": ()})
    play.it.wish = replace(WISH, migrate=migrates)
    image.image(play.it)
    assert [call[0] for call in play.tools.log].count("task_containers") == asked


def test_the_images_that_the_journal_keeps() -> None:
    new = Candidate("green", 2, images={"web": Image("a", "b", True)})
    assert new.kept_images() == {"web": {"ref": "a", "id": "b", "ours": True, "content": ""}}
    new.slot = GREEN
    assert new.kept_images()["web"]["ref"] == "shop:1"


# -- containers


def test_a_place_is_made_by_taking_away_what_stands_there_jobs_first_told_to_end() -> None:
    there = (
        replica("green", 0), replica("green", 0, "worker"), replica("green", 0, "worker", 2, state="exited"),
        replica("blue", 1),
    )  # fmt: skip
    play = Play(world=_world(replicas=there))
    assert make.clear(play.it) == "3 containers removed"
    assert done(play.tools) == [
        "remove greenweb1", "stop greenworker1", "remove greenworker1", "remove greenworker2",
    ]  # fmt: skip


def test_containers_get_addresses_that_nobody_has_and_stand_in_their_order() -> None:
    made: list[tuple[Any, int]] = []
    left = replica("green", 0, address="172.20.0.77")

    def create(_: Stack, order: Any) -> str:
        made.append((order, play.told.deferred_now))
        return f"id{len(made)}"

    def free(release: int, count: int, _: frozenset[str]) -> list[str]:
        return [f"10.{release}.{count}.{number}" for number in range(count)]

    colors = {"free_addresses": free, "create": create}
    world = _world(replicas=(left, replica("green", 0, "x", address=None)))
    play: Play = Play(world=world, colors=colors)
    play.it.new.images = {"web": Image("w", "sha256:w"), "worker": Image("j", "sha256:j")}
    assert make.create(play.it) == "3 containers"
    orders = [order for order, _ in made]
    assert [(it.service, it.number, it.role, it.address) for it in orders] == [
        ("worker", 1, "job", "10.2.3.0"), ("web", 1, "routed", "10.2.3.1"), ("web", 2, "routed", "10.2.3.2"),
    ]  # fmt: skip
    assert {(it.color, it.release, it.definition) for it in orders} == {("green", 2, "new")}
    assert {deferred for _, deferred in made} == {1}, "an Engine that is asked in the middle leaks it"
    assert play.it.new.addresses == {"web": ("10.2.3.1", "10.2.3.2")}, "nothing is routed to a job"
    (avoided,) = (call[3] for call in play.tools.log if call[0] == "free_addresses")
    assert avoided == {"172.20.0.16", "172.20.0.17", "172.20.0.77"}


def test_only_what_is_routed_starts_before_traffic_moves() -> None:
    play = Play()
    play.it.new.created = [("worker", "j"), ("web", "a"), ("web", "b")]
    assert make.start(play.it) == "web"
    assert [call for call in done(play.tools) if call.startswith("start")] == ["start a", "start b"]


@pytest.mark.parametrize(
    ("says", "patience", "after", "words"),
    [
        (["starting", "healthy"], 0.0, 0.25, None), (["starting"] * 300, 5.0, 60.25, "starting"),
        (["starting"] * 400, 90.0, 90.25, "starting"), (["starting"] * 300 + ["healthy"], 90.0, 75.0, None),
        (["unhealthy"], 90.0, 0.0, "unhealthy"),
    ],
)  # fmt: skip
def test_dockers_own_health_check_is_waited_for(
    says: list[str], patience: float, after: float, words: str | None
) -> None:
    said = iter(says)
    routed = lambda: (replica("green", 2, health=next(said)), replica("green", 2, "worker", health="starting"))  # noqa: E731 - asked again and again
    its_own = DockerHealth(patience, 1, "first\nrefused\n")  # of its image: a start period, what its last try said
    containers = {"replicas": routed, "log_tail": ["boom"], "docker_health": its_own}
    play = Play(prober={"wait": {}}, containers=containers)
    play.it.new.addresses = {"web": ("10.0.0.2",)}
    if words is None:
        assert health.health(play.it) == "1 replica"
        assert set(play.told.progress) == {"Docker's health check of shop-green-web-1: starting"}
    else:
        with pytest.raises(BluegreenError) as error:
            health.health(play.it)
        assert error.value.failed.endswith(f"of web-1 says {words}, its last try ended with 1: refused")
        assert error.value.lines == ["healthcheck  first", "healthcheck  refused", "web-1  boom"]
    assert play.told.now - 100 == pytest.approx(after)


def test_a_replica_that_does_not_prove_itself_is_named_with_its_last_words() -> None:
    there = (replica("green", 2), replica("green", 2, number=2), replica("green", 2, "worker"))
    missing = {"web-2": (7, "answered 503"), "web-1": (7, "is silent")}
    play = Play(prober={"wait": missing}, containers={"replicas": there, "log_tail": lambda it, _: [it]})
    play.it.stack = replace(STACK, settings=Settings((Route("web", 8000, health=Health("/up", timeout=9.0)),)))
    with pytest.raises(BluegreenError) as error:
        health.health(play.it)
    assert error.value.summary == "green did not become healthy in 9 s."
    assert error.value.failed.startswith("GET /up of web-2 through the proxy answered 503 (7 tries)")
    assert "1 more replica" in error.value.failed
    assert error.value.lines == ["web-2  greenweb2"]


# -- the preview


def test_nginx_learns_of_the_new_color_while_live_stays() -> None:
    texts: list[Routing] = []

    def render(routing: Routing, _: Stack) -> str:
        texts.append(routing)
        return f"{routing.live} {routing.standing}"

    play = Play(door={"render": render})
    play.it.new.addresses = {"web": ("10.0.0.2",)}
    play.it.new.migrated = True
    migrate = Migration(Task((), "web"), reversible=False)
    play.it.stack = replace(STACK, settings=replace(STACK.settings, migrate=migrate))
    assert preview.preview(play.it) == "nginx knows 2 colors"
    (load,) = (call for call in play.tools.log if call[0] == "load")
    assert load == ("load", "blue prepared", {"green": "green previous", "blue": "blue previous"}, "blue", "then")
    assert texts[0].drain == STACK.settings.drain
    new = texts[0].slots["green"]
    assert (new.release, new.addresses, new.jobs, new.migrated, new.reversible) == (
        2, {"web": ("10.0.0.2",)}, ("worker",), True, False,
    )  # fmt: skip
    assert play.it.new.previewed
    first = Play(world=_world(intended=None), door={"render": render})
    assert preview.preview(first.it) == "nginx knows 1 color"
    assert next(call for call in first.tools.log if call[0] == "load")[1:] == (
        "None prepared", {"green": "green None"}, None, "",
    )  # fmt: skip


def test_what_to_type_when_nginx_does_not_load() -> None:
    for given, expected in (("", "bluegreen -p shop status"), ("docker logs", "docker logs")):
        play = Play(door={"load": BluegreenError("no", next=given)})
        with pytest.raises(BluegreenError) as error:
            preview.load(play.it, "x", None, {})
        assert error.value.next == expected


def test_without_a_file_nothing_can_be_taken_from_it() -> None:
    with pytest.raises(BluegreenError, match="gone") as error:
        preview.undrift(Play(world=_world(intended=None)).it)
    assert error.value.next == "bluegreen -p shop up"
    play = Play(door={"render": "text"})
    assert preview.undrift(play.it) == "live stays blue"
    assert next(call for call in play.tools.log if call[0] == "load")[1:] == ("text", {"blue": "text"}, "blue", "then")


# -- what is taken back


def _withdrawn(remove: bool, cleared: bool = False, previewed: bool = False, **door: Any) -> Play:
    mine = (
        replica("green", 2),
        replica("green", 2, "worker", state="created"),
        replica("green", 1),
        replica("blue", 2),
    )
    intended = Routing("shop", 5, "blue", {"blue": BLUE, "green": GREEN}, "previous", "then", 5.0)
    play = Play(containers={"replicas": mine}, door={"intended": intended, "render": "text"} | door)
    play.it.new.previewed = previewed
    if cleared:
        play.result.steps.append(SimpleNamespace(step=Step("prepare", "clear", ""), outcome="done"))
    withdraw.withdraw(play.it, remove)
    return play


def test_a_release_that_failed_is_stopped_for_its_logs_and_one_that_was_interrupted_is_removed() -> None:
    play = _withdrawn(remove=False)
    assert done(play.tools)[1:5] == [
        "never_restart greenweb1", "stop greenweb1", "never_restart greenworker1", "stop greenworker1",
    ]  # fmt: skip
    assert [call[:3] for call in play.journal] == [("end", 2, "failed")]
    play = _withdrawn(remove=True)
    assert [call for call in done(play.tools) if "green" in call] == ["remove greenweb1", "remove greenworker1"]
    assert play.journal[0][2] == "interrupted"


@pytest.mark.parametrize(("cleared", "previewed"), [(False, False), (True, False), (False, True)])
def test_nginx_forgets_a_color_whose_containers_left(cleared: bool, previewed: bool) -> None:
    play = _withdrawn(False, cleared, previewed)
    loads = [call for call in play.tools.log if call[0] == "load"]
    assert loads == ([("load", "text", {"blue": "text"}, "blue", "then")] if cleared or previewed else [])
    rendered = [call for call in play.tools.log if call[0] == "render"]
    assert [(set(call[1].slots), call[1].standing, call[3]) for call in rendered] == (
        [({"blue"}, None, False)] if loads else []
    )
    assert not [call for call in _withdrawn(False, cleared, previewed, intended=None).tools.log if call[0] == "load"]


def test_what_was_prepared_before_stays_as_it_stands_and_a_clean_up_that_fails_is_said() -> None:
    play = Play()
    play.it.plan = Plan("switch", "green", 2, (Step("prepare", "health", "x"),))
    withdraw.withdraw(play.it, remove=True)
    assert (play.tools.log, play.journal) == ([], [])
    failing = Play(containers={"replicas": (replica("green", 2),), "remove": BluegreenError("The Engine is gone.")})
    withdraw.withdraw(failing.it, remove=True)
    assert "The Engine is gone." in failing.told.notices[0]


@pytest.mark.parametrize(("verb", "outcome"), [("prepare", "prepared"), ("switch", "live"), ("up", "live")])
def test_what_the_journal_keeps_of_a_release(verb: Any, outcome: str) -> None:
    play = Play(Request(verb))
    play.told.sleep(2.0)
    play.result.steps.append(SimpleNamespace(step=Step("prepare", "migrate", ""), seconds=0.12345))
    assert settle.record(play.it) == "release 2"
    assert play.journal[0] == ("end", 2, outcome, {}, {"seconds": 2.0, "migrate": 0.123})
    assert play.journal[1][0] == "annotate"
    assert play.tools.log == [("tidy", True)]


# -- a replica that somebody disconnected


def test_a_replica_comes_back_to_the_address_that_nginx_knows_or_to_a_free_one() -> None:
    there = (
        *(replica("blue", 1, number=number, address=None) for number in (1, 3, 4)),
        replica("blue", 1, number=2), replica("blue", 0, number=5, address=None), replica("green", 1, address=None),
    )  # fmt: skip
    free = lambda _, __, avoid: [next(f"10.0.0.{n}" for n in range(1, 9) if f"10.0.0.{n}" not in avoid)]  # noqa: E731 - short
    it = tools(colors={"free_addresses": free})
    repair: Any = SimpleNamespace(
        tools=it,
        world=_world(replicas=there),
        live=BLUE,
        routing=Routing("shop", 5, "blue", {"blue": BLUE}, None, None, 0),
    )
    assert Repair._connect(repair) == "shop-blue-web-1, shop-blue-web-3, shop-blue-web-4"
    assert [call for call in it.log if call[0] == "connect"] == [
        ("connect", "blueweb1", "172.20.0.16"), ("connect", "blueweb3", "10.0.0.1"),
        ("connect", "blueweb4", "10.0.0.2"),
    ]  # fmt: skip
