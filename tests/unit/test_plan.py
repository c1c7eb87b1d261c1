"""Decisions, by the plan that they print."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.domain.answers import Expectation
from bluegreen.errors import BluegreenError
from bluegreen.plans.differences import drift, unhealthy_replicas
from bluegreen.plans.flip_back import plan_flip_back
from bluegreen.plans.release import plan_release, start_order
from bluegreen.plans.repair import plan_repair
from tests.unit.worlds import EMPTY, WISH, replica, replicas, routing, slot, world


def _names(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if line.startswith("  ")]


def test_the_first_up_makes_the_ground_then_a_color_then_moves_traffic() -> None:
    plan = plan_release("up", EMPTY, replace(WISH, release=1))
    assert plan.lines() == [
        "up to blue, release 1",
        "",
        "prepare (when a step fails: traffic does not move; exit 1; safe to retry)",
        "  shared    Compose runs redis for both colors",
        "  network   the app has a network of its own, with fixed addresses",
        "  proxy     there is no proxy yet",
        "  image     every image is built or pulled, then pinned by its id",
        "  create    3 containers of release 1, with new addresses",
        "  start     in the order of depends_on",
        "  health    each replica must pass its health check, sent through nginx",
        "  preview   nginx loads the addresses of blue; live traffic stays",
        "  check     does it answer through the preview listener?",
        "",
        "cutover (when a step fails: traffic is moved back and that is confirmed: exit 4; "
        "if it cannot be confirmed: exit 5)",
        "  route     one rename sends traffic to blue instead of no color",
        "  confirm   only nginx's own answer proves where traffic goes",
        "",
        "settle (when a step fails: a warning; traffic stays where it is; the next command repairs it)",
        "  seal      nginx's file names blue as live too, in case the route is deleted",
        "  jobs      worker must run in one color only",
        "  record    write the history, and the number of the next release",
    ]


def test_a_switch_goes_to_the_idle_color_and_says_who_makes_room() -> None:
    plan = plan_release("switch", world(), WISH)
    assert (plan.target, plan.release) == ("green", 8)
    assert "  aside     release 6 on green is kept until the new one is live" in plan.lines()
    assert "clear" not in _names(plan.lines())
    assert _names(plan.lines())[-5:] == ["jobs", "drain", "discard", "record", "prune"]


def test_the_truth_about_live_is_what_nginx_answers_not_what_the_file_says() -> None:
    found = world("green", intended=routing("blue", blue=slot("blue", 7), green=slot("green", 6)))
    assert plan_release("switch", found, WISH).target == "blue"


def test_a_switch_does_not_touch_shared_services() -> None:
    assert "shared" not in _names(plan_release("switch", world(), WISH).lines())


def test_a_switch_mends_a_dead_proxy_first() -> None:
    found = world(proxy=replace(world().proxy, state="exited"), answer=None)  # type: ignore[type-var]  # it has one
    assert _names(plan_release("switch", found, WISH).lines())[0] == "proxy"


def test_a_switch_goes_on_from_a_prepared_release_without_doing_it_again() -> None:
    prepared = routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8, "new"))
    found = world(intended=prepared, replicas=(*replicas("blue", 7), *replicas("green", 8)))
    plan = plan_release("switch", found, replace(WISH, release=9))
    assert plan.release == 8
    assert _names(plan.lines())[:2] == ["health", "preview"]
    assert "image" not in _names(plan.lines())


def test_a_prepared_release_that_is_no_longer_wished_for_is_made_anew() -> None:
    prepared = routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8, "an older wish"))
    found = world(intended=prepared, replicas=(*replicas("blue", 7), *replicas("green", 8)))
    assert "create" in _names(plan_release("switch", found, replace(WISH, release=9)).lines())


def test_a_prepared_release_that_lost_a_container_is_made_anew() -> None:
    prepared = routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8, "new"))
    found = world(intended=prepared, replicas=(*replicas("blue", 7), *replicas("green", 8)[1:]))
    assert "create" in _names(plan_release("switch", found, replace(WISH, release=9)).lines())


def test_prepare_stops_before_cutover_and_does_nothing_twice() -> None:
    plan = plan_release("prepare", world(), WISH)
    assert {step.phase for step in plan.steps if step.name != "record"} == {"prepare"}
    prepared = routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8, "new"))
    found = world(intended=prepared, replicas=(*replicas("blue", 7), *replicas("green", 8)))
    assert plan_release("prepare", found, WISH).lines() == ["prepare: nothing to do: release 8 is prepared on green"]


def test_up_on_a_whole_app_has_nothing_to_mend() -> None:
    plan = plan_repair(world(), WISH, rendered_differs=False)
    assert _names(plan.lines()) == ["shared"]
    assert plan.nothing == "blue, release 7 is live and complete"


def test_up_makes_what_is_gone_and_starts_what_is_down() -> None:
    found = world(replicas=(replica("blue", 7, state="exited"), replica("blue", 7, "worker"), *replicas("green", 6)))
    lines = plan_repair(found, WISH, rendered_differs=False).lines()
    assert "  recreate  missing: blue-web-2" in lines
    assert "  start     not running: shop-blue-web-1 (exited)" in lines
    assert _names(lines)[-1:] == ["render"], "a new container has a new address"


def test_up_warms_the_way_back() -> None:
    found = world(replicas=(*replicas("blue", 7), replica("green", 6, state="exited"), replica("green", 6, number=2)))
    assert "  warm      the way back is not running: shop-green-web-1" in plan_repair(found, WISH, False).lines()


def test_up_mends_drift() -> None:
    found = world("green", intended=routing("blue", blue=slot("blue", 7), green=slot("green", 6)))
    assert drift(found) == "nginx answers green (generation 5), the file says blue (generation 5)"
    assert "render" in _names(plan_repair(found, WISH, False).lines())


def test_a_flip_back_builds_pulls_and_starts_nothing() -> None:
    plan = plan_flip_back(world(), force=False)
    assert (plan.target, plan.release) == ("green", 6)
    assert _names(plan.lines()) == ["health", "route", "confirm", "seal", "jobs", "record"]


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        (EMPTY, "There is nothing to flip back from: no color is live."),
        (
            world(intended=routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8))),
            "There is no previous release: green has only a prepared one.",
        ),
        (world(intended=routing("blue", None, blue=slot("blue", 7))), "There is no previous release on green."),
        (world(intended=None), "nginx's file is missing, so the way back is unknown."),
    ],
    ids=["nothing live", "prepared", "first release", "file gone"],
)
def test_a_flip_back_never_moves_traffic_forward(found: object, summary: str) -> None:
    with pytest.raises(BluegreenError) as error:
        plan_flip_back(found, force=True)  # type: ignore[arg-type]  # all are worlds
    assert error.value.summary == summary
    assert error.value.complete("bluegreen -p shop").next.startswith("bluegreen -p shop ")


def test_a_slot_is_unwell_when_a_routed_replica_is_gone_down_or_unhealthy() -> None:
    here = (replica("blue", 7, health="unhealthy"), replica("blue", 7, "worker", state="exited"))
    assert unhealthy_replicas(slot("blue", 7), here) == ["blue-web-2 is gone", "shop-blue-web-1 is unhealthy"]
    assert unhealthy_replicas(slot("blue", 7), replicas("blue", 7)) == []
    elsewhere = replica("blue", 7, number=2, address="172.20.0.90")  # recreated by an up that was killed
    assert unhealthy_replicas(slot("blue", 7), [replica("blue", 7), elsewhere]) == [
        "shop-blue-web-2 is not at the address that nginx knows"
    ]
    assert unhealthy_replicas(slot("blue", 7), replicas("blue", 3)) == ["blue-web-1 is gone", "blue-web-2 is gone"]


def test_services_start_after_what_they_depend_on() -> None:
    services: dict[str, Any] = {
        "web": {"depends_on": {"api": {}, "redis": {}}},
        "api": {"depends_on": {"auth": {}}},
        "auth": {},
    }
    assert start_order(services, ["web", "api", "auth"]) == ["auth", "api", "web"]


def test_the_newest_release_counts_labels_and_the_file() -> None:
    assert world().newest_release == 7
    assert world(replicas=(replica("green", 12),)).newest_release == 12


def test_the_checklist_stands_where_its_failure_rule_is() -> None:
    wish = replace(WISH, migrate="schema", hooks=("before_switch", "after_switch"), expected=(Expectation("GET", "/"),))
    plan = plan_release("switch", world(), wish)
    prepare = [step.name for step in plan.steps if step.phase == "prepare"]
    assert prepare == [
        "image", "migrate", "aside", "create", "start", "health", "preview", "check", "expect", "before_switch",
    ]  # fmt: skip
    assert [step.name for step in plan.steps if step.phase == "settle"] == [
        "seal", "jobs", "drain", "discard", "after_switch", "record", "prune",
    ]  # fmt: skip
    assert "  expect         1 recorded answer must match, through the preview listener" in plan.lines()
    prepared = plan_release("prepare", world(), wish)
    assert "before_switch" not in [step.name for step in prepared.steps]


def test_going_back_over_an_irreversible_migration_asks_for_force() -> None:
    left = replace(slot("blue", 7), migrated=True, reversible=False)
    found = world(intended=routing("blue", blue=left, green=slot("green", 6)))
    with pytest.raises(BluegreenError, match="cannot run on the data that release 7 has migrated"):
        plan_flip_back(found, force=False)
    assert plan_flip_back(found, force=True).steps
    forward = world("green", intended=routing("green", blue=left, green=slot("green", 6)))
    assert plan_flip_back(forward, force=False).target == "blue", "forward again: nothing stands against that"


def test_the_last_job_that_was_taken_out_ends_with_its_color() -> None:
    """Whatever the new release has: by the file, and by what is there when the file does not say so."""
    none = replace(WISH, jobs=(), replicas={"web": 2})
    assert "jobs" in [step.name for step in plan_release("switch", world(), none).steps]
    unknown = replace(slot("blue", 7), jobs=(), replicas={"web": 2})
    there = world(intended=routing("blue", blue=unknown, green=slot("green", 6)))
    assert "jobs" in [step.name for step in plan_release("switch", there, none).steps]
    gone = world(intended=routing("blue", None, blue=unknown), replicas=replicas("blue", 7)[:2])
    assert "jobs" not in [step.name for step in plan_release("switch", gone, none).steps]


def test_a_release_that_is_brought_back_is_not_what_stands_prepared_by_its_definition_alone() -> None:
    prepared = routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8, "new"))
    here = world(intended=prepared, replicas=(*replicas("blue", 7), *replicas("green", 8)))
    own = {"web": f"sha256:{8:064}"}
    for images, made in ((None, False), (own, False), ({"web": f"sha256:{1:064}"}, True), ({}, True)):
        names = [step.name for step in plan_release("switch", here, replace(WISH, images=images)).steps]
        assert ("create" in names) is made, images
