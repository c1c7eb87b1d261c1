"""Watches a new release while visitors have it: nginx's log, its containers, and in doubt the release before.

Nothing here raises but `Worse`: what cannot be seen is said, and the release stays.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bluegreen.domain.answers import SAFE
from bluegreen.domain.judge import KINDS, Before, Judge, Kind, hurt_lines
from bluegreen.domain.routing import BUCKETS, Slot
from bluegreen.domain.words import counted
from bluegreen.errors import BluegreenError
from bluegreen.flow.answers import compare
from bluegreen.flow.doubt import Doubt
from bluegreen.flow.making import Making
from bluegreen.flow.signs import Signs, sick
from bluegreen.flow.traffic import LATELY, Following, recent
from bluegreen.flow.values import Tools

READING = 5.0  # seconds that what is usual may take to be read
LATE = 0.4  # seconds that nginx and the Engine may need for a line
TICK = 0.05  # seconds that one look waits
TELL = 1.0  # seconds between two lines for the person
HALF = 0.5  # of the evidence: time to ask who is to blame
AGAIN = 2.0  # seconds until it is asked again, when nothing came of it
ENOUGH = 50  # requests from which on a release that fails often would have been seen
SHOWN = 20  # hurt requests in the error


class Worse(Exception):
    """Visitors get worse from the new release. `evidence`: in a sentence; `hurt`: which requests."""

    def __init__(self, evidence: str, hurt: list[str]) -> None:
        super().__init__(evidence)
        self.evidence, self.hurt = evidence, hurt


class Watch:
    """One release. It listens from the moment it is made, which is before traffic moves."""

    def __init__(self, tools: Tools, proxy: str, old: Slot, new: Slot, *, leave_out: Sequence[str] = ()) -> None:
        """`leave_out`: prefixes of paths that are never asked again."""
        self._tools, self._proxy, self._old, self._new = tools, proxy, old, new
        self._leave_out = leave_out
        self.few = True  # whether there was too little traffic to tell
        self._before = Before()
        self._doubts: dict[Kind, Doubt] = {}
        self._asked: dict[Kind, float] = {}  # when to ask again
        self._proof: dict[Kind, str] = {}  # what accuses the new release
        self._notes: list[str] = []
        self._following = Following(tools.containers, proxy)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def run(self, seconds: float) -> str:
        """Watches for so long; returns what was seen, in a sentence. Raises Worse."""
        self._reader.join(READING)
        judge = Judge(self._new.release, self._before, self._old.release, self._leave_out)
        signs = Signs(self._tools, self._new)
        try:
            return self._loop(judge, signs, seconds)
        finally:
            signs.leave()
            self._following.leave()

    def leave(self) -> None:
        """Traffic has not moved, or not for good."""
        self._following.leave()

    def _read(self) -> None:
        try:
            self._before = Before.of(recent(self._tools.containers, self._proxy, LATELY), self._old.release)
        except Exception as error:  # noqa: BLE001 - without it the usual is unknown, which is said
            self._note(f"what is usual is not known: {error}")

    def _loop(self, judge: Judge, signs: Signs, seconds: float) -> str:
        tools = self._tools
        began, told = tools.clock(), 0.0
        while tools.clock() - began < seconds + LATE and not tools.signals.asked:
            for one in self._following.take(TICK):
                judge.see(one, tools.clock() - began)
            self._decide(judge, signs)
            now = tools.clock()
            if now - told >= TELL:
                told, left = now, max(0.0, seconds - (now - began))
                tools.show.progress(f"{judge.figures()}; {left:.0f} s left")
            if self._following.ended:
                self._listen_again()
        return self._verdict(judge, signs, tools.clock() - began)

    def _listen_again(self) -> None:
        self._note(self._following.ended)
        self._tools.sleep(TICK)
        self._following = Following(self._tools.containers, self._proxy)

    def _decide(self, judge: Judge, signs: Signs) -> None:
        if signs.worse:
            self._go_back(signs.worse, judge)
        for kind in KINDS:
            self._ask(kind, judge)
            if judge.strength(kind) >= 1 and kind not in self._doubts:
                if proof := self._proof.get(kind):
                    self._go_back(f"{judge.evidence(kind)}; {proof}", judge)
                elif not judge.suspects(kind) and (judge.spread or kind == "slow"):
                    self._weigh(kind, judge)

    def _ask(self, kind: Kind, judge: Judge) -> None:
        """Begins to ask who is to blame, or takes in what came of it."""
        doubt, now = self._doubts.get(kind), self._tools.clock()
        if doubt is None:
            due = judge.strength(kind) >= HALF and kind not in self._proof and now >= self._asked.get(kind, 0.0)
            if due and (suspects := judge.suspects(kind)):
                self._doubts[kind] = Doubt(self._tools, suspects, (self._old, self._new), slow=kind == "slow")
            return
        answer = doubt.weigh()
        if answer is None:
            return
        del self._doubts[kind]
        self._asked[kind] = now + AGAIN
        if answer == "new":
            self._proof[kind] = doubt.blame.words()
        elif answer == "shared":
            self._clear(kind, judge, doubt.blame.shared, "with")
        elif judge.strength(kind) >= 1 and judge.spread:
            self._weigh(kind, judge)

    def _weigh(self, kind: Kind, judge: Judge) -> None:
        """Nothing was proven by asking. What visitors who stayed on the release before get may clear the new one."""
        if routes := judge.shared(kind):
            self._clear(kind, judge, routes, "for visitors still on")
        else:
            self._go_back(judge.evidence(kind), judge)

    def _clear(self, kind: Kind, judge: Judge, routes: Sequence[str], who: str) -> None:
        """What both releases do speaks against neither; it is said."""
        what = "fails" if kind == "failures" else "is slow"
        self._note(f"{', '.join(sorted(routes)) or 'it'} {what} {who} release {self._old.release}, too")
        judge.clear(kind, routes)

    def _go_back(self, evidence: str, judge: Judge) -> None:
        """Raises Worse, unless there is nothing to go back to."""
        if why := sick(self._tools, self._old):
            self._note(f"{evidence}; and release {self._old.release} is no way back: {why}")
            return
        raise Worse(evidence, hurt_lines(judge.hurt, SHOWN))

    def _note(self, words: str) -> None:
        if words not in self._notes:
            self._notes.append(words)

    def _verdict(self, judge: Judge, signs: Signs, seconds: float) -> str:
        ended = f"ended by {self._tools.signals.asked} after {seconds:.0f} s: " if self._tools.signals.asked else ""
        self.few = judge.requests < ENOUGH
        few = "too few requests to tell; " if self.few else ""
        notes = [*self._notes, *filter(None, (signs.note, signs.memory))]
        return f"{ended}{few}{judge.figures()}{''.join(f'; {note}' for note in notes)}"


def watched(it: Making, watching: Watch, seconds: float) -> str:
    """The watch of one release, and what it is asked when visitors ask too little. Raises Worse."""
    said = watching.run(seconds)
    if watching.few and it.stack.settings.watch.expected and it.wish.expected and not it.tools.signals.asked:
        return f"{said}; {_answers_as_recorded(it)}"
    return said


def _answers_as_recorded(it: Making) -> str:
    """Asks the recorded requests that change nothing, of the release that visitors have. Raises Worse."""
    everybody = it.cutover.percent == BUCKETS
    asked = [one for one in it.wish.expected if one.method in SAFE]
    found = compare(it.tools, asked, "public" if everybody else "preview", it.stack.project_directory)
    if wrong := [one for one in found if one.differences]:
        lines = [f"{one.request}: {line}" for one in wrong for line in one.differences]
        raise Worse(f"{len(wrong)} of {counted(len(asked), 'recorded answer')} differ", lines[:SHOWN])
    return f"{counted(len(asked), 'recorded answer')} as recorded"


def taken_back(it: Making, cause: Worse, moved: BluegreenError) -> BluegreenError:
    """The error for a release that was worse for visitors; traffic is back, which `moved` says."""
    release, before = it.new.release, it.world.slot(it.world.live) if it.world.live else None
    return BluegreenError(
        f"Release {release} got worse answers for visitors than the one before; traffic is back on {it.world.live}.",
        code="release-taken-back",
        failed=cause.evidence,
        expected=f"as few failures, and as fast, as release {before.release if before else 0}",
        traffic=moved.traffic,
        retry="safe, after the cause is fixed",
        next=f"{it.tools.command} logs {it.new.color}",
        lines=cause.hurt,
        exit_code=moved.exit_code,
    )
