"""The stage of a rehearsal: a folder, ports and a name of its own, and the real command run on it.

Nothing stays behind, whatever ends the rehearsal: a second process waits for us to end, in whichever way, and then
takes everything away. It sees the end of a pipe, which the kernel closes for a process that is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluegreen.cli import trust
from bluegreen.cli.app import App
from bluegreen.cli.clock import utc_now
from bluegreen.cli.statefolder import writing
from bluegreen.cli.where import STATE_VARIABLE
from bluegreen.compose.options import Options, env_files, files
from bluegreen.domain.app import Stack
from bluegreen.errors import BluegreenError
from bluegreen.features.rehearsal.overlay import SUFFIX, built_references
from bluegreen.features.rehearsal.rehearse import LoadPort
from bluegreen.files import replace
from bluegreen.flow.values import Tools
from bluegreen.host import copies, processes
from bluegreen.places.docker import held, images, volumes
from bluegreen.places.docker.api import Api
from bluegreen.places.docker.containers import Containers
from bluegreen.places.docker.engine import Engine

FOLDER = "rehearsal"  # in production's state folder
VERB_TIMEOUT = 1800.0  # seconds for one verb; builds and migrations are part of it
CLEAN_TIMEOUT = 300.0  # seconds for taking everything away


@dataclass(frozen=True)
class CleanupJob:
    """What the second process has to do when we are gone."""

    name: str
    folder: str
    command: tuple[str, ...]  # of `down`
    built: tuple[str, ...]  # image names of the rehearsal's own
    pulled: tuple[tuple[str, str | None], ...]  # other image names, and what each meant before

    def as_text(self) -> str:
        return json.dumps([self.name, self.folder, self.command, self.built, self.pulled])

    @classmethod
    def from_text(cls, text: str) -> CleanupJob:
        name, folder, command, built, pulled = json.loads(text)
        return cls(name, folder, tuple(command), tuple(built), tuple((ref, identity) for ref, identity in pulled))


@contextmanager
def rehearsing(app: App) -> Iterator[None]:
    """One rehearsal at a time, and none of one that was cut; production's lock is left alone."""
    from bluegreen.frontdoor.folders import make_state
    from bluegreen.state.lock import locked

    folder, there = app.state / "rehearsing", app.state.exists()
    with writing(app.state):
        make_state(app.state)
        folder.mkdir(mode=0o700, exist_ok=True, parents=True)
    try:
        with locked(folder, "rehearse", utc_now(), command=app.command), app.signals.listening():
            yield
    finally:
        if not there:  # a rehearsal before the first up leaves nothing
            shutil.rmtree(app.state, ignore_errors=True)


