"""A canary: which visitors a share has, what is planned, and each verb cut off at each call."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bluegreen.cli.arguments import Share, Shares
from bluegreen.domain.app import Canary, Migration, Task
from bluegreen.domain.record import gone_back_from
from bluegreen.errors import BluegreenError
from bluegreen.flow import canary
from bluegreen.flow.observe import observe
from bluegreen.frontdoor import control, route
from bluegreen.frontdoor import render as config
from bluegreen.plans.canary import plan_promote, with_control
from bluegreen.plans.differences import drift
from bluegreen.plans.flip_back import plan_flip_back
from bluegreen.plans.give_up import plan_give_up
from bluegreen.plans.plan import Plan
from bluegreen.plans.release import plan_release
from bluegreen.plans.repair import plan_repair
from bluegreen.settings.parse import InvalidSettings, parse_settings
from bluegreen.shipped import shipped
from tests.fakes.app import App, Cut
from tests.unit.agreed import PLAIN
from tests.unit.worlds import WISH, routing, slot, world

BUCKETS = [str(number) for number in range(100)]


# -- who is in a share


@pytest.mark.parametrize("color", ["blue", "green"])
def test_the_buckets_of_a_share_are_among_those_of_a_larger_one(color: str) -> None:
    before: set[str] = set()
    for percent in range(1, 101):
        found = route._visitors(color, percent)
        mine = found[color] & set(BUCKETS)
        assert len(mine) == percent
        assert mine | (found[route.OTHER[color]] & set(BUCKETS)) == set(BUCKETS), "everybody is named"
        assert not found[color] & found[route.OTHER[color]], "nobody is named twice"
        assert before < mine
        before = mine


def test_a_share_is_a_folder_that_is_complete_before_the_link_leads_to_it(tmp_path: Path) -> None:
    nginx = str(tmp_path)
    route.turn(nginx, "blue")
    assert (route.read(nginx), route.share(nginx)) == ("blue", None)
    route.turn(nginx, "green", 5)
    assert os.readlink(tmp_path / "route" / "live") == "share-green-05"
    assert (route.read(nginx), route.share(nginx)) == ("blue", ("green", 5))
    live = tmp_path / "route" / "live"
    assert set(os.listdir(live / "green")) == {"0", "1", "2", "3", "4", "asked-green", "known-green"}
    assert len(os.listdir(live / "blue")) == 97
    (live / "green" / "77").touch()  # by hand
    (live / "blue" / "50").unlink()
    route.keep(nginx, "blue")
    assert route.share(nginx) == ("green", 5)
    assert not (live / "green" / "77").exists()
    assert (live / "blue" / "50").exists()
    route.turn(nginx, "green", 10)
    route.tidy(nginx)
    assert sorted(it for it in os.listdir(tmp_path / "route") if it.startswith("share")) == ["share-green-10"]
    route.keep(nginx, "green")  # a file whose default is green: the share is of another time
    assert (route.read(nginx), route.share(nginx)) == ("green", None)
    route.tidy(nginx)
    assert not [it for it in os.listdir(tmp_path / "route") if it.startswith("share")]


@pytest.mark.parametrize(
    "name", ["share-green-5", "share-green-00", "share-red-05", "share-green-0x", "share", "x-green-05"]
)
def test_a_folder_of_another_name_is_no_share(tmp_path: Path, name: str) -> None:
    (tmp_path / "route" / name).mkdir(parents=True)
    (tmp_path / "route" / "live").symlink_to(name)
    assert (route.read(str(tmp_path)), route.share(str(tmp_path))) == (None, None)


@pytest.mark.parametrize("percent", range(100))
def test_nginx_is_asked_for_the_share_bucket_by_bucket(monkeypatch: pytest.MonkeyPatch, percent: int) -> None:
    asked: list[str] = []

    def get(_: str, target: str, *__: Any) -> tuple[int, dict[str, str], bytes]:
        asked.append(target)
        if target == "/state":
            first = "green" if percent else "blue"
            text = f'{{"app":"shop","generation":3,"live":"blue","first":"{first}","nginx":"1.30.6","worker":7}}'
            return 200, {}, text.encode()
        return 200, {}, b"green" if int(target.removeprefix("/bucket/")) < percent else b"blue"

    monkeypatch.setattr(control, "get", get)
    found = control.ask("run")
    assert found is not None
    assert found["canary"] == percent
    assert len(asked) == 1 if percent == 0 else len(asked) <= 8


# -- what is rendered


def _rendered(it: Canary) -> str:
    both = routing("blue", blue=slot("blue", 7), green=slot("green", 6))
    return config.render(both, replace(PLAIN, canary=it), shipped("nginx"))


def test_each_listener_makes_one_test_of_the_route_as_before() -> None:
    servers = _rendered(Canary()).partition("# Public traffic.")[2]
    assert servers.count("if (-e /etc/bluegreen/route/live/green/$bg_visitor)") == 1
    assert servers.count("if (-e /etc/bluegreen/route/live/green/99)") == 1, "preview"
    assert "/route/live/blue/" not in servers
    off = _rendered(Canary(header=""))
    assert "if (-e /etc/bluegreen/route/live/green/$bg_bucket)" in off
    assert "bg_visitor" not in off
    assert "Set-Cookie" not in off


def test_a_secret_is_compared_letter_by_letter_and_goes_to_no_service() -> None:
    text = _rendered(Canary(secret="a.b+c-12"))  # noqa: S106 - of this test
    assert '"~^green:a\\\\.b\\\\+c\\\\-12$" known-green;' in text
    assert "green asked-green;" not in text
    assert "proxy_set_header X-Bluegreen $bg_asks;" in text
    assert "a.b+c-12" not in repr(Canary(secret="a.b+c-12"))  # noqa: S106 - the same


def test_a_cookie_of_the_app_is_read_by_its_very_name() -> None:
    text = _rendered(Canary("cookie", "connect.sid"))
    assert '"~(?:^|;)[ ]*connect\\\\.sid=(?<bg_of_cookie>[^;]+)" $bg_of_cookie;' in text
    assert "split_clients $bg_who $bg_bucket" in text


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        ({}, Canary()),
        ({"by": "address", "header": "off"}, Canary(header="")),
        ({"header": False}, Canary(header="")),
        ({"by": {"cookie": "sid.x"}, "pin": "page"}, Canary("cookie", "sid.x", pin=True)),
        ({"by": {"header": "X-User"}, "cookie": "color"}, Canary("header", "X-User", cookie="color")),
        ({"secret": "12345678"}, Canary(secret="12345678")),  # noqa: S106 - of this test
    ],
)  # fmt: skip
def test_the_block(block: dict[str, Any], wanted: Canary) -> None:
    assert parse_settings({"service": "web", "port": 80, "canary": block}, ["web"]).canary == wanted


@pytest.mark.parametrize(
    "block",
    [
        {"by": "cookie"}, {"by": {}}, {"by": {"cookie": "a", "header": "b"}}, {"by": {"cookie": "a b"}},
        {"by": {"heade": "X"}},
        {"header": "X Y"}, {"header": ""}, {"secret": ""}, {"secret": "short"},
        {"secret": 'has "quotes"'}, {"pin": "session"}, {"cookie": "a-b"},
    ],
)  # fmt: skip
def test_a_block_that_is_refused(block: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings) as error:
        parse_settings({"service": "web", "port": 80, "canary": block}, ["web"])
    assert "canary" in error.value.problems[0].path


@pytest.mark.parametrize(
    ("typed", "share"), [("5%", 5), ("5", 5), ("99", 99), ("100", 0), ("0", 0), ("5.5", 0), ("x", 0)]
)
def test_a_share_as_it_is_typed(typed: str, share: int) -> None:
    if share:
        assert Share().convert(typed, None, None) == share
    else:
        with pytest.raises(Exception, match="is not a share from 1% to 99%"):
            Share().convert(typed, None, None)


@pytest.mark.parametrize(
    ("typed", "shares"),
    [
        ("1,5,25,100", (1, 5, 25, 100)), ("10%, 50%", (10, 50)), ("100", (100,)), ("5,5", ()), ("25,5", ()),
        ("0,5", ()), ("5,101", ()), ("", ()),
    ],
)  # fmt: skip
def test_shares_as_they_are_typed(typed: str, shares: tuple[int, ...]) -> None:
    if shares:
        assert Shares().convert(typed, None, None) == shares
    else:
        with pytest.raises(Exception, match="growing shares"):
            Shares().convert(typed, None, None)


# -- what is planned


def _on(share: int = 5) -> Any:
    """Blue live with release 7; release 8 on green has a share."""
    there = routing("blue", "prepared", blue=slot("blue", 7), green=slot("green", 8))
    base = world()
    assert base.answer
    replicas = tuple(replace(it, release=8) if it.color == "green" else it for it in base.replicas)
    return replace(
        base, intended=replace(there, canary=share), answer=replace(base.answer, canary=share), replicas=replicas
    )


def _names(plan: Plan, phase: str) -> list[str]:
    return [step.name for step in plan.steps if step.phase == phase]


def test_a_canary_ends_after_its_last_share_and_settles_nothing() -> None:
    plan = plan_release("switch", world(), replace(WISH, shares=(5,), watch=60.0))
    assert _names(plan, "cutover") == ["share", "confirm", "verdict"]
    assert _names(plan, "watch") == []
    assert _names(plan, "settle") == ["record"]


def test_steps_go_through_every_share_and_end_as_a_switch() -> None:
    wish = replace(WISH, shares=(1, 25, 100), every=300.0, watch=60.0)
    plan = plan_release("switch", world(), wish)
    assert _names(plan, "cutover") == ["share", "confirm", "verdict"] * 2 + ["route", "confirm"]
    assert _names(plan, "watch") == ["watch"]
    assert {"seal", "jobs", "drain", "record", "prune"} <= set(_names(plan, "settle"))
    causes = [step.cause for step in plan.steps if step.name == "verdict"]
    assert all(words.startswith("300 s of real traffic") for words in causes)


def test_some_visitors_stay_until_the_verdict_and_nobody_has_to_promote() -> None:
    asked = replace(WISH, control=5, watch=60.0)
    wish = with_control("switch", world(), asked, reversible=True)
    assert (wish.shares, wish.every, wish.watch) == ((95, 100), 60.0, 0.0)
    plan = plan_release("switch", world(), wish)
    assert _names(plan, "cutover") == ["share", "confirm", "verdict", "route", "confirm"]
    assert {"seal", "jobs", "drain", "record", "prune"} <= set(_names(plan, "settle"))
    causes = [step.cause for step in plan.steps if step.name in ("share", "verdict")]
    assert causes[0] == "one rename sends 95 % of visitors to green"
    assert causes[1].startswith("60 s of real traffic, beside 5 % who stay: if ")


@pytest.mark.parametrize(
    ("verb", "changed", "there", "reversible"),
    [
        ("prepare", {}, world(), True), ("promote", {}, world(), True), ("switch", {"watch": 0.0}, world(), True),
        ("switch", {}, world(), False), ("switch", {}, world(live=None), True),
        ("switch", {"shares": (5,)}, world(), True), ("switch", {"control": 0}, world(), True),
    ],
)  # fmt: skip
def test_nobody_is_kept_without_need(verb: str, changed: dict[str, Any], there: Any, reversible: bool) -> None:
    asked = replace(WISH, **{"control": 5, "watch": 60.0, **changed})
    assert with_control(verb, there, asked, reversible) == replace(asked, control=0)


def test_a_canary_is_no_drift_and_is_in_the_way_of_releases() -> None:
    on = _on()
    assert drift(on) == ""
    assert on.shares == {"blue": 95, "green": 5}
    assert on.traffic() == "95 % blue, release 7; 5 % green, release 8 (unchanged)"
    assert "nginx sends 5 % of visitors to green, the route says 7 %" in drift(
        replace(on, intended=replace(on.intended, canary=7))
    )
    acts: list[Callable[[], Plan]] = [
        lambda: plan_release("switch", on, WISH),
        lambda: plan_release("prepare", on, WISH),
        lambda: plan_give_up(on),
    ]
    for act in acts:
        with pytest.raises(BluegreenError, match="A canary is on: 5 % of visitors on green, release 8") as error:
            act()
        assert error.value.code == "canary-on"


def test_promote_ends_it_and_only_larger_shares_are_taken() -> None:
    plan = plan_promote(_on(), WISH)
    assert _names(plan, "prepare") == ["health"]
    assert _names(plan, "cutover") == ["route", "confirm"]
    assert (plan.target, plan.release) == ("green", 8)
    assert _names(plan_promote(_on(), replace(WISH, shares=(25,))), "settle") == ["record"]
    with pytest.raises(BluegreenError) as smaller:
        plan_promote(_on(), replace(WISH, shares=(5, 100)))
    assert smaller.value.code == "smaller-share"
    with pytest.raises(BluegreenError) as none:
        plan_promote(world(), WISH)
    assert none.value.code == "no-canary"


def test_flip_back_takes_the_share_and_asks_nobody_first() -> None:
    plan = plan_flip_back(_on(), force=False)
    assert (plan.target, plan.release) == ("blue", 7)
    assert [step.name for step in plan.steps] == ["route", "confirm", "seal", "jobs", "record"]


def test_up_takes_a_share_away_only_when_nobody_can_answer_it() -> None:
    assert "share" not in _names(plan_repair(_on(), WISH, False), "prepare")
    on = _on()
    stopped = replace(
        on, replicas=tuple(replace(it, state="exited") if it.color == "green" else it for it in on.replicas)
    )
    assert "warm" in _names(plan_repair(stopped, WISH, False), "prepare")
    gone = replace(on, replicas=tuple(it for it in on.replicas if (it.color, it.number) != ("green", 1)))
    names = _names(plan_repair(gone, WISH, False), "prepare")
    assert "share" in names
    assert "clear" not in names[: names.index("share")], "first its visitors"


# -- what is done


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """Release 2 is live on green, release 1 the way back; the next one is another."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return _arranged(tmp_path)


