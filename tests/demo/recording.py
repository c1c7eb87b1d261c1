"""`make recording`: docs/recording.svg from a real run: up, switch and flip-back on one small service.

The lines are the program's own, in its own colors, at the pace at which they came; long pauses are shortened and
lines are left out ("…"). No script in the file: it moves by CSS, and shows everything where nothing moves.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.demo import terminal
from tests.demo.terminal import Line, Shown, Span, text_of
from tests.support.files import LEAN, SERVER
from tests.support.machine import BIN, ROOT
from tests.support.project import Project, leftovers

SVG = ROOT / "docs" / "recording.svg"
# Verb: the steps of it that are shown, between its first line and what it says at the end.
VERBS = {
    "up": ("proxy", "start", "health"),
    "switch": ("start", "health", "confirm"),
    "flip-back": ("health", "route", "confirm"),
}
GREETINGS = {"up": "Hello", "switch": "Good morning", "flip-back": "Good morning"}  # what is new in release 2

LONGEST_PAUSE = 1.2  # seconds; a longer one is shortened to it
TYPING = 0.06  # seconds for each character of a command
READING = 1.6  # seconds after a command has ended
PROMPT = 0.7  # seconds between the prompt and the first character
LAST = 6.0  # seconds for the whole picture, before it begins again

CELL, ROW, GAP, TOP, LEFT = 8.1, 20, 11, 50, 20  # pixels; GAP: a line that holds only "…", or nothing
WIDTH = 840
MOST_CELLS = int((WIDTH - 2 * LEFT) / CELL)
DOTS = "…"
LEFT_OUT: Line = (Span("  ", ""), Span(DOTS, "dim"))

STYLE = """
svg{--back:#f6f8fa;--edge:#d0d7de;--text:#1f2328;--dim:#59636e;--red:#cf222e;--green:#116329;--yellow:#7d4e00;--blue:#0550ae}
@media (prefers-color-scheme:dark){svg{--back:#0d1117;--edge:#3d444d;--text:#e6edf3;--dim:#9198a1;--red:#ff7b72;\
--green:#56d364;--yellow:#e3b341;--blue:#79c0ff}}
text{font:13.5px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--text)}
.back{fill:var(--back);stroke:var(--edge)}.dim{fill:var(--dim)}.bold{font-weight:700}
.red{fill:var(--red)}.green{fill:var(--green)}.yellow{fill:var(--yellow)}.blue{fill:var(--blue)}
"""


@dataclass(frozen=True)
class Row:
    """One line of the picture: when it comes, and for how long it is typed (0: it is there at once)."""

    at: float
    line: Line
    typing: float = 0.0


def chosen(verb: str, shown: Shown) -> list[tuple[float, Line]]:
    """The first line, the steps of VERBS, what is said at the end; what is left out between them is one "…"."""
    found: list[tuple[float, Line]] = []
    for number, (at, line) in enumerate(shown.lines):
        words = text_of(line).split()
        step = words[1] if text_of(line).startswith("  ") and len(words) > 1 else ""
        if number == 0 or step in VERBS[verb] or text_of(line) == text_of(_said(shown)):
            found.append((at, _cut(line)))
        elif found[-1][1] != LEFT_OUT:
            found.append((at, LEFT_OUT))
    return found[:-1] if found[-1][1] == LEFT_OUT else found  # after the last line nothing is missed


def _said(shown: Shown) -> Line:
    """The first line after the steps: how it ended."""
    ends = [number for number, (_, line) in enumerate(shown.lines) if text_of(line).startswith("  ")]
    return shown.lines[ends[-1] + 1][1]


def _cut(line: Line) -> Line:
    """As much of it as is as wide as the picture."""
    left, spans = MOST_CELLS, []
    for span in line:
        text = span.text if len(span.text) <= left else span.text[: max(0, left - 1)] + DOTS
        spans.append(Span(text, span.style))
        left -= len(text)
        if text != span.text:
            break
    return tuple(spans)


def timed(runs: dict[str, list[tuple[float, Line]]]) -> tuple[list[Row], float]:
    """All lines below each other, and how long it takes until the picture begins again."""
    rows: list[Row] = []
    now = 0.8
    for verb, lines in runs.items():
        command = f"bluegreen {verb}"
        rows.append(Row(now, (Span("$ ", "dim"), Span(command, "bold")), len(command) * TYPING))
        now += len(command) * TYPING + 0.3
        before = 0.0
        for at, line in lines:
            now += min(at - before, LONGEST_PAUSE)
            before = at
            rows.append(Row(now, line))
        now += READING
        rows.append(Row(now, ()))
    return rows[:-1], now + LAST


def svg(rows: list[Row], seconds: float) -> str:
    """The whole file."""
    moves, texts, y = [], [], TOP
    for number, row in enumerate(rows):
        small = row.line in ((), LEFT_OUT)
        if row.line:
            moves.append(_move(number, row, seconds))
            texts.append(_text(number, row.line, y - 4 if small else y))
        y += GAP if small else ROW
    height = y
    still = "@media (prefers-reduced-motion:reduce),print{text{animation:none!important}}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'role="img" aria-labelledby="title">',
            '<title id="title">A terminal: bluegreen up, bluegreen switch and bluegreen flip-back</title>',
            f"<style>{STYLE}{''.join(moves)}\n{still}</style>",
            f'<rect class="back" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            *(f'<circle class="{color}" cx="{LEFT + 4 + 18 * at}" cy="17" r="5.5" opacity=".8"/>'
              for at, color in enumerate(("red", "yellow", "green"))),
            *texts,
            "</svg>\n",
        ]
    )  # fmt: skip


def _move(number: int, row: Row, seconds: float) -> str:
    """A line is hidden until it comes; of a command the prompt comes first, then a character at a time."""
    before, begin, end = (f"{100 * at / seconds:.2f}%" for at in (row.at - PROMPT, row.at, row.at + row.typing))
    if row.typing:
        cells = len(text_of(row.line))
        bare = f"{{clip-path:inset(-4px {100 - 200 / cells:.1f}% -4px 0);animation-timing-function:steps({cells - 2})}}"
        frames = (
            f"0%{{clip-path:inset(-4px 100% -4px 0);animation-timing-function:step-end}}{before}{bare[:-1]}"
            f";animation-timing-function:step-end}}{begin}{bare}{end},100%{{clip-path:inset(-4px 0 -4px 0)}}"
        )
    else:
        frames = f"0%{{opacity:0;animation-timing-function:step-end}}{begin},100%{{opacity:1}}"
    return f"\n@keyframes k{number}{{{frames}}}#l{number}{{animation:k{number} {seconds:.1f}s infinite}}"


def _text(number: int, line: Line, y: int) -> str:
    parts, column = [], 0
    for span in line:
        bare = span.text.strip(" ")
        if bare:
            x = LEFT + CELL * (column + len(span.text) - len(span.text.lstrip(" ")))
            style = f' class="{span.style}"' if span.style else ""
            width = f' textLength="{CELL * len(bare):.1f}"' if len(bare) > 1 else ""
            parts.append(f'<tspan x="{x:.1f}"{width}{style}>{escape(bare, quote=False)}</tspan>')
        column += len(span.text)
    return f'<text id="l{number}" y="{y}">{"".join(parts)}</text>'


def record() -> dict[str, list[tuple[float, Line]]]:
    """The real thing. Ends the script when a verb fails; leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="bluegreen-recording-"))
    project = Project(folder / "shop", LEAN)
    (project.folder / "server.py").write_text(SERVER)
    found = {}
    try:
        for verb in VERBS:
            settings = {**project.environment({"GREETING": GREETINGS[verb]}), "TERM": "xterm-256color"}
            shown = terminal.run([str(BIN / "bluegreen"), verb], project.folder, settings)
            if shown.code:
                print("\n".join(text_of(line) for _, line in shown.lines))
                raise SystemExit(f"recording: bluegreen {verb} ended with {shown.code}")
            found[verb] = chosen(verb, shown)
        project.ok("down", "--yes", "--volumes")
    finally:
        project.clean()
        shutil.rmtree(folder, ignore_errors=True)
    if left := leftovers(project.name):
        raise SystemExit(f"recording: left behind: {', '.join(left)}")
    return found


def main() -> int:
    rows, seconds = timed(record())
    text = svg(rows, seconds)
    SVG.write_text(text)
    print("\n".join(text_of(row.line) for row in rows))
    print(f"\nrecording: {SVG.relative_to(ROOT)}, {len(text.encode()) / 1000:.0f} kB, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
