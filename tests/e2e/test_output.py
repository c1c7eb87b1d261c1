"""What a terminal gets and what CI gets."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading

import pytest

from tests.support.project import Project

COLOR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def _on_a_terminal(project: Project, *arguments: str, **more: str) -> str:
    """Everything that a verb writes to a terminal of 120 columns on its stderr."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                written.append(chunk)
        except OSError:  # how Linux says that the other side is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    settings = {**project.environment(more), "TERM": "xterm-256color", "COLUMNS": "120"}
    done = subprocess.run(
        [*project.command, *arguments], cwd=project.folder, env=settings, stderr=theirs, stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    os.close(theirs)
    reader.join(10)
    os.close(ours)
    assert done.returncode == 0, b"".join(written).decode()
    return b"".join(written).decode()


def test_a_terminal_gets_live_progress_with_elapsed_time_and_colors(lean: Project) -> None:
    out = _on_a_terminal(lean, "up")
    assert COLOR.search(out)
    assert re.search(r"health\s.*\d:\d\d:\d\d", out), "the step at work, with its time"
    assert re.search(r"✓.* health\s", out), "and what has ended stays"


def test_no_color_is_obeyed(lean: Project) -> None:
    out = _on_a_terminal(lean, "up", NO_COLOR="1")
    assert not COLOR.search(out)
    assert re.search(r"✓ health\s", out)


def test_ci_gets_plain_lines_on_stderr_and_the_result_on_stdout(lean: Project) -> None:
    done = lean.ok("up")
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.err
    assert re.search(r"^  ✓ health +\d+\.\d\d s  1 replica$", done.err, re.MULTILINE)
    assert re.fullmatch(r"Running: \S+ \(blue, release 1\)\.\nNext release: bluegreen switch\n", done.out)


def _unheard(project: Project, listener: str, *arguments: str, **more: str) -> int:
    """The exit code of a verb that nobody listens to."""
    ours, theirs = os.pipe()
    os.close(ours)
    full = os.open("/dev/full", os.O_WRONLY)
    to = {"full": full, "pipe": theirs, "closed": None}[listener]
    done = subprocess.run(
        [*project.command, *arguments], cwd=project.folder, env=project.environment(more), stdin=subprocess.DEVNULL,
        stdout=to, stderr=to, check=False, preexec_fn=(lambda: os.closerange(0, 3)) if to is None else None,
    )  # fmt: skip
    os.close(theirs)
    os.close(full)
    return done.returncode


@pytest.mark.long
def test_nobody_listens_and_the_code_is_that_of_production(lean: Project) -> None:
    assert _unheard(lean, "pipe", "up") == 0
    assert _unheard(lean, "closed", "switch", GREETING="two") == 0
    assert lean.color() == "green"
    assert _unheard(lean, "full", "switch", GREETING="three", BEHAVIOUR="sick", HEALTH_TIMEOUT="2s") == 1
    assert lean.color() == "green"
    assert _unheard(lean, "full", "switch", "--json", GREETING="four") == 0
    assert lean.color() == "blue"
    assert _unheard(lean, "closed", "flip-back") == 0
    assert lean.color() == "green"
    assert _unheard(lean, "pipe", "check") == lean.run("check").code
    assert _unheard(lean, "closed", "down", "--yes") == 0


def test_no_escape_sequence_of_a_container_reaches_the_terminal(lean: Project) -> None:
    lean.write(lean.compose.replace("GREETING: ", 'SAY: "x", GREETING: '))
    server = lean.folder / "server.py"
    server.write_text(server.read_text().replace('print("serving as"', 'print("\\x1b]0;title\\x07\\x1b[31mserving as"'))
    lean.ok("up")
    out = lean.ok("logs").out
    assert "serving as" in out
    assert "\x1b" not in out
    assert "\x07" not in out
