"""A bad release never receives a public request, and the person learns why."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Project


@dataclass(frozen=True)
class Bad:
    """A release that must not serve, and what the error must say."""

    variables: dict[str, str]
    summary: str
    failed: str
    line: str = ""
    has_color: bool = True
    arguments: tuple[str, ...] = field(default=())


BAD = {
    "never healthy": Bad(
        {"BEHAVIOUR": "sick", "HEALTH_TIMEOUT": "3s"}, "green did not become healthy in 3 s.",
        'GET /health of web-1 through the proxy answered 503: {"ok": false}', "serving as",
    ),
    "crashes after start": Bad(
        {"BEHAVIOUR": "crash"}, "green did not become healthy: web-1 keeps exiting.", "exit code 7",
        "no database, giving up",
    ),
    "cannot be pulled": Bad(
        {"WEB_IMAGE": "127.0.0.1:9/nobody/has:this"}, "The image 127.0.0.1:9/nobody/has:this cannot be pulled.", "",
        has_color=False,
    ),
    "no such port": Bad(
        {"BEHAVIOUR": "elsewhere", "HEALTH_TIMEOUT": "3s"}, "green did not become healthy in 3 s.",
        "GET /health of web-1 through the proxy refused the connection on port 8000",
    ),
    "no such path": Bad(
        {"HEALTH_PATH": "/headers", "HEALTH_TIMEOUT": "3s"}, "green did not become healthy in 3 s.",
        "GET /headers of web-1 through the proxy answered 200: [[",
    ),
}  # fmt: skip


def _strict(compose: str) -> str:
    return compose.replace("interval: 100ms", "expect: {json: {ok: true}}, interval: 100ms", 1)


@pytest.mark.parametrize(
    "name", [it if it == "never healthy" else pytest.param(it, marks=pytest.mark.long) for it in BAD]
)
def test_a_bad_release_never_receives_a_public_request(lean: Project, name: str) -> None:
    bad = BAD[name]
    lean.write(_strict(lean.compose))
    lean.ok("up")
    with Load(lean.port, {"get": 20}) as load:
        time.sleep(0.5)
        done = lean.run("switch", "--json", **bad.variables)
        time.sleep(0.5)
    assert done.code == 1, done
    error = done.json()["error"]
    assert error["summary"] == bad.summary
    assert bad.failed in error["failed"]
    assert error["expected"]
    assert error["traffic"] == "blue, release 1 (unchanged)"
    assert error["retry"].startswith("safe")
    assert error["next"]
    assert not bad.line or any(bad.line in line for line in error["lines"]), error["lines"]
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"blue"}, "the bad release must never be seen"
    assert len(load.tally.answers) > 20
    assert bool(lean.containers("bluegreen.color=green")) == bad.has_color, "the failed color stays for its logs"

    lean.ok("switch", GREETING="a good one")
    assert lean.color() == "green"


@pytest.mark.long
def test_a_release_with_the_wrong_body_never_serves(lean: Project) -> None:
    lean.write(_strict(lean.compose))
    lean.ok("up")
    done = lean.run("switch", BEHAVIOUR="wrong", HEALTH_TIMEOUT="3s")
    assert done.code == 1
    assert 'answered 200: {"ok": "no"}' in done.err
    assert 'expected  200 with {"ok": true}, 2 in a row' in done.err
    assert "traffic   blue, release 1 (unchanged)" in done.err
    assert "next      bluegreen logs green" in done.err
    assert lean.color() == "blue"
    assert lean.run("logs", "green").out.count("serving as") == 1
    assert lean.status()["idle"] is None


def test_a_release_that_fails_does_not_cost_the_way_back(lean: Project) -> None:
    """Set aside, brought back at its old address, under load; the logs of what failed stay until the next release."""
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    with Load(lean.port, {"get": 10, "fresh": 5}) as load:
        failed = lean.run("switch", BEHAVIOUR="sick", HEALTH_TIMEOUT="2s")
        assert failed.code == 1, str(failed)
        assert "Release 1 is the way back again, on blue." in failed.err
        assert "web-1-failed" in lean.ok("logs", "blue").out
        assert lean.status()["flip_back"] is not None
        load.seen("green")
        back = lean.ok("flip-back")
        load.seen("blue")
    assert load.tally.lost == [], load.tally.why()
    assert lean.color() == "blue"
    assert "release 1" in back.out
    lean.ok("switch", GREETING="three")
    assert "failed" not in docker("ps", "-a", "--filter", f"label=bluegreen.app={lean.name}", "--format", "{{.Names}}")


@pytest.mark.long
def test_a_prepared_release_is_given_up(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    prepared = lean.ok("prepare", GREETING="three")
    assert "release 1 is set aside" in prepared.out
    refused = lean.run("flip-back")
    assert refused.code == 1
    assert "bluegreen prepare --give-up (brings release 1 back)" in refused.err
    assert lean.status()["set_aside"] == 1
    given_up = lean.ok("prepare", "--give-up")
    assert given_up.out.startswith("Release 1 is the way back again, on blue.")
    lean.ok("flip-back")
    assert lean.color() == "blue"


@pytest.mark.long
def test_a_switch_that_fails_before_the_idle_color_is_touched_keeps_the_way_back(lean: Project) -> None:
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    assert lean.run("switch", WEB_IMAGE="127.0.0.1:9/nobody/has:this").code == 1
    lean.ok("flip-back")
    assert lean.color() == "blue"


@pytest.mark.long
def test_a_release_that_dockers_own_health_check_calls_unhealthy_never_serves(lean: Project) -> None:
    check = "    healthcheck: {test: [CMD, sh, -c, '[ \"$$GREETING\" = one ]'], interval: 1s, retries: 1}\n"
    lean.write(lean.compose.replace("services:\n  web:\n", f"services:\n  web:\n{check}"))
    lean.ok("up", GREETING="one")
    with Load(lean.port, {"get": 10}) as load:
        done = lean.run("switch", GREETING="two")
        time.sleep(0.2)
    assert done.code == 1, str(done)
    assert "Docker's own health check of web-1 says unhealthy" in done.err
    assert set(load.tally.colors()) == {"blue"}
    assert load.tally.lost == [], load.tally.why()


@pytest.mark.long
@pytest.mark.parametrize("given", [True, False])
def test_a_service_that_wants_headers_gets_them_and_their_secret_is_written_down_nowhere(
    lean: Project, given: bool
) -> None:
    """Through real nginx; the way back asks with them, too: of its container's variables, else of the Compose file."""
    canary = "canary-7f3a-token"
    headers = 'headers: {Host: shop.example.com, Authorization: "Bearer ${PROBE_TOKEN}"}'
    expect = 'expect: {body: "shop.example.com.*authorization.*Bearer"}'
    text = lean.file.read_text().replace('path: "${HEALTH_PATH:-/health}"', f"path: /headers, {headers}, {expect}")
    lean.write(
        text.replace("environment: {", "environment: {PROBE_TOKEN: '${PROBE_TOKEN}', " if given else "environment: {")
    )
    lean.variables["PROBE_TOKEN"] = canary
    lean.ok("up")
    lean.ok("switch", GREETING="two")
    back = lean.ok("flip-back")
    assert lean.color() == "blue"
    assert canary not in back.out + back.err
    files = [path.read_bytes() for path in lean.state.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [text for text in files if canary.encode() in text]
    without = lean.run("switch", PROBE_TOKEN="", GREETING="three")
    assert without.code == 2, without
    assert "x-bluegreen.health.headers.Authorization: found a value that begins or ends with a space" in without.err
    assert lean.color() == "blue"
