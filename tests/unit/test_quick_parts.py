"""The quick way back: what others may read of it meanwhile, what it leaves alone; and where an app's state is."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.cli import claim, quick, where
from bluegreen.cli.app import App
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import control, route, seal, text
from bluegreen.places.docker import proxies
from bluegreen.places.docker.proxies import Proxy
from bluegreen.state import database, folder, holder
from tests.fakes.site import Site, Tell, site, told


@pytest.fixture(scope="module")
def machine() -> Iterator[Site]:
    """Two releases without a job; nginx's master can be signalled."""
    with pytest.MonkeyPatch.context() as patch, site(patch) as it:
        del it.document["x-bluegreen"]["jobs"]
        it.document["services"]["worker"]["profiles"] = ["never"]
        assert it.run("up", "--progress", "none") == 0
        it.release("shop:2")
        it.document["services"]["worker"]["image"] = "shop:1"
        assert it.run("switch", "--progress", "none") == 0

        def hup(_: str) -> bool:
            assert it.nginx is not None
            it.nginx.reload()
            return True

        patch.setattr(seal, "hup_master", hup)
        yield it


@pytest.mark.whole
def test_others_can_read_how_far_it_is_and_nothing_of_it_is_left(
    machine: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, str, str]] = []
    step = quick.Quick._step

    def look(it: Any, phase: str, name: str, action: Any) -> str:
        held = holder.read(str(machine.state)) or {}
        seen.append((name, held["phase"], held["verb"]))
        assert (held["pid"], holder.take(str(machine.state))) == (os.getpid(), None)
        return step(it, phase, name, action)

    closed: list[int] = []
    close = database.Database.close

    def note(it: database.Database) -> None:
        closed.append(1)
        close(it)

    monkeypatch.setattr(database.Database, "close", note)
    monkeypatch.setattr(quick.Quick, "_step", look)
    live = machine.nginx.live if machine.nginx else None
    assert machine.run("flip-back") == 0
    assert seen == [
        ("health", "prepare", "flip-back"), ("route", "cutover", "flip-back"), ("confirm", "cutover", "flip-back"),
        ("seal", "settle", "flip-back"), ("record", "settle", "flip-back"),
    ]  # fmt: skip
    assert holder.read(str(machine.state)) is None
    said = capsys.readouterr()
    assert [line.split()[1] for line in said.err.splitlines()[1:]] == [name for name, _, _ in seen]
    assert said.err.splitlines()[0].startswith("flip-back to ")
    assert machine.nginx is not None
    assert machine.nginx.live != live
    assert closed, "the journal is closed, not left to the end of the process"
    rows = sqlite3.connect(machine.state / "journal.db").execute("select verb, outcome from operations").fetchall()
    assert rows[-1] == ("flip-back", "flipped-back")


@pytest.mark.parametrize(
    ("live", "words"),
    [
        ("green", None),
        ("blue", "nginx answers blue"),
        (None, "nginx answers no color"),
        ("silent", "nginx answers nothing"),
    ],
)
def test_traffic_has_moved_when_nginx_says_so(
    monkeypatch: pytest.MonkeyPatch, live: str | None, words: str | None
) -> None:
    asked: list[str] = []

    def ask(sockets: str) -> Any:
        asked.append(sockets)
        return None if live == "silent" else {"live": live}

    monkeypatch.setattr(control, "ask", ask)
    it: Any = SimpleNamespace(sockets="/run", target="green", instead="")
    found = quick.Quick.confirm(it)
    if words is None:
        assert (found, asked, it.instead) == ("nginx answers green", ["/run"], "")
    else:
        assert (found, len(asked)) == ("", quick.CONFIRM_TRIES)
        assert it.instead.startswith(words)


