"""A share of visitors on the new release: exact, sticky, growing, and gone at a word. Real Engine, real nginx."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.conftest import Make
from tests.e2e.test_watch import COMPOSE, PATHS, SERVER
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.machine import docker
from tests.support.project import Done, Project
from tests.support.shares import Visitors, addresses, colors_of
from tests.support.street import APP, Street, trusting
from tests.support.visitors import Visitors as Audience

VISITORS = 100_000
WHICH = 'keepalive_requests 1000000;\nlocation = /which {\n    access_log off;\n    return 200 "$bg_color";\n}\n'


def _project(make_project: Make, canary: str = "") -> Project:
    """Visitors' addresses come in X-Forwarded-For; nginx itself says at /which which color they get."""
    block = f"  canary: {canary}\n" if canary else ""
    text = LEAN.replace("  proxy: {", f"{block}  proxy: {{trust: [127.0.0.1], include: snippets, ")
    project = make_project(text)
    (project.folder / "snippets").mkdir()
    (project.folder / "snippets" / "which.conf").write_text(WHICH)
    return project


@pytest.fixture
def app(make_project: Make) -> Project:
    found = _project(make_project)
    found.ok("up")
    return found


def _share(project: Project, visitors: int = 2000) -> float:
    """Percent of these visitors who get green."""
    found = colors_of(project.port, addresses(visitors))
    return 100 * found.count("green") / visitors


def _color(project: Project, address: str = "10.0.0.1", **headers: str) -> str:
    sent = {"X-Forwarded-For": address} | {name.replace("_", "-"): value for name, value in headers.items()}
    status, body = project.get("/", headers=sent)
    assert status == 200, body
    return str(json.loads(body)["color"])


def _visitor(project: Project, color: str) -> str:
    """The address of a visitor who gets this color now."""
    every = addresses(2000)
    return every[colors_of(project.port, every).index(color)]


def test_shares_are_exact_and_nobody_goes_back_while_they_grow(app: Project) -> None:
    every = addresses(VISITORS)
    began = time.monotonic()
    done = app.ok("switch", "--canary", "5%", GREETING="two")
    assert "5 % of visitors on green, release 2; next: bluegreen promote | bluegreen flip-back" in done.out
    before: set[str] = set()
    seen = []
    for share in (5, 25, 60):
        if share > 5:
            app.ok("promote", "--canary", f"{share}%")
        assert app.status()["shares"] == {"blue": 100 - share, "green": share}
        green = {it for it, color in zip(every, colors_of(app.port, every), strict=True) if color == "green"}
        assert abs(100 * len(green) / VISITORS - share) <= 1
        assert before <= green, "who was on green stays there"
        assert {
            it for it, c in zip(every[:500], colors_of(app.port, every[:500]), strict=True) if c == "green"
        } <= green
        before = green
        seen.append(f"{share} %: {len(green)} of {VISITORS}")
    app.ok("promote")
    assert set(colors_of(app.port, every[:1000])) == {"green"}
    print(f"\n{'; '.join(seen)}; {time.monotonic() - began:.1f} s")


def test_a_canary_from_its_first_share_to_the_last_without_a_lost_request(app: Project) -> None:
    with Visitors(app.port, {"get": 120}) as load:
        time.sleep(1)
        app.ok("switch", "--canary", "10%", GREETING="two")
        load.seen("green")
        time.sleep(1)
        state = app.status()
        assert (state["shares"], state["live"]["color"], state["idle"]["standing"]) == (
            {"blue": 90, "green": 10}, "blue", "canary",
        )  # fmt: skip
        assert (state["drift"], state["unfinished"], state["flip_back"]) == (None, None, "bluegreen flip-back")
        assert "10 % of visitors on green, release 2" in app.ok("status").out
        assert app.color(preview=True) == "green", "preview is the color that is not live"
        app.ok("promote", "--canary", "50%")
        time.sleep(1)
        done = app.ok("promote", "--json").json()
        assert (done["outcome"], done["live"], done["previous"]) == (
            "switched", {"color": "green", "release": 2}, {"color": "blue", "release": 1},
        )  # fmt: skip
        time.sleep(1)
    assert load.tally.lost == [], load.tally.why()
    assert all(colors in (["blue"], ["green"], ["blue", "green"]) for colors in load.colors.values()), (
        "nobody goes back"
    )
    assert any(colors == ["blue", "green"] for colors in load.colors.values())
    state = app.status()
    assert (state["shares"], state["live"]["release"], state["drift"]) == ({"green": 100}, 2, None)
    assert state["idle"]["standing"] == "previous"
    print(f"\n{len(load.tally.answers)} answers to {len(load.colors)} visitors, none lost")


