"""Somebody else's Compose file or state folder, where this user or root happens to stand."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.state import owners
from tests.fakes.site import Site, Tell
from tests.support.machine import ROOT as HERE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
EVE, ANN = 4321, 4322


@pytest.fixture(autouse=True)
def nobody_typed_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_UID", owners.VARIABLE):
        monkeypatch.delenv(name, raising=False)


def _give(*paths: Path, to: int = EVE) -> None:
    for path in paths:
        os.chown(path, to, to, follow_symlinks=False)


def _folder(it: Site) -> None:
    _give(it.project)


def _file(it: Site) -> None:
    _give(it.project / "compose.yaml")


def _override(it: Site) -> None:
    (it.project / "compose.override.yaml").write_text("services: {}\n")
    _give(it.project / "compose.override.yaml")


def _variables(it: Site) -> None:
    (it.project / ".env").write_text("TAG=evil\n")
    _give(it.project / ".env")


def _link(it: Site) -> None:
    (it.project / "compose.yaml").rename(it.folder / "real.yaml")
    (it.project / "compose.yaml").symlink_to(it.folder / "real.yaml")
    _give(it.project / "compose.yaml")


def _behind_a_link(it: Site) -> None:
    (it.project / "compose.yaml").rename(it.folder / "real.yaml")
    (it.project / "compose.yaml").symlink_to(it.folder / "real.yaml")
    _give(it.folder / "real.yaml")


def _above(it: Site) -> None:
    """In a folder of root's, in one of Eve's: she may put another one in its place."""
    inner = it.project / "inner"
    inner.mkdir()
    shutil.move(it.project / "compose.yaml", inner)
    _give(it.project)
    os.chdir(inner)


def _found_above(it: Site) -> None:
    """Where root stands is root's; Compose looks above it."""
    inner = it.project / "inner"
    inner.mkdir()
    _give(it.project / "compose.yaml")
    os.chdir(inner)


THEIRS: dict[str, Callable[[Site], None]] = {
    "the folder": _folder, "the file": _file, "an override": _override, "its .env": _variables, "a link": _link,
    "what a link leads to": _behind_a_link, "a folder above": _above, "found above": _found_above,
}  # fmt: skip
VERBS = (["up"], ["check"], ["switch"], ["up", "--dry-run"], ["init"], ["rehearse"], ["prepare"], ["status"])


@pytest.mark.parametrize("kind", THEIRS)
def test_what_somebody_else_may_write_is_not_acted_upon(shop: Site, tell: Tell, kind: str) -> None:
    THEIRS[kind](shop)
    for words in VERBS:
        code, found = tell(*words)
        error = found["error"]
        assert (code, error["exit_code"]) == (2, 2), (words, found)
        assert error["summary"].startswith("The Compose file belongs to another user"), (words, error)
        assert "belongs to uid 4321; this is root (uid 0)" in error["failed"]
        assert f"{owners.VARIABLE}=4321" in error["next"]
    assert shop.asked_of_compose == [], "Compose was not even asked"
    assert list(shop.states.iterdir()) == []
    assert list(shop.engine.containers) == [shop.database.id]


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize(
    "variables", [{"SUDO_UID": str(EVE)}, {owners.VARIABLE: str(EVE)}, {owners.VARIABLE: "nobody, 4321"},
                  {owners.VARIABLE: "*"}],
)  # fmt: skip
def test_the_word_of_the_person_or_sudo_makes_it_believed(
    shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, kind: str, variables: dict[str, str]
) -> None:
    THEIRS[kind](shop)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, found = tell("up", "--dry-run")
    assert code == 0, found


@pytest.mark.parametrize("named", [{"SUDO_UID": "x"}, {"SUDO_UID": "-4321"}, {"SUDO_UID": "٤٣٢١"}, {"SUDO_UID": "4322"},
                                   {owners.VARIABLE: "eve-who-is-not-there"}, {owners.VARIABLE: ","}])  # fmt: skip
def test_other_words_do_not(shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]) -> None:
    _folder(shop)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert tell("up", "--dry-run")[0] == 2


