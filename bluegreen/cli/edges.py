"""The edge of this machine, as the stories of one app know it: its state found, its lock held, its nginx served."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli.clock import utc_now
from bluegreen.cli.doors import sockets_at_edge
from bluegreen.cli.edge_state import LINK, claimed_at, its_own
from bluegreen.cli.statefolder import writing
from bluegreen.domain import edge as domain
from bluegreen.domain.app import Edge, Stack
from bluegreen.errors import BluegreenError

if TYPE_CHECKING:  # loaded only by apps on an edge; start-up time is part of the product
    from bluegreen.cli.app import App
    from bluegreen.domain.edge import Claim
    from bluegreen.domain.routing import Slot
    from bluegreen.features.edge.claims import Claims
    from bluegreen.features.edge.serve import Check, Run, Serving
    from bluegreen.flow.values import Tools

TRIES = 3  # to lock an edge that others may take away meanwhile
WAIT = 60.0  # seconds for another app's command at the edge; each takes a few


class Edges:
    """EdgePort for one app. Every method raises BluegreenError."""

    def __init__(self, it: App, app: str) -> None:
        self._it, self._app = it, app
        self._asked: Edge | None = None  # the edge that was asked already whether it could serve the app

    # -- looks

    def lacks(self, stack: Stack, slots: Iterable[Slot], thorough: bool) -> str:
        """Why the edge does not serve this app as it should, in words; empty: it does, or there is no edge."""
        edge = stack.settings.edge
        if edge is None:
            return ""
        mine = domain.claim(stack, slots)
        serving = self._serving(edge, stack, look=True)
        with its_own(edge.state):
            claims = _kept(edge.state).all()
        self._refuse(edge, serving, mine, claims)
        _refuse_held(self._app, edge, serving.found, self.goes(stack))
        return serving.lacks([*_without(claims, self._app), mine], thorough)

    def unbound(self, stack: Stack) -> bool:
        """Whether the sockets in which the app's nginx listens for the edge were removed."""
        edge = stack.settings.edge
        there = f"{edge.state}/{domain.FOLDER}/{self._app}" if edge else ""
        return bool(there) and sockets_at_edge(self._it.state) == there and not os.path.lexists(f"{there}/plain.sock")

    def left(self, stack: Stack | None) -> str:
        """The edge that it has claimed names at and that its settings do not say any more (None: that it ends at)."""
        there = claimed_at(self._it.state, self._app)
        wanted = stack.settings.edge if stack else None
        return os.path.basename(there) if there and (wanted is None or wanted.state != there) else ""

    def goes(self, stack: Stack) -> Collection[str]:
        """The containers that go when it leaves its edge: those of the edge, if nobody else is on it."""
        there = claimed_at(self._it.state, self._app) if self.left(stack) else None
        if there is None:
            return ()
        with its_own(there):
            if _others(there, self._app):
                return ()
        from bluegreen.places.docker.addresses import proxy_name

        return (proxy_name(os.path.basename(there)),)

    # -- what acts

    def ask(self, stack: Stack) -> None:
        """Raises BluegreenError for what the edge could not serve, while nothing has changed."""
        edge = self._before(stack)
        if edge is None or edge == self._asked:
            return
        with self._locked(edge.state), its_own(edge.state):
            serving, claims = self._serving(edge, stack, look=False), _kept(edge.state).all()
            mine = domain.claim(stack)
            self._refuse(edge, serving, mine, claims)
            _refuse_held(self._app, edge, serving.found, self.goes(stack))
            serving.rehearse([*_without(claims, self._app), mine])
        self._asked = edge

    def prepare(self, stack: Stack) -> None:
        """The folder that its nginx mounts. Raises as `ask` does."""
        self.ask(stack)
        edge = self._before(stack)
        if edge is None:
            return
        from bluegreen.frontdoor.folders import make_sockets, proxy_user
        from bluegreen.frontdoor.route import relink

        with self._locked(edge.state), its_own(edge.state):
            make_sockets(Path(edge.state), [self._app], proxy_user(self._it.state))
        with writing(self._it.state):
            relink(str(self._it.state / LINK), f"{edge.state}/{domain.FOLDER}/{self._app}")

    def ensure(self, stack: Stack, slots: Iterable[Slot]) -> str:
        """The edge serves the names of this app; says what was done."""
        edge = stack.settings.edge
        if edge is None:
            return ""
        mine = domain.claim(stack, slots)
        with self._locked(edge.state), its_own(edge.state):
            serving, kept = self._serving(edge, stack, look=False), _kept(edge.state)
            self._refuse(edge, serving, mine, kept.all())
            with kept.claimed(mine):
                return serving.serve(kept.all())

    def leave(self) -> str:
        """Its names are free; the last app takes the edge with it. Says what was done."""
        state = claimed_at(self._it.state, self._app)
        if state is None:
            return ""
        import shutil

        try:
            os.stat(state)
        except FileNotFoundError:  # somebody has removed it: its containers are all that there is
            if not _others(state, self._app):
                return _end(state, self._it.state / LINK)
            (self._it.state / LINK).unlink(missing_ok=True)
            return "the state of the edge is gone; up in one of its other apps makes it again"
        with self._locked(state), its_own(state):
            if not _others(state, self._app):
                return _end(state, self._it.state / LINK)
            _kept(state).forget(self._app)
            serving = self._serving(self._found(state), None, look=False)
            there = serving.world.proxy is not None
            said = serving.serve(_kept(state).all()) if there else "its names are free; the edge itself is not there"
            shutil.rmtree(Path(state, domain.FOLDER, self._app), ignore_errors=True)
        (self._it.state / LINK).unlink(missing_ok=True)
        return said

    # -- small parts

    def _before(self, stack: Stack) -> Edge | None:
        """The edge before this app; None: there is none, or this is the edge itself."""
        edge = stack.settings.edge
        return edge if edge and edge.state and domain.app_name(edge) != self._app else None

    def _refuse(self, edge: Edge, serving: Serving, mine: Claim, claims: list[Claim]) -> None:
        from bluegreen.features.edge.claims import refuse_other_settings, refuse_taken

        refuse_taken(mine, _without(claims, self._app), self._it.command)
        refuse_other_settings(edge, serving.found, claims, self._app, self._it.command)

    @contextmanager
    def _locked(self, state: str) -> Iterator[None]:
        """The edge's state folder, made if there is none, while no other command acts on it."""
        from bluegreen.frontdoor.folders import make_sockets, make_state, proxy_user
        from bluegreen.state.lock import Held, locked

        with contextlib.ExitStack() as held:
            for more in reversed(range(TRIES)):
                with its_own(state):
                    make_state(Path(state))
                    make_sockets(Path(state), [], proxy_user(Path(state)))
                try:
                    held.enter_context(
                        locked(Path(state), "edge", utc_now(), Held(WAIT), self._it.command, self._it.show.notice)
                    )
                    break
                except FileNotFoundError:  # the last app has just taken it away
                    if not more:
                        raise
            held.callback(_given_back, state)
            yield

    def _found(self, state: str) -> Edge:
        """What the edge that there is says of itself."""
        from dataclasses import replace

        proxy = self._tools(state, look=True).proxy.container()
        found = domain.labelled(proxy.edge) if proxy else None
        return replace(found or Edge(os.path.basename(state).removeprefix(domain.APP)), state=state)

    def _serving(self, edge: Edge, stack: Stack | None, look: bool) -> Serving:
        from bluegreen.features.edge.serve import Serving
        from bluegreen.frontdoor.edge import render
        from bluegreen.shipped import shipped

        image = stack.settings.proxy.image if stack else ""
        tools = self._tools(edge.state, look)
        return Serving(
            tools, edge, image, lambda edge, claims: render(edge, claims, shipped("nginx")), _check(edge.state)
        )

    def _tools(self, state: str, look: bool) -> Tools:
        from bluegreen.cli.app import App
        from bluegreen.cli.wiring import make_tools

        it = self._it
        itself = App(it.options, it.show, it.signals, state_folder=Path(state), acts=not look)
        return make_tools(itself, os.path.basename(state))


