"""Where nginx is published, where the file wants it, and whether it answers there."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.domain.app import Stack
from bluegreen.domain.findings import Finding
from bluegreen.domain.world import World
from bluegreen.flow.public import differing, unreached
from bluegreen.flow.values import Tools


def listeners(tools: Tools, stack: Stack, world: World) -> Iterator[Finding]:
    """One finding for what differs, one for what answers; none before there is a proxy."""
    if words := differing(stack, world):
        yield Finding(
            "listen", "warning", words, "nginx published where the file says",
            "a switch does not change where nginx is published; only up does",
            f"{tools.command} up (a moment without answers)",
        )  # fmt: skip
    if world.answer is None:
        return
    asked, silent = unreached(tools, world.proxy, world.slot(world.live) if world.live else None)
    if silent:
        yield Finding(
            "listen", "failed", "; ".join(silent), "an HTTP answer on every address of listen",
            "visitors do not reach nginx", f"{tools.command} up",
        )  # fmt: skip
    elif asked:
        yield Finding("listen", "ok", f"nginx answers on {', '.join(asked)}")
