"""Why a release is not healthy: Docker's own check in its own words, as long as it may take, and what was logged."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bluegreen.flow.steps import health
from tests.fakes.engine_api import Container
from tests.fakes.site import Site, Tell

SECOND = 1_000_000_000


@pytest.fixture
def checked(live: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Docker's check of web says what `live.says` names, from its start on; release 2 is to come."""
    monkeypatch.setattr(health, "ASK_AGAIN", 0.01)
    live.release("shop:2")
    return live


def says(site: Site, status: str, *log: tuple[int, str], **policy: float) -> None:
    changed = site.engine.changed

    def started(it: Container, what: str) -> None:
        if what == "start" and it.labels.get("bluegreen.service") == "web":
            it.health, it.health_log = status, [{"ExitCode": code, "Output": text} for code, text in log]
            it.body["Healthcheck"] = {name: seconds * SECOND for name, seconds in policy.items()}
        changed(it, what)

    site.engine.changed = started


@pytest.mark.parametrize(
    ("log", "failed", "line"),
    [
        (
            [(127, "/bin/sh: 1: curl: not found\n")],
            "its last try ended with 127: /bin/sh: 1: curl: not found", "healthcheck  /bin/sh: 1: curl: not found",
        ),
        ([(0, "fine"), (1, "wget: error: HTTP/1.1 500\n\n")], "ended with 1: wget: error", "HTTP/1.1 500"),
        ([(-1, "Health check exceeded timeout (3s)")], "ended with -1: Health check exceeded timeout (3s)", "exceeded"),
        ([(1, "")], "its last try ended with 1", ""),
    ],
)  # fmt: skip
def test_docker_s_own_check_is_told_in_its_own_words(
    checked: Site, tell: Tell, log: Any, failed: str, line: str
) -> None:
    says(checked, "unhealthy", *log)
    code, found = tell("switch")
    assert code == 1
    assert found["error"]["failed"].startswith("Docker's own health check of web-1 says unhealthy")
    assert failed in found["error"]["failed"]
    assert any(line in it for it in found["error"]["lines"]) or not line


def test_a_secret_in_it_is_masked(checked: Site, tell: Tell) -> None:
    checked.document["services"]["web"]["environment"] = {"API_TOKEN": "canary-canary-canary"}
    says(checked, "unhealthy", (1, "GET /?token=canary-canary-canary refused"))
    _, found = tell("switch")
    assert "canary-canary" not in str(found)


@pytest.mark.parametrize(
    ("compose", "image", "healthy"),
    [("5s", 0.01, True), (None, 5.0, True), ("100ms", 0.01, False), ("900us", 0.01, False)],
)
def test_a_start_period_longer_than_the_policy_s_time_is_waited_for(
    checked: Site, tell: Tell, compose: str | None, image: float, healthy: bool
) -> None:
    """The policy has 0.3 s; Docker says healthy after 0.8 s."""
    if compose:
        checked.document["services"]["web"]["healthcheck"] = {"test": ["CMD", "true"], "start_period": compose}
    says(checked, "starting", StartPeriod=image, Interval=0.01, Timeout=0.01)

    def now_healthy() -> None:
        for it in checked.replicas("green"):
            it.health = "healthy"

    timer = threading.Timer(0.8, now_healthy)
    if healthy:
        timer.start()
    code, found = tell("switch")
    timer.cancel()
    assert (code == 0) == healthy, found["error"]


@pytest.mark.parametrize(("disabled", "code"), [(False, 0), (True, 1)])
def test_an_application_that_starts_slowly_is_probed_as_long_as_its_start_period(
    checked: Site, tell: Tell, disabled: bool, code: int
) -> None:
    checked.document["services"]["web"]["healthcheck"] = {"start_period": "5s", "disable": disabled}
    checked.sick.add(2)
    timer = threading.Timer(0.8, checked.sick.clear)
    if not disabled:
        timer.start()
    assert tell("switch")[0] == code
    timer.cancel()


def test_a_log_that_is_kept_nowhere_is_named_as_such_beside_the_cause(checked: Site, tell: Tell) -> None:
    """With `logging: {driver: none}` what Docker's check said, and that there is no log, is what is left."""
    checked.document["services"]["web"]["logging"] = {"driver": "none"}
    says(checked, "unhealthy", (7, "Failed to connect"))
    refusal = {"message": "configured logging driver does not support reading"}
    checked.engine.refuse["GET /containers/id.*/logs"] = (501, refusal)
    code, found = tell("switch")
    assert code == 1
    lines = "\n".join(found["error"]["lines"])
    assert "healthcheck  Failed to connect" in lines
    assert "its log cannot be read" in lines


@pytest.mark.parametrize(("driver", "warned"), [("none", True), ("json-file", False), (None, False)])
def test_check_warns_of_a_log_that_is_kept_nowhere(live: Site, tell: Tell, driver: str | None, warned: bool) -> None:
    if driver:
        live.document["services"]["worker"]["logging"] = {"driver": driver}
    _, found = tell("check")
    assert any("worker" in it["found"] and it["name"] == "logs" for it in found["findings"]) == warned
