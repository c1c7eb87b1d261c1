"""Programs and files of this machine: real processes, real git, real modes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bluegreen.host import commands, copies, git, machine, processes, sources
from tests.fakes.sockets import soon


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo well; echo $X; echo bad >&2", (0, "well\nyes\nbad\n", "")),
        ("pwd; exit 3", (3, "{folder}\n", "exit code 3")),
        ("cat; echo end", (0, "end\n", "")),
    ],
)
def test_a_command_of_the_person(tmp_path: Path, script: str, found: tuple[int, str, str]) -> None:
    code, output, why = commands.run(["sh", "-c", script], {"X": "yes"}, tmp_path, 5)
    assert (code, output, why) == (found[0], found[1].format(folder=tmp_path), found[2])


@pytest.mark.whole
def test_a_command_that_cannot_start_or_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands.run([str(tmp_path / "none")], {}, tmp_path, 5) == (
        None, "", f"{tmp_path / 'none'}: No such file or directory",
    )  # fmt: skip
    code, output, why = commands.run(["sh", "-c", "echo begun; sleep 30"], {}, tmp_path, 0.2)
    assert (code, output, why) == (None, "begun\n", "did not end within 0.2 s")
    monkeypatch.setattr(commands, "GRACE", 0.1)
    began = time.monotonic()
    commands.run(["sh", "-c", "trap '' TERM; sleep 30 & echo $! >child; wait; sleep 30"], {}, tmp_path, 0.3)
    assert time.monotonic() - began < 3, "one that ignores SIGTERM is killed"
    child = int((tmp_path / "child").read_text())
    assert soon(lambda: not _runs(child)), "with all that it started"


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_of_what_a_command_writes_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_OUTPUT", 4)
    assert commands.run(["echo", "1234567"], {}, tmp_path, 5)[1] == "567\n"


def test_a_folder_is_measured_and_copied_with_its_modes(tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    (source / "file").write_bytes(b"x" * 100_000)
    (source / "file").chmod(0o640)
    found = copies.size(source)
    assert found is not None
    assert 100_000 <= found < 200_000
    assert copies.size(tmp_path / "none") is None
    copies.copy(source, tmp_path / "copy")
    assert (tmp_path / "copy" / "file").stat().st_mode & 0o777 == 0o640
    with pytest.raises(OSError, match="none"):
        copies.copy(tmp_path / "none", tmp_path / "other")


def test_what_git_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    assert git.commit(tmp_path) is None
    repository = tmp_path / "shop"
    repository.mkdir()

    def ask(*words: str) -> None:
        subprocess.run(["git", "-C", str(repository), *words], check=True, capture_output=True)

    ask("init")
    assert (git.commit(repository), git.user(repository)) == (None, "")
    ask("config", "user.name", "Ada")
    ask("config", "user.email", "ada@example.com")
    (repository / "a").write_text("1")
    ask("add", "a")
    ask("commit", "-m", "The first: one")
    found = git.commit(repository)
    assert found is not None
    assert found.subject == "The first: one"
    assert len(found.revision) >= 7
    (repository / "new").write_text("untracked files do not count")
    assert git.commit(repository) == found
    (repository / "a").write_text("2")
    changed = git.commit(repository)
    assert changed is not None
    assert changed.revision == f"{found.revision}+"
    assert git.user(repository) == "Ada"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.commit(repository) is None, "no git"


def test_modes_and_room(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    mine, group = file.stat().st_uid, file.stat().st_gid
    other = mine + 7
    for bits, user, groups, may in (
        (0o200, mine, (), True), (0o022, mine, (group,), False), (0o020, other, (group,), True),
        (0o202, other, (group,), False), (0o002, other, (), True), (0o220, other, (group + 7,), False),
    ):  # fmt: skip
        file.chmod(bits)
        assert machine.may_write(file, user, groups) is may, (oct(bits), user, groups)
    assert machine.mode(file) == 0o220
    for nothing in (machine.mode, machine.free_bytes):
        assert nothing(tmp_path / "none") is None
    assert machine.may_write(tmp_path / "none", mine, ()) is None
    room = machine.free_bytes(tmp_path)
    assert room is not None
    assert room > 4096
    assert machine.existing(tmp_path, ["none", "file"]) == ["file"]


def test_snippets_are_read_whole_or_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.conf").write_text("b")
    (tmp_path / "a.conf").write_text("a" * 9)
    (tmp_path / "c.conf").mkdir()
    (tmp_path / "note.txt").write_text("no")
    monkeypatch.setattr(machine, "MAX_BYTES", 5)
    assert machine.texts(tmp_path) == {"a.conf": "aaaaa", "in/b.conf": "b"}


@pytest.mark.whole
def test_our_own_command_is_followed_line_by_line() -> None:
    told: list[str] = []
    script = "import sys; print('out'); print('one', file=sys.stderr); print('two', file=sys.stderr)"
    found = processes.follow([sys.executable, "-c", script], os.environ, told.append, 5)
    assert found == ("out\n", ["one", "two"])
    assert told == ["one", "two"]
    late = ["sh", "-c", "exec 2>&-; sleep 0.2; echo late; cat"]
    assert processes.follow(late, os.environ, told.append, 5) == ("late\n", []), "to its end, not to its last words"
    with pytest.raises(processes.Late):
        processes.follow(["sh", "-c", "exec 2>&-; exec sleep 30"], os.environ, told.append, 0.1)
    with pytest.raises(processes.Late):
        processes.follow(["sh", "-c", "while :; do echo on >&2; sleep 0.01; done"], os.environ, told.append, 0.3)
    holds_the_pipe = ["sh", "-c", "sleep 6 & echo done"]
    began = time.monotonic()
    assert processes.follow(holds_the_pipe, os.environ, told.append, 20) == ("done\n", []), "its child holds stderr"
    assert time.monotonic() - began < 5
    assert processes.run(["sh", "-c", "echo no >&2; exit 4"], {"PATH": os.environ["PATH"]}, 5) == (4, "no\n")


def test_a_command_that_is_followed_ends_with_whoever_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "END_TIMEOUT", 5.0)

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    script = f"echo $$ >{tmp_path}/child; echo line >&2; exec sleep 30"
    with pytest.raises(KeyboardInterrupt):
        processes.follow(["sh", "-c", script], os.environ, interrupted, 5)
    assert not _runs(int((tmp_path / "child").read_text()))


def test_a_followed_command_does_not_outlive_a_follower_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.path[:0] = sys.argv[2:]; from bluegreen.host import processes\n"
        "processes.follow(['sh', '-c', f'echo $$ >{sys.argv[1]}; echo x >&2; exec sleep 30'], os.environ, print, 60)"
    )
    child = tmp_path / "child"
    with subprocess.Popen([sys.executable, "-uc", script, str(child), *sys.path], stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        follower.kill()
    assert soon(lambda: not _runs(int(child.read_text())))


def test_a_successor_begins_when_we_are_gone_and_knows_its_errand() -> None:
    script = "read job; cat; echo did $job; echo bad >&2; exit 2"
    successor = processes.Successor(["sh", "-c", script], {"PATH": os.environ["PATH"]}, "tidy")
    assert successor.take_over(5) == (2, "did tidy\nbad\n")


def test_of_a_project_its_python_files_and_those_that_say_how_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_DEPTH", 2)
    files = {
        "Dockerfile": "FROM x", "a.py": "a", "b/c.py": "c", "b/d/e.py": "e", "b/d/f/g.py": "too deep", "notes.md": "no",
        "node_modules/h.py": "no", ".cache/i.py": "no", "tests/j.py": "no",
    }  # fmt: skip
    sources.write_new(tmp_path, files)
    (tmp_path / "folder.py").mkdir()
    assert list(sources.look(tmp_path)) == ["Dockerfile", "a.py", "b/c.py", "b/d/e.py"]
    monkeypatch.setattr(sources, "MAX_FILES", 2)
    assert list(sources.look(tmp_path)) == ["Dockerfile", "a.py"]
    with pytest.raises(FileExistsError):
        sources.write_new(tmp_path, {"b/new.py": "1", "a.py": "2"})
    assert (tmp_path / "a.py").read_text() == "a"
