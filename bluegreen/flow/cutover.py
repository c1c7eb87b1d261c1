"""The cutover: write the file, signal, confirm; or put the former file back and confirm that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bluegreen.domain.color import Color
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.ports import Tools
from bluegreen.flow.run import Action


class Shift:
    """Public traffic from what is live now to `target`.

    `there` is the text that routes to the target, `back` the one that routes as before; both come with
    marks in place of generation and moment.
    """

    def __init__(self, tools: Tools, world: World, target: Color | None) -> None:
        self._tools = tools
        self._world = world
        self._target = target
        self.held: Any = None
        self._written = False
        self.generation = 0
        self._left: int | None = None
        self.there = ""
        self.back = ""
        self.since = ""
        self.directions: Mapping[Color, str] = {}

    def actions(self) -> dict[str, Action]:
        return {"upstream": self.upstream, "reload": self._reload, "confirm": self.confirm}

    def upstream(self) -> str:
        if self.directions:  # before the file: killed in between, the way back is there all the same
            self._tools.nginx.store(dict(self.directions))
        self._take_place(self.there, self.since or self._tools.now())
        return f"generation {self.generation}"

    def _take_place(self, text: str, since: str) -> None:
        nginx = self._tools.nginx
        if not text:  # an empty file would end nginx at its next start
            raise BluegreenError(
                "There is no rendered file to load.", failed="the text is empty", expected="a rendered text"
            )
        self.held = nginx.hold()
        answer, intended = nginx.answer(), nginx.intended()
        newest = [known.generation for known in (answer, intended) if known]
        self._left = newest[0] if newest else None
        self.generation = max([self.generation, *newest]) + 1
        wanted = nginx.activate(text, self.generation, since)
        try:
            nginx.write(wanted)
        finally:  # replaced or not: what counts is what is there
            self._written = self._written or nginx.loaded_text() == wanted

    def _reload(self) -> str:
        self._tools.nginx.reload()
        return "SIGHUP"

    def confirm(self) -> str:
        began = self._tools.clock()
        try:
            self._tools.nginx.confirm(self.generation, self._target, self.held)
        finally:
            self.let_go()
        if self._left is not None:
            self._tools.nginx.hand_over(self._left)
        return f"answered by generation {self.generation} after {self._tools.clock() - began:.2f} s"

    def let_go(self) -> None:
        if self.held:
            self.held.close()
            self.held = None

    def move_back(self, cause: Exception) -> BluegreenError:
        """Puts the former file back and confirms it; returns the error that says how that went."""
        world, tools = self._world, self._tools
        self.let_go()
        if not self._written:
            known = cause
            if not isinstance(known, BluegreenError):
                known = BluegreenError(
                    "The cutover failed before anything was written.", failed=str(cause), expected="no error of ours"
                )
            known.traffic = world.traffic()
            return known
        before = world.live
        target, self._target = self._target, before
        why = str(cause)
        try:
            since = world.intended.since if world.intended else None
            self._take_place(self.back, since or tools.now())
            tools.nginx.reload()
            self.confirm()
        except Exception as error:  # noqa: BLE001 - whatever it was, the person must hear what is sure
            answer = tools.nginx.answer()
            if answer and answer.live == before:
                return BluegreenError(
                    f"Traffic could not be moved to {target}; nginx never left {before or 'no color'}.",
                    failed=f"{why}; putting the former file back: {error}",
                    expected="nginx to load the file that it is given",
                    traffic=f"{before or 'nothing'} (nginx's answer)",
                    retry="safe, after the cause is mended", next=f"{tools.command} up", exit_code=ExitCode.MOVED_BACK,
                )  # fmt: skip
            return BluegreenError(
                "It is not known where traffic goes.",
                failed=f"moving to {target}: {why}; moving back to {before}: {error}",
                expected="nginx to answer on its control socket with the file it was given",
                traffic="unknown; look now",
                retry="not before you looked",
                next=f"{tools.command} status",
                exit_code=ExitCode.UNKNOWN,
            )
        where = f"{before or 'nothing'} (moved back, confirmed)"
        return BluegreenError(
            f"Traffic could not be moved to {target}; it is back on {before or 'nothing'}.",
            failed=why,
            expected="nginx to load the new file and its old workers to quit",
            traffic=where,
            retry="safe, after the cause is mended",
            next=f"{tools.command} logs",
            exit_code=ExitCode.MOVED_BACK,
        )
