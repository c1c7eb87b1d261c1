"""What is drawn, as numbers: bars, lines and marks in the coordinates of a picture. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bluegreen.domain.figures import HOUR, MINUTE, Figures, Key, Sums
from bluegreen.domain.receipt import Move
from bluegreen.domain.timeline import Lived
from bluegreen.flow.figures import moment as when

WIDTH, HEIGHT = 360.0, 132.0  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 36.0, 6.0, 14.0, 18.0  # around what is drawn
SOON = 300  # seconds between two moves that are drawn together
AROUND = 20  # minutes (or hours, once minutes are added up) that are drawn before and after a move
STRIP = 1000.0  # width of the strip of what was live


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str  # a class of the page's style
    title: str


@dataclass(frozen=True)
class Line:
    points: str  # x,y x,y …
    kind: str


@dataclass(frozen=True)
class Tick:
    at: float
    words: str


@dataclass
class Chart:
    """One picture: `x` and `y` name places on the axes, `marks` moves of traffic."""

    title: str
    said: str  # for who does not see it
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    x: list[Tick] = field(default_factory=list)
    y: list[Tick] = field(default_factory=list)
    marks: list[Tick] = field(default_factory=list)
    empty: bool = False


@dataclass(frozen=True)
class Side:
    """What one release answered in the time that is drawn, as it is written in a table."""

    release: int
    color: str
    sums: Sums


@dataclass(frozen=True)
class Around:
    """Moves of traffic, one soon after the other, and what visitors got around them."""

    moves: list[Move]
    step: int  # seconds of a bar
    charts: tuple[Chart, Chart, Chart]
    sides: list[Side]


def all_around(figures: Figures, moves: Sequence[Move]) -> list[Around]:
    """A picture for each move, the newest first; one for moves soon after each other."""
    groups: list[list[Move]] = []
    for it in sorted(moves, key=lambda move: move.ended):
        if groups and it.ended - groups[-1][-1].ended < SOON:
            groups[-1].append(it)
        else:
            groups.append([it])
    return [_around(figures, group, moves) for group in reversed(groups)]


def _around(figures: Figures, group: list[Move], others: Iterable[Move]) -> Around:
    """Requests, failures and latency around moves; all moves of that time are marked."""
    move = group[0]
    step = _step(figures, move)
    middle = int(move.ended - move.ended % step)
    first, last = middle - AROUND * step, middle + AROUND * step
    mine = {key: it for key, it in figures.minutes.items() if key.seconds == step and first <= key.start <= last}
    axis = _Axis(first, last + step)
    marks = [Tick(axis.x(it.ended), f"{it.verb} {clock(it.ended)}") for it in others if axis.has(it.ended)]
    requests = _bars("Requests", mine, axis, lambda sums: sums.requests, plain=True)
    failed = _bars("Failed requests", mine, axis, lambda sums: sums.failed, plain=False)
    found = (requests, failed, _latency(mine, axis))
    for chart in found:
        chart.marks, chart.x, chart.empty = marks, axis.ticks(middle, step), not mine
    return Around(group, step, found, _sides(mine))


def strip(lived: Sequence[Lived], colors: Mapping[int, str], now: float) -> tuple[list[Bar], str]:
    """(what was live from the first move until now, a bar each; when it begins, in words)."""
    moments = [(_seconds(it.since), it) for it in lived]
    known = [(at, it) for at, it in moments if at is not None]
    if not known:
        return [], ""
    begin = known[0][0]
    scale = STRIP / max(1.0, now - begin)
    bars = []
    for (at, it), end in zip(known, [*[other for other, _ in known[1:]], now], strict=True):
        color = colors.get(it.release or 0, "") if it.release else "nothing"
        what = f"release {it.release}" if it.release else "nothing"
        bars.append(Bar(r((at - begin) * scale), 0, r(max(1.5, (end - at) * scale)), 24, color or "other",
                        f"{what}, since {it.since} ({it.verb})"))  # fmt: skip
    return bars, day(begin)


def day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S}"


class _Axis:
    """Time, from left to right."""

    def __init__(self, first: float, end: float) -> None:
        self._first, self._end = first, end

    def has(self, moment: float) -> bool:
        return self._first <= moment <= self._end

    def x(self, moment: float) -> float:
        return r(LEFT + (moment - self._first) / (self._end - self._first) * (WIDTH - LEFT - RIGHT))

    def ticks(self, middle: int, step: int) -> list[Tick]:
        words = "{:%H:%M}" if step == MINUTE else "{:%d %Hh}"
        places = [middle + part * step for part in (-AROUND, -AROUND // 2, 0, AROUND // 2, AROUND)]
        return [Tick(self.x(it + step / 2), words.format(datetime.fromtimestamp(it, UTC))) for it in places]


def r(number: float) -> float:
    return round(number, 1)


def _step(figures: Figures, move: Move) -> int:
    """Minutes, or hours when the minutes around a move are added up by now."""
    near = [key for key in figures.minutes if abs(key.start - move.ended) <= AROUND * MINUTE]
    return MINUTE if any(key.seconds == MINUTE for key in near) or not near else HOUR


def _scale(most: float) -> tuple[float, list[float]]:
    """(the top of the axis, places on it): a round number not below the most."""
    if most <= 0:
        return 1.0, [0.0]
    power = 10.0 ** (len(f"{int(most)}") - 1) if most >= 1 else 10.0 ** -(len(f"{1 / most:.0f}"))
    top = next(power * it for it in (1, 2, 5, 10, 20, 50, 100) if power * it >= most)
    return top, [0.0, top / 2, top]


def _y(value: float, top: float) -> float:
    return r(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM))


def _bars(title: str, mine: Mapping[Key, Sums], axis: _Axis, count: Callable[[Sums], int], plain: bool) -> Chart:
    """A bar for each minute, of one color on top of the other."""
    columns: dict[int, list[tuple[Key, int]]] = {}
    for key, sums in sorted(mine.items()):
        if value := count(sums):
            columns.setdefault(key.start, []).append((key, value))
    most = max((sum(it for _, it in parts) for parts in columns.values()), default=0)
    top, places = _scale(most)
    chart = Chart(title, f"{title}: {sum(count(it) for it in mine.values()):,} in all, at most {most:,} in one bar")
    for start, parts in columns.items():
        below = 0
        for key, value in parts:
            x, y = axis.x(start), _y(below + value, top)
            width = max(1.0, axis.x(start + key.seconds) - x - 1)
            kind = (key.color or "other") if plain else "bad"
            chart.bars.append(Bar(x, y, r(width), r(max(0.8, _y(below, top) - y)), kind, _said(key, value, title)))
            below += value
    chart.y = [Tick(_y(it, top), f"{it:,.0f}") for it in places if it == int(it)]
    return chart


def _said(key: Key, value: int, title: str) -> str:
    return f"{day(key.start)}, release {key.release or 'none'}: {value:,} {title.lower()}"


def _latency(mine: Mapping[Key, Sums], axis: _Axis) -> Chart:
    """p95 and p50 of each color, a point for each minute."""
    points: dict[tuple[str, float], list[tuple[int, float]]] = {}
    for key, sums in sorted(mine.items(), key=lambda it: it[0].start):
        if sums.latency.count and key.color:
            for q in (0.5, 0.95):
                middle = key.start + key.seconds // 2
                points.setdefault((key.color, q), []).append((middle, 1000 * sums.latency.quantile(q)))
    most = max((value for line in points.values() for _, value in line), default=0.0)
    top, places = _scale(most)
    chart = Chart("Latency in ms: p95, and p50 dashed", f"Latency: p95 is at most {most:.0f} ms")
    for (color, q), line in points.items():
        quantile = "p95" if q == 0.95 else "p50"
        places_of_line = [(axis.x(at), _y(value, top)) for at, value in line]
        chart.lines.append(Line(" ".join(f"{x},{y}" for x, y in places_of_line), f"{color} {quantile}"))
        if q == 0.95:
            chart.bars += [
                Bar(r(x - 2), r(y - 2), 4, 4, color, f"{day(at)}, {color}: p95 {value:.0f} ms")
                for (x, y), (at, value) in zip(places_of_line, line, strict=True)
            ]
    chart.y = [Tick(_y(it, top), f"{it:,.0f}" if top >= 10 else f"{it:g}") for it in places]
    return chart


def _sides(mine: Mapping[Key, Sums]) -> list[Side]:
    found: dict[tuple[int, str], Sums] = {}
    for key, sums in mine.items():
        if key.release:
            found.setdefault((key.release, key.color), Sums()).merge(sums)
    return [Side(release, color, sums) for (release, color), sums in sorted(found.items())]


def _seconds(moment: str) -> float | None:
    try:
        return when(moment)
    except ValueError:
        return None
