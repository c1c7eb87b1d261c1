"""How the containers of a new release do while visitors have it: health, restarts. Looked at beside the traffic."""

from __future__ import annotations

import threading
from collections import Counter

from bluegreen.domain.routing import Slot
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.values import Tools

PAUSE = 1.0  # seconds between two looks
UNHEALTHY = 3  # looks in a row
RESTARTS = 2  # of one release's containers: one may be an accident
KILLED = 137  # the exit code of a container that the kernel ended, for its memory


class Signs:
    """Looks from its start on, in a thread of its own. Never raises: what cannot be asked is no sign."""

    def __init__(self, tools: Tools, slot: Slot) -> None:
        self._tools, self._slot = tools, slot
        self._streak: Counter[str] = Counter()  # by service: looks in a row in which no replica was healthy
        self._over = threading.Event()
        self.worse = ""  # what is reason enough to go back, in a sentence
        self.note = ""  # what is worth a word
        threading.Thread(target=self._look, daemon=True).start()

    def leave(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                self._health()
                self._restarts()
            except Exception as error:  # noqa: BLE001 - the next look may succeed; nothing is decided by this one
                self.note = f"its containers could not be looked at: {error}"
            self._over.wait(PAUSE)

    def _health(self) -> None:
        checks = replica_checks(self._slot)
        wrong = self._tools.prober.once(checks)
        for service in {check.name.rpartition("-")[0] for check in checks}:
            mine = [check.name for check in checks if check.name.rpartition("-")[0] == service]
            self._streak[service] = self._streak[service] + 1 if all(name in wrong for name in mine) else 0
            if self._streak[service] >= UNHEALTHY:
                self.worse = self.worse or f"no replica of {service} is healthy any more: {wrong[mine[0]]}"

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


def sick(tools: Tools, slot: Slot) -> str:
    """Why a release cannot take visitors: a service of which no replica is healthy. Empty: it can."""
    checks = replica_checks(slot)
    wrong = tools.prober.once(checks)
    well = {check.name.rpartition("-")[0] for check in checks if check.name not in wrong}
    return next((f"{name} {why}" for name, why in wrong.items() if name.rpartition("-")[0] not in well), "")
