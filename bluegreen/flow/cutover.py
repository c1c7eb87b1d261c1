"""The cutover: rename the route, and ask nginx; or rename it back, and ask again."""

from __future__ import annotations

import contextlib

from bluegreen.domain.color import Color, other
from bluegreen.domain.routing import BUCKETS
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.run import Action
from bluegreen.flow.values import Tools

Moved = tuple[str, Color, Color, float, float]  # verb, left, color, when its rename began, and ended


class Moves:
    """The renames that are not in the journal yet. Each gets a receipt later."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._made: list[Moved] = []

    def add(self, left: Color | None, color: Color | None, verb: str, moment: tuple[float, float]) -> None:
        """`moment`: when the rename began, and ended."""
        if left and color:
            self._made.append((verb, left, color, *moment))

    def note(self) -> None:
        """Writes them down. Whatever goes wrong here moves no traffic."""
        moves, self._made = self._made, []
        with contextlib.suppress(Exception):
            routing = self._tools.door.intended() if moves else None
            slots = {str(color): slot.as_dict() for color, slot in routing.slots.items()} if routing else {}
            for verb, left, color, began, ended in moves:
                self._tools.journal.receipts.begin((verb, left, color), slots, (began, ended))


class Cutover:
    """Public traffic from what is live now to `target`: all of it, or `shares` of visitors, step by step.

    nginx knows both colors before it begins.
    """

    def __init__(
        self, tools: Tools, world: World, target: Color, shares: tuple[int, ...] = (), verb: str = "switch"
    ) -> None:
        self._tools, self._world, self._target, self._verb = tools, world, target, verb
        self._renamed = False
        self._steps = list(shares)
        self.percent = world.canary  # of visitors who get the target now
        self.canary = world.canary  # what move_back brings back
        self.since = ""  # when the target became live
        self._moves = Moves(tools)

    def turned(self, since: str, moment: tuple[float, float]) -> None:
        """The rename was made already; `moment`: when it began, and ended."""
        self._renamed, self.since, self.percent = True, since, BUCKETS
        self._moves.add(self._world.live, self._target, self._verb, moment)

    def _turn(self, left: Color | None, color: Color | None, verb: str) -> None:
        """All traffic. A share of it gets no receipt: both colors answer then."""
        began = self._tools.wall()
        self._tools.door.turn(color)
        self._moves.add(left, color, verb, (began, self._tools.wall()))

    def actions(self) -> dict[str, Action]:
        return {"route": self.route, "share": self.share, "confirm": self.confirm, "seal": self.seal}

    def route(self) -> str:
        there = self._world.intended
        last = self._target == self._world.live  # the end of a canary
        stays = there.since if there and last else None
        self.since = stays or self._tools.now()
        self._turn(other(self._target) if last else self._world.live, self._target, self._verb)
        self._renamed, self.percent = True, BUCKETS
        return f"renamed to {self._target}"

    def share(self) -> str:
        """The next share."""
        percent = self._steps.pop(0)
        self.since = self._tools.now()
        self._tools.door.turn(self._target, percent)
        self._renamed, self.percent = True, percent
        return f"{percent} % of visitors to {self._target}"

    def confirm(self) -> str:
        wanted = self._target if self.percent == BUCKETS else f"{self.percent} % {self._target}"
        if instead := self._tools.door.confirm(self._target, self.percent):
            raise BluegreenError(
                "nginx does not follow the route.",
                code="route-not-followed",
                failed=instead,
                expected=f"nginx to answer {wanted}",
            )
        self._moves.note()
        return f"nginx answers {wanted}"

    def seal(self, wait: bool = True) -> str:
        self._moves.note()  # of a rename that was made the quick way
        generation = self._tools.door.seal(self._target, self.since, wait)
        return f"generation {generation}{'' if wait else ', begun'}"

    def move_back(self, cause: Exception) -> BluegreenError:
        """Renames the route back and asks nginx; returns the error that says how that went."""
        before, why = self._before(), str(cause)
        answer = self._tools.door.answer()
        if not self._renamed and (answer is None or answer.sends(*before)) and self._on_disk() == self._world.live:
            return self._nothing_moved(cause)
        try:
            if before[1] == BUCKETS:
                self._turn(self._target, before[0], "moved back")
            else:
                self._tools.door.turn(*before)
            instead = self._tools.door.confirm(*before)
        except BluegreenError as error:
            instead = str(error)
        answer = self._tools.door.answer()
        self._moves.note()
        if answer and answer.sends(*before):
            return self._moved_back(why)
        return self._unknown(why, instead or "nginx does not answer on its control socket")

    def _before(self) -> tuple[Color | None, int]:
        """(color, percent of visitors) to which traffic is moved back."""
        return (self._world.idle, self.canary) if self.canary else (self._world.live, BUCKETS)

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
        before = str(self._world.live or "nothing")
        if self.canary:
            before = f"{before}, except for the canary's {self.canary} %"
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
