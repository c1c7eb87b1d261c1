"""One command's view of one app: which one is meant, where its state is, what its Compose file says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bluegreen.cli import output, preview, where
from bluegreen.cli.clock import utc_now
from bluegreen.cli.signals import Signals
from bluegreen.cli.statefolder import writing
from bluegreen.compose.options import find_file, settled
from bluegreen.domain.app import Stack
from bluegreen.domain.routing import Routing
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.files import Unfit, refuse_other
from bluegreen.flow.ports import Show
from bluegreen.flow.values import Tools
from bluegreen.state import folder as folders

if TYPE_CHECKING:  # loaded only by the verbs that use them; start-up time is part of the product
    from bluegreen.compose.options import Options
    from bluegreen.compose.run import Compose
    from bluegreen.state.lock import Lock


@dataclass
class App:
    """Every part is made when it is first asked for."""

    options: Options
    show: Show = field(default_factory=lambda: output.choose("auto"))
    signals: Signals = field(default_factory=Signals)
    lock: Lock | None = None  # while a verb acts
    state_folder: Path | None = None
    acts: bool = False  # a look makes and changes nothing in the state folder
    usual_preview: bool = False  # the block names none

    @cached_property
    def compose_file(self) -> Path | None:
        return find_file(self.options, Path.cwd(), self.environment)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The environment, with what env files say of the Compose file's place and profiles."""
        beside = os.path.dirname(self.options.files[0]) if self.options.files else "."
        return settled(self.options, Path(self.options.project_directory or beside), lambda: self.compose)

    @cached_property
    def state(self) -> Path:
        """The app's state folder: by the name in the Compose file once that was read, else by what is recorded."""
        found = self.state_folder
        if found is None and os.environ.get(where.STATE_VARIABLE):
            found = Path(os.environ[where.STATE_VARIABLE])
        if found is None and "stack" not in self.__dict__:
            found = where.of_here(self.options, os.environ)
        if found is None:
            found = where.of_file(lambda: self.stack.app, self.options, os.environ)
        where.refuse_unreadable(found, self.typed)
        if self.state_folder is None:
            from bluegreen.cli import trust

            trust.believe_state(self, found)
        return found

    @cached_property
    def routing(self) -> Routing | None:
        """What the rendered file says; enough to act without the Compose file."""
        from bluegreen.frontdoor.files import Files

        return Files(str(self.state / "nginx")).routing()

    @property
    def command(self) -> str:
        """`bluegreen` with the options that reach this app, for messages."""
        return self.options.command()

    @property
    def typed(self) -> str:
        """The same with the verb that was typed."""
        context = click.get_current_context(silent=True)
        return f"{self.command} {context.info_name if context else 'status'}"

    @cached_property
    def compose(self) -> Compose:
        from bluegreen.cli import trust
        from bluegreen.compose.run import Compose

        typed = self.options
        known = partial(folders.find, typed.files, typed.project_name, os.environ)
        found = Compose(typed, lambda: self.state, known, trust.Belief(self))
        found.held = self.still_held
        return found

    @property
    def project_directory(self) -> Path:
        """The folder that relative paths of the Compose file start from. Raises BluegreenError without a file."""
        if self.compose_file is None or not _may_be_there(self.compose_file):
            raise no_compose_file(self.compose_file)
        return Path(self.options.project_directory or self.compose_file.parent).absolute()

    @cached_property
    def stack(self) -> Stack:
        """The app as the Compose file describes it. Raises BluegreenError with every problem."""
        folder = self.project_directory
        document = self.compose.resolve(folder)

        from bluegreen.places.docker import contexts
        from bluegreen.places.docker.api import Api
        from bluegreen.places.docker.refused import refusals
        from bluegreen.settings.stack import make_stack

        def refuse(document: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
            return refusals(document, names, Api(document["name"]).version)

        stack = make_stack(document, str(folder), _profiles(self, document, folder), refuse)
        said = [f"Compose: {words}" for words in self.compose.warnings]
        said += contexts.notices(stack.services, stack.settings.own_services())
        stack = replace(stack, notices=(*stack.notices, *said))
        if stack.settings.edge:
            from bluegreen.cli.edge_state import with_edge

            stack = with_edge(stack)
        self.usual_preview = "preview" not in document["x-bluegreen"]
        if self.usual_preview:
            self.__dict__["stack"] = stack  # the state is found by its name
            stack = preview.with_kept(stack, self.state)
        return stack

    def tools(self, app: str) -> Tools:
        """Everything that a story works with, for the app of this name."""
        from bluegreen.cli.wiring import make_tools

        return make_tools(self, app)

    @contextmanager
    def acting(self, verb: str, wait: float = 0.0, now: bool = False) -> Iterator[None]:
        """Holds the app's lock for one verb; `wait` and `now` say what to do about somebody who holds it."""
        from bluegreen.cli.phases import as_far_as
        from bluegreen.frontdoor.folders import give_to_owner, make_state
        from bluegreen.state.lock import Held, locked

        self.acts = True
        where.refuse_foreign(self.state)
        with writing(self.state):
            make_state(self.state)
        try:
            with locked(self.state, verb, utc_now(), Held(wait, now), self.command, self.show.notice) as lock:
                self.lock = lock
                self.__dict__.pop("routing", None)  # read before the lock, it may be what another one has changed
                with self.signals.listening(), as_far_as(lambda: lock.reached):
                    yield
        finally:
            with contextlib.suppress(OSError):  # the folder may have been deleted meanwhile; what was done is done
                give_to_owner(self.state)

    def phase(self, name: str) -> None:
        """Says how far the operation is: what others may do about it depends on that."""
        if self.lock is not None:
            self.lock.phase(name)

    def still_held(self) -> None:
        """Raises BluegreenError when the lock was taken away from under this command."""
        if self.lock is not None:
            self.lock.check()

    def runs(self) -> bool:
        """Whether the Engine has a proxy of this app, whatever the state folder says."""
        from bluegreen.places.docker import proxies

        return any(it.app == self.stack.app for it in proxies.proxies())

    def running_app(self, acts: bool = False) -> str:
        """The app's name from the state folder, or from the Compose file when there is no state yet.

        Raises BluegreenError for a verb that acts on an app of another folder; a look says whose it is.
        """
        from bluegreen.cli.claim import belongs_elsewhere, elsewhere

        if not self.routing:
            return self.stack.app
        if self.options.project_name:
            _same_app(self, self.options.project_name)
        elif not os.environ.get("COMPOSE_PROJECT_NAME"):
            beside = self.compose_file.parent if self.compose_file else "."
            here = os.path.abspath(self.options.project_directory or beside)
            other = elsewhere(self, here)
            if other and not Path(here).is_relative_to(other):
                if acts:
                    raise belongs_elsewhere(self, self.routing.app, other, here)
                output.note(f"Note: {output.clean(f'{self.routing.app} is the app of {other}; this is {here}.')}")
        return self.routing.app


def _profiles(it: App, document: Mapping[str, Any], folder: Path) -> list[str]:
    """Those that a plain Compose would have active here."""
    if not any(service.get("profiles") for service in (document.get("services") or {}).values()):
        return []
    found = settled(it.options, folder, lambda: it.compose)
    return [name.strip() for name in found.get("COMPOSE_PROFILES", "").split(",")]


def _same_app(it: App, app: str) -> None:
    if it.routing and it.routing.app != app:
        raise BluegreenError(
            f"This folder serves the app {it.routing.app}, not {app}.",
            code="another-app",
            failed=f"{it.state} belongs to {it.routing.app}",
            expected="one app for each folder",
            retry="not useful",
            next=f"{named(it, it.routing.app)} status, or another folder for {app}",
            exit_code=ExitCode.USAGE,
        )


def _may_be_there(file: Path) -> bool:
    """Whether a file is there, as far as this user can see; of one that may not be read Compose says so itself."""
    try:
        return file.is_file()
    except PermissionError:
        return True


def _what_is_there(named: Path) -> str:
    try:
        refuse_other(str(named), named.stat().st_mode)
    except Unfit as error:
        return f"{named}: {error.strerror}"
    except (OSError, ValueError):
        pass
    return f"{named} does not exist"


def no_compose_file(named: Path | None = None) -> BluegreenError:
    """What a newcomer meets in a folder without a Compose file."""
    from bluegreen.domain.words import COMPOSE_FILES

    return BluegreenError(
        f"There is no Compose file{f' {named}' if named else ' here or above'}.", code="no-compose-file",
        failed=_what_is_there(named) if named else f"looked for {', '.join(COMPOSE_FILES)}",
        expected="a Compose file with an x-bluegreen block",
        retry="safe",
        next="bluegreen init (in a new project); or cd to your project, bluegreen -f FILE …, or bluegreen -p APP … "
        "(bluegreen apps lists them)",
        exit_code=ExitCode.USAGE,
    )  # fmt: skip


def named(it: App, app: str) -> str:
    """`bluegreen` with the options that reach the app of this name."""
    return replace(it.options, project_name=app).command()
