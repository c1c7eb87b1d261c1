"""The promise: no request lost, through the installed command, under real load."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from tests.support.load import Load
from tests.support.machine import ROOT, THOROUGH
from tests.support.project import Done, Project

pytestmark = pytest.mark.alone

MIX = {"get": 130, "patient": 40, "api": 20, "post": 20, "fresh": 6, "slow": 4, "upload": 2, "events": 3, "socket": 3}
CLIENTS = sum(MIX.values())
SWITCHES = FLIP_BACKS = 20 if THOROUGH else 3  # `make test-faults` does them all


def _verb(project: Project, *arguments: str, **more: str) -> Done:
    done = project.ok(*arguments, "--json", **more)
    assert done.json()["outcome"] in ("switched", "flipped-back")
    return done


@pytest.mark.timeout(900)
def test_switches_and_flip_backs_under_load_lose_nothing(shop: Project) -> None:
    assert CLIENTS >= 200
    shop.variables["REPLICAS"] = "2"
    shop.ok("up")
    spans: list[tuple[float, float, str]] = []  # after a verb returned, until the next began: the live color
    flips: list[float] = []
    switches: list[float] = []
    with Load(shop.port, MIX) as load:
        time.sleep(2)
        returned, live = time.monotonic(), "blue"
        for number in range(SWITCHES):
            for arguments in (("switch",), ("flip-back",)):
                time.sleep(0.5)
                spans.append((returned, time.monotonic(), live))
                done = _verb(shop, *arguments, GREETING=f"release {number}")
                returned, live = done.returned, done.json()["live"]["color"]
                (switches if arguments == ("switch",) else flips).append(done.seconds)
        time.sleep(0.5)
        spans.append((returned, time.monotonic(), live))
    tally = load.tally

    assert tally.lost == [], tally.why()
    assert len(flips) == FLIP_BACKS
    assert set(tally.colors()) == {"blue", "green"}, "both colors must have been seen, else nothing was switched"
    assert set(tally.kinds()) == set(MIX), "every kind of client must have got answers"
    late = [
        (answer, live)
        for begin, end, live in spans
        for answer in tally.sent_between(begin, end)
        if answer.color != live
    ]
    assert late == [], f"{len(late)} new requests reached the left color after the verb had returned, such as {late[0]}"
    asked = sum(len(tally.sent_between(begin, end)) for begin, end, _ in spans)
    assert asked > 1000, "the spans after the verbs must hold requests, else nothing was looked at"

    status, body = shop.get("/api/orders")
    orders = json.loads(body)
    assert status == 200
    assert orders["repeated"] == 0, "a POST was handled twice"
    assert orders["orders"] == len(tally.orders)
    seconds = f"medians: switch {median(switches):.2f} s, flip-back {median(flips):.2f} s"
    print(f"\n{len(tally.answers)} answers of {CLIENTS} clients, 0 lost; {tally.kinds()}; {seconds}")


@pytest.mark.long
def test_the_client_is_strong_enough_to_see_losses_without_keepalive_min_timeout(shop: Project, tmp_path: Path) -> None:
    for name in ("bluegreen", "nginx", "compose"):
        shutil.copytree(
            ROOT / name, tmp_path / "weak" / name, ignore=shutil.ignore_patterns("__pycache__", ".bluegreen")
        )
    template = tmp_path / "weak" / "nginx" / "nginx.conf.j2"
    assert "keepalive_min_timeout 10s;" in template.read_text()
    template.write_text(template.read_text().replace("keepalive_min_timeout 10s;", ""))
    shop.command = (sys.executable, "-m", "bluegreen")
    shop.variables |= {"PYTHONPATH": str(tmp_path / "weak"), "DRAIN": "1s"}
    shop.ok("up")
    with Load(shop.port, {"get": 200}) as load:
        time.sleep(2)
        shop.ok("switch", GREETING="another")
        for _ in range(8 if THOROUGH else 4):
            shop.ok("flip-back")
        rendered = (shop.state / "nginx" / "nginx.conf").read_text()
    assert "keepalive_min_timeout 10s" not in rendered, "else nothing was taken out"
    assert load.tally.answers
    assert load.tally.lost, "shifts without keepalive_min_timeout lost nothing: the client is too weak"
    print(f"\n{len(load.tally.lost)} lost of {len(load.tally.answers)} without keepalive_min_timeout")


def test_an_idle_connection_from_before_a_flip_back_is_answered_by_the_new_color(shop: Project) -> None:
    """An old worker keeps it open for the client's sake; what arrives on it must follow the shift."""
    import http.client

    shop.ok("up")
    shop.ok("switch", GREETING="another")
    connections = [http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10) for _ in range(20)]
    for connection in connections:
        connection.request("GET", "/")
        assert json.loads(connection.getresponse().read())["color"] == "green"
    socks = [connection.sock for connection in connections]
    shop.ok("flip-back")
    for connection, sock in zip(connections, socks, strict=True):
        assert connection.sock is sock, "the same connection, else this shows nothing"
        connection.request("GET", "/")
        assert json.loads(connection.getresponse().read())["color"] == "blue"
        connection.close()
