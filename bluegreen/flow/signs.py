"""How the containers of a new release do while visitors have it: health, restarts. Looked at beside the traffic."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Sequence

from bluegreen.domain.questions import size
from bluegreen.domain.routing import Slot
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.values import Tools

PAUSE = 1.0  # seconds between two looks
UNHEALTHY = 3  # looks in a row
RESTARTS = 2  # of one release's containers: one may be an accident
MEMORY_EVERY = 5  # looks from one sample of the memory to the next
WARM = 2  # samples before a release is warm
ENOUGH_SAMPLES, MOST_SAMPLES = 6, 1000
GROWN, LEAST_GROWN = 1.5, 32 * 1024 * 1024  # times, and bytes more, that are worth a word
KILLED = 137  # the exit code of a container that the kernel ended, for its memory


class Signs:
    """Looks from its start on, in a thread of its own. Never raises: what cannot be asked is no sign."""

    def __init__(self, tools: Tools, slot: Slot) -> None:
        self._tools, self._slot = tools, slot
        self._streak: Counter[str] = Counter()  # by service: looks in a row in which no replica was healthy
        self._over = threading.Event()
        self.worse = ""  # what is reason enough to go back, in a sentence
        self.note = ""  # what is worth a word
        self.memory = ""  # and of its memory
        self._looks, self._samples = 0, list[int]()
        threading.Thread(target=self._look, daemon=True).start()

    def leave(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                self._health()
                self._restarts()
                self._memory()
                self._looks += 1
            except Exception as error:  # noqa: BLE001 - the next look may succeed; nothing is decided by this one
                self.note = f"its containers could not be looked at: {error}"
            self._over.wait(PAUSE)

    def _health(self) -> None:
        found = down(self._tools, self._slot)
        self._streak = Counter({service: self._streak[service] + 1 for service in found})
        for service, (_, why) in found.items():
            if self._streak[service] >= UNHEALTHY:
                self.worse = self.worse or f"no replica of {service} is healthy any more: {why}"

    def _memory(self) -> None:
        """Looked at seldom, and a reason for a word alone: who caches, grows."""
        if self._looks % MEMORY_EVERY or len(self._samples) >= MOST_SAMPLES:
            return
        mine = [it for it in self._tools.containers.replicas() if it.release == self._slot.release and it.running]
        used = [found for it in mine if it.role == "routed" and (found := self._tools.containers.memory(it.id))]
        if not used:
            return
        self._samples.append(max(used))
        if grows(self._samples):
            began, now = map(size, (self._samples[WARM], self._samples[-1]))
            self.memory = f"memory of its largest container only grows: {began}, then {now}"
        else:
            self.memory = ""

    def _restarts(self) -> None:
        mine = [it for it in self._tools.containers.replicas() if it.release == self._slot.release]
        ends = {it.name: self._tools.containers.exit_of(it.id) for it in mine if it.role == "routed"}
        count = sum(restarts for _, restarts, _ in ends.values())
        if not count:
            return
        name, (code, _, _) = max(ends.items(), key=lambda it: it[1][1])
        memory = ", killed, as when it has no memory left" if code == KILLED else ""
        self.note = f"{name} restarted (exit code {code}{memory})"
        if count >= RESTARTS:
            self.worse = self.worse or f"its containers restarted {count} times: {name}, exit code {code}{memory}"


def grows(samples: Sequence[int]) -> bool:
    """Whether memory (bytes, at equal distances) has only grown, and by half, since the release was warm."""
    warm = samples[WARM:]
    rising = all(later > earlier for earlier, later in itertools.pairwise(warm))
    return len(warm) >= ENOUGH_SAMPLES and rising and warm[-1] >= max(GROWN * warm[0], warm[0] + LEAST_GROWN)


def down(tools: Tools, slot: Slot) -> dict[str, tuple[str, str]]:
    """The services of which no replica is healthy: (the first one's name, what is wrong with it)."""
    checks = replica_checks(slot)
    wrong = tools.prober.once(checks)
    healthy = {_service(check.name) for check in checks if check.name not in wrong}
    found: dict[str, tuple[str, str]] = {}
    for name, why in wrong.items():
        if _service(name) not in healthy:
            found.setdefault(_service(name), (name, why))
    return found


def _service(name: str) -> str:
    return name.rpartition("-")[0]


def sick(tools: Tools, slot: Slot) -> str:
    """Why a release cannot take visitors: a service of which no replica is healthy. Empty: it can."""
    return next((f"{name} {why}" for name, why in down(tools, slot).values()), "")