def test_flip_back_takes_a_share_away_without_a_lost_request(app: Project) -> None:
    app.ok("switch", GREETING="two")
    app.ok("switch", GREETING="three")
    assert app.live() == "blue"
    with Visitors(app.port, {"get": 120}) as load:
        app.ok("switch", "--canary", "30%", GREETING="four")
        load.seen("green")
        done = app.ok("flip-back", "--json").json()
        assert (done["outcome"], done["live"]["release"], done["shares"]) == ("flipped-back", 3, {"blue": 100})
        moved = time.monotonic()
        time.sleep(1.5)
    assert load.tally.lost == [], load.tally.why()
    late = load.tally.sent_between(moved, time.monotonic())
    assert late
    assert {it.color for it in late} == {"blue"}
    state = app.status()
    assert (state["drift"], state["idle"]["release"], state["idle"]["standing"]) == (None, 4, "previous")
    assert state["forward"], "somebody went back from release 4"
    assert not [it for it in app.containers() if "aside" in it]
    assert "somebody went back from it" in app.ok("history").out
    app.ok("switch", GREETING="five")
    assert app.live() == "green"
    print(f"\n{len(load.tally.answers)} answers, none lost")


@pytest.mark.long
def test_a_canary_is_in_the_way_of_a_release_and_promote_needs_one(app: Project) -> None:
    assert app.run("promote").code == 1
    app.ok("switch", "--canary", "5%", GREETING="two")
    for words in (("switch",), ("prepare",), ("prepare", "--give-up"), ("switch", "--canary", "10%")):
        done = app.run(*words, GREETING="three")
        assert done.code == 1, done
        assert "A canary is on: 5 % of visitors on green, release 2." in done.err
        assert "bluegreen promote" in done.err
    smaller = app.run("promote", "--canary", "5%")
    assert smaller.code == 1
    assert "only grows" in smaller.err
    assert app.status()["shares"] == {"blue": 95, "green": 5}


def test_testers_reach_either_color_while_both_have_visitors(app: Project) -> None:
    app.ok("prepare", GREETING="two")
    assert _color(app, X_Bluegreen="green") == "blue", "a release that has no visitors gets none by a header"
    app.ok("switch", "--canary", "20%", GREETING="two")
    inside, outside = _visitor(app, "green"), _visitor(app, "blue")
    assert (_color(app, inside), _color(app, outside)) == ("green", "blue")
    assert _color(app, outside, X_Bluegreen="green") == "green"
    assert _color(app, inside, X_Bluegreen="blue") == "blue"
    assert _color(app, inside, X_Bluegreen="purple") == "green"
    app.ok("promote")
    assert _color(app, inside, X_Bluegreen="blue") == "green"


def test_a_secret_for_testers_a_cookie_and_a_header_of_the_app(make_project: Make) -> None:
    secret = "s3cret.value-9"  # noqa: S105 - of this test
    app = _project(make_project, '{by: {cookie: sid.x}, cookie: color, secret: "${CANARY_SECRET}"}')
    app.variables["CANARY_SECRET"] = secret
    outputs = [app.ok("up"), app.ok("prepare", GREETING="two")]
    assert _color(app, X_Bluegreen=f"green:{secret}") == "green", "who knows the secret sees a prepared release"
    assert _color(app, Cookie=f"a=b; color=green:{secret}") == "green"
    for wrong in ("green", "green:", f"green:{secret.upper()}", f"green:{secret}x"):
        assert _color(app, X_Bluegreen=wrong) == "blue"
    status, body = app.get("/headers", headers={"X-Bluegreen": f"blue:{secret}"})
    assert (status, secret in body) == (200, False), "no service gets the secret"
    outputs += [app.ok("switch", "--canary", "30%", GREETING="two"), app.ok("status", "--json")]
    by_cookie = {
        name: {_color(app, f"10.1.{n}.7", Cookie=f"x=1; sid.x={name}; y=2") for n in range(5)}
        for name in map(str, range(60))
    }
    assert all(len(colors) == 1 for colors in by_cookie.values()), "the cookie counts, wherever the visitor is"
    green = sum(colors == {"green"} for colors in by_cookie.values())
    assert 6 <= green <= 32, green
    assert _color(app, Cookie="sid.x=7", X_Bluegreen=f"blue:{secret}") == "blue"
    outputs += [app.ok("flip-back"), app.run("check"), app.run("runbook")]
    assert _color(app, X_Bluegreen=f"green:{secret}") == "green"
    assert not [done for done in outputs if secret in done.out + done.err]
    log = docker("logs", f"{app.name}-proxy")
    assert secret not in log
    short = app.run("check", CANARY_SECRET="tiny")  # noqa: S106 - of this test
    assert short.code == 2
    assert "8 to 200" in short.err
    assert app.run("check", CANARY_SECRET="").code == 2, "no secret is none that everybody knows"


