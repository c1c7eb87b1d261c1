"""In doubt, the requests that went wrong are asked of both releases again, through the probe socket."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Sequence

from bluegreen.domain.blame import Answer, Answered, Blame, Pair
from bluegreen.domain.replay import asked_of
from bluegreen.domain.routing import Slot
from bluegreen.domain.traffic import Seen
from bluegreen.flow.values import Tools

SECONDS = 3.0  # for all questions of one doubt about failures
PATIENT = 15.0  # and about slowness, where nobody gets nothing
QUESTION = 2.0  # seconds for one
PAIRS = 200  # that are asked in one doubt
ABREAST = 4  # at the same time


class Doubt:
    """One round of questions, asked by threads of its own; weighed by who calls `weigh`. Never raises."""

    def __init__(self, tools: Tools, suspects: Sequence[Seen], slots: tuple[Slot, Slot], slow: bool) -> None:
        """`slots`: of the release before, and of the new one."""
        self._tools, self._slots = tools, slots
        self.blame = Blame(slow)
        self._suspects = [one for one in suspects if all(at(slot, one, 0) for slot in slots)]
        self._numbers = itertools.count()
        self._answers: queue.SimpleQueue[Pair] = queue.SimpleQueue()
        self._end = tools.clock() + (PATIENT if slow else SECONDS)
        self._over = threading.Event()
        # Of slow answers fewer are asked for together: they would make each other slower.
        workers = (ABREAST // 2 if slow else ABREAST) if self._suspects else 0
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def weigh(self) -> Answer | None:
        """Whom the answers accuse; None: it is still being asked."""
        while not self._answers.empty():
            self.blame.see(self._answers.get())
        if self.blame.answer != "unknown":
            self._over.set()
            return self.blame.answer
        if self._tools.clock() >= self._end:
            self._over.set()
        elif any(thread.is_alive() for thread in self._threads) or not self._answers.empty():
            return None
        return self.blame.at_the_end()

    def _ask(self) -> None:
        for number in self._numbers:
            if self._over.is_set() or number >= PAIRS or self._tools.clock() >= self._end:
                return
            one = self._suspects[number % len(self._suspects)]
            order = (0, 1) if number % 2 else (1, 0)  # who is asked first may find a cold cache
            found = {which: self._answer(self._slots[which], one, number) for which in order}
            self._answers.put(Pair(one.route, one.uri, found[0], found[1]))

    def _answer(self, slot: Slot, one: Seen, number: int) -> Answered:
        where = at(slot, one, number)
        if where is None:
            return Answered(0, 0.0)
        address, port, target = where
        found, seconds = self._tools.prober.replay(address, port, one, target, QUESTION)
        return Answered(found.status, seconds)


def at(slot: Slot, one: Seen, number: int) -> tuple[str, int, str] | None:
    """(address, port, target) of the replica in this slot that is asked; None: the release has no such place."""
    addresses, place = slot.addresses.get(one.service, ()), asked_of(one, slot.routes)
    return (addresses[number % len(addresses)], *place) if addresses and place else None