SLOT: dict[str, Any] = {"release": 1, "jobs": [], "migrated": False}


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({}, False), ({"hooks": ["after_flip_back"]}, True), ({"failover": True}, True),
        ({"slots": {"blue": SLOT | {"jobs": ["w"]}, "green": SLOT}}, True),
        ({"slots": {"blue": SLOT, "green": SLOT | {"jobs": ["w"]}}}, True),
        ({"ready": {"blue": SLOT, "green": SLOT | {"release": 2}}}, True),
    ],
)  # fmt: skip
def test_what_has_more_to_do_than_to_settle_is_for_the_full_story(
    tmp_path: Path, changed: dict[str, Any], more: bool
) -> None:
    routing = {"slots": {"blue": SLOT, "green": SLOT}, "hooks": [], "failover": False, **changed}
    ready = routing.pop("ready", routing["slots"])  # what its text says of the two colors
    it: Any = SimpleNamespace(
        routing=routing, slot=routing["slots"]["green"], live="blue", target="green", nginx=str(tmp_path)
    )
    assert quick._more_to_do(it) is True, "its text does not lie ready"
    (tmp_path / "live-green.conf").touch()
    assert quick._more_to_do(it) is True, "its text is nobody's"
    (tmp_path / "live-green.conf").write_text(f"{text.HEADER}{json.dumps({'slots': ready})}\n")
    assert quick._more_to_do(it) is more


def test_what_has_to_be_known_of_a_migration_and_of_a_signal() -> None:
    left, slot = SLOT | {"release": 2, "migrated": True}, SLOT
    assert len(quick._of_migration(left, slot)) == 1
    assert quick._of_migration(left | {"migrated": False}, slot) == []
    assert quick._of_migration(left | {"release": 1}, slot | {"release": 2}) == [], "forward again"
    assert ["SIGTERM" in words for words in quick._of_signal("SIGTERM")] == [True]
    assert quick._of_signal(None) == []


@pytest.mark.parametrize(
    ("files", "name", "shown"),
    [([], None, "bluegreen"), (["a b.yaml", "c"], None, "bluegreen -f 'a b.yaml' -f c"), ([], "x", "bluegreen -p x")],
)
def test_the_command_is_shown_as_it_has_to_be_typed(files: list[str], name: str | None, shown: str) -> None:
    it: Any = SimpleNamespace(typed=SimpleNamespace(files=files, name=name))
    assert quick.Quick.command(it) == shown


def test_an_operation_that_was_killed_or_is_at_work_is_for_the_full_story(tmp_path: Path) -> None:
    first = quick._lock(str(tmp_path))
    assert first is not None
    found = holder.read(str(tmp_path)) or {}
    assert (found["verb"], found["phase"]) == ("flip-back", "prepare")
    assert quick._lock(str(tmp_path)) is None, "it is held"
    os.close(first)
    assert quick._lock(str(tmp_path)) is None, "who held it has not said that it ended"
    (tmp_path / "lock").write_text("")
    second = quick._lock(str(tmp_path))
    assert second is not None
    os.close(second)
    assert quick._lock(str(tmp_path / "none")) is None


def test_a_route_that_may_have_been_renamed_is_gone_on_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    turned: list[str] = []

    def refuse(*given: str) -> None:
        turned.append(given[1])
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(route, "turn", refuse)
    lock = quick._lock(str(tmp_path))
    it: Any = SimpleNamespace(nginx="/x", target="green", since="", state=str(tmp_path), lock=lock)
    for named, moved in (("green", True), ("blue", False)):
        monkeypatch.setattr(route, "read", lambda _, named=named: named)
        if moved:
            assert quick.Quick._turn(it) == "renamed to green"
        else:
            with pytest.raises(quick._Unusual):
                quick.Quick._turn(it)
    assert it.since
    turned.clear()
    (tmp_path / "lock").unlink()
    with pytest.raises(quick._Unusual):
        quick.Quick._turn(it)
    assert turned == [], "without the lock nothing moves"
    os.close(it.lock)


def test_the_first_replica_that_is_sick_is_enough(machine: Site, tell_again: Tell) -> None:
    live = machine.nginx.live if machine.nginx else None
    number = 1 if live == "green" else 2
    machine.sick.add(number)
    try:
        code, found = tell_again("flip-back")
    finally:
        machine.sick.clear()
    assert (code, found["outcome"]) == (1, "failed")
    assert machine.nginx is not None
    assert machine.nginx.live == live


@pytest.fixture
def tell_again(machine: Site, capsys: pytest.CaptureFixture[str]) -> Tell:
    return lambda *words: told(lambda: machine.run(*words, "--json"), capsys)


