"""The steps that several plans have in common."""

from __future__ import annotations

from collections.abc import Iterable

from bluegreen.domain.color import Color, other
from bluegreen.domain.world import World
from bluegreen.plans.differences import drift, misplaced
from bluegreen.plans.plan import Step, Wish

RESTARTS = "it restarts, and gives no answers for a moment"
FOLLOWS = "another nginx takes over, no request waits"


def base_steps(verb: str, world: World, wish: Wish) -> Iterable[Step]:
    yield from _shared(verb, wish)
    proxy = world.proxy
    if proxy is None:
        yield Step("prepare", "network", "the app has a network of its own, with fixed addresses")
    if wish.certificates:
        yield Step("prepare", "tls", f"nginx has no certificate yet, or not the latest: {', '.join(wish.certificates)}")
    if wish.edge_left:
        yield Step("prepare", "leave_edge", f"the app is on {wish.edge_left}, and its settings say otherwise")
    yield from _proxy(verb, world, wish)
    if wish.edge and (verb == "up" or proxy is None or proxy.edge):
        yield Step("prepare", "edge", wish.edge)
    if verb != "up" and proxy and proxy.running and (words := drift(world)) and world.intended and world.answer:
        yield Step("prepare", "undrift", f"nginx loads a new file for the color that it serves: {words}")
    if world.live and (wrong := misplaced(world)):
        yield Step("prepare", "handover", f"jobs must run on {world.live}: {', '.join(wrong)}", world.live)
    if world.live and wish.adopts:
        yield Step("prepare", "adopt", f"a take-over was not finished: {', '.join(wish.adopts)} of plain Compose")


def _proxy(verb: str, world: World, wish: Wish) -> Iterable[Step]:
    proxy = world.proxy
    if proxy is None:
        why = "; it gets its ports when the color has passed its checks" if wish.adopts else ""
        yield Step("prepare", "proxy", f"there is no proxy yet{why}")
    elif not proxy.running:
        yield Step("prepare", "proxy", f"the proxy is {proxy.state}")
    elif proxy.stale:
        yield Step("prepare", "proxy", "its folders in the state folder are gone; it restarts with new ones")
    elif not proxy.published and not wish.adopts:
        yield Step("prepare", "proxy", "its ports are not published yet")
    elif verb == "up" and differs(world, wish):
        how = FOLLOWS if can_follow(world, wish.proxy_ports) else RESTARTS
        what = f"{wish.proxy_image} now points to another image" if wish.proxy_image else "its settings have changed"
        yield Step("prepare", "proxy", f"{what}; {how}")
    elif verb == "up" and proxy.first_serves:
        yield Step("prepare", "proxy", "the nginx that had taken over did not come back; the first one serves")


def differs(world: World, wish: Wish) -> bool:
    """Whether the proxy that runs is not what the settings say, or its image's name means another image by now."""
    return world.proxy is not None and (world.proxy.definition != wish.proxy_definition or bool(wish.proxy_image))


def can_follow(world: World, ports: str) -> bool:
    """Whether another nginx can take over in the network of the one that answers: its `ports` stay as they are."""
    proxy = world.proxy
    return bool(
        world.answer and proxy and proxy.running and proxy.published and not proxy.stale and proxy.ports
        and proxy.ports == ports
    )  # fmt: skip


def _shared(verb: str, wish: Wish) -> Iterable[Step]:
    if verb == "up" and wish.changed:
        names = ", ".join(wish.changed)
        yield Step("prepare", "shared", f"the Compose file has changed for {names}: Compose recreates it")
    elif verb == "up" and wish.shared:
        yield Step("prepare", "shared", f"Compose runs {', '.join(wish.shared)} for both colors")
    elif verb != "up" and wish.asleep:
        yield Step("prepare", "shared", f"the release depends on {', '.join(wish.asleep)}, which is not running")


def cutover_steps(world: World, target: Color) -> Iterable[Step]:
    left = world.live or "no color"
    yield Step("cutover", "route", f"one rename sends traffic to {target} instead of {left}", target)
    yield Step("cutover", "confirm", "only nginx's own answer proves where traffic goes", target)


def settle_steps(world: World, jobs: tuple[str, ...], target: Color, wait: bool) -> Iterable[Step]:
    """`jobs`: those of the color that becomes live. Jobs of the other color end even if there are none."""
    slot = world.slot(other(target))
    left = [replica.service for replica in world.in_color(other(target)) if replica.role == "job"]
    jobs = tuple(dict.fromkeys((*jobs, *(slot.jobs if slot else ()), *left)))
    yield Step("settle", "seal", f"nginx's file names {target} as live too, in case the route is deleted", target)
    if jobs:
        yield Step("settle", "jobs", f"{', '.join(jobs)} must run in one color only", target)
    if wait:
        yield Step("settle", "drain", f"requests in flight on {world.live} finish", other(target))


def watch_steps(world: World, wish: Wish, target: Color) -> Iterable[Step]:
    """All visitors have the release now; nothing is settled yet."""
    if world.live and wish.watch:
        cause = f"{wish.watch:g} s of real traffic: if the release fails for visitors, it moves back to {world.live}"
        yield Step("watch", "watch", cause, target)