def _arranged(folder: Path) -> App:
    found = App(folder / "state")
    found.run("up")
    found.content = "two"
    assert _done(found, "switch").outcome == "switched"
    found.content = "three"
    return found


def _done(app: App, verb: str, *shares: int) -> Any:
    app.shares = shares
    done = app.run(verb)
    assert done is not None
    return done


def _share(app: App) -> int:
    answer = app.machine.answer()
    assert answer is not None
    return answer.canary if answer.live == "green" else 100 - answer.canary


def _clean(app: App, where: str = "") -> None:
    """nginx, file and route agree, jobs run in one color, nothing is left over."""
    tools = app.tools(Cut())
    seen = observe(tools)
    assert drift(seen) == "", where
    assert tools.journal.operations.unfinished() is None, where
    jobs = {it.color for it in app.machine.replicas.values() if it.role == "job" and it.running}
    assert jobs == {seen.live}, where
    kept = {seen.intended.aside.release} if seen.intended and seen.intended.aside else set()
    assert {it.release for it in app.machine.replicas.values() if it.place == "aside"} == kept, where


def test_the_life_of_a_canary(app: App) -> None:
    done = _done(app, "switch", 5)
    assert (done.outcome, done.shares) == ("canary", {"green": 95, "blue": 5})
    assert done.message == "5 % of visitors on blue, release 3; next: bluegreen promote | bluegreen flip-back"
    assert _share(app) == 5
    _clean(app)
    for verb in ("switch", "prepare", "give-up"):
        with pytest.raises(BluegreenError, match="A canary is on"):
            app.run(verb)
    assert _done(app, "up").error is None
    assert _share(app) == 5
    assert _done(app, "promote", 25, 60).outcome == "canary"
    assert _share(app) == 60
    done = _done(app, "promote")
    assert (done.outcome, done.live["release"], done.previous["release"]) == ("switched", 3, 2)
    _clean(app)
    assert _done(app, "flip-back").live["release"] == 2
    _clean(app)


