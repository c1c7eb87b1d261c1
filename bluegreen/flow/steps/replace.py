"""Another nginx takes over from the one that runs: a new image, other limits. No request waits."""

from __future__ import annotations

from dataclasses import replace

from bluegreen.domain.app import Stack
from bluegreen.domain.routing import Routing
from bluegreen.domain.world import World
from bluegreen.flow.prerequisites import refuse_old, render_sealed
from bluegreen.flow.values import Tools
from bluegreen.plans.plan import Wish
from bluegreen.plans.steps import can_follow, differs


def may_follow(world: World, wish: Wish) -> bool:
    """Whether the settings ask for another proxy, and that one can take over from the one that runs."""
    return world.answer is not None and differs(world, wish) and can_follow(world, wish)


def follow(tools: Tools, stack: Stack, routing: Routing) -> str:
    """Has a new nginx take over. Raises BluegreenError; then the one that runs goes on, as it did."""
    version = refuse_old(tools, stack)
    routing = replace(routing, drain=stack.settings.drain)
    sealed = render_sealed(tools, stack, routing)

    new = tools.proxy.successor(stack, tools.show.progress)
    live = routing.live
    text = sealed[live] if live else ""
    with tools.signals.deferred():
        generation = tools.door.load(text, sealed, live, routing.since or "", new)
    return f"nginx {version} took over, no request waited; generation {generation}"
