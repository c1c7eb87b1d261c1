"""A new release onto the idle color."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from bluegreen.domain.color import Color
from bluegreen.domain.routing import Slot
from bluegreen.domain.words import counted
from bluegreen.domain.world import World
from bluegreen.plans.canary import end_steps, ends_as_canary, refuse_canary, share_steps
from bluegreen.plans.differences import actual, in_the_way, missing_replicas, way_back
from bluegreen.plans.plan import Plan, Step, Wish
from bluegreen.plans.steps import base_steps, cutover_steps, watch_steps


def plan_release(verb: Literal["up", "switch", "prepare"], world: World, wish: Wish) -> Plan:
    """A new release onto the idle color; with `prepare` up to the preview, otherwise traffic too."""
    refuse_canary(world, verb)
    target = world.idle
    wish = replace(wish, release=max(wish.release, world.newest_release + 1))
    prepared = _prepared(world, wish)
    if verb == "prepare" and prepared and not wish.force:
        return Plan(verb, target, prepared.release, (), f"release {prepared.release} is prepared on {target}")
    steps = list(base_steps(verb, world, wish))
    if prepared and not wish.force:
        release = prepared.release
        steps += [
            Step(
                "prepare",
                "health",
                f"release {release} was prepared earlier; is every replica still healthy?",
                target,
            ),
            Step(
                "prepare", "preview", "nginx loads both colors, with the current settings; live traffic stays", target
            ),
            Step("prepare", "check", "does it answer through the preview listener?", target),
        ]
    else:
        release = wish.release
        steps += _prepare(world, wish, target)
    steps += _last_checks(verb, wish, target)
    if verb != "prepare":
        steps += _shift(world, wish, target, watched=verb == "switch")
    steps.append(Step("settle", "record", "write the history, and the number of the next release"))
    if verb == "switch" and not ends_as_canary(wish):
        steps.append(Step("settle", "prune", "remove images that no kept release needs"))
    return Plan(verb, target, release, tuple(steps))


def _last_checks(verb: str, wish: Wish, target: Color) -> Iterable[Step]:
    """What the new release is asked when it is healthy, and who can still stop it."""
    if wish.expected:
        asked = counted(len(wish.expected), "recorded answer")
        yield Step("prepare", "expect", f"{asked} must match, through the preview listener", target)
    if wish.compare and verb == "switch":
        asked = counted(wish.compare, "recent GET")
        yield Step("prepare", "compare", f"at most {asked} of visitors are asked of both colors", target)
    if verb != "prepare" and "before_switch" in wish.hooks:
        yield Step("prepare", "before_switch", "your hook can stop the switch", target)


def _shift(world: World, wish: Wish, target: Color, watched: bool) -> Iterable[Step]:
    yield from share_steps(world, wish, target) if wish.shares else cutover_steps(world, target)
    if wish.adopts:
        yield Step("cutover", "adopt", f"stop {', '.join(wish.adopts)}; nginx takes the ports", target)
    if watched and not ends_as_canary(wish):
        yield from watch_steps(world, wish, target)
    if wish.adopts:
        yield Step("settle", "adopted", f"remove {', '.join(wish.adopts)}; volumes stay", target)
    if not ends_as_canary(wish):
        yield from end_steps(world, wish, target)


def start_order(services: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """The services in an order in which each comes after what it depends on. Compose refuses cycles."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name in ordered or name not in names:
            return
        for dependency in services[name].get("depends_on") or {}:
            visit(dependency)
        ordered.append(name)

    for name in names:
        visit(name)
    return ordered


def _prepare(world: World, wish: Wish, target: Color) -> Iterable[Step]:
    made = "built or pulled" if wish.build else "pulled if it is missing"
    yield Step("prepare", "image", f"every image is {made}, then pinned by its id", target)
    if wish.migrate:
        yield Step("prepare", "migrate", f"{wish.migrate} of release {wish.release} runs once, before traffic", target)
    keep = way_back(world)
    if keep and any(it.release == keep.release for it in world.in_color(target)):
        yield Step("prepare", "aside", f"release {keep.release} on {target} is kept until the new one is live", target)
    if held := in_the_way(world, target, keep):
        releases = ", ".join(str(number) for number in sorted({replica.release for replica in held}))
        yield Step("prepare", "clear", f"remove release {releases} from {target}, to make room", target)
    count = sum(wish.replicas.values())
    yield Step(
        "prepare", "create", f"{counted(count, 'container')} of release {wish.release}, with new addresses", target
    )
    yield Step("prepare", "start", "in the order of depends_on", target)
    yield Step("prepare", "health", "each replica must pass its health check, sent through nginx", target)
    if wish.files:
        yield Step("prepare", "files", f"nginx serves {', '.join(wish.files)} itself: copied from a container", target)
    yield Step("prepare", "preview", f"nginx loads the addresses of {target}; live traffic stays", target)
    yield Step("prepare", "check", "does it answer through the preview listener?", target)


def _prepared(world: World, wish: Wish) -> Slot | None:
    """The prepared release on the idle color, if it is complete and the one that is asked for."""
    slot = world.slot(world.idle)
    known = actual(world)  # a release whose cutover was killed before the rename has passed its checks, too
    if known is None or known.standing != "prepared" or slot is None:
        return None
    other_images = wish.images is not None and wish.images != {name: it.id for name, it in slot.images.items()}
    if slot.definition != wish.definition or other_images or missing_replicas(slot, world.in_color(world.idle)):
        return None
    return slot
