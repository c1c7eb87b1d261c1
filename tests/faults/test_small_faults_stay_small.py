"""Small faults of the application or of one container, under load, through the real proxy."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Mapping

import pytest

from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Project


@pytest.mark.long
def test_an_application_that_aborts_1_percent_of_its_connections_loses_at_most_one_get_in_a_thousand(
    lean: Project,
) -> None:
    lean.variables |= {"REPLICAS": "2", "BEHAVIOUR": "aborts"}
    lean.ok("up")
    with Load(lean.port, {"fresh": 40, "get": 60}) as load:
        time.sleep(12)
    asked = len(load.tally.answers) + len(load.tally.lost)
    time.sleep(1.5)
    retried = docker("logs", f"{lean.name}-proxy").count('"upstream_status":"502, ')
    assert asked > 2000
    assert retried > 5, "the fault did happen: nginx asked another replica"
    assert len(load.tally.lost) <= asked / 1000, load.tally.why()
    print(f"\n{len(load.tally.lost)} of {asked} GETs lost ({load.tally.why()}); {retried} were asked again")


def test_one_of_two_replicas_killed_and_started_loses_nothing(lean: Project) -> None:
    lean.variables |= {"REPLICAS": "2"}
    lean.ok("up")
    with Load(lean.port, {"get": 80, "fresh": 10}) as load:
        time.sleep(1)
        docker("kill", f"{lean.name}-blue-web-1")
        killed = time.monotonic()
        time.sleep(3)
        state = docker("inspect", "-f", "{{.State.Running}}", f"{lean.name}-blue-web-1")
        docker("start", f"{lean.name}-blue-web-1")
        time.sleep(2)
    assert state == "false", "the replica was dead for three seconds"
    assert len(load.tally.sent_between(killed, killed + 3)) > 100, "clients asked while it was dead"
    assert load.tally.lost == [], load.tally.why()
    print(f"\n0 of {len(load.tally.answers)} lost")


@pytest.mark.long
def test_containers_killed_and_started_in_any_order_never_answer_from_the_idle_color(lean: Project) -> None:
    lean.variables |= {"REPLICAS": "2"}
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    names = [name for name in lean.containers() if "proxy" not in name]
    addresses = {name: _address(name) for name in names}
    shuffled = random.Random(7)  # noqa: S311 - an order, not a secret
    with Load(lean.port, {"get": 40, "fresh": 10}) as load:
        for _ in range(6):
            down = shuffled.sample(names, 3)
            for name in down:
                docker("kill", name)
            shuffled.shuffle(down)
            for name in down:
                docker("start", name)
            time.sleep(0.5)
        docker("kill", *names)
        for name in sorted(names):  # blue, the idle color, first: it would take the addresses of green
            docker("start", name)
        time.sleep(2)
    assert set(load.tally.colors()) == {"green"}, load.tally.colors()
    assert load.tally.lost, "every container of the live color was dead at once, so the kills were felt"
    assert {name: _address(name) for name in names} == addresses, "an address lives as long as its container"
    assert lean.color() == "green"


def test_what_may_have_been_handled_is_sent_again_only_where_that_does_no_harm(lean: Project) -> None:
    lean.variables |= {"REPLICAS": "3"}
    lean.ok("up")
    socket = {"Upgrade": "websocket", "Connection": "Upgrade"}  # they go their own way through nginx's file
    once = [(method, headers, 1) for method in ("PUT", "DELETE", "POST", "PATCH") for headers in ({}, socket)]
    for method, headers, sent in (("GET", {}, 2), ("GET", socket, 2), ("OPTIONS", {}, 2), *once):
        before = _aborted(lean, method)
        assert _ask(lean, method, "/abort", headers) == 502
        assert _aborted(lean, method) - before == sent, (method, headers)
        time.sleep(2.1)  # until no replica is marked as failed


@pytest.mark.long
def test_what_nobody_accepted_is_asked_of_another_whatever_it_is(lean: Project) -> None:
    """Two of three are dead: at their addresses is nobody, so nothing was sent."""
    lean.variables |= {"REPLICAS": "3"}
    lean.ok("up")
    docker("kill", f"{lean.name}-blue-web-1", f"{lean.name}-blue-web-3")
    try:
        for method in ("PUT", "GET", "DELETE", "POST", "PATCH", "OPTIONS"):
            assert _ask(lean, method, "/") == 200, method
            time.sleep(2.1)  # nginx believes in all three again
    finally:
        docker("start", f"{lean.name}-blue-web-1", f"{lean.name}-blue-web-3")


def _ask(project: Project, method: str, path: str, headers: Mapping[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=20)
    try:
        connection.request(method, path, body=b"x" if method != "GET" else None, headers=dict(headers or {}))
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def _aborted(project: Project, method: str) -> int:
    logs = [docker("logs", f"{project.name}-blue-web-{number}") for number in (1, 2, 3)]
    return sum(log.splitlines().count(f"aborted {method}") for log in logs)


def _address(name: str) -> str:
    network = name.partition("-blue")[0].partition("-green")[0] + "_bluegreen"
    return docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}', name)
