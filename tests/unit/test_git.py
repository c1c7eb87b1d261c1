"""A repository that would have its own programs run by whoever releases from it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.host import git

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
ANN = 4321


class Repository:
    """One with a commit, a changed file, and a program that leaves a mark when anybody runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder / "shop", folder / "ran"
        self.folder.mkdir()
        self.program = self.folder / "evil"
        self.program.write_text(f"#!/bin/sh\nid -u >>{self.mark}\ncat\n")
        self.program.chmod(0o755)
        self.ask("init", "-q")
        self.ask("config", "user.name", "Ada")
        self.ask("config", "user.email", "ada@example.com")
        (self.folder / "a.txt").write_text("1")
        self.ask("add", "a.txt")
        self.ask("commit", "-q", "-m", "The first")
        (self.folder / "a.txt").write_text("2")

    def ask(self, *words: str, text: str | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *words], check=True, capture_output=True, text=True, input=text
        )
        return done.stdout

    def attributes(self, text: str) -> int:
        return (self.folder / ".gitattributes").write_text(text)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return Repository(tmp_path)


def _filter(it: Repository, key: str, name: str = "x") -> str:
    it.attributes(f"*.txt filter={name} diff={name} merge={name}\n")
    return it.ask("config", f"filter.{name}.{key}", str(it.program))


def _included(it: Repository) -> None:
    it.attributes("*.txt filter=x\n")
    (it.folder / "more.cfg").write_text(f'[filter "x"]\nclean = {it.program}\n[core]\nfsmonitor = {it.program}\n')
    it.ask("config", "include.path", "../more.cfg")


def _included_if(it: Repository) -> None:
    _included(it)
    it.ask("config", "--unset", "include.path")
    it.ask("config", f"includeIf.gitdir:{it.folder}/.path", "../more.cfg")


def _worktree(it: Repository) -> None:
    it.attributes("*.txt filter=x\n")
    it.ask("config", "extensions.worktreeConfig", "true")
    it.ask("config", "--worktree", "filter.x.clean", str(it.program))


def _hooks(it: Repository) -> None:
    hooks = it.folder / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "query-watchman", "reference-transaction"):
        (hooks / name).symlink_to(it.program)
    it.ask("config", "core.hooksPath", str(hooks))
    it.ask("config", "core.fsmonitor", str(hooks / "query-watchman"))


def _submodule(it: Repository) -> None:
    inner = it.folder / "inner"
    inner.mkdir()
    for words in (
        ("init", "-q"), ("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"),
        ("config", "core.fsmonitor", str(it.program)),
    ):  # fmt: skip
        subprocess.run(["git", "-C", str(inner), *words], check=True, capture_output=True)
    it.ask("-c", "core.fsmonitor=false", "add", "inner")
    it.ask("config", "status.submoduleSummary", "true")


def _partial(it: Repository) -> None:
    """Objects that are missing are fetched by what the repository says."""
    it.ask("config", "extensions.partialClone", "origin")
    it.ask("config", "remote.origin.promisor", "true")
    it.ask("config", "remote.origin.url", f"ext::{it.program}")
    it.ask("config", "protocol.ext.allow", "always")
    it.ask("config", "core.sshCommand", str(it.program))
    found = it.ask("rev-parse", "HEAD^{tree}", "HEAD").split()
    for name in found:
        (it.folder / ".git" / "objects" / name[:2] / name[2:]).unlink()


def _signature(it: Repository) -> None:
    for key in ("gpg.program", "gpg.ssh.program", "gpg.openpgp.program"):
        it.ask("config", key, str(it.program))
    it.ask("config", "log.showSignature", "true")
    signed = it.ask("cat-file", "commit", "HEAD")
    head, _, body = signed.partition("\n\n")
    head += "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    name = it.ask("hash-object", "-t", "commit", "-w", "--stdin", text=f"{head}\n\n{body}").strip()
    it.ask("update-ref", "HEAD", name)


