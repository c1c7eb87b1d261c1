"""`failover: true`: the previous release answers what the live one cannot be reached for, and nothing else."""

from __future__ import annotations

import time
from statistics import quantiles

import pytest

from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Project


def _with_failover(project: Project, **variables: str) -> None:
    project.write(LEAN.replace("  drain: 2s\n", "  drain: 2s\n  failover: true\n"))
    project.variables |= variables
    project.ok("up")
    project.ok("switch", GREETING="two")
    assert project.live() == "green"


@pytest.mark.long
def test_it_is_off_by_default_and_a_dead_color_is_then_felt(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    assert lean.status()["failover"] is None
    with Load(lean.port, {"get": 20}) as load:
        time.sleep(0.5)
        docker("kill", f"{lean.name}-green-web-1")
        time.sleep(3)
    assert load.tally.lost, "nobody answers for it"
    assert set(load.tally.colors()) == {"green"}
    print(f"\n{len(load.tally.lost)} lost of {len(load.tally.lost) + len(load.tally.answers)}: {load.tally.why()}")


@pytest.mark.alone  # 100 clients on a server with a short queue: a busy machine refuses some of them
def test_the_live_color_killed_under_100_keep_alive_clients_costs_no_get(lean: Project) -> None:
    _with_failover(lean)
    with Load(lean.port, {"get": 100}) as load:
        time.sleep(1.5)
        killed = time.monotonic()
        docker("kill", f"{lean.name}-green-web-1")
        dead = time.monotonic()
        time.sleep(5)
        status, text = lean.status(), lean.ok("status").out
        refused = lean.run("switch", GREETING="three")
        flipped = lean.ok("flip-back")
        time.sleep(1)
    assert load.tally.lost == [], load.tally.why()
    assert {answer.color for answer in load.tally.sent_between(0, killed)} == {"green"}
    after = load.tally.sent_between(dead, dead + 5)
    assert {answer.color for answer in after} == {"blue"}
    assert status["failover"] == {"color": "blue", "serving": True}
    assert status["live"]["color"] == "green", "live is what was made live; that blue answers is said beside it"
    assert "failover    blue answers now, because live cannot be reached" in text
    assert refused.code == 1, "the color that serves is not cleared away"
    assert "blue answers for green now (failover)" in refused.err
    assert "Note: Failover: green cannot be reached, blue answers for it." in flipped.err
    slowest = quantiles([answer.ended - answer.sent for answer in after], n=100)[98]
    print(f"\n0 of {len(load.tally.answers)} lost; {len(after)} answers by failover, 99 % within {slowest:.3f} s")


@pytest.mark.long
def test_an_application_that_breaks_1_percent_of_its_connections_keeps_its_traffic(lean: Project) -> None:
    _with_failover(lean, REPLICAS="2", BEHAVIOUR="aborts")
    with Load(lean.port, {"fresh": 40, "get": 60}) as load:
        time.sleep(15)
    time.sleep(1.5)
    asked = len(load.tally.answers) + len(load.tally.lost)
    assert docker("logs", f"{lean.name}-proxy").count('"upstream_status":"502, ') > 5, "the fault did happen"
    assert set(load.tally.colors()) == {"green"}, "not one request went to the idle color"
    assert len(load.tally.lost) <= asked / 1000, load.tally.why()
    assert lean.status()["failover"] == {"color": "blue", "serving": False}
    print(f"\n{len(load.tally.lost)} of {asked} lost, 0 answered by the idle color")