def test_a_user_with_a_name_is_told_and_trusted_by_it(shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = pwd.getpwnam("nobody")
    _give(shop.project, to=somebody.pw_uid)
    code, found = tell("up")
    assert code == 2
    assert f"belongs to nobody (uid {somebody.pw_uid}); this is root (uid 0)" in found["error"]["failed"]
    assert f"{owners.VARIABLE}=nobody bluegreen" in found["error"]["next"]
    monkeypatch.setenv(owners.VARIABLE, "nobody")
    assert tell("up")[0] == 0


def test_root_goes_on_with_the_app_that_its_owner_has_made(live: Site, tell: Tell) -> None:
    """Ann made it: who may talk to the Engine may do all. Eve's file in Ann's folder is still Eve's."""
    mine = [live.project, *live.project.iterdir()]
    _give(*mine, live.state, to=ANN)
    live.engine.named("shop-proxy").body["User"] = f"{ANN}:{ANN}"
    live.release("shop:2")
    assert tell("switch")[0] == 0
    _give(live.project / "compose.yaml", to=EVE)
    code, found = tell("switch")
    assert (code, "belongs to uid 4321" in found["error"]["failed"]) == (2, True)
    _give(*mine, to=EVE)
    assert tell("check")[0] == 2
    _give(*mine, to=ANN)
    copy = live.folder / "copy"
    shutil.copytree(live.project, copy)
    _give(copy, to=ANN)
    os.chdir(copy)
    assert tell("up", "--here")[0] == 2, "of another folder Ann has made nothing"


def test_flip_back_needs_no_compose_file_and_asks_nobody_whose_it_is(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    assert tell("switch")[0] == 0
    _folder(live)
    assert tell("-p", "shop", "flip-back")[0] == 0
    assert tell("-p", "shop", "status")[0] == 0


@pytest.mark.parametrize("place", ["project", "above", "named"])
def test_somebody_elses_state_folder_is_not_believed(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """As Eve would make one: a copy of a real one, where root stands or above it."""
    where = live.folder / "somewhere" if place == "named" else live.project / ".bluegreen"
    if place == "above":
        (live.project / "compose.yaml").unlink()
        (live.project / "inner").mkdir()
        monkeypatch.chdir(live.project / "inner")
    live.state.rename(where)
    for path in (where, *where.rglob("*")):
        if not path.is_socket():
            _give(path)
    if place == "named":
        monkeypatch.setenv("BLUEGREEN_STATE_FOLDER", str(where))
    proxy = live.engine.named("shop-proxy")
    proxy.labels["bluegreen.state"] = "/nowhere"
    before = list(live.engine.containers)
    for words in (["status"], ["flip-back"], ["history"], ["down", "--yes"]):
        code, found = tell(*words)
        error = found["error"]
        assert code == 2, (words, found)
        assert error["summary"].startswith("The state folder belongs to another user"), (words, error)
        assert f"{where} belongs to uid 4321; this is root (uid 0)" in error["failed"]
    assert list(live.engine.containers) == before


# -- as another user


AS_ANN = """
import os, sys
sys.path[:0] = sys.argv[2:]
from bluegreen.state import owners
os.setgid(4322); os.setuid(4322)
print(owners.stranger(sys.argv[1], owners.believed(dict(os.environ))))
"""


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    for path in tmp_path.parents:
        if path != Path("/") and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o055)
    tmp_path.chmod(0o1777)
    return tmp_path


@pytest.mark.parametrize(
    ("owner", "variables", "believed"),
    [
        (ANN, {}, True), (0, {}, True), (EVE, {}, False), (EVE, {"SUDO_UID": str(EVE)}, False),
        (EVE, {owners.VARIABLE: str(EVE)}, True),
    ],
)  # fmt: skip
def test_another_user_believes_root_and_herself(
    open_folder: Path, owner: int, variables: dict[str, str], believed: bool
) -> None:
    file = open_folder / "compose.yaml"
    file.touch()
    _give(file, to=owner)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANN, str(file), str(HERE), *sys.path], env={**os.environ, **variables}, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == ("None\n" if believed else f"('{file}', {owner})\n")


def test_what_is_not_there_is_nobodys_and_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert owners.stranger(str(tmp_path / "none"), {0}) is None
    assert owners.stranger(str(tmp_path / "a"), {0}) is None
    _give(tmp_path / "a")
    assert owners.stranger(str(tmp_path / "a"), {0}) == (str(tmp_path / "a"), EVE)
