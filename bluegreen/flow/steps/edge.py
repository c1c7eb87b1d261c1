"""An app comes to its edge, or leaves it; while its nginx is made again, visitors get no answers, and that is timed."""

from __future__ import annotations

from bluegreen.domain.app import Stack
from bluegreen.flow.prerequisites import at_the_edge
from bluegreen.flow.values import Tools


class Moving:
    """One `up`. `lacks`: whether the edge has to do something for the app."""

    def __init__(self, tools: Tools, stack: Stack, lacks: bool) -> None:
        self._tools, self._stack, self._lacks = tools, stack, lacks
        self._silent: float | None = None  # since when no visitor may have had an answer

    @property
    def traffic(self) -> str:
        """For an error: that visitors get no answers now. Empty: they get them."""
        return f"no visitor gets an answer until {self._tools.command} up is done" if self._silent is not None else ""

    def begins(self) -> None:
        """From now on there may be no answers, so the command goes on to the end: a signal is only noted."""
        self._tools.signals.hold()
        if self._silent is None:
            self._silent = self._tools.clock()

    def leave(self) -> str:
        """Step leave_edge: its names are free. The edge to which it goes was asked before."""
        self._tools.edge.ask(self._stack)
        self.begins()
        with self._tools.signals.deferred():
            return self._tools.edge.leave()

    def arrive(self) -> str:
        """Step edge: the edge serves its names."""
        with self._tools.signals.deferred():
            done = at_the_edge(self._tools, self._stack)
        return f"{done}{self._gap()}"

    def published(self, done: str) -> str:
        """What step proxy has `done`, with the time without answers, if they are there again by it."""
        return done if self._lacks else f"{done}{self._gap()}"

    def _gap(self) -> str:
        if self._silent is None:
            return ""
        seconds, self._silent = self._tools.clock() - self._silent, None
        return f", {seconds:.1f} s without answers at most"
