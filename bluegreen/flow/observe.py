"""One look at everything, before a decision and after an action."""

from __future__ import annotations

from dataclasses import replace

from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Tools


def look_again(tools: Tools, before: World) -> World:
    """The world after an action; while the Engine does not answer, what nginx and the file say of it."""
    try:
        return observe(tools)
    except BluegreenError:
        return replace(before, answer=tools.door.answer(), intended=tools.door.intended())


def at_the_door(tools: Tools, wait: bool = True) -> World:
    """What nginx and its files say, without the Engine and the journal: enough to go back.

    `wait`: for a reload that the command before only began.
    """
    return World(tools.app, None, tools.door.answer(wait), tools.door.intended(), ())


def observe(tools: Tools, thorough: bool = False) -> World:
    """The world as the Engine, nginx and the rendered file say it is now.

    When nginx or the file says nothing, or `thorough`, nginx is also asked whether it sees our folders.
    """
    left = tools.journal.operations.unfinished()
    proxy = tools.proxy.container()
    running = proxy is not None and proxy.running
    answer = tools.door.answer(wait=True) if running else None
    intended = tools.door.intended()
    if proxy and running and (thorough or answer is None or intended is None):
        answer, stale = tools.door.last_word(tools.app, answer)
        proxy = replace(proxy, stale=stale)
    return World(
        app=tools.app,
        proxy=proxy,
        answer=answer,
        intended=intended,
        replicas=tools.containers.replicas(),
        unfinished=f"{left.verb}, started {left.started} by process {left.pid}" if left else None,
        unfinished_verb=left.verb if left else None,
        edited=tools.door.edited(),
    )