# -- where an app is


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Proxy]:
    """What the Engine says of proxies; nobody's state is known."""
    found: list[Proxy] = []
    monkeypatch.setattr(folder, "homes", lambda _: [str(tmp_path / "states")])
    monkeypatch.setattr(proxies, "proxies", lambda: found)
    return found


def _file(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "compose.yaml").touch()
    return place


def _broken() -> str:
    raise BluegreenError("The file is broken.")


def test_a_broken_file_is_helped_by_the_label_of_the_one_proxy_of_its_folder(
    tmp_path: Path, labelled: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = _file(tmp_path / "here"), _file(tmp_path / "there")
    monkeypatch.chdir(here)
    with pytest.raises(BluegreenError, match="broken"):
        where.of_file(_broken, Options(), {})
    labelled += [
        Proxy("shop", "/states/shop", str(here)),
        Proxy("other", "/states/other", str(there)),
        Proxy("x", "", str(here)),
    ]
    assert where.of_file(_broken, Options(), {}) == Path("/states/shop")
    assert where.of_file(_broken, Options(files=(str(there / "compose.yaml"),)), {}) == Path("/states/other")
    assert where.of_file(_broken, Options(project_directory=str(there)), {}) == Path("/states/other")
    labelled.append(Proxy("second", "/states/second", str(here)))
    with pytest.raises(BluegreenError, match="broken"):
        where.of_file(_broken, Options(), {})  # two apps of one folder: nobody knows which


def test_the_folder_of_an_app_is_the_one_that_its_proxy_names(labelled: list[Proxy]) -> None:
    labelled += [
        Proxy("other", "/s/other", "/srv/other"),
        Proxy("shop", "/s/shop", ""),
        Proxy("shop", "/s/shop", "/srv/shop"),
    ]
    assert (where.project("shop"), where.project("none")) == ("/srv/shop", None)


def test_a_record_that_is_broken_does_not_make_an_app_anybodys(
    tmp_path: Path, labelled: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(where.STATE_VARIABLE, raising=False)
    (tmp_path / "state").mkdir()
    app = App(Options())
    app.__dict__.update(state=tmp_path / "state", routing=SimpleNamespace(app="shop"))
    labelled.append(Proxy("shop", "/s", "/srv/shop"))
    assert claim.elsewhere(app, "/srv/other") == "/srv/shop"
    assert claim.elsewhere(app, "/srv/shop") is None
    folder.write(str(tmp_path / "state"), "shop", str(tmp_path), [])
    assert claim.elsewhere(app, "/srv/shop") == str(tmp_path), "the record counts more than the label"
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert claim.elsewhere(app, str(link)) is None
    labelled.clear()
    (tmp_path / "state" / "project.json").unlink()
    assert claim.elsewhere(app, "/srv/other") is None, "nothing is recorded"
    app.state_folder = tmp_path
    labelled.append(Proxy("shop", "/s", "/srv/shop"))
    assert claim.elsewhere(app, "/srv/other") is None, "a state that was named is nobody's"


def test_the_state_of_before_lies_beside_the_compose_file_or_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, below = tmp_path / "a", tmp_path / "a" / "b"
    (above / ".bluegreen" / "nginx").mkdir(parents=True)
    below.mkdir()
    monkeypatch.chdir(below)
    assert where.before(Options(), {}) == above / ".bluegreen"
    assert where.before(Options(project_directory=str(tmp_path)), {}) is None
    _file(below)
    assert where.before(Options(), {}) is None, "this is a project of its own"
    (below / ".bluegreen" / "nginx").mkdir(parents=True)
    assert where.before(Options(), {}) == below / ".bluegreen"


def test_a_file_in_the_place_of_the_sockets_gets_no_short_name(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    (long / "run").touch()
    assert where.short(long / "run") == long / "run"


def test_compose_is_remembered_beside_the_state(machine: Site) -> None:
    program = machine.folder / "cli-plugins" / "docker-compose"
    program.parent.mkdir()
    program.touch()
    assert machine.run("up", "--progress", "none") == 0
    note = machine.state / "compose.json"
    assert json.loads(note.read_text())["version"] == [2, 30, 1]
    before = len([line for line in machine.asked_of_compose if "version" in line])
    assert machine.run("up", "--progress", "none") == 0
    assert len([line for line in machine.asked_of_compose if "version" in line]) == before, "asked no more"
