"""From the quick way back into the full story, with what was done so far."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.notices import after_back
from bluegreen.cli.show import show_result
from bluegreen.cli.wishes import owner
from bluegreen.compose.options import Options
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.domain.world import World
from bluegreen.flow.flip_back import Begun, FlipBackOptions, go_on
from bluegreen.state import holder
from bluegreen.state.lock import Lock

if TYPE_CHECKING:
    from bluegreen.cli.quick import Quick


def resume(quick: Quick, wrong: str) -> int:
    """Settles, or moves traffic back when something went `wrong`; returns the exit code."""
    typed = quick.typed
    options = Options(tuple(typed.files), typed.name)
    state = Path(quick.state)
    app = App(
        options,
        output.choose("auto"),
        quick.signals,
        Lock(state, quick.lock, holder.me("flip-back", quick.since)),
        state,
    )
    routing = Routing.from_dict(quick.routing)
    world = World(routing.app, None, ControlAnswer(**quick.answer), routing, ())
    wanted = FlipBackOptions(False, lambda: app.stack, lambda: owner(app))
    tools = app.tools(routing.app)
    with contextlib.closing(tools.journal):
        result = go_on(tools, wanted, world, Begun(quick.steps, quick.since, quick.moment, wrong))
    after_back(app, result)
    return show_result(result, app.command, routing.preview, typed.json)