@pytest.mark.long
def test_a_header_of_the_app_tells_visitors_apart_and_testers_may_be_off(make_project: Make) -> None:
    app = _project(make_project, "{by: {header: X-User-ID}, header: off}")
    app.ok("up")
    app.ok("switch", "--canary", "30%", GREETING="two")
    every = [f"user-{n}" for n in range(3000)]
    found = colors_of(app.port, every, header="X-User-ID")
    assert abs(100 * found.count("green") / len(every) - 30) < 4
    name = every[found.index("green")]
    assert {_color(app, f"10.2.0.{n}", X_User_ID=name) for n in range(1, 6)} == {"green"}
    assert _color(app, X_User_ID=name, X_Bluegreen="blue") == "green"


@pytest.mark.long
def test_what_a_page_asks_for_comes_from_the_color_of_the_page(make_project: Make) -> None:
    app = _project(make_project, "{pin: page}")
    app.ok("up")
    assert _page(app, "10.0.0.1")[1] is None, "nothing is set without a canary"
    app.ok("switch", "--canary", "10%", GREETING="two")
    outside = next(it for it in addresses(3000) if _grows(app, it))
    color, cookie = _page(app, outside)
    assert color == "blue"
    assert cookie
    assert re.fullmatch(r"bluegreen_page=1; Path=/; HttpOnly; SameSite=Lax", cookie)
    kept = cookie.partition(";")[0]
    app.ok("promote", "--canary", "95%")
    asset = {"Sec-Fetch-Dest": "script", "Cookie": kept}
    assert json.loads(app.get("/", headers={"X-Forwarded-For": outside, **asset})[1])["color"] == "blue"
    assert json.loads(app.get("/", headers={"X-Forwarded-For": outside, "Cookie": kept})[1])["color"] == "blue", (
        "a call"
    )
    color, cookie = _page(app, outside, Cookie=kept)
    assert (color, (cookie or "").partition(";")[0]) == ("green", "bluegreen_page=2"), "the next page is by share again"
    app.ok("promote")
    assert _color(app, outside, Cookie=kept) == "green", "without a canary there is one color for all"
    assert _page(app, outside)[1] is None


def _grows(project: Project, address: str) -> bool:
    """A visitor on blue at 10 %, and on green at 95 %: nearly everybody on blue."""
    return colors_of(project.port, [address]) == ["blue"] and address.startswith("10.")


def _page(project: Project, address: str, **headers: str) -> tuple[str, str | None]:
    connection = HTTPConnection("127.0.0.1", project.port, timeout=10)
    sent = {"X-Forwarded-For": address, "Accept": "text/html,*/*", **headers}
    connection.request("GET", "/", headers=sent)
    response = connection.getresponse()
    body = json.loads(response.read())
    cookie = response.getheader("Set-Cookie")
    connection.close()
    return str(body["color"]), cookie


@pytest.mark.long
def test_a_canary_outlives_restarts_and_up(app: Project) -> None:
    app.ok("switch", "--canary", "15%", GREETING="two")
    every = addresses(3000)
    before = colors_of(app.port, every)
    docker("restart", f"{app.name}-proxy")
    for _ in range(100):
        if app.answers():
            break
        time.sleep(0.1)
    assert colors_of(app.port, every) == before
    app.write(app.compose.replace("drain: 2s", "drain: 3s"))
    app.ok("up", GREETING="two")  # a reload with other settings
    assert colors_of(app.port, every) == before
    docker("kill", *app.containers("bluegreen.color=green"))
    app.ok("up", GREETING="two")
    assert colors_of(app.port, every) == before
    state = app.status()
    assert (state["shares"], state["drift"]) == ({"blue": 85, "green": 15}, None)
    done = app.ok("flip-back")
    assert "live is blue, release 1" in done.out
    assert _share(app) == 0
    time.sleep(1)
    assert app.status()["idle"]["standing"] == "previous"


