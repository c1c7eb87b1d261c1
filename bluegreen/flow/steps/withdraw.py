"""After a prepare that failed: the new containers go, and what was in the color before is there again."""

from __future__ import annotations

from dataclasses import replace

from bluegreen.domain.routing import Routing
from bluegreen.errors import BluegreenError
from bluegreen.flow.aside import bring_back, routing_with, said
from bluegreen.flow.making import Making
from bluegreen.flow.steps.preview import load
from bluegreen.plans.differences import returning


def withdraw(it: Making, remove: bool) -> None:
    """After a failed prepare: the way back is brought back, nginx forgets the new release.

    The new containers are removed, or stopped so that their logs stay.
    """
    prepared_before = not any(step.name == "create" for step in it.plan.steps)
    if prepared_before:
        return
    try:
        outcome = "interrupted" if remove else "failed"
        it.tools.journal.releases.end(it.new.release, outcome, it.new.kept_images(), {})
    except BluegreenError as error:
        _incomplete(it, error)
    touched = {"aside", "clear", "create"} & {done.step.name for done in it.result.steps}
    if it.keep and (touched or returning(it.world)):
        bring_back_kept(it, failed_stays=not remove)
    else:
        _take_back(it, remove)


def bring_back_kept(it: Making, failed_stays: bool = True) -> None:
    """The release that was set aside is the way back again. Reports its state; raises nothing."""
    slot = it.keep
    if slot is None:
        return
    try:
        unhealthy = bring_back(it.tools, slot, failed_stays)
        intended = it.tools.door.intended()
        if intended and it.world.proxy and not _knows(it, intended):
            _load(it, routing_with(intended, slot))
        it.tools.show.notice(said(slot, unhealthy))
    except BluegreenError as error:
        _incomplete(it, error)


def _take_back(it: Making, remove: bool) -> None:
    tools = it.tools
    try:
        for replica in it.mine():
            if remove:
                tools.containers.remove(replica.id)
            else:
                tools.containers.never_restart(replica.id)
                tools.containers.stop(replica.id, 1)
        _forget_idle(it)
    except BluegreenError as error:
        _incomplete(it, error)


def _incomplete(it: Making, error: BluegreenError) -> None:
    it.tools.show.notice(f"The cleanup is not complete ({error}). The next command completes it.")


def _knows(it: Making, intended: Routing) -> bool:
    """Whether nginx and the texts for either color are as they were before this command, and name what comes back."""
    before = it.world.intended
    standing = before is not None and before.standing == "previous" and returning(it.world) is None
    return standing and not it.new.previewed and it.keep is not None and intended.slots.get(it.keep.color) == it.keep


def _load(it: Making, routing: Routing) -> None:
    """With the snippets of the loaded file: those of today may be what failed."""
    live, door = routing.live, it.tools.door
    texts = {color: door.render(replace(routing, live=color), it.stack, today=False) for color in routing.slots}
    load(it, texts[live] if live else door.render(routing, it.stack, today=False), routing.since, texts)


def _forget_idle(it: Making) -> None:
    """nginx and the stored files must not name a color whose containers left or failed."""
    intended = it.tools.door.intended()
    if intended is None or it.new.color not in intended.slots or it.proxy() is None:
        return
    if any(step.step.name == "clear" and step.outcome == "done" for step in it.result.steps) or it.new.previewed:
        slots = {color: slot for color, slot in intended.slots.items() if color == it.world.live}
        _load(it, replace(intended, slots=slots, standing=None, aside=None, own=None))
