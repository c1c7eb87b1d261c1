"""`prepare --give-up`: the prepared release goes; the one that was set aside is the way back again."""

from __future__ import annotations

from dataclasses import asdict, replace

from bluegreen.domain.app import Stack
from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.words import counted
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow.aside import bring_back, routing_with, said
from bluegreen.flow.observe import look_again, observe
from bluegreen.flow.prerequisites import render_sealed
from bluegreen.flow.public import as_published
from bluegreen.flow.run import Operation, describe
from bluegreen.flow.run import give_up as end_unfinished
from bluegreen.flow.values import Result, Tools
from bluegreen.plans.give_up import plan_give_up


def give_up(tools: Tools, stack: Stack) -> Result:
    """Carries it out. Never raises BluegreenError after its plan was shown."""
    world = observe(tools)
    plan = plan_give_up(world)
    end_unfinished(tools, world)
    result = Result("prepare", "unchanged", message=plan.nothing)
    if not plan.steps or world.intended is None:
        describe(result, world)
        return result
    tools.show.plan(plan)
    operation = Operation(tools, plan, result).begin()
    prepared, slot = world.idle_slot, world.intended.aside
    actions = {
        "bring_back": lambda: replace_prepared(tools, stack, world, slot) if slot else "nothing was set aside",
        "clear": lambda: _cleared(tools, stack, world),
    }
    try:
        operation.phase("prepare", actions)
    except BluegreenError as error:
        return operation.failed(error, look_again(tools, world))
    if prepared:
        kept = {name: asdict(image) for name, image in prepared.images.items()}
        tools.journal.releases.end(prepared.release, "given up", kept, {})
    result.outcome = "given-up"
    result.message = result.steps[-1].detail
    describe(result, look_again(tools, world))
    return operation.ended()


def replace_prepared(tools: Tools, stack: Stack, world: World, slot: Slot) -> str:
    """The release that was set aside in place of the prepared one, known to nginx; returns its state in a sentence."""
    if world.intended is None:
        return "nginx's file is missing"
    unhealthy = bring_back(tools, slot, failed_stays=False)
    _load(tools, as_published(stack, world), routing_with(world.intended, slot))
    return said(slot, unhealthy)


def _cleared(tools: Tools, stack: Stack, world: World) -> str:
    here = world.in_color(world.idle)
    if world.intended:
        slots = {color: slot for color, slot in world.intended.slots.items() if color == world.live}
        _load(tools, as_published(stack, world), replace(world.intended, slots=slots, standing=None, own=None))
    for replica in here:
        with tools.signals.deferred():
            tools.containers.remove(replica.id)
    return f"{counted(len(here), 'container')} removed; there is no way back"


def _load(tools: Tools, stack: Stack, routing: Routing) -> None:
    sealed = render_sealed(tools, stack, routing)
    if routing.live:
        with tools.signals.deferred():
            tools.door.load(sealed[routing.live], sealed, routing.live, routing.since or "")
            tools.edge.ensure(stack, list(routing.slots.values()))  # the names of what is given up are free
