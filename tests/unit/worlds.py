"""Observed worlds for tests of pure decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bluegreen.domain.app import Route
from bluegreen.domain.color import Color
from bluegreen.domain.release import Image
from bluegreen.domain.routing import ControlAnswer, Routing, Slot
from bluegreen.domain.world import ProxyContainer, Replica, World
from bluegreen.plans.plan import Wish

PROXY = ProxyContainer("p", "shop-proxy", "running", "same", "172.20.0.2")
WISH = Wish(
    definition="new", replicas={"web": 2, "worker": 1}, jobs=("worker",), shared=("redis",), proxy_definition="same",
    release=8,
)  # fmt: skip


def slot(color: Color, release: int, definition: str = "old") -> Slot:
    base = {"blue": 16, "green": 32}[color]
    return Slot(
        color, release, definition, (Route("web", 8000),), {"web": (f"172.20.0.{base}", f"172.20.0.{base + 1}")},
        {"web": Image("shop:1", f"sha256:{release:064}")}, {"web": 2, "worker": 1}, ("worker",),
    )  # fmt: skip


def replica(color: Color, release: int, service: str = "web", number: int = 1, **more: Any) -> Replica:
    address = 99 if service == "worker" else {"blue": 16, "green": 32}[color] + number - 1
    base = Replica(
        id=f"{color}{service}{number}", name=f"shop-{color}-{service}-{number}", color=color, service=service,
        number=number, release=release, role="job" if service == "worker" else "routed", state="running", health=None,
        address=f"172.20.0.{address}", image_id="sha256:1", definition="old",
    )  # fmt: skip
    return replace(base, **more)


def replicas(color: Color, release: int) -> tuple[Replica, ...]:
    """A whole color; the worker runs in blue, which is mostly the live one here."""
    worker = replica(color, release, "worker", state="running" if color == "blue" else "exited")
    return (replica(color, release), replica(color, release, number=2), worker)


def routing(live: Color | None, standing: Any = "previous", **slots: Slot) -> Routing:
    found = {color: slot for color, slot in slots.items() if color in ("blue", "green")}
    return Routing("shop", 5, live, found, standing, "2026-11-01T10:00:00+00:00", 30.0)  # type: ignore[arg-type]  # checked above


def world(live: Color | None = "blue", **more: Any) -> World:
    """Blue live with release 7, green idle with release 6, everything well."""
    base = World(
        "shop", PROXY, ControlAnswer("shop", 5, live, "1.30.6", 9),
        routing(live, blue=slot("blue", 7), green=slot("green", 6)), (*replicas("blue", 7), *replicas("green", 6)),
    )  # fmt: skip
    return replace(base, **more)


EMPTY = World("shop", None, None, None, ())
