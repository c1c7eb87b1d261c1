"""Who acted, and what is said to run: the owner of a flip-back's hooks, the revision of a release that comes back."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.fakes.site import Site, Tell


def commit(site: Site, subject: str, name: str = "Ada") -> str:
    """Commits all of the project; the revision."""
    git = ["git", "-C", str(site.project), "-c", f"user.name={name}", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    (site.project / "code").write_text(subject)
    subprocess.run([*git, "add", "code"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", subject], check=True)
    return subprocess.check_output([*git, "log", "-1", "--format=%h"], text=True).strip()


def known(site: Site, name: str) -> None:
    subprocess.run(["git", "-C", str(site.project), "config", "user.name", name], check=True)


@pytest.mark.parametrize("jobs", [True, False])
@pytest.mark.parametrize("readable", [True, False])
def test_hooks_of_a_flip_back_are_told_who_acts(live: Site, tell: Tell, jobs: bool, readable: bool) -> None:
    """By the quick way and by the full story."""
    commit(live, "first")
    known(live, "Grace")
    live.document["x-bluegreen"]["hooks"] = {"after_flip_back": [["sh", "-c", "echo $BLUEGREEN_OWNER >>owners"]]}
    if not jobs:
        live.document["x-bluegreen"].pop("jobs")
    live.release("shop:2")
    assert tell("switch", "--owner", "ann")[0] == 0
    words = [] if readable else ["--wait", "1s"]
    assert tell("flip-back", *words)[0] == 0
    assert (live.project / "owners").read_text() == "Grace\n"


def test_without_git_and_without_a_file_it_is_the_login(live: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from bluegreen.cli.app import App
    from bluegreen.cli.wishes import owner
    from bluegreen.compose.options import Options

    monkeypatch.setenv("SUDO_USER", "carol")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", "/")
    (live.project / "compose.yaml").unlink()
    assert owner(App(Options(files=("gone.yaml",))))


def test_a_release_that_comes_back_has_the_revision_of_what_runs(live: Site, tell: Tell) -> None:
    second = commit(live, "the second")
    live.release("shop:2")
    assert tell("switch")[0] == 0
    live.engine.pulled("shop:3")
    live.release("shop:3")
    third = commit(live, "the third")
    assert tell("switch")[0] == 0
    commit(live, "not released")
    assert tell("switch", "--to", "2", "--note", "back")[0] == 0
    _, history = tell("history")
    rows = {it["release"]: it for it in history["releases"]}
    assert (rows[4]["revision"], rows[3]["revision"]) == (second, third)
    shown = json.dumps(tell("show", "4")[1])
    assert "the second" in shown
    assert "not released" not in shown
    assert tell("show", "4")[1]["note"] == "back", "what is said now counts"


def test_a_revision_that_is_typed_counts(live: Site, tell: Tell) -> None:
    commit(live, "the second")
    live.release("shop:2")
    assert tell("switch")[0] == 0
    live.engine.pulled("shop:3")
    live.release("shop:3")
    assert tell("switch")[0] == 0
    assert tell("switch", "--to", "2", "--revision", "v1.2")[0] == 0
    assert tell("show", "4")[1]["revision"] == "v1.2"
