"""Whether the name of nginx's image points to another image now than the one that nginx runs."""

from __future__ import annotations

from bluegreen.domain.app import Stack
from bluegreen.domain.world import ProxyContainer, World
from bluegreen.flow.values import Tools
from bluegreen.plans.steps import FOLLOWS, can_follow


def moved(tools: Tools, proxy: ProxyContainer | None, reference: str = "") -> str | None:
    """The image that the name means now on this machine; None: it is the one that runs, or it is unknown.

    `reference`: the name that the settings say, for a proxy of an older bluegreen, which does not say it itself.
    """
    name = (proxy.reference or reference) if proxy else ""
    now = tools.images.id_of(name) if name else None
    return now if proxy and now and now != proxy.image else None


def taken_over(tools: Tools, stack: Stack, world: World) -> str:
    """The command that takes another image over, and what that costs. Asks Compose."""
    follows = can_follow(world, tools.proxy.ports(stack))
    return f"{tools.command} up ({FOLLOWS if follows else 'restarts nginx: a moment without answers'})"
