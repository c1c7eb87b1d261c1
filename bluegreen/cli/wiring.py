"""Puts the rooms together for one app: what the stories need of the outside world, as its real self."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bluegreen.cli.clock import utc_now
from bluegreen.cli.probes import Probes
from bluegreen.cli.statefolder import fingerprint, salt, writing
from bluegreen.cli.where import short
from bluegreen.domain import secrets as secrecy
from bluegreen.domain.app import Stack
from bluegreen.domain.routing import Routing
from bluegreen.flow.values import Tools
from bluegreen.host import machine
from bluegreen.shipped import shipped

if TYPE_CHECKING:  # loaded only by the verbs that use them; start-up time is part of the product
    from bluegreen.cli.app import App
    from bluegreen.domain.answers import Expectation
    from bluegreen.flow.values import Check
    from bluegreen.frontdoor.front_door import Render
    from bluegreen.places.docker.api import Api
    from bluegreen.places.docker.networks import Networks
    from bluegreen.state.journal import Journal


def make_tools(it: App, app: str) -> Tools:
    """Everything that a story works with, for the app of this name."""
    from bluegreen.cli.doors import front_door
    from bluegreen.cli.edges import Edges
    from bluegreen.frontdoor.folders import proxy_user
    from bluegreen.frontdoor.front_door import FrontDoor
    from bluegreen.frontdoor.snippets import Snippets
    from bluegreen.frontdoor.static import Static
    from bluegreen.places.docker.commands import ProxyHandle, archive
    from bluegreen.places.docker.place import docker_place
    from bluegreen.state.journal import Journal

    look = not it.acts
    journal = _closed_at_the_end(Journal(_prepared(it), utc_now, it.show.notice, look))
    place = docker_place(app, it.compose, it.state, proxy_user(it.state), shipped("compose") / "proxy.yaml")
    place.api.held = it.still_held
    sockets = short(it.state / "run")
    files, nginx, door = front_door(app, it.state, sockets, ProxyHandle(place.api), held=it.still_held)
    return Tools(
        app=app,
        colors=place.colors,
        containers=place.containers,
        images=place.images,
        proxy=place.proxy,
        engine=place.engine,
        compose=it.compose,
        door=FrontDoor(nginx, door, Snippets(files, look), _render(place.networks, it.state / "nginx", look)),
        certificates=Certificates(it.state),
        edge=Edges(it, app),
        static=Static(it.state / "nginx", partial(archive, place.api)),
        prober=Probes(sockets, _unsealing(it, place.api)),
        journal=journal,
        host=run_on_host,
        expected=ExpectedFile(),
        machine=machine,
        mask=secrecy.without_secrets,
        fingerprint=lambda text: fingerprint(salt(it.state, it.acts), text),
        show=it.show,
        signals=it.signals,
        phase=lambda name: it.phase(name),
        now=utc_now,
        clock=time.monotonic,
        sleep=time.sleep,
        command=it.command,
    )  # fmt: skip


def _prepared(it: App) -> Path:
    """The state folder; of a verb that acts, with all that is in it."""
    if it.acts:
        from bluegreen.frontdoor.folders import prepare_folders

        with writing(it.state):
            prepare_folders(it.state)
    return it.state


def _closed_at_the_end(journal: Journal) -> Journal:
    if verb := click.get_current_context(silent=True):
        verb.call_on_close(journal.close)
    return journal


def _unsealing(it: App, api: Api) -> Callable[[Check], Check]:
    def unseal(check: Check) -> Check:
        from bluegreen.cli.asked import Unsealing
        from bluegreen.places.docker import given

        return Unsealing(lambda address: given.variables(api, address), lambda: it.stack)(check)

    return unseal


def _render(networks: Networks, nginx: Path, look: bool) -> Render:
    def render(routing: Routing, stack: Stack, snippets: str | None) -> str:
        from bluegreen.domain import loopback, tls
        from bluegreen.frontdoor import pages, secure
        from bluegreen.frontdoor import render as config
        from bluegreen.frontdoor.headers import Lines
        from bluegreen.frontdoor.snippets import FOLDER

        subnet = networks.subnet() if look else networks.ensure()
        probed = (str(subnet.static),) if subnet else ()  # a look makes no network; without one the text differs anyway
        settings = stack.settings
        own = Lines(nginx / FOLDER / Path(snippets).name if snippets else None)
        here = networks.gateways() if loopback.trusted(settings) else ()
        own_pages = settings.proxy.error_pages
        secured = secure.Secure(settings.tls, tls.certificates(settings)) if settings.tls else None
        frame = config.ProxyConfig(
            settings.listen, settings.preview, (*settings.proxy.trust, *here), probed, snippets,
            settings.failover, settings.moments(), own, settings.proxy,
            (str(subnet.network),) if subnet else (), secured, settings.edge,
            pages.take(Path(stack.project_directory, own_pages) if own_pages else None, nginx, look), settings.canary,
        )  # fmt: skip
        return config.render(routing, frame, shipped("nginx"))

    return render


def run_on_host(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> tuple[int | None, str, str]:
    """The host's room behind the port that the stories know."""
    from bluegreen.host import commands

    return commands.run(command, environment, folder, timeout)


class Certificates:
    """CertificatesPort for one app; nothing is loaded for an app without TLS."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def missing(self, stack: Stack) -> tuple[str, ...]:
        if not stack.settings.tls:
            return ()
        from bluegreen.cli.certificates import store
        from bluegreen.features.certificates.ensure import missing

        return missing(store(self._state), stack)

    def ensure(self, stack: Stack) -> str:
        from bluegreen.cli.certificates import store
        from bluegreen.features.certificates.ensure import ensure

        return ensure(store(self._state), stack)


class ExpectedFile:
    """The file of recorded answers behind the port that the stories know; YAML is loaded when there is one."""

    def read(self, path: Path) -> tuple[Expectation, ...] | None:
        if not os.path.lexists(path):
            return None
        from bluegreen.state import expected_file

        return expected_file.read(path)

    def write(self, path: Path, expectations: Sequence[Expectation]) -> None:
        from bluegreen.state import expected_file

        expected_file.write(path, expectations)
