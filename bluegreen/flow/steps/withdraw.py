"""After a prepare that failed: the color is taken back, and nginx forgets it."""

from __future__ import annotations

from dataclasses import replace

from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Making
from bluegreen.flow.steps.preview import load


def withdraw(it: Making, remove: bool) -> None:
    """After a failed prepare: the color is stopped (its logs stay) or removed; nginx forgets it."""
    tools = it.tools
    prepared_before = not any(step.name == "create" for step in it.plan.steps)
    try:
        if prepared_before:
            return
        outcome = "interrupted" if remove else "failed"
        tools.journal.releases.end(it.new.release, outcome, it.new.kept_images(), {})
        for replica in it.mine():
            if remove:
                tools.containers.remove(replica.id)
            else:
                tools.containers.never_restart(replica.id)
                tools.containers.stop(replica.id, 1)
        _forget_idle(it)
    except BluegreenError as error:
        tools.show.notice(f"Cleaning up was not complete ({error}); the next command goes on with it.")


def _forget_idle(it: Making) -> None:
    """nginx and the stored files must not name a color whose containers left or failed."""
    intended = it.tools.door.intended()
    if intended is None or it.new.color not in intended.slots or it.world.proxy is None:
        return
    if any(step.step.name == "clear" and step.outcome == "done" for step in it.result.steps) or it.new.previewed:
        live = {color: slot for color, slot in intended.slots.items() if color == it.world.live}
        # With the snippets of the loaded file: those of today may be what failed.
        text = it.tools.door.render(replace(intended, slots=live, standing=None), it.stack, today=False)
        load(it, text, intended.since, {it.world.live: text} if it.world.live else {})
