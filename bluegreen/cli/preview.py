"""The port of the preview listener, when the block names none: a free one, which stays the app's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen import files
from bluegreen.cli.statefolder import writing
from bluegreen.domain.app import Listen, Stack
from bluegreen.domain.words import OUTSIDE_DOCKER
from bluegreen.flow.values import Tools

if TYPE_CHECKING:
    from bluegreen.cli.app import App

FILE = "preview"  # in the state folder
MOST = 64  # bytes of it
PORTS = 200  # that are tried beyond the usual one


def kept(state: Path) -> Listen | None:
    """The one that an `up` chose; None: the usual one."""
    try:
        address, _, port = files.text(str(state / FILE), MOST).strip().rpartition(":")
        return Listen(address, int(port)) if address and 0 < int(port) < 1 << 16 else None
    except (OSError, ValueError):
        return None


def with_kept(stack: Stack, state: Path) -> Stack:
    found = kept(state)
    return replace(stack, settings=replace(stack.settings, preview=found)) if found else stack


def with_free(app: App, tools: Tools, stack: Stack) -> Stack:
    """The stack with a preview that nobody else holds, and a notice; written down by a verb that acts."""
    wanted = stack.settings.preview
    if not app.usual_preview or wanted is None or (app.routing and app.routing.preview == str(wanted)):
        return stack
    holder = tools.engine.port_holder(wanted)
    if holder is None:
        return stack
    public = {listen.port for listen in stack.settings.listen}
    ports = (Listen(wanted.address, port) for port in range(wanted.port + 1, wanted.port + PORTS) if port not in public)
    free = next((listen for listen in ports if tools.engine.port_holder(listen) is None), None)
    if free is None:
        return stack  # who wants to publish it says what is wrong
    owner = tools.engine.owners().get(holder)
    who = owner.words if owner else holder or OUTSIDE_DOCKER
    words = f"{wanted} is held by {who}, so preview is {free}. To choose another: preview in x-bluegreen."
    if app.acts:
        with writing(app.state):
            (app.state / FILE).write_text(f"{free}\n")
    return replace(stack, settings=replace(stack.settings, preview=free), notices=(*stack.notices, words))
