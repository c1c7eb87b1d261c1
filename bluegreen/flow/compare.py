"""Recent requests of visitors, asked again of the live release and of the other one, and compared.

Only GETs, by a client of our own at a bounded rate: nginx's `mirror` would send every request, slow down visitors when
the other release is slow, and show nobody the answers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from bluegreen.domain.answers import Answer
from bluegreen.domain.app import Settings
from bluegreen.domain.color import Color
from bluegreen.domain.comparison import Asked, Comparison, compare, percentile
from bluegreen.domain.learning import Identity
from bluegreen.domain.replay import Sample, sample
from bluegreen.domain.routing import Slot
from bluegreen.domain.traffic import Seen
from bluegreen.domain.words import counted
from bluegreen.errors import BluegreenError
from bluegreen.flow.doubt import at
from bluegreen.flow.making import Making
from bluegreen.flow.observe import observe
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.traffic import LATELY, recent
from bluegreen.flow.values import Tools

USUAL = 200  # requests, when nobody says how many
MOST = 1000
RATE = 20.0  # requests a second that one color gets at most; live gets two of three
PARALLEL = 8  # requests that are asked at the same time
PATIENCE = 5.0  # seconds for one answer
LONGEST = 120.0  # seconds for all of it
SHOWN_LINES = 12  # differences that a switch shows


@dataclass(frozen=True)
class Compared:
    """A comparison, and what it was made of. `complete`: whether there was time for all that was chosen."""

    live: Slot
    other: Slot
    sample: Sample
    found: Comparison
    complete: bool = True


def compare_idle(tools: Tools, settings: Settings, most: int) -> tuple[Compared, str]:
    """`compare`: (live beside the idle color, what the idle one is). Raises BluegreenError when one cannot be asked."""
    world = observe(tools)
    live, idle = (world.slot(world.live) if world.live else None), world.slot(world.idle)
    if live is None or idle is None or world.proxy is None:
        raise BluegreenError(
            "There are no two releases to compare.", code="color-empty",
            failed="no release is on the other color" if live else "no color is live", expected="a live release, and "
            "the previous one or a prepared one", retry="safe", next=f"{tools.command} prepare",
        )  # fmt: skip
    if wrong := tools.prober.once([*replica_checks(live), *replica_checks(idle)]):
        name, words = next(iter(wrong.items()))
        raise BluegreenError(
            "The two releases cannot be compared.", code="target-not-healthy",
            failed=f"{name} {tools.mask(words)}", expected="every replica of both colors to be healthy", retry="safe",
            next=f"{tools.command} status",
        )  # fmt: skip
    standing = world.intended.standing if world.intended else None
    found = compared(tools, (live, idle), world.proxy.speaker, settings, most)
    return found, standing or "previous"


def compared(tools: Tools, slots: tuple[Slot, Slot], proxy: str, settings: Settings, most: int) -> Compared:
    """Reads nginx's log, asks, compares. `slots`: the live release and the other. Raises BluegreenError."""
    live, other = slots
    chosen = sample(list(recent(tools.containers, proxy, LATELY)), most, settings.compare.leave_out)
    asked, complete = ask_again(tools, chosen.chosen, live, other)
    found = compare(asked, Identity(live.color, live.release), Identity(other.color, other.release))
    return Compared(live, other, chosen, found, complete)


def ask_again(tools: Tools, requests: Sequence[Seen], live: Slot, other: Slot) -> tuple[list[Asked], bool]:
    """The answers to these requests, and whether there was time for all. Stops at a signal."""
    stop = threading.Event()
    began, pause = tools.clock(), 2 / RATE
    asking: list[Future[Asked | None]] = []
    pool = ThreadPoolExecutor(PARALLEL, "bluegreen-compare")
    due = began
    try:
        for number, seen in enumerate(requests):
            wait(asking[-PARALLEL : -PARALLEL + 1], timeout=3 * PATIENCE)  # no backlog that would be asked in a burst
            if (early := due - tools.clock()) > 0:
                tools.sleep(early)
            if tools.clock() - began > LONGEST:
                break
            due = tools.clock() + pause
            asking.append(pool.submit(_ask, tools, (seen, number), (live, other), stop))
            tools.show.progress(f"compare: {number + 1} of {len(requests)} requests")
        wait(asking, timeout=max(PATIENCE, LONGEST - (tools.clock() - began)))
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    found = [it.result() for it in asking if it.done() and not it.cancelled()]
    answered = sum(it.done() for it in asking)
    return [it for it in found if it], answered == len(requests)