def _kept(state: str) -> Claims:
    from bluegreen.features.edge.claims import Claims

    return Claims(state)


def _others(state: str, app: str) -> bool:
    """Whether another app is on it, or is about to be: its nginx has the folder for its sockets."""
    from bluegreen.places.docker.proxies import on_edge

    name = os.path.basename(state)
    if on_edge(name.removeprefix(domain.APP)) - {app, name}:
        return True
    with contextlib.suppress(FileNotFoundError):
        if set(os.listdir(Path(state, domain.FOLDER))) - {app}:
            return True
    return bool(_without(_kept(state).all(), app))


def _end(state: str, link: Path) -> str:
    """The edge goes with its last app."""
    import shutil

    from bluegreen.places.docker.api import Api
    from bluegreen.places.docker.engine import Engine

    name = os.path.basename(state)
    removed = Engine(Api(name)).remove_leftovers()
    shutil.rmtree(state, ignore_errors=True)
    link.unlink(missing_ok=True)
    return f"nobody else is on it: {name} is removed ({len(removed)} containers and networks)"


def _check(state: str) -> Check:
    """`nginx -t` on a text of the edge."""
    from bluegreen.cli.doors import front_door
    from bluegreen.cli.where import short
    from bluegreen.frontdoor.front_door import FOLDERS
    from bluegreen.places.docker.api import Api
    from bluegreen.places.docker.commands import ProxyHandle

    name = os.path.basename(state)
    _, _, door = front_door(name, Path(state), short(Path(state, "run")), ProxyHandle(Api(name)))

    def check(text: str, run: Run | None) -> None:
        door.test([text], (lambda command: run(["sh", "-c", FOLDERS, "sh", *command])) if run else None)

    return check


def _refuse_held(app: str, edge: Edge, found: Edge | None, goes: Collection[str]) -> None:
    """Raises BluegreenError when somebody else has a port that the edge has to get. `found`: the one that is there;
    `goes`: containers that give theirs up.
    """
    mine = {*found.listen, *found.tls} if found else set()
    wanted = [it for it in (*edge.listen, *edge.tls) if it not in mine]
    if not wanted:
        return
    from bluegreen.places.docker.api import Api
    from bluegreen.places.docker.engine import Engine

    for listen, holder in Engine(Api(app)).port_holders(wanted).items():
        if holder is not None and holder not in goes:
            raise BluegreenError(
                "A port that the edge must be published on is taken.", code="port-taken",
                failed=f"{holder or 'a process outside Docker'} holds {listen}",
                expected=f"{listen} free (edge.listen and edge.tls in x-bluegreen)",
                retry="safe, when the port is free or another is chosen", next="ss -ltnp (shows who holds it)",
            )  # fmt: skip


def _given_back(state: str) -> None:
    """What root has written at a user's edge becomes the user's."""
    from bluegreen.frontdoor.folders import give_to_owner

    with contextlib.suppress(FileNotFoundError):  # it went with its last app
        give_to_owner(Path(state))


def _without(claims: Iterable[Claim], app: str) -> list[Claim]:
    return [claim for claim in claims if claim.app != app]
