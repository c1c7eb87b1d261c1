"""A note of which Compose answers counts only while nothing about it has changed, and never says what to run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose import found
from bluegreen.compose.found import NOTE, Finder
from bluegreen.compose.run import _fits
from bluegreen.errors import BluegreenError


class Machine:
    """A PATH, a plugin folder and a state folder of its own; each Compose on it is a script that notes its calls."""

    def __init__(self, root: Path) -> None:
        self.root, self.calls = root, root / "calls"
        self.plugin = root / "plugins" / "docker-compose"
        self.state = root / "state"
        for name in ("bin", "more", "plugins", "beside", "docker", "state"):
            (root / name).mkdir()

    def puts(self, path: Path, says: str) -> Path:
        fresh = path.with_name("fresh")
        fresh.write_text(f'#!/bin/sh\necho "$0 $@" >>{self.calls}\n{says}\n')
        fresh.chmod(0o755)
        fresh.rename(path)
        return path

    def docker(self, version: str) -> None:
        self.puts(self.root / "bin" / "docker", f"echo {version}")
        self.puts(self.plugin, f"echo {version}")

    def script(self, place: str, version: str) -> Path:
        (self.root / place).mkdir(exist_ok=True)
        return self.puts(self.root / place / "docker-compose", f"echo {version}")

    def instead(self, path: Path, change: Callable[[Path], None]) -> None:
        """Something that answered does not any more; another one does."""
        change(path)
        self.script("more", "2.40.0")

    def asked(self) -> int:
        number = len(self.calls.read_text().splitlines()) if self.calls.exists() else 0
        self.calls.unlink(missing_ok=True)
        return number

    def verb(self, acts: bool = True) -> found.Found:
        """What one process finds; one that acts leaves a note."""
        finder = Finder()
        answer = finder.find(lambda: str(self.state))
        if acts:
            finder.remember(str(self.state))
        return answer

    @property
    def note(self) -> Path:
        return self.state / NOTE


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    it = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{tmp_path}/more")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    monkeypatch.setattr(found, "PLUGIN_FOLDERS", (str(tmp_path / "plugins"),))
    return it


def test_what_was_asked_is_not_asked_again_and_the_note_is_the_owners_alone(machine: Machine) -> None:
    machine.docker("2.39.1")
    first = machine.verb()
    assert (first.command, first.version, first.noted) == (("docker", "compose"), (2, 39, 1), False)
    assert machine.asked() == 1
    again = machine.verb()
    assert (again.command, again.version, again.noted) == (first.command, first.version, True)
    assert machine.asked() == 0
    assert machine.note.stat().st_mode & 0o777 == 0o600
    assert os.listdir(machine.state) == [NOTE]


def test_a_verb_that_only_looks_leaves_no_note(machine: Machine) -> None:
    machine.docker("2.39.1")
    machine.verb(acts=False)
    assert os.listdir(machine.state) == []


def test_a_note_is_not_written_again_for_nothing(machine: Machine) -> None:
    machine.docker("2.39.1")
    machine.verb()
    before = machine.note.stat().st_ino
    machine.verb()
    assert machine.note.stat().st_ino == before


def test_who_judges_the_version_asks(machine: Machine) -> None:
    machine.docker("2.39.1")
    machine.verb()
    machine.asked()
    finder = Finder()
    assert finder.find(lambda: str(machine.state)).noted
    assert not finder.ask().noted
    assert not finder.find().noted, "and from then on it is what was asked"
    assert machine.asked() == 1


CHANGES: dict[str, Callable[[Machine], object]] = {
    "the plugin is newer": lambda it: it.docker("2.40.0"),
    "docker is another": lambda it: it.puts(it.root / "bin" / "docker", "echo 2.40.0"),
    "the same size and time": lambda it: _same_size_and_time(it.plugin),
    "a plugin of the user": lambda it: it.script("docker/cli-plugins", "2.40.0"),
    "docker-compose in PATH": lambda it: it.script("more", "2.40.0"),
    "docker-compose beside this Python": lambda it: it.script("beside", "2.40.0"),
    "docker is gone": lambda it: it.instead(it.root / "bin" / "docker", Path.unlink),
    "docker may not be run": lambda it: it.instead(it.root / "bin" / "docker", lambda path: path.chmod(0o644)),
    "plugins anywhere": lambda it: (it.root / "docker" / "config.json").write_text('{"cliPluginsExtraDirs": ["/x"]}'),
    "a folder that cannot be looked into": lambda it: (it.root / "docker" / "cli-plugins").symlink_to("cli-plugins"),
    "the note is no JSON": lambda it: it.note.write_text('{"candidate": 0'),
    "the note is empty": lambda it: it.note.write_bytes(b""),
    "the note is nested": lambda it: it.note.write_text("[" * 60000),
    "the note is a FIFO": lambda it: _made_anew(it.note, os.mkfifo),
    "the note is a folder": lambda it: _made_anew(it.note, os.mkdir),
    "the note is gone": lambda it: it.note.unlink(),
    "no such candidate": lambda it: _changed(it.note, candidate=7),
    "a candidate from the end": lambda it: _changed(it.note, candidate=-1),
    "a command": lambda it: _changed(it.note, candidate="rm"),
    "a truth": lambda it: _changed(it.note, candidate=False),
    "too old for this bluegreen": lambda it: _changed(it.note, version=[2, 19, 9]),
    "a short version": lambda it: _changed(it.note, version=[2, 39]),
    "a version in words": lambda it: _changed(it.note, version="2.39.1"),
    "no version": lambda it: _changed(it.note, version=None),
    "other files": lambda it: _changed(it.note, files=None),
}


def _changed(note: Path, **fields: Any) -> None:
    note.write_text(json.dumps({**json.loads(note.read_text()), **fields}))


def _made_anew(note: Path, make: Callable[[Path], None]) -> None:
    note.unlink()
    make(note)


def _same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text(path.read_text().replace("2.39.1", "2.40.0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("what", CHANGES)
def test_anything_that_is_not_as_it_was_is_asked_as_without_a_note(machine: Machine, what: str) -> None:
    machine.docker("2.39.1")
    machine.verb()
    machine.asked()
    CHANGES[what](machine)
    assert not machine.verb().noted
    assert machine.asked() > 0


def test_a_plugin_that_is_in_no_folder_that_is_known_is_asked_each_time(machine: Machine) -> None:
    machine.docker("2.39.1")
    machine.plugin.unlink()
    assert not machine.verb().noted
    assert not machine.note.exists()


def test_docker_compose_from_path_is_remembered_as_well(machine: Machine) -> None:
    machine.puts(machine.root / "bin" / "docker", "exit 1")
    script = machine.script("more", "v5.0.1")
    assert machine.verb().command == ("docker-compose",)
    assert machine.asked() == 2
    assert machine.verb() == found.Found(("docker-compose",), (5, 0, 1), noted=True)
    assert machine.asked() == 0
    machine.docker("2.39.1")
    assert machine.verb().command == ("docker", "compose"), "the plugin comes first once it is there"
    script.unlink()


def test_a_state_that_cannot_be_written_is_no_error(machine: Machine) -> None:
    machine.docker("2.39.1")
    shutil.rmtree(machine.state)
    machine.verb()
    assert not machine.state.exists()


def test_without_any_compose_it_is_said_whatever_the_note_says(machine: Machine) -> None:
    machine.docker("2.39.1")
    machine.verb()
    (machine.root / "bin" / "docker").unlink()
    with pytest.raises(BluegreenError, match="Docker Compose is missing"):
        machine.verb()
    machine.docker("2.19.0")
    with pytest.raises(BluegreenError, match="Docker Compose is too old"):
        machine.verb()


@pytest.mark.parametrize(
    ("said", "version", "fits"),
    [
        ([], (2, 39, 1), True), ([], (5, 0, 0), True), ([True], (2, 39, 1), True), ([True, None], (2, 39, 1), True),
        ([True], (5, 0, 0), False), ([None], (5, 0, 0), True), ([False, None], (5, 0, 0), True),
        ([False], (2, 39, 1), False), ([None], (2, 39, 1), False),
    ],
)  # fmt: skip
def test_what_compose_says_is_held_against_the_version_of_a_note(
    said: list[bool | None], version: tuple[int, ...], fits: bool
) -> None:
    mounts = [{"bind": {} if it is None else {"create_host_path": it}} for it in said]
    assert _fits({"services": {"web": {"volumes": mounts}}}, version) is fits
