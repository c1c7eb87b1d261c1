"""The cutover: rename the route, and ask nginx; or rename it back, and ask again."""

from __future__ import annotations

import contextlib

from bluegreen.domain.color import Color
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.run import Action
from bluegreen.flow.values import Tools

Moved = tuple[str, Color, Color, float, float]  # verb, left, color, when its rename began, and ended


class Cutover:
    """Public traffic from what is live now to `target`. nginx knows both colors before it begins."""

    def __init__(self, tools: Tools, world: World, target: Color, verb: str = "switch") -> None:
        self._tools, self._world, self._target, self._verb = tools, world, target, verb
        self._renamed = False
        self.since = ""  # when the target became live
        self._moves: list[Moved] = []  # that are not in the journal yet

    def turned(self, since: str, moment: tuple[float, float]) -> None:
        """The rename was made already; `moment`: when it began, and ended."""
        self._renamed, self.since = True, since
        self._moved(self._world.live, self._target, self._verb, moment)

    def _turn(self, left: Color | None, color: Color | None, verb: str) -> None:
        began = self._tools.wall()
        self._tools.door.turn(color)
        self._moved(left, color, verb, (began, self._tools.wall()))

    def _moved(self, left: Color | None, color: Color | None, verb: str, moment: tuple[float, float]) -> None:
        if left and color:
            self._moves.append((verb, left, color, *moment))

    def _note(self) -> None:
        """Each move gets a receipt later. Whatever goes wrong here moves no traffic."""
        moves, self._moves = self._moves, []
        with contextlib.suppress(Exception):
            routing = self._tools.door.intended() if moves else None
            slots = {str(color): slot.as_dict() for color, slot in routing.slots.items()} if routing else {}
            for verb, left, color, began, ended in moves:
                self._tools.journal.receipts.begin((verb, left, color), slots, (began, ended))

    def actions(self) -> dict[str, Action]:
        return {"route": self.route, "confirm": self.confirm, "seal": self.seal}

    def route(self) -> str:
        self.since = self._tools.now()
        self._turn(self._world.live, self._target, self._verb)
        self._renamed = True
        return f"renamed to {self._target}"

    def confirm(self) -> str:
        if instead := self._tools.door.confirm(self._target):
            raise BluegreenError(
                "nginx does not follow the route.",
                code="route-not-followed",
                failed=instead,
                expected=f"nginx to answer {self._target}",
            )
        self._note()
        return f"nginx answers {self._target}"

    def seal(self, wait: bool = True) -> str:
        self._note()  # of a rename that was made the quick way
        generation = self._tools.door.seal(self._target, self.since, wait)
        return f"generation {generation}{'' if wait else ', begun'}"

    def move_back(self, cause: Exception) -> BluegreenError:
        """Renames the route back and asks nginx; returns the error that says how that went."""
        before, why = self._world.live, str(cause)
        answer = self._tools.door.answer()
        if not self._renamed and (answer is None or answer.live == before) and self._on_disk() == before:
            return self._nothing_moved(cause)
        try:
            self._turn(self._target, before, "moved back")
            instead = self._tools.door.confirm(before)
        except BluegreenError as error:
            instead = str(error)
        answer = self._tools.door.answer()
        self._note()
        if answer and answer.live == before:
            return self._moved_back(why)
        return self._unknown(why, instead or "nginx does not answer on its control socket")

    def _on_disk(self) -> Color | None:
        found = self._tools.door.intended()
        return found.live if found else None

    def _nothing_moved(self, cause: Exception) -> BluegreenError:
        known = cause
        if not isinstance(known, BluegreenError):
            known = BluegreenError(
                "The cutover failed before anything moved.",
                code="cutover-failed",
                failed=str(cause),
                expected="the link route/live renamed",
            )
        known.traffic = self._world.traffic()
        return known

    def _moved_back(self, why: str) -> BluegreenError:
        before = self._world.live or "nothing"
        return BluegreenError(
            f"Traffic could not be moved to {self._target}; it is back on {before}.",
            code="moved-back",
            failed=why,
            expected=f"nginx to answer {self._target} on its control socket",
            traffic=f"{before} (moved back, confirmed)",
            retry="safe, after the cause is fixed",
            next=f"{self._tools.command} logs",
            exit_code=ExitCode.MOVED_BACK,
        )

    def _unknown(self, why: str, instead: str) -> BluegreenError:
        before = self._world.live or "no color"
        return BluegreenError(
            "It is not known where traffic goes.",
            code="traffic-unknown",
            failed=f"moving to {self._target}: {why}; moving back to {before}: {instead}",
            expected="nginx to answer on its control socket",
            traffic=f"unknown; look now (the route on the disk says {self._on_disk() or 'no color'})",
            retry="not before you looked",
            next=f"{self._tools.command} status",
            exit_code=ExitCode.UNKNOWN,
        )
