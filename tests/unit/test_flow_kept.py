"""Releases that stay and images that go; what stands before a color, and what a service waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.app import Route, Settings, Stack
from bluegreen.domain.record import kept_releases, written_down
from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.world import ProxyContainer, SharedState
from bluegreen.errors import BluegreenError
from bluegreen.flow import prerequisites
from bluegreen.flow.prerequisites import await_answer, prerequisite_steps, render_sealed, run_proxy
from bluegreen.flow.retention import bring_back, can_come_back, note_makings, prune
from bluegreen.flow.steps.depends_on import ASK_AGAIN, DEPENDENCY_TIMEOUT, await_dependencies
from tests.fakes.noted import Noted, done, tools

ROUTE = Route("web", 8000)
STACK = Stack("shop", Settings((ROUTE,), keep=3), {"web": {}, "db": {}}, {}, {}, {}, {}, ("db",), "/srv/shop")


def _record(number: int, outcome: str = "live", reversible: bool = True, **more: Any) -> dict[str, Any]:
    services = written_down(STACK, ["web"], {"web": 1}, str, {}) | {"reversible": reversible}
    images = {"web": {"ref": f"shop:{number}", "id": f"sha256:{number}", "ours": True}}
    return {"number": number, "outcome": outcome, "definition": "d", "services": services, "images": images} | more


class Journal:
    """Records as they are given, the newest first, and images of commands that were killed."""

    def __init__(self, *records: dict[str, Any], migrated: Mapping[int, tuple[str, str]] | None = None) -> None:
        self.log: list[tuple[Any, ...]] = []
        ran = migrated or {}
        self.releases = Noted(self.log, all=list(records))
        self.runs = Noted(
            [], of=lambda number: [SimpleNamespace(kind=kind, outcome=how) for kind, how in [ran.get(number, ("", ""))]]
        )
        self.pending_images = Noted(self.log, names={}, orphans={})
        self.figures = Noted([])


def _tools(journal: Journal, *gone: int) -> Any:
    absent = {f"sha256:{number}" for number in gone}
    images = {"id_of": lambda it: None if it in absent else it}
    return tools(
        journal=journal, images=images, compose={"interpolated": {}}, door={"intended": None}, static={"forget": 0}
    )


def _back(it: Any, number: int, force: bool = False) -> Any:
    return bring_back(it, STACK, number, lambda _: "defined anew", force)


@pytest.mark.parametrize(
    ("number", "summary", "failed"),
    [
        (9, "There is no release 9.", "the history does not have it"),
        (3, "Release 3 is not kept.", "its outcome was failed"), (2, "Release 2 is not kept.", "its images are gone"),
    ],
)  # fmt: skip
def test_a_release_that_is_not_kept_is_said_with_why_and_which_are(number: int, summary: str, failed: str) -> None:
    it = _tools(Journal(_record(4), _record(3, "failed"), _record(2), _record(1)), 2)
    with pytest.raises(BluegreenError) as error:
        _back(it, number)
    assert (error.value.summary, error.value.failed) == (summary, failed)
    assert error.value.expected.startswith("one of: 1, 4 ")
    assert "keep: 3" in error.value.expected
    with pytest.raises(BluegreenError, match="no release 9") as error:
        _back(_tools(Journal()), 9)
    assert "none" in error.value.expected


def test_what_can_come_back_has_served_and_has_all_its_images() -> None:
    both = {name: {"ref": "r", "id": f"sha256:{number}"} for name, number in (("web", 1), ("worker", 2))}
    record = _record(1, images=both)
    assert can_come_back(_tools(Journal()), record)
    assert not can_come_back(_tools(Journal(), 2), record)
    assert not can_come_back(_tools(Journal()), record | {"outcome": "moved back"})
    assert not can_come_back(_tools(Journal()), record | {"images": {}}), "nothing is known of its images"


def test_migrations_that_came_after_a_release_are_named_and_an_irreversible_one_forbids_it() -> None:
    ran = dict.fromkeys((1, 2, 3, 5, 10), ("migrate", "done")) | {4: ("migrate", "failed"), 6: ("after_switch", "done")}
    records = [_record(number, reversible=number != 3) for number in (10, 6, 5, 4, 3, 2, 1)]
    it = _tools(Journal(*records, migrated=ran))
    assert _back(it, 3).release == 3
    (notice,) = it.told.notices
    assert notice.endswith("(release 5, 10).")
    with pytest.raises(BluegreenError, match="release 3 has migrated") as error:
        _back(it, 2)
    assert error.value.next.startswith("bluegreen -p shop switch --to 2 --force")
    assert _back(it, 2, force=True).release == 2
    assert _back(_tools(Journal(*records)), 2).release == 2, "it never ran"


def test_variables_that_have_another_value_today_are_named() -> None:
    services = {"web": {"environment": {"A": "1", "B": "2"}}}
    kept = written_down(Stack("shop", STACK.settings, services, {}, {}, {}, {}, (), "/"), ["web"], {"web": 1}, str, {})
    it = _tools(Journal(_record(1, services=kept)))
    assert _back(it, 1).definition == "defined anew"
    (notice,) = it.told.notices
    assert "web.A, web.B" in notice


# -- images


def test_an_image_that_a_killed_command_made_is_an_orphan() -> None:
    journal = Journal()
    journal.pending_images = Noted(journal.log, names={"shop:1": "sha256:old", "shop:2": "sha256:same", "shop:3": None})
    now = {"shop:1": "sha256:new", "shop:2": "sha256:same", "shop:4": "sha256:4"}
    note_makings(tools(journal=journal, images={"id_of": now.get}), ["shop:4", "shop:5"])
    assert journal.log == [
        ("names",), ("add_orphan", "sha256:new", "shop:1"), ("start", {"shop:4": "sha256:4", "shop:5": None}),
    ]  # fmt: skip


def _slot(release: int) -> Slot:
    return Slot("blue", release, "d", (ROUTE,), {"web": ("10.0.0.2",)}, {}, {"web": 1})


def test_only_images_that_no_kept_release_needs_go() -> None:
    records = [_record(6), _record(5, "failed"), _record(4), _record(3), _record(2), _record(1)]
    assert kept_releases(records, [1], 2) == {6, 4, 1}
    assert kept_releases(records, [], 0) == set()
    journal = Journal(*records)
    it = _tools(journal, 3)
    names = {f"bluegreen/shop/web:{number}": number for number in (1, 2, 4, 5)}
    it.images._answers["held"] = names
    it.door._answers["intended"] = Routing("shop", 1, "blue", {"blue": _slot(6), "green": _slot(1)}, None, None, 0)
    it.images._answers["remove"] = lambda image, _: image != "sha256:2"  # somebody else uses that one
    assert prune(it, 2) == "1 image removed"
    assert sorted(call[1] for call in it.log if call[0] == "remove") == ["sha256:2", "sha256:5"]
    over = {"bluegreen/shop/web:2", "bluegreen/shop/web:5"}
    assert all(over <= call[2] for call in it.log if call[0] == "remove"), "the names that we hold it by count as ours"
    assert {call[1] for call in it.log if call[0] == "let_go"} == over, "also of an image that somebody else uses"
    it.images._answers["remove"] = False
    assert prune(it, 2) == "nothing to remove"
    it.images._answers["remove"] = True
    it.door._answers["intended"] = None
    assert prune(it, 2) == "3 images removed", "without a file nothing stands"


def test_an_orphan_is_forgotten_once_it_is_gone() -> None:
    journal = Journal(_record(1))
    journal.pending_images = Noted(journal.log, orphans={"sha256:8": "shop:8", "sha256:9": "shop:9"})
    it = _tools(journal, 8)
    prune(it, 5)
    assert [call for call in journal.log if call[0] == "forget_orphan"] == [("forget_orphan", "sha256:8")]


# -- what stands before a color


def test_shared_services_are_as_the_file_says_or_only_started_as_they_are() -> None:
    it, stack = tools(), replace(STACK, services={**STACK.services, "cache": {}, "queue": {}})
    assert prerequisite_steps(it, stack)["shared"]() == "db"
    assert prerequisite_steps(it, stack, asleep=("cache", "queue"))["shared"]() == "cache, queue"
    assert [(call[1], call[-1]) for call in it.log] == [(("db",), True), (("cache", "queue"), False)]


def test_an_nginx_that_loses_requests_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    it = tools(proxy={"version": "1.27.3"})
    with pytest.raises(BluegreenError, match=r"nginx 1\.27\.3 is too old") as error:
        run_proxy(it, STACK)
    assert "proxy.image" in error.value.next
    assert [call[0] for call in it.log] == ["version"]
    it = tools(proxy={"version": "1.27.4", "ensure": "started"}, door={"answer": object()})
    assert run_proxy(it, STACK, published=False) == "nginx 1.27.4 started"
    assert [call[0] for call in it.log] == ["version", "ensure", "answer"]
    assert it.log[1][-1] is False
    monkeypatch.setattr(prerequisites, "run_proxy", lambda _, __, published: f"{published} {it.told.deferred_now}")
    assert prerequisite_steps(it, STACK, published=False)["proxy"]() == "False 1", "not cut while it is made"


def test_an_nginx_that_does_not_answer_is_waited_for_and_its_last_words_are_shown() -> None:
    answers = iter([None, None, object()])
    await_answer(it := tools(door={"answer": lambda: next(answers)}))
    assert it.told.now == pytest.approx(100.1)
    proxy = ProxyContainer("p", "shop-proxy", "restarting", "d", None)
    it = tools(proxy={"container": proxy}, containers={"log_tail": ["[emerg] no"]})
    with pytest.raises(BluegreenError) as error:
        await_answer(it)
    assert 115 < it.told.now < 115.2
    assert error.value.failed.endswith("the proxy is restarting")
    assert (error.value.next, error.value.lines) == ("docker logs shop-proxy", ["[emerg] no"])
    with pytest.raises(BluegreenError) as error:
        await_answer(tools())
    assert error.value.failed.endswith("the proxy is gone")
    assert (error.value.next, error.value.lines) == ("bluegreen -p shop up", [])


@pytest.mark.parametrize(
    ("live", "standing", "slots", "sealed"),
    [
        ("blue", "previous", ("blue", "green"), {"blue": "blue", "green": "green"}),
        ("blue", "prepared", ("blue", "green"), {"blue": "blue"}), ("blue", "previous", ("blue",), {"blue": "blue"}),
        (None, None, (), {}),
    ],
)  # fmt: skip
def test_a_text_lies_ready_for_each_color_that_a_rename_may_make_live(
    live: Any, standing: Any, slots: Any, sealed: dict[str, str]
) -> None:
    it = tools(door={"render": lambda routing, _: routing.live})
    routing = Routing("shop", 1, live, {color: _slot(1) for color in slots}, standing, None, 0)
    assert render_sealed(it, STACK, routing) == sealed


# -- what a service waits for


def _making(wanted: dict[str, Any], mine: list[Any] | None = None, **more: Any) -> Any:
    services: dict[str, Any] = {"web": {"depends_on": wanted}}
    settings = SimpleNamespace(jobs=("worker",), migrate=more.pop("migrate", None))
    return SimpleNamespace(
        stack=SimpleNamespace(services=services, settings=settings, shared=("db",)), mine=lambda: mine or [],
        wish=SimpleNamespace(replicas={"web": 1, "api": 2, "worker": 1}), tools=tools(**more),
    )  # fmt: skip


def test_a_dependency_is_waited_for_and_that_is_shown() -> None:
    states = iter(["created", "created", "running"])
    it = _making({"db": {}}, colors={"dependency": lambda _: SharedState("c", next(states), None, 0)})
    await_dependencies(it, "web")
    assert it.tools.told.progress == ["web waits for db: is created"] * 2
    assert it.tools.told.now == 100 + 2 * ASK_AGAIN


@pytest.mark.parametrize(
    ("found", "words", "lines", "waits"),
    [
        (None, "db has no container", [], False), (SharedState("c", "dead", None, 0), "db is dead", ["db  x"], False),
        (SharedState("c", "exited", None, 2), "db is exited", ["db  x"], False),
        (SharedState("c", "created", None, 0), "db is created", ["db  x"], True),
    ],
)  # fmt: skip
def test_one_that_cannot_come_is_said_at_once_and_one_that_may_after_a_while(
    found: SharedState | None, words: str, lines: list[str], waits: bool
) -> None:
    it = _making({"db": {}}, colors={"dependency": found}, containers={"log_tail": ["x"]})
    with pytest.raises(BluegreenError) as error:
        await_dependencies(it, "web")
    assert (error.value.failed, error.value.lines) == (words, lines)
    look = "bluegreen -p shop logs db, then " if found else ""
    assert error.value.next == f"{look}bluegreen -p shop up", "why it ended first, when there is something to read"
    assert (it.tools.told.now > 100 + DEPENDENCY_TIMEOUT) is waits
    assert ("log_tail c" in done(it.tools)) is bool(lines)


@pytest.mark.parametrize(("found", "waits"), [(None, False), (SharedState("c", "exited", None, 2), False)])
def test_what_is_not_required_and_cannot_come_is_done_without(found: SharedState | None, waits: bool) -> None:
    it = _making({"db": {"required": False}, "cache": {"required": False}}, colors={"dependency": found})
    await_dependencies(it, "web")
    assert bool(it.tools.told.progress) is waits
    assert done(it.tools) == ["dependency db", "dependency cache"]


def test_what_is_not_required_but_may_come_is_waited_for_and_then_done_without() -> None:
    it = _making({"db": {"required": False}}, colors={"dependency": SharedState("c", "created", None, 0)})
    await_dependencies(it, "web")
    assert it.tools.told.progress, "it was waited for"
    assert it.tools.told.now > 100 + DEPENDENCY_TIMEOUT


def _replica(service: str, state: str = "running", health: str | None = None) -> Any:
    return SimpleNamespace(service=service, state=state, health=health, running=state == "running")


@pytest.mark.parametrize(
    ("wanted", "mine", "words"),
    [
        ({"api": {}}, [_replica("api"), _replica("web", "created")], None),
        ({"api": {}}, [_replica("api"), _replica("api", "exited")], "api is exited"),
        ({"worker": {}}, [_replica("worker", "created")], None),
        ({"api": {"condition": "service_healthy"}}, [_replica("api", health="healthy")], None),
        ({"api": {"condition": "service_healthy"}}, [_replica("api", health="starting")], "api is starting"),
        ({"api": {"condition": "service_healthy"}}, [_replica("api")], "api is running"),
    ],
)
def test_a_service_of_the_same_release_is_looked_at_in_it(wanted: Any, mine: list[Any], words: str | None) -> None:
    it = _making(wanted, mine)
    if words is None:
        await_dependencies(it, "web")
        assert it.tools.told.progress == []
        return
    with pytest.raises(BluegreenError) as error:
        await_dependencies(it, "web")
    assert (error.value.failed, error.value.next, error.value.lines) == (words, "bluegreen -p shop logs", [])
    assert it.tools.log == [], "no other release's is looked at"


def test_a_migration_that_is_waited_for_has_run_as_a_step() -> None:
    migrate = SimpleNamespace(run=SimpleNamespace(service="schema"))
    it = _making({"schema": {"condition": "service_completed_successfully"}}, migrate=migrate)
    await_dependencies(it, "web")
    assert it.tools.log == []