def test_going_back_marks_the_release_and_the_next_one_takes_its_place(app: App) -> None:
    _done(app, "switch", 30)
    done = _done(app, "flip-back")
    assert (done.outcome, done.live["release"], done.previous["release"]) == ("flipped-back", 2, 3)
    _clean(app)
    assert gone_back_from(app.tools(Cut()).journal.operations.moves()) == {3}
    app.content = "four"
    assert _done(app, "switch").live["release"] == 4
    _clean(app)


def test_steps_in_one_command(app: App) -> None:
    done = _done(app, "switch", 1, 5, 25, 100)
    assert done.outcome == "switched"
    shown = [it.detail for it in done.steps if it.step.name in ("share", "route")]
    assert shown == [
        "1 % of visitors to blue",
        "5 % of visitors to blue",
        "25 % of visitors to blue",
        "renamed to blue",
    ]
    _clean(app)


def test_a_signal_between_two_shares_leaves_the_share(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    really = canary.refuse_unhealthy

    def looked(it: Any, share: int) -> None:
        really(it, share)
        if share == 5:
            it.tools.signals._note(signal.SIGINT, None)

    monkeypatch.setattr(canary, "refuse_unhealthy", looked)
    done = _done(app, "switch", 1, 5, 25, 100)
    assert (done.error.code, done.error.exit_code, _share(app)) == ("canary-stopped", 130, 5)
    assert done.error.traffic == "95 % green, release 2; 5 % blue, release 3 (as the canary has it)"
    _clean(app)


@pytest.mark.parametrize("verb", ["switch", "promote"])
def test_a_release_that_is_not_healthy_with_its_share_loses_all_visitors(
    app: App, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    if verb == "promote":
        _done(app, "switch", 5)
    really = canary.refuse_unhealthy

    def looked(it: Any, share: int) -> None:
        app.machine.sick.update({"3"} if share == 25 else ())
        really(it, share)

    monkeypatch.setattr(canary, "refuse_unhealthy", looked)
    done = _done(app, verb, 10, 25, 100)
    assert (done.outcome, done.error.exit_code, _share(app)) == ("moved-back", 4, 0)
    assert "is not healthy with 25 % of visitors" in done.error.failed
    _clean(app)
    assert done.previous["release"] == 1, "what was set aside for it is the way back again"


def test_a_promote_that_nginx_does_not_follow_leaves_the_share(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    _done(app, "switch", 5)
    files = type(app.machine.files)
    really = files.turn

    def stubborn(self: Any, color: Any, percent: int = 100, keep: bool = False) -> None:
        really(self, "blue", 5, keep) if percent == 100 else really(self, color, percent, keep)

    monkeypatch.setattr(files, "turn", stubborn)
    done = _done(app, "promote")
    assert (done.outcome, done.error.exit_code, _share(app)) == ("moved-back", 4, 5)
    assert "except for the canary's 5 %" in done.error.summary


def test_a_migration_that_cannot_be_lived_with_is_no_canary(app: App) -> None:
    stack = app.stack()
    irreversible = replace(stack.settings, migrate=Migration(Task(service="web"), reversible=False))
    with pytest.raises(BluegreenError) as error:
        canary.refuse_irreversible(replace(stack, settings=irreversible), replace(WISH, shares=(5,)))
    assert error.value.code == "migration-not-reversible"
    canary.refuse_irreversible(replace(stack, settings=irreversible), WISH)


@pytest.mark.whole
@pytest.mark.parametrize("verb", ["switch", "promote", "flip-back"])
def test_killed_at_any_call_the_share_is_one_of_two_and_the_next_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before, after = {"switch": (0, 20), "promote": (20, 100), "flip-back": (20, 0)}[verb]

    def arranged(name: str) -> App:
        app = _arranged(tmp_path / name)
        if verb != "switch":
            _done(app, "switch", 20)
        app.shares = (20,) if verb == "switch" else ()
        return app

    cut = Cut()
    arranged("calls").run(verb, cut)
    shares = []
    for number in range(1, cut.calls + 1):
        app, where = arranged(str(number)), f"{verb}, after call {number}: {cut.log[number - 1]}"
        assert app.run(verb, Cut(number, after=True)) is None, where
        shares.append(_share(app))
        assert app.machine.served() == [], where
        app.shares = ()
        done = app.run("flip-back" if 0 < shares[-1] < 100 else "up")
        assert done is not None
        assert done.error is None, (where, done.error)
        assert _share(app) == (100 if shares[-1] == 100 else 0), where
        up = app.run("up")
        assert up is not None
        assert up.error is None, (where, up.error)
        _clean(app, where)
    assert [it for it, _ in itertools.groupby(shares)] == [before, after], "it moves once, and never goes back"


def test_a_switch_that_is_refused_says_what_became_of_the_one_that_was_killed(app: App) -> None:
    app.shares = (20,)
    cut = Cut()
    calls = _calls_until(app, "FakeDoor.turn", cut)
    app.shares = (20,)
    assert app.run("switch", Cut(calls, after=True)) is None
    with pytest.raises(BluegreenError, match="A canary is on"):
        app.run("switch")
    assert any("traffic had moved, so it is finished" in words for words in app.shown.notices)
    assert any("80 % green, release 2; 20 % blue" in words for words in app.shown.notices)


def _calls_until(app: App, call: str, cut: Cut) -> int:
    """How many calls a switch makes up to this one; the app is as before then."""
    other = _arranged(app.state.parent / "other")
    other.shares = (20,)
    other.run("switch", cut)
    return cut.log.index(call) + 1