EVIL: dict[str, Callable[[Repository], object]] = {
    "a monitor": lambda it: it.ask("config", "core.fsmonitor", str(it.program)),
    "hooks": _hooks,
    "a filter": lambda it: _filter(it, "clean"),
    "a filter that stays": lambda it: _filter(it, "process"),
    "a filter with capitals": lambda it: _filter(it, "Clean", "X"),
    "a filter with dots": lambda it: _filter(it, "clean", "a.b"),
    "a filter with =": lambda it: _filter(it, "clean", "a=b"),
    "a filter that must be": lambda it: (_filter(it, "clean"), it.ask("config", "filter.x.required", "true")),
    "a differ": lambda it: (it.attributes("*.txt diff=x\n"), it.ask("config", "diff.x.textconv", str(it.program)),
                            it.ask("config", "diff.x.command", str(it.program))),
    "a differ for all": lambda it: it.ask("config", "diff.external", str(it.program)),
    "included": _included,
    "included if": _included_if,
    "of the work tree": _worktree,
    "in a submodule": _submodule,
    "what is missing is fetched": _partial,
    "signatures": _signature,
    "a pager": lambda it: (it.ask("config", "core.pager", str(it.program)), it.ask("config", "pager.log", "true")),
    "aliases": lambda it: [it.ask("config", f"alias.{word}", f"!{it.program}") for word in ("log", "status", "config")],
    "an editor and a password": lambda it: [
        it.ask("config", f"core.{word}", str(it.program)) for word in ("editor", "askPass", "sshCommand", "gitProxy")
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", EVIL)
def test_nothing_of_the_repository_is_run(repository: Repository, kind: str) -> None:
    EVIL[kind](repository)
    found = git.commit(repository.folder)
    assert git.user(repository.folder) == "Ada"
    assert not repository.mark.exists(), f"ran as {repository.mark.read_text()}"
    if kind not in ("what is missing is fetched", "a filter with ="):
        assert found is not None
        assert (found.subject, found.revision[-1:]) == ("The first", "+")


@pytest.mark.parametrize("kind", ["a monitor", "a filter", "included", "of the work tree", "signatures"])
def test_these_would_run_otherwise(repository: Repository, kind: str) -> None:
    """A test that cannot fail is none: plain git does run it."""
    EVIL[kind](repository)
    for words in (("log", "-1"), ("status",)):
        subprocess.run(["git", "-C", str(repository.folder), *words], check=False, capture_output=True)
    assert repository.mark.exists()


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_DIR": "{other}/.git"}, {"GIT_WORK_TREE": "{other}"}, {"GIT_INDEX_FILE": "/dev/null"},
        {"GIT_CONFIG_GLOBAL": "{evil}"}, {"GIT_CONFIG_SYSTEM": "{evil}"}, {"GIT_CONFIG": "{evil}"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": "{program}"},
        {"GIT_CONFIG_PARAMETERS": "'core.fsmonitor'='{program}'"}, {"GIT_EXEC_PATH": "{other}"},
        {"GIT_EXTERNAL_DIFF": "{program}"}, {"GIT_SSH_COMMAND": "{program}"}, {"GIT_PAGER": "{program}"},
        {"GIT_OBJECT_DIRECTORY": "/nowhere"}, {"GIT_NAMESPACE": "x"}, {"GIT_TRACE2_EVENT": "{other}/trace"},
        {"GIT_CEILING_DIRECTORIES": "/"}, {"GIT_ATTR_SOURCE": "HEAD"},
    ],
)  # fmt: skip
def test_gits_own_variables_do_not_count(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    before = git.commit(repository.folder)
    other, evil = tmp_path / "other", tmp_path / "evil.cfg"
    other.mkdir()
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    evil.write_text(f"[core]\nfsmonitor = {repository.program}\n[user]\nname = Eve\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(other=other, evil=evil, program=repository.program))
    assert before is not None
    assert git.commit(repository.folder) == before
    assert git.user(repository.folder) == "Ada"
    assert not repository.mark.exists()
    assert not (other / "trace").exists()


@pytest.mark.parametrize("place", ["bin", ".", "", "link", "/{folder}/bin"])
def test_a_git_of_the_projects_own_is_not_run(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = repository.folder
    (folder / "bin").mkdir()
    for where in (folder, folder / "bin"):
        (where / "git").symlink_to(repository.program) if where.name == "bin" else (where / "git").hardlink_to(
            repository.program
        )
    (tmp_path / "link").symlink_to(folder / "bin")
    named = str(tmp_path / "link") if place == "link" else place.format(folder=folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{named}:{os.environ['PATH']}")
    found = git.commit(folder)
    assert not repository.mark.exists()
    assert found is not None
    assert found.subject == "The first"


@ROOT
def test_root_runs_no_git_of_another_user(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "somewhere"
    place.mkdir()
    (place / "git").write_text(repository.program.read_text())
    (place / "git").chmod(0o755)
    os.chown(place / "git", ANN, ANN)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    assert git.commit(repository.folder) is not None
    assert not repository.mark.exists()


@ROOT
def test_root_asks_as_the_repositorys_owner(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever got past all that would run with the owner's rights; and git itself has no objection to the owner."""
    for path in (repository.folder, *repository.folder.rglob("*")):
        os.chown(path, ANN, ANN, follow_symlinks=False)
    for path in repository.folder.parents:
        if path != Path("/") and not path.stat().st_mode & stat.S_IXOTH:
            path.chmod(path.stat().st_mode | 0o055)
    found = git.commit(repository.folder)
    assert found is not None
    assert found.subject == "The first"
    seen: list[tuple[object, str]] = []
    run = subprocess.run

    def noted(*words: object, **more: object) -> object:
        seen.append((more.get("user"), str(more["env"]["HOME"])))  # type: ignore[index]  # it is given one
        return run(*words, **more)  # type: ignore[call-overload]  # as it was called

    monkeypatch.setattr(subprocess, "run", noted)
    git.commit(repository.folder)
    assert seen
    assert set(seen) == {(ANN, "/nonexistent")}