@pytest.mark.long
def test_up_ends_a_canary_whose_release_is_gone(app: Project) -> None:
    app.ok("switch", GREETING="two")
    app.ok("switch", "--canary", "25%", GREETING="three")
    docker("rm", "-f", *app.containers("bluegreen.color=blue", "bluegreen.release=3"))
    done = app.ok("up", GREETING="two")
    assert "its visitors get green again" in done.err or "share" in done.err, done
    state = app.status()
    assert (state["shares"], state["drift"]) == ({"green": 100}, None)
    assert (state["idle"]["release"], state["flip_back"]) == (1, "bluegreen flip-back")


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "step", "moment", "share", "says"),
    [
        (("switch", "--canary", "20%"), "share", "before", 0, "it is abandoned"),
        (("switch", "--canary", "20%"), "share", "middle", None, ""),
        (("switch", "--canary", "20%"), "share", "after", 20, "80 % blue, release 1; 20 % green, release 2"),
        (("switch", "--canary", "20%"), "record", "before", 20, "80 % blue, release 1; 20 % green, release 2"),
        (("promote",), "route", "before", 20, "it is abandoned: traffic is on 80 % blue"),
        (("promote",), "route", "after", 100, "it is finished: traffic is on green"),
        (("promote",), "seal", "middle", 100, "it is finished: traffic is on green"),
        (("flip-back",), "route", "before", 20, ""),
        (("flip-back",), "route", "after", 0, ""),
    ],
)  # fmt: skip
def test_killed_at_any_step_the_share_stays_what_it_was(
    app: Project, words: tuple[str, ...], step: str, moment: str, share: int | None, says: str
) -> None:
    if words[0] != "switch":
        app.ok("switch", "--canary", "20%", GREETING="two")
    point = {"step": step, "moment": moment, "signal": "SIGKILL", "event": 1}
    with Visitors(app.port, {"get": 30}) as load:
        time.sleep(0.3)
        _, lines = app.run_killed(*words, at=point, GREETING="two")
        assert any("killed" in line for line in lines), lines
        there = app.status()["shares"].get("green", 0)
        if share is not None:
            assert there == share
        assert abs(_share(app) - there) < 3
        done = _next(app)
        assert says in done.err, done
    assert load.tally.lost == [], load.tally.why()
    state = app.status()
    assert (state["drift"], state["unfinished"]) == (None, None)


def _next(project: Project) -> Done:
    """The next command: it says what became of the one before, and ends a canary."""
    on = len(project.status()["shares"]) == 2
    return project.ok("flip-back" if on else "switch", GREETING="two")


