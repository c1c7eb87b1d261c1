"""Puts the rooms together for one command: finds the app, opens what the verb needs, hands it to the story."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bluegreen.cli import output, where
from bluegreen.cli.clock import utc_now
from bluegreen.cli.probes import Probes
from bluegreen.cli.signals import Signals
from bluegreen.cli.where import short
from bluegreen.compose.options import find_file
from bluegreen.domain import secrets as secrecy
from bluegreen.domain.app import Stack
from bluegreen.domain.release import Note
from bluegreen.domain.routing import Routing
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.ports import RenderPort, Show
from bluegreen.flow.values import Tools
from bluegreen.host import machine
from bluegreen.shipped import shipped
from bluegreen.state import folder as folders
from bluegreen.state.holder import user

if TYPE_CHECKING:  # loaded only by the verbs that use them; start-up time is part of the product
    from bluegreen.compose.options import Options
    from bluegreen.compose.run import Compose
    from bluegreen.domain.answers import Expectation
    from bluegreen.domain.record import Restored
    from bluegreen.features.init.layout import Layout
    from bluegreen.features.init.propose import Proposal
    from bluegreen.places.docker.colors import Colors
    from bluegreen.places.docker.containers import Engine
    from bluegreen.plans.plan import Wish


@dataclass
class App:
    """One command's view of one app. Every part is made when it is first asked for."""

    options: Options
    show: Show = field(default_factory=lambda: output.choose("auto"))
    signals: Signals = field(default_factory=Signals)
    phase: Callable[[str], None] = lambda _: None  # tells the lock how far an operation is
    state_folder: Path | None = None
    _acts: bool = False  # a look makes and changes nothing in the state folder

    # -- where

    @cached_property
    def compose_file(self) -> Path | None:
        return find_file(self.options, Path.cwd(), os.environ)

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
        where.refuse_unreadable(found, f"{self.command} …")
        return found

    @cached_property
    def routing(self) -> Routing | None:
        """What the rendered file says; enough to act without the Compose file."""
        from bluegreen.frontdoor.files import Files

        return Files(str(self.state / "nginx")).routing()

    @property
    def command(self) -> str:
        """`bluegreen` with the options that reach this app, for messages."""
        return f"bluegreen{self.options.shown()}"

    # -- what the Compose file says

    @cached_property
    def compose(self) -> Compose:
        from bluegreen.compose.run import Compose

        typed = self.options
        return Compose(typed, lambda: self.state, lambda: folders.find(typed.files, typed.project_name, os.environ))

    @property
    def project_directory(self) -> Path:
        """The folder that relative paths of the Compose file start from. Raises BluegreenError without a file."""
        if self.compose_file is None or not self.compose_file.is_file():
            raise no_compose_file(self.compose_file)
        return Path(self.options.project_directory or self.compose_file.parent).absolute()

    def proposal(self) -> tuple[Proposal | None, Path]:
        """The block that would do for this Compose file (None: it has one) and the file. For `init`."""
        from bluegreen.features.init.propose import propose
        from bluegreen.places.docker import contexts

        document = self.compose.resolve(self.project_directory)
        file = self.compose_file or Path()
        found = None if "x-bluegreen" in document else propose(document)
        if found:
            found.advice.extend(contexts.notices(document["services"], list(document["services"])))
        return found, file

    def layout(self, folder: Path) -> tuple[Layout, dict[str, str]]:
        """(how a project without a Compose file is laid out, its files). Raises BluegreenError: it cannot be told."""
        from bluegreen.features.init.layout import find_layout
        from bluegreen.host import sources

        there = sources.look(folder)
        found = find_layout(there)
        if found is None:
            raise BluegreenError(
                "There is no Compose file, and no FastAPI application was found.", failed=f"looked in {folder}",
                expected="a module with app = FastAPI(…), and requirements.txt or pyproject.toml", retry="safe",
                next="bluegreen -f FILE init (for a Compose file elsewhere)", exit_code=ExitCode.USAGE,
            )  # fmt: skip
        return found, there

    def write_new(self, folder: Path, files: Mapping[str, str]) -> None:
        """Writes files that are not there. Raises BluegreenError."""
        from bluegreen.host import sources

        try:
            sources.write_new(folder, dict(files))
        except OSError as error:
            raise BluegreenError(
                "The files cannot be written.", failed=f"{error.strerror}: {error.filename}",
                expected="a folder that this user may write into", retry="safe, after the cause is mended",
                exit_code=ExitCode.USAGE,
            ) from None  # fmt: skip

    @cached_property
    def stack(self) -> Stack:
        """The app as the Compose file describes it. Raises BluegreenError with every problem."""
        folder = self.project_directory
        document = self.compose.resolve(folder)

        from bluegreen.places.docker import contexts
        from bluegreen.places.docker.colors import refusals
        from bluegreen.places.docker.containers import Engine
        from bluegreen.settings.stack import make_stack

        def refuse(document: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
            return refusals(document, names, Engine(document["name"]).api_version)

        profiles = filter(None, os.environ.get("COMPOSE_PROFILES", "").split(","))
        stack = make_stack(document, str(folder), profiles, refuse)
        said = [f"Compose: {words}" for words in self.compose.warnings]
        said += contexts.notices(stack.services, stack.settings.own_services())
        return replace(stack, notices=(*stack.notices, *said))

    def _same_app(self, app: str) -> None:
        if self.routing and self.routing.app != app:
            raise BluegreenError(
                f"This folder serves the app {self.routing.app}, not {app}.",
                failed=f"{self.state} belongs to {self.routing.app}",
                expected="one app for each folder",
                retry="not useful",
                next=f"bluegreen -p {self.routing.app} status, or another folder for {app}",
                exit_code=ExitCode.USAGE,
            )

    def with_images(self, overrides: Mapping[str, str]) -> Stack:
        """The stack with `--image SERVICE=REF` applied. Raises BluegreenError for an unknown service."""
        unknown = [name for name in overrides if name not in self.stack.settings.own_services()]
        if unknown:
            raise BluegreenError(
                f"--image names {unknown[0]}, which is not a release service.", failed=f"--image {unknown[0]}=…",
                expected=", ".join(self.stack.settings.own_services()), retry="safe",
                next=f"{self.command} status", exit_code=ExitCode.USAGE,
            )  # fmt: skip
        services = {
            name: {**service, "image": overrides[name]} if name in overrides else service
            for name, service in self.stack.services.items()
        }
        return replace(self.stack, services=services)

    def wish(self, tools: Tools, stack: Stack, proxy: bool = False) -> Wish:
        """What a release of today's Compose file would be. `proxy`: and what its proxy would be, which only up asks."""
        from bluegreen.domain.record import definition_of
        from bluegreen.flow import answers as expect
        from bluegreen.places.docker import spec as container_spec
        from bluegreen.places.docker.colors import fingerprint
        from bluegreen.plans.plan import Wish

        names = stack.settings.release_services()
        return Wish(
            definition=fingerprint(self._salt(), definition_of(stack)),
            replicas={name: container_spec.replicas(stack.services[name]) for name in names},
            jobs=stack.settings.jobs,
            shared=stack.shared,
            proxy_definition=tools.colors.proxy_definition(stack) if proxy else "",
            release=tools.journal.newest_release() + 1,  # the plan looks at labels and file as well
            build=any(stack.services[name].get("build") for name in names),
            migrate=(stack.settings.migrate.run.service or "") if stack.settings.migrate else "",
            hooks=tuple(stack.settings.hooks),
            expected=expect.load(tools, stack.settings, stack.project_directory),
        )

    def bring_back(self, tools: Tools, number: int, force: bool) -> Restored:
        """A kept release, with what the Compose file of today says of everything else."""
        from bluegreen.domain.record import definition_of
        from bluegreen.flow.retention import bring_back

        return bring_back(tools, self.stack, number, lambda stack: tools.fingerprint(definition_of(stack)), force)

    def note(self, given: Note, required: Sequence[str]) -> Note:
        """What a release says of itself, filled in from git and the login. Raises BluegreenError for what is missing.

        The owner that was not given is git's user, else the login; for `require` a mere login does not count.
        """
        from bluegreen.host import git

        found = None if given.revision else git.commit(self.project_directory)
        owner = given.owner or git.user(self.project_directory)
        note = replace(
            given, owner=owner, revision=given.revision or (found.revision if found else ""),
            subject=found.subject if found else "",
        )  # fmt: skip
        if missing := [name for name in required if not getattr(note, name)]:
            options = " ".join(f'--{name} "…"' for name in missing)
            raise BluegreenError(
                f"A release of this app must say its {' and its '.join(missing)}.",
                failed=f"nothing was given for {', '.join(missing)} (x-bluegreen.require)",
                expected=options, retry="safe", next=f"{self.command} switch {options}", exit_code=ExitCode.USAGE,
            )  # fmt: skip
        return note if note.owner else replace(note, owner=user())

    def _salt(self) -> bytes:
        path = self.state / "salt"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if not self._acts:  # a look before the first up writes nothing; no hash of it is ever compared
                return secrets.token_bytes(32)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with open(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
            return path.read_bytes()

    # -- tools

    def tools(self, app: str) -> Tools:
        """Everything that a story works with, for the app of this name."""
        from bluegreen.cli.doors import front_door
        from bluegreen.frontdoor.folders import prepare_folders, proxy_user
        from bluegreen.frontdoor.snippets import Snippets
        from bluegreen.places.docker.colors import fingerprint
        from bluegreen.places.docker.containers import Engine
        from bluegreen.state.journal import Journal

        look = not self._acts
        if self._acts:
            with writing(self.state):
                prepare_folders(self.state)
        engine = Engine(app)
        sockets = short(self.state / "run")
        files, nginx, door = front_door(app, self.state, sockets, engine)
        return Tools(
            app=app,
            engine=engine,
            colors=self._colors(engine, proxy_user(self.state)),
            compose=self.compose,
            nginx=nginx,
            door=door,
            snippets=Snippets(files, look),
            render=self._render(engine),
            prober=Probes(sockets),
            journal=Journal(self.state, utc_now, self.show.notice, look),
            host=run_on_host,
            expected=ExpectedFile(),
            machine=machine,
            mask=secrecy.without_secrets,
            fingerprint=lambda text: fingerprint(self._salt(), text),
            show=self.show,
            signals=self.signals,
            phase=lambda name: self.phase(name),
            now=utc_now,
            clock=time.monotonic,
            sleep=time.sleep,
            command=self.command,
        )  # fmt: skip

    def _colors(self, engine: Engine, user: tuple[int, int]) -> Colors:
        from bluegreen.places.docker.colors import Colors

        return Colors(engine, self.compose, self.state, user, shipped("compose") / "proxy.yaml")

    def _render(self, engine: Engine) -> RenderPort:
        def render(routing: Routing, stack: Stack, snippets: str | None) -> str:
            from bluegreen.frontdoor import render as config

            subnet = engine.ensure_network()
            settings = stack.settings
            frame = config.Frame(
                settings.listen, settings.preview, settings.proxy.trust, (str(subnet.static),), snippets,
                settings.failover, tuple(settings.hooks),
            )  # fmt: skip
            return config.render(routing, frame, shipped("nginx"))

        return render

    @contextmanager
    def acting(self, verb: str, wait: float = 0.0, now: bool = False) -> Iterator[None]:
        """Holds the app's lock for one verb; `wait` and `now` say what to do about somebody who holds it."""
        from bluegreen.frontdoor.folders import give_to_owner, make_state
        from bluegreen.state.lock import locked

        self._acts = True
        with writing(self.state):
            make_state(self.state)
        try:
            with locked(self.state, verb, utc_now(), wait, now, self.command, self.show.notice) as lock:
                self.phase = lock.phase
                with self.signals.listening():
                    yield
        finally:
            give_to_owner(self.state)

    def claim(self, here: bool) -> None:
        """Refuses an app whose project is another folder, unless this one is to be its own from now on (`here`).

        Raises BluegreenError before anything is touched.
        """
        from bluegreen.cli.claim import claim

        claim(self, here)

    def record(self) -> None:
        """Writes down whose state this is, and which Compose answered. The lock is held."""
        from bluegreen.cli.claim import record

        record(self)

    def moved_to(self, state: Path) -> None:
        """The state folder was moved; the lock on it is the same."""
        self.__dict__["state"] = state

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """One rehearsal at a time, and none of one that was cut; production's lock is left alone."""
        from bluegreen.frontdoor.folders import make_state
        from bluegreen.state.lock import locked

        folder, there = self.state / "rehearsing", self.state.exists()
        with writing(self.state):
            make_state(self.state)
            folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        try:
            with locked(folder, "rehearse", utc_now(), command=self.command), self.signals.listening():
                yield
        finally:
            if not there:  # a rehearsal before the first up leaves nothing
                import shutil

                shutil.rmtree(self.state, ignore_errors=True)

    def runs(self) -> bool:
        """Whether the Engine has a proxy of this app, whatever the state folder says."""
        from bluegreen.places.docker.containers import Engine

        return Engine(self.stack.app).proxy() is not None

    def running_app(self, acts: bool = False) -> str:
        """The app's name from the state folder, or from the Compose file when there is no state yet.

        Raises BluegreenError for a verb that acts on an app of another folder; a look says whose it is.
        """
        from bluegreen.cli.claim import belongs_elsewhere, elsewhere

        if not self.routing:
            return self.stack.app
        if self.options.project_name:
            self._same_app(self.options.project_name)
        elif not os.environ.get("COMPOSE_PROJECT_NAME"):
            beside = self.compose_file.parent if self.compose_file else "."
            here = os.path.abspath(self.options.project_directory or beside)
            other = elsewhere(self, here)
            if other and not Path(here).is_relative_to(other):
                if acts:
                    raise belongs_elsewhere(self, self.routing.app, other, here)
                output.note(f"Note: {output.clean(f'{self.routing.app} is the app of {other}; this is {here}.')}")
        return self.routing.app


def run_on_host(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> tuple[int | None, str, str]:
    """The host's room behind the port that the stories know."""
    from bluegreen.host import commands

    return commands.run(command, environment, folder, timeout)


class ExpectedFile:
    """The file of recorded answers behind the port that the stories know; YAML is loaded when there is one."""

    def read(self, path: Path) -> tuple[Expectation, ...] | None:
        if not path.exists():
            return None
        from bluegreen.state import expected_file

        return expected_file.read(path)

    def write(self, path: Path, expectations: Sequence[Expectation]) -> None:
        from bluegreen.state import expected_file

        expected_file.write(path, expectations)


@contextmanager
def writing(state: Path) -> Iterator[None]:
    """What the file system refuses, as the error that a person meets."""
    try:
        yield
    except OSError as error:
        raise BluegreenError(
            "The state folder cannot be written.", failed=f"{error.strerror}: {error.filename or state}",
            expected=f"{state} to be writable by this user, on a disk with room",
            retry="safe, after the cause is mended",
            next=f"ls -ld {state}; df -h {state.parent}",
        ) from None  # fmt: skip


def no_compose_file(named: Path | None = None) -> BluegreenError:
    """What a newcomer meets in a folder without a Compose file."""
    from bluegreen.domain.words import COMPOSE_FILES

    return BluegreenError(
        f"There is no Compose file{f' {named}' if named else ' here or above'}.",
        failed=f"{named} does not exist" if named else f"looked for {', '.join(COMPOSE_FILES)}",
        expected="a Compose file with an x-bluegreen block",
        retry="safe",
        next="cd to your project, or bluegreen -f FILE …, or bluegreen -p APP … (bluegreen apps lists them)",
        exit_code=ExitCode.USAGE,
    )  # fmt: skip
