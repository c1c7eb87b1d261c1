"""docs/recording.svg is what `make recording` makes, stands alone, and shows everything where nothing moves."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.demo import recording, terminal
from tests.demo.recording import LEFT_OUT, SVG, VERBS, chosen, svg, timed
from tests.demo.terminal import Line, Screen, Shown, Span, text_of

TEXT = SVG.read_text()
MOST_BYTES = 60_000
MOST_LINES = 5  # of each command
NAMESPACE = "{http://www.w3.org/2000/svg}"
HARMLESS = {"svg", "title", "style", "rect", "circle", "text", "tspan"}


def _lines() -> list[str]:
    root = ElementTree.fromstring(TEXT)  # noqa: S314 - our own file
    return ["".join(it.itertext()) for it in root.iter(f"{NAMESPACE}text")]


def test_it_is_well_formed_small_and_narrow() -> None:
    root = ElementTree.fromstring(TEXT)  # noqa: S314 - our own file
    assert len(TEXT.encode()) <= MOST_BYTES
    assert root.get("width") == str(recording.WIDTH) == "840"
    assert {it.tag.removeprefix(NAMESPACE) for it in root.iter()} == HARMLESS
    assert all(float(it.get("x") or 0) < recording.WIDTH for it in root.iter())


def test_it_loads_nothing_and_names_no_path_of_a_machine() -> None:
    for word in ("href", "url(", "@import", "<!", "javascript", "bgt-", "/tmp", "/home", "/root"):  # noqa: S108 - looked for
        assert word not in TEXT
    assert re.findall(r"(?<![\w:/.])/\w+/\w+", "\n".join(_lines())) == []


def test_it_shows_the_three_commands_and_a_few_lines_of_each() -> None:
    lines = _lines()
    begins = [lines.index(f"$bluegreen {verb}") for verb in VERBS]
    assert begins[0] == 0
    assert begins == sorted(begins)
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        shown = [line for line in lines[begin + 1 : end] if line != recording.DOTS]
        assert 3 <= len(shown) <= MOST_LINES, shown
        assert "release" in shown[-1]


def test_where_nothing_moves_everything_is_there() -> None:
    """Printed, with animations off, or where a viewer knows none: only inside @keyframes is anything hidden."""
    style = TEXT.partition("<style>")[2].partition("</style>")[0]
    assert "@media (prefers-reduced-motion:reduce),print{text{animation:none!important}}" in style
    outside = re.sub(r"@keyframes \w+\{(?:[^{}]*\{[^{}]*\})*\}", "", style)
    assert style != outside
    assert "opacity" not in outside
    assert "clip-path" not in outside
    assert len(re.findall("infinite", outside)) == len(_lines())


def test_the_file_is_as_the_script_makes_it() -> None:
    """Whoever changes how it looks makes it again."""
    ours = svg(*timed({verb: [] for verb in VERBS}))
    assert (
        TEXT.partition("@keyframes")[0].partition("<title")[2] == ours.partition("@keyframes")[0].partition("<title")[2]
    )


# -- how a recording is made


def _line(text: str, style: str = "") -> Line:
    return (Span(text, style),)


def test_a_screen_keeps_what_stays_and_forgets_what_was_redrawn() -> None:
    screen = Screen()
    screen.feed("\x1b[1mup\x1b[0m to \x1b[34mblue\x1b[0m\r\n")
    for turn in "⠋⠙":
        screen.feed(f"\r\x1b[2K{turn} health 0:00:01")
    screen.feed("\n\x1b[1A\x1b[2")
    screen.feed("K\r  \x1b[32m✓\x1b[0m health\nlast")
    assert screen.lines() == [
        (Span("up", "bold"), Span(" to ", ""), Span("blue", "blue")),
        (Span("  ", ""), Span("✓", "green"), Span(" health", "")),
    ]


def test_a_command_runs_on_a_real_terminal(tmp_path: Path) -> None:
    code = "import sys; print(sys.stdout.isatty() and sys.stderr.isatty()); print('\\x1b[31mred'); sys.exit(4)"
    shown = terminal.run([sys.executable, "-c", code], tmp_path, dict(os.environ))
    assert shown.code == 4
    assert [line for _, line in shown.lines] == [_line("True"), _line("red", "red")]
    assert 0 < shown.lines[0][0] <= shown.seconds


def test_lines_are_left_out_and_marked_once() -> None:
    steps = ("network", "proxy", "image", "create", "start", "health", "record")
    said = [_line("up to blue"), *(_line(f"  ✓ {step} there") for step in steps), _line("Done: blue"), _line("Open")]
    shown = Shown(0, tuple((float(at), line) for at, line in enumerate(said)), 9.0)
    found = [text_of(line) for _, line in chosen("up", shown)]
    assert found == [
        "up to blue", "  …", "  ✓ proxy there", "  …", "  ✓ start there", "  ✓ health there", "  …", "Done: blue",
    ]  # fmt: skip


def test_a_long_pause_is_shortened_and_a_long_line_cut() -> None:
    rows, seconds = timed({"up": [(0.5, _line("a")), (60.0, LEFT_OUT), (60.1, _line("b"))]})
    assert [round(row.at, 2) for row in rows[1:]] == [
        round(rows[0].at + rows[0].typing + 0.3 + wait, 2) for wait in (0.5, 1.7, 1.8)
    ]
    assert seconds < 15
    shown = Shown(0, ((0.1, _line("x" * 200)), (0.2, _line("  ✓ proxy")), (0.3, _line("Done"))), 1.0)
    assert len(text_of(chosen("up", shown)[0][1])) == recording.MOST_CELLS