def test_steps_go_on_by_themselves_and_ctrl_c_leaves_the_share(app: Project) -> None:
    done = app.ok("switch", "--steps", "10,50,100", "--every", "1s", GREETING="two")
    assert "Switched: live is green" in done.out
    assert app.status()["shares"] == {"green": 100}
    process = subprocess.Popen(
        [*app.command, "switch", "--steps", "10,50,100", "--every", "60s"], cwd=app.folder,
        env=app.environment({"GREETING": "three"}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _await(app, {"green": 90, "blue": 10})
    locked = app.run("flip-back")
    assert locked.code == 75
    assert "flip-back --now" in locked.err
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Stopped between two shares: 10 % of visitors on blue, release 3." in err
    assert app.status()["shares"] == {"green": 90, "blue": 10}
    app.ok("promote", "--steps", "30,60", "--every", "0s")
    assert app.status()["shares"] == {"green": 40, "blue": 60}
    process = subprocess.Popen(
        [*app.command, "promote", "--steps", "70,100", "--every", "60s"], cwd=app.folder,
        env=app.environment({"GREETING": "three"}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _await(app, {"green": 30, "blue": 70})
    app.ok("flip-back", "--now")
    assert process.wait(30) == 130
    process.communicate()
    assert app.status()["shares"] == {"green": 100}


def _await(project: Project, shares: dict[str, int]) -> None:
    end = time.monotonic() + 60
    while project.status()["shares"] != shares:
        assert time.monotonic() < end, project.status()["shares"]
        time.sleep(0.2)


@pytest.mark.long
def test_a_canary_that_becomes_unhealthy_loses_its_visitors(app: Project) -> None:
    app.ok("switch", GREETING="two")
    process = subprocess.Popen(
        [*app.command, "switch", "--steps", "10,50,100", "--every", "60s", "--json"], cwd=app.folder,
        env=app.environment({"GREETING": "three"}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _await(app, {"green": 90, "blue": 10})
    docker("pause", *app.containers("bluegreen.release=3"))
    out, err = process.communicate(timeout=90)
    assert process.returncode == 4, err
    found: dict[str, Any] = json.loads(out)
    assert (found["outcome"], found["shares"]) == ("moved-back", {"green": 100})
    assert found["error"]["code"] == "release-taken-back"
    assert "no replica of web is healthy any more" in found["error"]["failed"]
    state = app.status()
    assert (state["live"]["release"], state["idle"]["release"]) == (2, 1), "release 1 is the way back again"


def test_a_canary_that_fails_its_visitors_is_taken_back_by_its_verdict(make_project: Make) -> None:
    app = make_project(COMPOSE)
    (app.folder / "watched.py").write_text(SERVER)
    (app.folder / "shared").mkdir()
    app.ok("up")
    with Audience(app.port, 50, PATHS, people=200) as audience:
        time.sleep(6)
        done = app.run("switch", "--canary", "20%", "--watch", "40s", "--json", FAILING="0.5")
        time.sleep(1)
    assert done.code == 4, done
    found = done.json()
    assert (found["error"]["code"], found["shares"]) == ("release-taken-back", {"blue": 100})
    hurt = audience.failed()
    assert 0 < len(hurt) <= 30
    assert {it.color for it in audience.answers if it.status == 200} == {"blue", "green"}
    print(f"\n{len(hurt)} of {len(audience.answers)} requests failed; {found['error']['failed']}")


@pytest.mark.long
def test_a_canary_behind_an_edge_and_tls(make_project: Make) -> None:
    """Visitors are told apart by a cookie, which the edge never reads: it does not decrypt."""
    street = Street(make_project)
    try:
        compose = APP.replace("  drain: 2s\n", "  canary: {by: {cookie: sid}}\n  drain: 2s\n")
        shop, rest = street.app_of("shop.example.com", compose, secure="shop.example.com"), street.app_of("any")
        shop.ok("up")
        rest.ok("up", GREETING="rest")
        secure, people = trusting(shop), [f"visitor-{number}" for number in range(120)]

        def colors() -> list[str]:
            found = [street.ask("shop.example.com", "/", {"Cookie": f"sid={name}"}, secure) for name in people]
            assert {status for status, _ in found} == {200}
            return [body["color"] for _, body in found]

        with Load(street.tls, {"get": 10, "fresh": 5}, host="shop.example.com", tls=secure) as load:
            before = {"blue"}
            for words, share in (("switch", 20), ("promote", 60), ("promote", 100)):
                shop.ok(words, *(["--canary", f"{share}%"] if share < 100 else []), GREETING="two")
                found = colors()
                assert colors() == found, "who has a color keeps it"
                green = {name for name, color in zip(people, found, strict=True) if color == "green"}
                assert before - {"blue"} <= green, "nobody goes back"
                assert abs(len(green) - 1.2 * share) <= 24
                before = green | {"blue"}
                assert street.ask("rest.example.com")[1]["greeting"] == "rest"
            load.seen("green")
        assert load.tally.lost == [], load.tally.why()
        print(f"\n{len(load.tally.answers)} answers over TLS through an edge, none lost")
    finally:
        street.clean()


@pytest.mark.long
def test_with_failover_only_visitors_of_the_canary_get_the_other_release(make_project: Make) -> None:
    app = _project(make_project)
    app.write(app.compose.replace("  drain: 2s\n", "  drain: 2s\n  failover: true\n"))
    app.ok("up")
    app.ok("switch", "--canary", "30%", GREETING="two")
    mine, other = _visitor(app, "green"), _visitor(app, "blue")
    docker("kill", *app.containers("bluegreen.color=green"))
    assert {_color(app, mine) for _ in range(5)} == {"blue"}, "its visitors get the earlier release"
    app.ok("up", GREETING="two")
    assert _color(app, mine) == "green"
    docker("kill", *app.containers("bluegreen.color=blue"))
    status, _ = app.get("/", headers={"X-Forwarded-For": other})
    assert status in (502, 503, 504), "nobody else gets the release of the canary"
    assert _color(app, mine) == "green"


@pytest.mark.long
def test_a_web_socket_stays_where_it_is_while_a_share_grows(shop: Project) -> None:
    shop.ok("up")
    with Load(shop.port, {"socket": 20}) as load:
        time.sleep(1)
        shop.ok("switch", "--force", "--canary", "50%")
        time.sleep(1)
        shop.ok("promote")
        time.sleep(6)
    assert load.tally.lost == [], load.tally.why()
    load.seen("green", 0)
    print(f"\n{len(load.tally.answers)} WebSockets of 5 s, none cut")
