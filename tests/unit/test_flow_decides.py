"""What is said and done when a color is not healthy, a cutover fails, requests are in flight, or an app ends."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.domain.app import Health, Listen, ProxySettings, Route, Settings, Stack
from bluegreen.domain.release import Image
from bluegreen.domain.routing import ControlAnswer, Routing, Slot
from bluegreen.domain.verdict import Unreached
from bluegreen.domain.world import ProxyContainer, Replica, World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow import checks, down
from bluegreen.flow.cutover import Cutover
from bluegreen.flow.jobs import hand_over_jobs
from bluegreen.flow.steps import health, preview, settle
from tests.fakes.noted import done, tools

ROUTE = Route("web", 8000, health=Health(timeout=3.0))
IMAGES = {"web": Image("shop:1", "sha256:1"), "worker": Image("shop:1", "sha256:1")}
SLOT = Slot("blue", 1, "d", (ROUTE,), {"web": ("10.0.0.2", "10.0.0.3")}, IMAGES, {"web": 2, "worker": 1}, ("worker",))
STACK = Stack("shop", Settings((ROUTE,)), {"web": {}, "worker": {}}, {}, {}, {}, {}, (), "/srv/shop")


def _replica(number: int = 1, state: str = "running", **more: Any) -> Replica:
    found = Replica(
        f"id{number}", f"shop-blue-web-{number}", "blue", "web", number, 1, "routed", state, None,
        f"10.0.0.{number + 1}", "sha256:1", "d",
    )  # fmt: skip
    return replace(found, **more)


def _job(color: Any, state: str = "running", number: int = 1, service: str = "worker") -> Replica:
    name = f"{color}-{service}-{number}"
    return Replica(name, name, color, service, number, 1, "job", state, None, None, "", "d", restart="always")


# -- a color that is not healthy


@pytest.mark.parametrize(
    ("here", "failed", "way"),
    [
        ([_replica(1), _replica(2)], "GET / is silent", "logs blue, or bluegreen -p shop flip-back --force"),
        ([_replica(1, "exited"), _replica(2, "exited")], "shop-blue-web-1 is exited; shop-blue-web-2 is exited",
         "logs blue, or bluegreen -p shop up (starts it)"),
        ([], "blue-web-1 is gone; blue-web-2 is gone", "switch (makes a new release)"),
        ([_replica(1, address="10.0.0.9"), _replica(2)],
         "shop-blue-web-1 is not at the address that nginx knows", "up (tells nginx where its replicas are)"),
    ],
)  # fmt: skip
def test_why_a_color_takes_no_traffic_and_what_to_type(here: list[Replica], failed: str, way: str) -> None:
    error = checks.not_healthy(tools(), SLOT, here, ["GET / is silent"])
    assert (error.failed, error.next) == (failed, f"bluegreen -p shop {way}")
    assert "release 1" in error.expected


def _world(**more: Any) -> World:
    intended = Routing("shop", 1, "blue", {"blue": SLOT, "green": replace(SLOT, color="green")}, "previous", None, 5.0,
                       failover=True)  # fmt: skip
    proxy = ProxyContainer("p", "shop-proxy", "running", "d", None)
    answer = ControlAnswer("shop", 1, "blue", "1.30.6", 7, "blue")
    return World("shop", proxy, answer, replace(intended, **more), ())


NOBODY = {"web-1": Unreached("did not answer"), "web-2": Unreached("did not answer")}


@pytest.mark.parametrize(
    ("world", "wrong", "serves"),
    [
        (_world(), NOBODY, True), (_world(), {}, False), (_world(), {"web-1": NOBODY["web-1"]}, False),
        (_world(), {"web-1": "answered 503", "web-2": "answered 503"}, False), (_world(failover=False), NOBODY, False),
        (_world(standing="prepared"), NOBODY, False), (replace(_world(), answer=None), NOBODY, False),
        (_world(live=None), NOBODY, True), (replace(_world(), intended=None), NOBODY, False),
    ],
)  # fmt: skip
def test_failover_is_at_work_when_no_replica_of_live_can_be_reached(
    world: World, wrong: dict[str, str], serves: bool
) -> None:
    it = tools(prober={"once": wrong})
    assert checks.serves_instead(it, world) is serves
    checks.tell_failover(it, world)
    assert it.told.notices == (["Failover: blue cannot be reached, green answers for it."] if serves else [])


def _before(it: Any, **proxy: Any) -> None:
    settings = replace(STACK.settings, proxy=ProxySettings(**proxy))
    checks.look_before_release(it, replace(STACK, settings=settings))


TWICE = "location / { proxy_next_upstream error non_idempotent; }"


def test_a_release_whose_requests_nginx_would_repeat_is_refused() -> None:
    it = tools(machine={"free_bytes": 10**12, "texts": {"a.conf": TWICE}}, door={"loaded_text": ""})
    _before(it)
    assert "texts" not in [call[0] for call in it.log], "no folder of snippets was named"
    with pytest.raises(BluegreenError) as error:
        _before(it, include="snippets")
    assert "a.conf" in error.value.failed
    assert error.value.lines
    assert [str(call[1]) for call in it.log if call[0] == "texts"] == ["/srv/shop/snippets"]
    with pytest.raises(BluegreenError) as error:
        _before(tools(machine={"free_bytes": None}, door={"loaded_text": TWICE}))
    assert "the rendered file" in error.value.failed


@pytest.mark.parametrize(("free", "said"), [(10**12, 0), (50 * 10**6, 0), (50 * 10**6 - 1, 1), (None, 0)])
def test_a_disk_that_is_nearly_full_is_said_before_a_release(free: int | None, said: int) -> None:
    it = tools(machine={"free_bytes": free}, door={"loaded_text": None})
    _before(it)
    assert len(it.told.notices) == said
    assert all("/srv/shop" in words for words in it.told.notices)


def test_a_job_that_gets_no_time_to_stop_is_said_before_a_release() -> None:
    it = tools(machine={"free_bytes": None}, door={"loaded_text": None})
    services = {"web": {}, "worker": {"stop_grace_period": "500ms"}}
    checks.look_before_release(
        it, replace(STACK, services=services, settings=replace(STACK.settings, jobs=("worker",)))
    )
    (notice,) = it.told.notices
    assert "worker gets 0.5 s" in notice


# -- a cutover


def _answer(live: Any) -> ControlAnswer:
    return ControlAnswer("shop", 1, live, "1.30.6", 7, live)


def test_traffic_moves_by_one_rename_and_is_believed_when_nginx_says_so() -> None:
    it = tools(door={"seal": 4})
    cutover = Cutover(it, _world(), "green")
    assert "green" in cutover.route()
    assert cutover.since == "now"
    assert cutover.confirm() == "nginx answers green"
    assert (cutover.seal(), cutover.seal(wait=False)) == ("generation 4", "generation 4, begun")
    assert it.log == [
        ("turn", "green"),
        ("confirm", "green", 100),
        ("intended",),
        ("seal", "green", "now", True),
        ("seal", "green", "now", False),
    ]
    it.door._answers["confirm"] = "nginx answers blue"
    with pytest.raises(BluegreenError) as error:
        cutover.confirm()
    assert (error.value.failed, error.value.expected) == ("nginx answers blue", "nginx to answer green")


@pytest.mark.parametrize("answer", [_answer("blue"), None])
def test_a_cutover_that_failed_before_the_rename_moved_nothing(answer: Any) -> None:
    it = tools(door={"answer": answer, "intended": _world().intended})
    known = BluegreenError("The disk is full.")
    assert Cutover(it, _world(), "green").move_back(known) is known
    assert (known.traffic, known.exit_code) == ("blue, release 1 (unchanged)", ExitCode.FAILED)
    other = Cutover(it, _world(), "green").move_back(ValueError("odd"))
    assert (other.failed, other.traffic) == ("odd", "blue, release 1 (unchanged)")
    assert "turn blue" not in done(it)


@pytest.mark.parametrize(
    ("answers", "disk", "confirm", "code", "traffic"),
    [
        (["green", "blue"], "blue", None, 4, "blue (moved back, confirmed)"),
        (["blue", "blue"], "green", None, 4, "blue (moved back, confirmed)"),
        (["blue", "green"], "green", "nginx answers green", 5, "unknown; look now (the route on the disk says green)"),
        (["blue", None], None, None, 5, "unknown; look now (the route on the disk says no color)"),
        (["green", "green"], "blue", BluegreenError("no"), 5, "unknown; look now (the route on the disk says blue)"),
    ],
)  # fmt: skip
def test_a_rename_is_taken_back_and_believed_only_when_nginx_says_so(
    answers: list[Any], disk: Any, confirm: Any, code: int, traffic: str
) -> None:
    said = iter([_answer(live) if live else None for live in answers])
    intended = _world(live=disk).intended if disk else None
    it = tools(door={"answer": lambda: next(said), "intended": intended, "confirm": confirm})
    error = Cutover(it, _world(), "green").move_back(BluegreenError("no"))
    assert (int(error.exit_code), error.traffic) == (code, traffic)
    assert "turn blue" in done(it)
    if code == 5:
        why = {str: "nginx answers green", type(None): "nginx does not answer", BluegreenError: "no"}[type(confirm)]
        assert f"moving back to blue: {why}" in error.failed
        assert error.next == "bluegreen -p shop status"


def test_a_rename_that_was_made_is_taken_back_although_nothing_seems_to_have_moved() -> None:
    it = tools(door={"answer": _answer("blue"), "intended": _world().intended})
    cutover = Cutover(it, _world(), "green")
    cutover.turned("then", (1.0, 2.0))
    assert (cutover.since, cutover.move_back(BluegreenError("no")).exit_code) == ("then", ExitCode.MOVED_BACK)


# -- jobs


def test_jobs_end_where_traffic_left_before_they_start_where_it_is() -> None:
    there = [
        _job("blue"), _job("blue", "exited", 2), _job("blue", "restarting", 3), _job("blue", "paused", 4),
        _job("green", "exited", service="a"), _job("green", service="b"), _job("green", "created", service="c"),
        _replica(),
    ]  # fmt: skip
    ready: list[str] = []
    it = tools(containers={"replicas": there})
    words = hand_over_jobs(it, "green", ["c", "b", "a"], ready.append)
    acts = [call for call in done(it) if not call.startswith("r")]
    assert acts == [
        "never_restart blue-worker-1", "stop blue-worker-1", "never_restart blue-worker-2",
        "never_restart blue-worker-3", "stop blue-worker-3", "never_restart blue-worker-4", "stop blue-worker-4",
        "start green-c-1", "start green-a-1",
    ]  # fmt: skip
    assert [call[1].name for call in it.log if call[0] == "restart_as_defined"] == [
        "green-c-1",
        "green-b-1",
        "green-a-1",
    ]
    assert ready == ["c", "a"], "what runs has what it needs"
    assert words == "4 stopped, 3 running on green"


def test_after_a_kill_a_job_that_may_be_ending_is_stopped_and_started() -> None:
    it = tools(containers={"replicas": [_job("green"), _job("green", "exited", 2)]})
    hand_over_jobs(it, "green", after_kill=True)
    assert [call for call in done(it) if not call.startswith("r")] == [
        "stop green-worker-1", "start green-worker-1", "start green-worker-2",
    ]  # fmt: skip


def test_a_job_whose_container_is_gone_is_named() -> None:
    it = tools(containers={"replicas": [_job("blue", number=2)]})
    with pytest.raises(BluegreenError) as error:
        hand_over_jobs(it, "blue", slot=replace(SLOT, replicas={"worker": 3}))
    assert error.value.summary == "The job worker-1, worker-3 of blue does not run."
    hand_over_jobs(tools(containers={"replicas": [_job("blue")]}), "blue", slot=SLOT)


# -- requests in flight, and probes


def _making(left: list[int], proxy: str | None = "running", **more: Any) -> Any:
    counts = iter(left)
    world = replace(_world(), proxy=ProxyContainer("p", "n", proxy, "d", None) if proxy else None)
    it = tools(door={"in_flight": lambda _: next(counts)})
    return SimpleNamespace(**{"tools": it, "world": world, "new": SimpleNamespace(color="green", slot=SLOT)} | more)


def test_requests_in_flight_are_waited_for_as_long_as_drain_allows() -> None:
    it = _making([2, 1, 0])
    assert settle.wait_drained(it, "blue", "in flight") == ", 0.5 s until no request was in flight"
    assert it.tools.told.progress == [
        "in flight: 2 connections (5 s at most)",
        "in flight: 1 connections (5 s at most)",
    ]
    assert it.tools.log[0] == ("in_flight", frozenset({"10.0.0.2", "10.0.0.3"}))
    assert settle.wait_drained(_making([0]), "blue", "") == "", "nothing was waited for"
    it = _making([3] * 99)
    assert settle.wait_drained(it, "blue", "") == ", 3 requests longer than 5 s remain"
    assert 105 < it.tools.told.now < 105.5
    it = _making([3] * 99)
    it.tools.told.asked = "SIGTERM"
    assert "still in flight when SIGTERM came" in settle.wait_drained(it, "blue", "")
    for proxy in (None, "exited"):
        assert settle.wait_drained(_making([], proxy), "blue", "") == "", "nobody holds requests"


def test_a_drain_says_what_it_waited_for() -> None:
    assert settle.drain(_making([0])) == "nothing in flight"
    assert settle.drain(_making([1, 0])) == "0.2 s until no request was in flight"


@pytest.mark.parametrize(
    ("state", "restarts", "ends"),
    [("exited", 0, True), ("dead", 0, True), ("restarting", 2, False), ("restarting", 3, True), ("running", 9, False)],
)
def test_a_replica_that_keeps_ending_is_not_waited_for(state: str, restarts: int, ends: bool) -> None:
    it = _making([], mine=lambda: [_replica(1, state, status="Exited (7) now"), _job("green", "exited")])
    it.tools.containers._answers |= {"exit_of": (9, restarts, "killed"), "log_tail": ["boom"]}
    if not ends:
        health._between(it, "1 of 2 healthy")
        assert it.tools.told.progress == ["1 of 2 healthy"]
        return
    with pytest.raises(BluegreenError) as error:
        health._between(it, "1 of 2 healthy")
    assert error.value.failed == f"exit code 7, {restarts} restarts, killed"
    assert error.value.lines == ["web-1  boom"]


def test_only_a_path_below_the_route_is_asked_through_the_preview() -> None:
    routes = (
        Route("a", 1, "/"), Route("b", 2, "/b", health=Health("/b/health")), Route("c", 3, "/c", health=Health("/c")),
        Route("d", 4, "/d", health=Health("/dd")), Route("e", 5, "/e", "e.example", Health("/e/")),
    )  # fmt: skip
    it = _making([], new=SimpleNamespace(color="green", slot=replace(SLOT, routes=routes)))
    it.tools.prober._answers["once"] = {}
    assert preview.check(it) == "4 routes"
    asked = it.tools.log[0][1]
    assert [(it.name, it.address, it.policy.successes) for it in asked] == [
        (name, None, 1) for name in ("a at /", "b at /b", "c at /c", "e at e.example/e")
    ]
    it.tools.prober._answers["once"] = {"b at /b": "answered 404"}
    with pytest.raises(BluegreenError) as error:
        preview.check(it)
    assert error.value.failed == "b at /b: answered 404"


# -- the end of an app


def test_what_answers_is_stopped_at_once_and_a_job_gets_its_time() -> None:
    world = replace(_world(), replicas=(_replica(1), _replica(2, "exited"), _job("blue"), _job("green")))

    def stop(name: str, _: int | None) -> None:
        if name == "blue-worker-1":
            raise BluegreenError("It is gone.")

    it = tools(containers={"stop": stop})
    assert down.stop(it, world) == "3 containers"
    assert it.log == [("stop", "id1", 0), ("stop", "blue-worker-1", None), ("stop", "green-worker-1", None)]


def test_plain_compose_serves_by_the_service_of_every_path() -> None:
    hosted, api = Route("web", 8000, host="a.example"), Route("api", 9000, "/api")
    assert down.front(replace(SLOT, routes=(api, hosted))) is hosted
    assert down.front(replace(SLOT, routes=(hosted, api, ROUTE))) is ROUTE, "of any host"
    settings = Settings((ROUTE,), listen=(Listen("", 80), Listen("127.0.0.1", 81)))
    stack = replace(STACK, settings=settings)
    image = {"image": "sha256:1", "pull_policy": "never"}
    assert down.plain_override(stack, SLOT) == {
        "services": {
            "web": image | {"ports": ["80:8000", "127.0.0.1:81:8000"], "deploy": {"replicas": 1}},
            "worker": image,
        }
    }, "two containers cannot hold one port"
    published = replace(stack, services={"web": {"ports": [{"published": "80"}, {"published": 81}, {}]}})
    assert down.plain_override(published, SLOT)["services"]["web"] == image | {"deploy": {"replicas": 1}}, (
        "the file publishes both"
    )