def _ask(tools: Tools, request: tuple[Seen, int], slots: tuple[Slot, Slot], stop: threading.Event) -> Asked | None:
    """Live, the other one, live again: what only time changes differs between the two of live, too."""
    seen, number = request
    answers: list[tuple[Answer, float]] = []
    for turn, slot in enumerate((slots[0], slots[1], slots[0])):
        if stop.is_set():
            return None
        where = at(slot, seen, number + turn // 2)  # its own two answers are of two replicas, if it has them
        if where is None:
            answers.append((Answer(problem=f"release {slot.release} has no such place"), 0.0))
            continue
        address, port, target = where
        answers.append(tools.prober.replay(address, port, seen, target, PATIENCE))
    (first, before), (middle, between), (second, after) = answers
    return Asked(seen, first, middle, second, (before, between, after))


# -- as a step of a switch


def gate(it: Making) -> str:
    """Shows how the new release's answers differ; stops the switch only if the settings say at how many."""
    tools, limit = it.tools, it.stack.settings.compare.fail
    live, new, proxy = it.world.slot(it.world.live) if it.world.live else None, it.new.slot, it.proxy()
    if live is None or new is None or proxy is None:
        return "nothing is live to compare with"
    found = compared(tools, (live, new), proxy.speaker, it.stack.settings, it.wish.compare)
    lines = [tools.mask(line) for line in found.found.lines()]
    if limit is not None and found.found.differ and found.found.share > limit:
        raise _too_many(tools, found, limit, lines)
    for line in lines[:SHOWN_LINES]:
        tools.show.notice(line)
    if found.found.not_reached:
        tools.show.notice(tools.mask(f"Not compared: {not_reached(found.found)}"))
    if words := times(found):
        tools.show.notice(words)
    return ", ".join([summary(found), *lines[:1]])


def _too_many(tools: Tools, found: Compared, limit: float, lines: Sequence[str]) -> BluegreenError:
    color: Color = found.other.color
    more = [f"and {len(lines) - SHOWN_LINES} more: {tools.command} compare"] if len(lines) > SHOWN_LINES else []
    return BluegreenError(
        f"{color} answers recent requests in another way than {found.live.color}.", code="compare-differs",
        failed=f"{summary(found)} ({found.found.share:.1%})",
        expected=f"at most {limit * 100:g}% (x-bluegreen.compare.fail)",
        retry="safe",
        next=f"fix the release; or, if the change is wanted, {tools.command} switch --compare 0 (without this check)",
        lines=[*lines[:SHOWN_LINES], *more],
    )  # fmt: skip


def summary(found: Compared) -> str:
    """In one line."""
    it = found.found
    if not it.compared:
        why = "none could be compared" if it.not_reached else "no recent GET in nginx's log"
        return f"nothing compared: {why}"
    words = f"{it.differ} differ{'s' if it.differ == 1 else ''}" if it.differ else "none differs"
    late = "" if found.complete else f" (time was up after {LONGEST:g} s)"
    return f"{counted(it.compared, 'GET')} of {counted(len(it.routes), 'route')} compared, {words}{late}"


def times(found: Compared) -> str:
    """How long the answers of both took, half of them and nearly all."""
    both = ((found.live.color, found.found.live_seconds), (found.other.color, found.found.other_seconds))
    words = [
        f"{color} {half * 1000:.0f} ms (95%: {most * 1000:.0f} ms)" for color, seconds in both
        if (half := percentile(seconds, 0.5)) is not None and (most := percentile(seconds, 0.95)) is not None
    ]  # fmt: skip
    return f"Answers took: {', '.join(words)}" if words else ""


def not_reached(found: Comparison) -> str:
    """The routes about which nothing is known, each with why."""
    return ", ".join(f"{route} ({why})" for route, why in found.not_reached.items())
