"""A canary: a share of the visitors, step by step, and its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bluegreen.domain.color import Color
from bluegreen.domain.routing import BUCKETS
from bluegreen.domain.world import World
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.plans.differences import way_back, way_back_gone
from bluegreen.plans.plan import Plan, Step, Wish
from bluegreen.plans.steps import cutover_steps, settle_steps, watch_steps


def refuse_canary(world: World, verb: str) -> None:
    """Raises BluegreenError for a verb that would take the color away from which visitors of a canary get answers."""
    if not world.canary:
        return
    raise BluegreenError(
        f"A canary is on: {share_words(world)}.", code="canary-on",
        failed=f"{verb} needs {world.idle}, which has visitors",
        expected="no canary", traffic=world.traffic(), retry="safe, after the canary has ended",
        next=f"{COMMAND} promote (all visitors get it), or {COMMAND} flip-back (nobody gets it)",
    )  # fmt: skip


def with_control(verb: str, world: World, wish: Wish, reversible: bool) -> Wish:
    """A switch that keeps some visitors on the release before until the verdict: shares that nobody has to promote.

    Without it when there is no such release, no watch, a canary in its place, or data that it cannot work with.
    """
    if verb != "switch" or not (wish.control and world.live and wish.watch and reversible) or wish.shares:
        return replace(wish, control=0)
    return replace(wish, shares=(BUCKETS - wish.control, BUCKETS), every=wish.watch, watch=0.0)


def share_words(world: World) -> str:
    """Who gets the canary, in a phrase."""
    slot = world.idle_slot
    release = f", release {slot.release}" if slot else ""
    return f"{world.canary} % of visitors on {world.idle}{release}"


def share_steps(world: World, wish: Wish, target: Color) -> Iterable[Step]:
    """One rename for each share, each with its verdict. The last one may be all visitors."""
    for share in wish.shares:
        if share == BUCKETS:
            yield from cutover_steps(world, target)
            continue
        yield Step("cutover", "share", f"one rename sends {share} % of visitors to {target}", target)
        yield Step("cutover", "confirm", "only nginx's own answer proves where traffic goes", target)
        seconds = watched_for(wish, share)
        beside = f", beside {wish.control} % who stay" if wish.control else ""
        looked = f"{seconds:g} s of real traffic{beside}: if" if seconds else "if"
        yield Step("cutover", "verdict", f"{looked} the release fails for visitors, nobody gets it any more", target)


def watched_for(wish: Wish, share: int) -> float:
    """Seconds of real traffic before this share is over: the last one has those of a switch."""
    return wish.watch if share == wish.shares[-1] else wish.every


def ends_as_canary(wish: Wish) -> bool:
    """Whether a part of the visitors keeps the other color."""
    return bool(wish.shares) and wish.shares[-1] < BUCKETS


def end_steps(world: World, wish: Wish, target: Color) -> Iterable[Step]:
    """What follows once all visitors are on `target`."""
    yield from settle_steps(world, wish.jobs, target, wait=world.live is not None)
    if keep := way_back(world):
        yield Step("settle", "discard", f"remove release {keep.release}, which was set aside", target)
    if "after_switch" in wish.hooks:
        yield Step("settle", "after_switch", "run your hook", target)


def plan_promote(world: World, wish: Wish) -> Plan:
    """More visitors, or all, for the release of a canary. Raises BluegreenError when there is none."""
    target, slot = world.idle, world.idle_slot
    if not world.canary or slot is None:
        raise BluegreenError(
            "No canary is on.", code="no-canary", failed="all visitors get the same color",
            expected=f"a canary, as {COMMAND} switch --canary 5% begins it", traffic=world.traffic(),
            retry="not useful", next=f"{COMMAND} status",
        )  # fmt: skip
    wish = wish if wish.shares else replace(wish, shares=(BUCKETS,))
    if wish.shares[0] <= world.canary:
        raise BluegreenError(
            f"The share of a canary only grows: {world.canary} % of visitors are on {target}.", code="smaller-share",
            failed=f"{wish.shares[0]} % was asked for",
            expected=f"more than {world.canary} %: nobody goes back and forth between two releases",
            traffic=world.traffic(), retry="safe, with a larger share",
            next=f"{COMMAND} promote, or {COMMAND} flip-back (nobody gets it)",
        )  # fmt: skip
    steps = [Step("prepare", "health", f"is release {slot.release} on {target} still healthy?", target)]
    steps += share_steps(world, wish, target)
    if not ends_as_canary(wish):
        steps += watch_steps(world, wish, target)
        steps += end_steps(world, replace(wish, jobs=slot.jobs), target)
    steps.append(Step("settle", "record", "write the history"))
    if not ends_as_canary(wish):
        steps.append(Step("settle", "prune", "remove images that no kept release needs"))
    return Plan("promote", target, slot.release, tuple(steps))


def lost_canary(world: World) -> str:
    """Why the visitors of a canary get no answers, for good; empty: there is none, or its containers are there."""
    if not world.canary:
        return ""
    if world.idle_slot is None:
        return f"nginx knows no release on {world.idle}"
    return f"release {world.idle_slot.release} on {world.idle} has lost containers" if way_back_gone(world) else ""


def plan_take_back(world: World) -> Plan:
    """flip-back during a canary: no visitor gets it any more. The color that all get now has most of them already."""
    live = world.live or world.idle
    slot = world.slot(live)
    cause = f"one rename sends the {world.canary} % of visitors on {world.idle} to {live}, too"
    steps = [
        Step("cutover", "route", cause, live),
        Step("cutover", "confirm", "only nginx's own answer proves where traffic goes", live),
        *settle_steps(world, slot.jobs if slot else (), live, wait=False),
    ]
    if world.intended and "after_flip_back" in world.intended.hooks:
        steps.append(Step("settle", "after_flip_back", "run your hook", live))
    steps.append(Step("settle", "record", "history"))
    return Plan("flip-back", live, slot.release if slot else None, tuple(steps))
