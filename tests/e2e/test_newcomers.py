"""The first minutes: whatever is missing, each verb says what it is and what to type."""

from __future__ import annotations

import gc
import shutil
import socket
from pathlib import Path

import pytest

from tests.support.project import Done, Project

VERBS = (
    ("up",), ("switch",), ("switch", "--dry-run"), ("prepare",), ("flip-back",), ("flip-back", "--dry-run"),
    ("status",), ("logs",), ("down", "--yes"),
)  # fmt: skip
ACTING = tuple(verb for verb in VERBS if verb not in (("up",), ("down", "--yes"), ("logs",)))


def _says(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done
    assert "\nError: " in f"\n{done.err}", done
    assert "Traceback" not in done.err
    assert "\n  next " in done.err, done
    for word in words:
        assert word in done.err, (word, done)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_without_a_compose_file(lean: Project, verb: tuple[str, ...]) -> None:
    lean.file.unlink()
    _says(lean.run(*verb), 2, "There is no Compose file here or above.", "cd to your project")
    _says(lean.run("-f", "nowhere.yaml", *verb), 2, "nowhere.yaml does not exist")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_without_the_block(lean: Project, verb: tuple[str, ...]) -> None:
    lean.write("services: {web: {image: shop}}")
    _says(lean.run(*verb), 2, "The Compose file has no x-bluegreen block.", "service: web", "port: 8000")


@pytest.mark.parametrize("verb", ACTING, ids=" ".join)
def test_before_up(lean: Project, verb: tuple[str, ...]) -> None:
    _says(lean.run(*verb), 1, "Nothing is live yet.", "next      bluegreen up")
    assert not lean.state.exists(), "a look leaves nothing behind"


@pytest.mark.parametrize("verb", [("up",), ("down", "--yes"), ("logs",)], ids=" ".join)
def test_without_an_engine(lean: Project, verb: tuple[str, ...]) -> None:
    done = lean.run(*verb, DOCKER_HOST="unix:///nowhere/docker.sock")
    _says(done, 1, "The Docker Engine does not answer.", "systemctl start docker")


def test_when_the_engine_dies_later_every_verb_says_so(lean: Project) -> None:
    lean.ok("up")
    for verb in (("up",), ("switch",), ("flip-back",), ("status",), ("logs",), ("down", "--yes")):
        _says(lean.run(*verb, DOCKER_HOST="unix:///nowhere/docker.sock"), 1, "The Docker Engine does not answer.")
    assert lean.color() == "blue", "nginx serves on without a word from us"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib3 leaves the refused socket
def test_without_permission_on_the_engines_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker-py meets it; root, who runs these tests, is never refused by the kernel itself."""
    from bluegreen.errors import BluegreenError
    from bluegreen.places.docker.api import Api
    from bluegreen.places.docker.containers import Containers

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refused)
    with pytest.raises(BluegreenError) as error:
        Containers(Api("shop")).replicas()
    assert error.value.summary == "This user may not talk to the Docker Engine."
    assert "usermod -aG docker" in error.value.next
    del error  # with it goes the refused socket, whose warning belongs to this test
    gc.collect()


@pytest.mark.long
def test_flip_back_with_no_previous_release(lean: Project) -> None:
    lean.ok("up")
    _says(lean.run("flip-back"), 1, "There is no previous release on green.", "next      bluegreen history")


@pytest.mark.long
def test_a_port_that_is_taken(lean: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", lean.port))
        taken.listen()
        _says(lean.run("up"), 1, "is held by a process outside Docker.", str(lean.port), "ss -ltnp")
    assert lean.containers("bluegreen.role=proxy") == []
    lean.ok("up")


@pytest.mark.long
def test_another_project_name_does_not_act_on_this_app(lean: Project) -> None:
    lean.ok("up")
    done = lean.run("-p", "somebody-else", "up", SHOP_NAME="somebody-else")
    _says(done, 1, f"is held by {lean.name}-proxy, the proxy of the app {lean.name}", "nginx cannot be published on")
    for verb in (("switch",), ("flip-back",), ("status",)):
        done = lean.run("-p", "somebody-else", *verb, SHOP_NAME="somebody-else")
        _says(done, 1, "Nothing is live yet.", f"of somebody-else; this folder serves {lean.name}")
    for verb in (("up",), ("switch",)):  # another name in the file or in the environment is no word that was typed
        done = lean.run(*verb, SHOP_NAME="somebody-else", COMPOSE_PROJECT_NAME="somebody-else")
        _says(done, 2, f"This folder serves the app {lean.name}, not somebody-else.")
    assert lean.color() == "blue"
    shutil.rmtree(lean.state.with_name("somebody-else"))  # what the up that failed has left


def test_errors_are_json_when_asked(lean: Project) -> None:
    lean.file.unlink()
    done = lean.run("switch", "--json")
    assert done.code == 2
    found = done.json()
    assert set(found) >= {"outcome", "live", "previous", "steps", "error"}
    assert set(found["error"]) >= {"summary", "failed", "expected", "traffic", "retry", "next"}


def test_usage_errors_exit_2_and_name_the_option(lean: Project) -> None:
    done = lean.run("switch", "--frce")
    assert done.code == 2
    assert "--frce" in done.err
    assert lean.run("swich").code == 2


def test_from_a_folder_below_and_through_a_link(lean: Project, tmp_path: Path) -> None:
    lean.ok("up")
    below = lean.folder / "src" / "app"
    below.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(lean.folder)
    for folder in (below, link):
        elsewhere = Project(folder / "here", "", name=lean.name, port=lean.port, preview_port=lean.preview_port)
        elsewhere.file.unlink()
        assert elsewhere.ok("status", "--json").json()["live"]["color"] == "blue"
