"""What comes after traffic has moved: jobs, requests in flight, history."""

from __future__ import annotations

from functools import partial

from bluegreen.domain.color import Color, other
from bluegreen.flow.jobs import hand_over_jobs
from bluegreen.flow.making import Making
from bluegreen.flow.prerequisites import at_the_edge
from bluegreen.flow.steps.depends_on import await_dependencies
from bluegreen.plans.release import start_order

ASK_AGAIN = 0.25  # seconds between two looks at the Engine


def jobs(it: Making) -> str:
    order = start_order(it.stack.services, it.stack.settings.jobs)
    return hand_over_jobs(it.tools, it.new.color, order, partial(await_dependencies, it), it.new.slot)


def drain(it: Making) -> str:
    return wait_drained(it, other(it.new.color), "requests in flight").removeprefix(", ") or "nothing in flight"


def wait_drained(it: Making, color: Color, why: str) -> str:
    """Waits until nginx holds no request to this color any more, or `drain` is over."""
    tools = it.tools
    slot = it.world.slot(color)
    addresses = frozenset(ip for ips in slot.addresses.values() for ip in ips) if slot else frozenset()
    if not addresses or it.world.proxy is None or not it.world.proxy.running:
        return ""
    began, limit = tools.clock(), it.world.intended.drain if it.world.intended else 0.0
    while left := tools.door.in_flight(addresses):
        if tools.clock() - began > limit:
            return f", {left} requests longer than {limit:g} s remain"
        if tools.signals.asked:
            return f", {left} requests were still in flight when {tools.signals.asked} came"
        tools.show.progress(f"{why}: {left} connections ({limit:g} s at most)")
        tools.sleep(ASK_AGAIN)
    seconds = tools.clock() - began
    return f", {seconds:.1f} s until no request was in flight" if seconds >= ASK_AGAIN else ""


def keep_figures(it: Making, outcome: str) -> None:
    """What became of the release, how long each step took, and what was said of it."""
    figures = {"seconds": round(it.tools.clock() - it.began, 3)}
    figures |= {done.step.name: round(done.seconds, 3) for done in it.result.steps}
    it.tools.journal.releases.end(it.new.release, outcome, it.new.kept_images(), figures)
    it.tools.journal.releases.annotate(it.new.release, it.request.typed)


def record(it: Making) -> str:
    keep_figures(it, "prepared" if it.request.verb == "prepare" else "live")
    it.tools.door.tidy(settled=True)
    _let_names_go(it)
    return f"release {it.new.release}"


def _let_names_go(it: Making) -> None:
    """At the edge, names that only a release had that is gone now are free for other apps."""
    if it.stack.settings.edge is None:
        return
    from bluegreen.domain.edge import claim

    before, after = it.world.intended, it.tools.door.intended()
    had = claim(it.stack, before.slots.values() if before else ())
    has = claim(it.stack, after.slots.values() if after else ())
    if set(had.plain) - set(has.plain):
        at_the_edge(it.tools, it.stack)
