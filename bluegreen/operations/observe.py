"""One look at everything, before a decision and after an action."""

from __future__ import annotations

from bluegreen.operations.ports import Tools
from bluegreen.release.model import World


def observe(tools: Tools) -> World:
    """The world as the Engine, nginx and the rendered file say it is now."""
    left = tools.journal.unfinished()
    proxy = tools.engine.proxy()
    return World(
        app=tools.app,
        proxy=proxy,
        answer=tools.nginx.answer() if proxy and proxy.running else None,
        intended=tools.nginx.intended(),
        replicas=tools.engine.replicas(),
        unfinished=f"{left.verb}, started {left.started} by process {left.pid}" if left else None,
        unfinished_verb=left.verb if left else None,
        edited=tools.nginx.edited(),
    )
