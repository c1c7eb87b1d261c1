"""The front door of one app, as the stories know it: what it says, what it serves next, and the move of traffic."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bluegreen.domain.color import Color
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.frontdoor.door import Door, Run
from bluegreen.frontdoor.nginx import Nginx
from bluegreen.frontdoor.route import ALL, RUN

if TYPE_CHECKING:
    from bluegreen.domain.app import Stack
    from bluegreen.domain.world import NewNginx
    from bluegreen.frontdoor.snippets import Snippets


FOLDERS = f'mkdir -p {RUN}/temp && exec "$@"'  # what the entrypoint of compose/proxy.yaml makes


class Render(Protocol):
    """Settings and routing in, the text of nginx's file out."""

    def __call__(self, routing: Routing, stack: Stack, snippets: str | None) -> str: ...


class FrontDoor:
    """DoorPort for one nginx."""

    def __init__(self, nginx: Nginx, door: Door, snippets: Snippets, render: Render) -> None:
        self._nginx, self._door, self._snippets, self._render = nginx, door, snippets, render

    def answer(self, wait: bool = False) -> ControlAnswer | None:
        """What the loaded nginx says of itself; None: nothing answers. `wait`: for a reload that was only begun."""
        return self._nginx.settled() if wait else self._nginx.answer()

    def last_word(self, app: str, answer: ControlAnswer | None) -> tuple[ControlAnswer | None, bool]:
        """Without an `answer`, what is loaded by the name of a socket; and whether our folders are gone."""
        return answer or self._nginx.loaded_name(app), not self._nginx.sees_our_folders()

    def intended(self) -> Routing | None:
        """What the file and the route beside it say; None: the file is absent, or not ours."""
        return self._nginx.intended()

    def edited(self) -> bool:
        """Whether somebody else wrote into that file, or into what it includes; unknown counts as no."""
        return self._nginx.edited() or not self._snippets.intact()

    def loaded_text(self) -> str | None:
        """The file that nginx loads at its next start."""
        return self._nginx.loaded_text()

    def in_flight(self, addresses: frozenset[str]) -> int:
        """How many requests nginx holds to these addresses."""
        return self._nginx.in_flight(addresses)

    def render(self, routing: Routing, stack: Stack, today: bool = True) -> str:
        """The text for this routing. `today`: with the person's directives as they are now, else as they are loaded."""
        include = stack.settings.proxy.include
        folder = Path(stack.project_directory, include) if include else None
        return self._render(routing, stack, self._snippets.take(folder) if today else self._snippets.loaded())

    def differs(self, text: str, generation: int, since: str, colors: Collection[Color]) -> bool:
        """Whether another file is there than this text would give, or the text of one of these colors is missing."""
        return not all(map(self._door.stored, colors)) or self._door.differs(text, generation, since)

    def first(self, text: str, generation: int, since: str, live: Color | None, run: Run) -> None:
        """The file and the route for an nginx that does not run yet, tested where one will. Raises BluegreenError."""
        self._door.test([text], lambda command: run(["sh", "-c", FOLDERS, "sh", *command]))
        self._door.first(text, generation, since)
        if live:
            self._door.turn(live, keep=True)

    def load(
        self, text: str, sealed: Mapping[Color, str], live: Color | None, since: str, new: NewNginx | None = None
    ) -> int:
        """Tests a text and those for either color, stores these, and has nginx load the first; returns its generation.

        Stored before it is loaded: killed in between, no older one is ever loaded. `new`: another nginx loads it and
        takes over from the one that runs; no request waits. Raises BluegreenError.
        """
        texts = list(dict.fromkeys([text, *sealed.values()]))
        self._door.test(texts)
        if new:
            self._door.test(texts, lambda command: new.try_out(["sh", "-c", FOLDERS, "sh", *command]))
        self._door.store(dict(sealed))
        if new:
            return self._door.succeed(new, text, live, since)
        return self._door.load(text, live, since)

    def turn(self, color: Color | None, percent: int = ALL) -> None:
        """So many percent of public traffic to this color, all else to the other one, by one rename.

        Raises BluegreenError: nothing was moved, or ask nginx.
        """
        self._door.turn(color, percent)

    def confirm(self, color: Color | None, percent: int = ALL) -> str | None:
        """None when nginx answers by the route with this share; else what it answers instead."""
        return self._door.confirm(color, percent)

    def seal(self, color: Color, since: str, wait: bool = True) -> int:
        """Makes what is live the loaded file's own default; returns its generation. Raises BluegreenError."""
        return self._door.seal(color, since, wait)

    def tidy(self, settled: bool = False) -> None:
        """Removes what a killed command left half-made; once all is `settled`, directives that no file names, too."""
        self._door.tidy()
        self._snippets.tidy()
        if settled:
            self._snippets.forget()