class Stage:
    """Where the rehearsal happens. `with` it: at its end nothing of it is left."""

    def __init__(self, app: App, stack: Stack) -> None:
        self._app, self._stack = app, stack
        self.name = f"{stack.app}{SUFFIX}"
        self.folder = app.state / FOLDER
        alone = [route.service for route in stack.settings.fronts if route.listen]
        self._port, preview, *more = _free_ports(2 + len(alone))
        self.listen, self.preview = f"127.0.0.1:{self._port}", f"127.0.0.1:{preview}"
        self.own: Mapping[str, str] = {name: f"127.0.0.1:{port}" for name, port in zip(alone, more, strict=True)}
        self._overlay = self.folder / "overlay.yaml"
        self._janitor: processes.Successor | None = None
        self._api = Api(self.name)
        self._rehearsed: App | None = None

    def __enter__(self) -> Stage:
        job = CleanupJob(
            self.name, str(self.folder), tuple(self._command("down", "--yes", "--volumes", "--wait", "60s")),
            tuple(sorted(set(built_references(self._stack, self.name).values()))), self._pulled(),
        )  # fmt: skip
        if self.folder.exists():
            self._app.show.notice("An earlier rehearsal was cut; what it left is taken away first.")
            take_away(job, self._environment())
        for part in (self.folder, self.folder / "state"):
            part.mkdir(mode=0o700, exist_ok=True)
        janitor = [sys.executable, "-m", "bluegreen.cli.janitor"]
        self._janitor = processes.Successor(janitor, self._environment(), job.as_text())
        return self

    def __exit__(self, *_: object) -> None:
        if self._janitor is None:
            return
        self._app.show.progress("the rehearsal is taken away")
        code, said = self._janitor.take_over(CLEAN_TIMEOUT)
        if code:
            raise BluegreenError(
                "Something of the rehearsal is left.", code="rehearsal-left-over", failed=said.strip()[-300:],
                expected="nothing of it", traffic="unchanged", retry="safe: the next rehearsal takes it away first",
                next=f"docker ps -a --filter label=bluegreen.app={self.name}",
            )  # fmt: skip

    def _pulled(self) -> tuple[tuple[str, str | None], ...]:
        built = built_references(self._stack, self.name)
        names = [name for name in self._stack.services if name not in built]
        references = {str(self._stack.services[name].get("image") or "") for name in names} - {""}
        found = {reference: self._api.image(reference) for reference in sorted(references)}
        return tuple((reference, image["Id"] if image else None) for reference, image in found.items())

    def _command(self, *arguments: str) -> list[str]:
        options, found, folder = self._app.options, self._app.environment, str(self._app.project_directory)
        paths = [part for name in files(options, Path.cwd(), found) for part in ("--file", name)]
        environment = [part for name in env_files(options, Path.cwd(), folder, found) for part in ("--env-file", name)]
        return [
            sys.executable, "-m", "bluegreen", *paths, "--file", str(self._overlay), "--project-name", self.name,
            "--project-directory", folder, *environment, *arguments,
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {**os.environ, STATE_VARIABLE: str(self.folder / "state"), **trust.for_others(self._app.state)}

    def run(self, overlay: str, *arguments: str) -> dict[str, Any]:
        """One verb of the real command on the stage; the fields of its --json. Ends it when we are ended."""
        replace(str(self._overlay), overlay.encode())
        self._app.show.progress(f"rehearsing {arguments[0]}")
        command = [*self._command(*arguments), "--json", "--progress", "json"]
        verb = arguments[0]
        try:
            found, said = processes.follow(
                command, self._environment(), lambda line: self._show(verb, line), VERB_TIMEOUT
            )
        except processes.Late:
            raise BluegreenError(
                f"The rehearsal of {verb} did not end.", code="rehearsal-broke",
                failed=f"it ran for {VERB_TIMEOUT:g} s, and was ended",
                expected="an end before that", traffic="unchanged", retry="safe",
            ) from None  # fmt: skip
        return _result(found, said, verb)

    def _show(self, verb: str, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and event.get("event") == "end":
            self._app.show.progress(f"rehearsing {verb}: {event['step']} {event['seconds']:.2f} s {event['detail']}")

    def tools(self) -> Tools:
        if self._rehearsed is None:
            directory, given = str(self._app.project_directory), self._app.options
            options = Options(project_name=self.name, env_files=given.env_files, project_directory=directory)
            self._rehearsed = App(options, self._app.show, state_folder=self.folder / "state")
        return self._rehearsed.tools(self.name)

    def load(self, paths: Sequence[str], host: str) -> LoadPort:
        from bluegreen.probe.load import Load

        return Load(self._port, paths, host)

    def size(self, folder: str) -> int | None:
        return copies.size(Path(folder))

    def copy(self, folder: str) -> str:
        """A copy of a folder in the rehearsal's own. Raises BluegreenError when it cannot be made."""
        to = Path(tempfile.mkdtemp(dir=self.folder, prefix="copy-")) / Path(folder).name
        try:
            copies.copy(Path(folder), to, self.folder)  # a mount of the code, or of a home, may hold the state
        except OSError as error:
            raise BluegreenError(
                f"{folder} could not be copied for the rehearsal.", code="cannot-copy",
                failed=str(error), expected="a copy of it",
                retry="safe",
            ) from None  # fmt: skip
        return str(to)

    def volume_size(self, name: str) -> int:
        return volumes.size(self._api, name, self._stack.settings.proxy.image)

    def copy_volume(self, key: str, name: str) -> None:
        labels = {"com.docker.compose.project": self.name, "com.docker.compose.volume": key}
        volumes.copy(self._api, name, f"{self.name}_{key}", labels, self._stack.settings.proxy.image)


def _result(output: str, said: Sequence[str], verb: str) -> dict[str, Any]:
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        words = " ".join(said[-3:])[:300]
        raise BluegreenError(
            f"The rehearsal of {verb} ended without a result.", code="rehearsal-broke",
            failed=words or "it printed nothing",
            expected="the fields of --json", traffic="unchanged", retry="safe",
        )  # fmt: skip
    return found


def _free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def take_away(job: CleanupJob, environment: Mapping[str, str]) -> list[str]:
    """Ends and removes everything of a rehearsal, as often as it is called; returns what is left, in words."""
    left = []
    overlay = Path(job.folder) / "overlay.yaml"
    if overlay.exists():
        code, said = processes.run(job.command, environment, CLEAN_TIMEOUT)
        left += [said.strip()[-300:]] if code else []
    api = Api(job.name)
    engine, containers = Engine(api), Containers(api)
    try:
        engine.remove_leftovers()
        for container in engine.plain_containers():  # of Compose's own, when its file could not be read any more
            containers.remove(container.id)
        for volume in volumes.of_compose(api):
            engine.remove_volume(volume)
        for reference in (*job.built, *held.held(api)):
            images.untag(api, reference)
        for reference, before in job.pulled:
            found = api.image(reference)
            if found and before is None:
                images.remove(api, found["Id"], frozenset([reference]))
            elif found and before and found["Id"] != before:
                images.tag(api, before, reference)
    except BluegreenError as error:
        left.append(str(error))
    shutil.rmtree(job.folder, ignore_errors=True)
    return left
