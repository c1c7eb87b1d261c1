"""A command on a real terminal: what stays on its screen, in its colors, and when each line came."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROWS, COLUMNS = 50, 100
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")  # of those, the ones that bluegreen and rich send are followed
NAMES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "34": "blue"}


@dataclass(frozen=True)
class Span:
    text: str
    style: str  # "" or one of NAMES


Line = tuple[Span, ...]


def text_of(line: Line) -> str:
    return "".join(span.text for span in line)


class Screen:
    """Lines of cells and a cursor: as much of a terminal as a program needs that writes lines and redraws the last."""

    def __init__(self) -> None:
        self._rows: list[list[tuple[str, str]]] = [[]]
        self._row = self._column = 0
        self._style = ""
        self._rest = ""  # the beginning of a sequence whose end has not come yet

    def feed(self, text: str) -> None:
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
            elif found := SEQUENCE.match(text, at):
                self._obey(found[1], found[2])
                at = found.end()
            else:
                self._rest = text[at:]
                return

    def lines(self) -> list[Line]:
        """Those that have ended and are not empty."""
        shown = [_spans(row) for number, row in enumerate(self._rows) if number != self._row]
        return [line for line in shown if text_of(line).strip()]

    def _put(self, char: str) -> None:
        if char == "\n":
            self._row += 1
            self._rows += [[] for _ in range(self._row + 1 - len(self._rows))]
        if char in "\r\n":
            self._column = 0
        elif char.isprintable():
            row = self._rows[self._row]
            row += [(" ", "")] * (self._column + 1 - len(row))
            row[self._column] = (char, self._style)
            self._column += 1

    def _obey(self, values: str, letter: str) -> None:
        if letter == "m":
            self._style = next((NAMES[it] for it in values.split(";") if it in NAMES), "")
        elif letter == "A":
            self._row = max(0, self._row - int(values or 1))
        elif letter == "K" and values == "2":
            self._rows[self._row] = []
        elif letter == "K":
            del self._rows[self._row][self._column :]


def _spans(row: Iterable[tuple[str, str]]) -> Line:
    return tuple(
        Span("".join(char for char, _ in cells), style) for style, cells in groupby(row, key=lambda cell: cell[1])
    )


@dataclass(frozen=True)
class Shown:
    """What a command left on the screen; `at`: seconds after its start."""

    code: int
    lines: tuple[tuple[float, Line], ...]
    seconds: float


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Shown:
    """Runs a command with a terminal as its stdin, stdout and stderr."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began = time.monotonic()
    seen: dict[Line, float] = {}
    screen = Screen()
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        while piece := _read(ours):
            screen.feed(piece.decode(errors="replace"))
            for line in screen.lines():
                seen.setdefault(line, time.monotonic() - began)
        os.close(ours)
        code = process.wait()
    lines = tuple((seen[line], line) for line in screen.lines())
    return Shown(code, lines, time.monotonic() - began)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError as error:
        if error.errno != errno.EIO:  # Linux says so when the last program has left the terminal
            raise
        return b""
