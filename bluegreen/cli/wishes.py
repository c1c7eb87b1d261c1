"""What a verb wishes for: the release that the Compose file and the typed options describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bluegreen.cli.app import App
from bluegreen.cli.options import EVERY
from bluegreen.cli.statefolder import fingerprint, salt
from bluegreen.domain.app import Stack
from bluegreen.domain.release import Note
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Tools
from bluegreen.state.holder import user

if TYPE_CHECKING:  # loaded only by the verbs that use them; start-up time is part of the product
    from bluegreen.domain.record import Restored
    from bluegreen.plans.plan import Wish


def with_images(app: App, overrides: Mapping[str, str]) -> Stack:
    """The stack with `--image SERVICE=REF` applied. Raises BluegreenError for an unknown service."""
    unknown = [name for name in overrides if name not in app.stack.settings.own_services()]
    if unknown:
        raise BluegreenError(
            f"--image names {unknown[0]}, which is not a release service.", code="no-such-service",
            failed=f"--image {unknown[0]}=…",
            expected=", ".join(app.stack.settings.own_services()), retry="safe",
            next=f"{app.command} status", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    services = {
        name: {**service, "image": overrides[name]} if name in overrides else service
        for name, service in app.stack.services.items()
    }
    return replace(app.stack, services=services)


def wish(app: App, tools: Tools, stack: Stack, proxy: bool = False) -> Wish:
    """What a release of today's Compose file would be. `proxy`: and what its proxy would be, which only up asks."""
    from bluegreen.domain.record import definition_of
    from bluegreen.flow import answers as expect
    from bluegreen.flow.shared import asleep, changed
    from bluegreen.places.docker import spec as container_spec
    from bluegreen.plans.plan import Wish

    names = stack.settings.release_services()
    return Wish(
        definition=fingerprint(salt(app.state, app.acts), definition_of(stack)),
        replicas={name: container_spec.replicas(stack.services[name]) for name in names},
        jobs=stack.settings.jobs,
        shared=stack.shared,
        asleep=tuple(asleep(tools, stack)),
        changed=changed(tools, stack),
        proxy_definition=tools.proxy.definition(stack) if proxy else "",
        proxy_ports=tools.proxy.ports(stack) if proxy else "",
        release=tools.journal.releases.newest() + 1,  # the plan looks at labels and file too
        build=any(stack.services[name].get("build") for name in names),
        migrate=(stack.settings.migrate.run.service or "") if stack.settings.migrate else "",
        hooks=tuple(stack.settings.hooks),
        expected=expect.load(tools, stack.settings, stack.project_directory),
        files=tuple(place.prefix for place in stack.settings.files if place.service),
        edge=_edge(tools, stack, proxy),
        edge_left=tools.edge.left(stack) if proxy else "",
        certificates=tools.certificates.missing(stack) if stack.settings.tls else (),
    )


def moves(wish: Wish, stack: Stack, shares: tuple[int, ...], watch: float | None, every: float | None) -> Wish:
    """How traffic moves: as it was typed (None: it was not), else as the settings have it. Times in seconds."""
    settings = stack.settings.watch
    watch, every = settings.seconds if watch is None else watch, EVERY if every is None else every
    return replace(wish, shares=shares, watch=watch, every=every, control=settings.control)


def _edge(tools: Tools, stack: Stack, thorough: bool) -> str:
    """What the edge lacks for this app, in words; empty: nothing."""
    if stack.settings.edge is None:
        return ""
    there = tools.door.intended()
    return tools.edge.lacks(stack, list(there.slots.values()) if there else [], thorough)


def restored(app: App, tools: Tools, number: int, force: bool) -> Restored:
    """A kept release, with what the Compose file of today says of everything else."""
    from bluegreen.domain.record import definition_of
    from bluegreen.flow.retention import bring_back

    return bring_back(tools, app.stack, number, lambda stack: tools.fingerprint(definition_of(stack)), force)


def note(app: App, given: Note, required: Sequence[str]) -> Note:
    """What a release says of itself, filled in from git and the login. Raises BluegreenError for what is missing.

    The owner that was not given is git's user, else the login; for `require` a mere login does not count.
    """
    from bluegreen.host import git

    found = None if given.revision else git.commit(app.project_directory)
    owner = given.owner or git.user(app.project_directory)
    note = replace(
        given, owner=owner, revision=given.revision or (found.revision if found else ""),
        subject=found.subject if found else "",
    )  # fmt: skip
    if missing := [name for name in required if not getattr(note, name)]:
        options = " ".join(f'--{name} "…"' for name in missing)
        raise BluegreenError(
            f"A release of this app must say its {' and its '.join(missing)}.", code="required-option",
            failed=f"nothing was given for {', '.join(missing)} (x-bluegreen.require)",
            expected=options, retry="safe", next=f"{app.command} switch {options}", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return note if note.owner else replace(note, owner=user())


def owner(app: App) -> str:
    """Who acts here: git's user, else the login; also without a Compose file."""
    from bluegreen.host import git

    try:
        return git.user(app.project_directory) or user()
    except BluegreenError:
        return user()
