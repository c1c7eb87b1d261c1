"""One release in the making: what was asked for, what was found, and what there is of it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bluegreen.domain.app import Stack
from bluegreen.domain.color import Color
from bluegreen.domain.record import Restored
from bluegreen.domain.release import Image, Note
from bluegreen.domain.routing import BUCKETS, Routing, Slot
from bluegreen.domain.world import ProxyContainer, Replica, World
from bluegreen.flow.adopt import Adoption
from bluegreen.flow.cutover import Cutover
from bluegreen.flow.hooks import Moment
from bluegreen.flow.migrate import Answer
from bluegreen.flow.prerequisites import render_today
from bluegreen.flow.run import Operation
from bluegreen.plans.differences import way_back
from bluegreen.plans.plan import Wish


@dataclass(frozen=True)
class Request:
    """What the person typed after the verb."""

    verb: Literal["up", "switch", "prepare", "promote"] = "switch"
    force: bool = False
    build: bool = True
    pull: bool = False
    adopt: bool = False
    live: Color | None = None  # which color was live, as a person typed it; used when nothing else tells
    note: Note = field(default_factory=Note)  # filled in from git and the login
    typed: Note = field(default_factory=Note)  # the note as it was typed
    migrate: Answer | None = None  # what to do about a migration that is in doubt
    overrides: Mapping[str, str] = field(default_factory=dict)
    restored: Restored | None = None  # the kept release that is brought back


@dataclass
class Candidate:
    """The release that is being made."""

    color: Color
    release: int
    images: dict[str, Image] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    created: list[tuple[str, str]] = field(default_factory=list)  # service, container
    slot: Slot | None = None
    previewed: bool = False
    migrated: bool = False

    def kept_images(self) -> dict[str, Any]:
        """Its images as the journal keeps them: of its slot, or those that there are before it has one."""
        found = self.slot.images if self.slot else self.images
        return {name: asdict(image) for name, image in found.items()}


class Making:
    """Everything that the steps of a release work on and with."""

    def __init__(
        self,
        stack: Stack,
        wish: Wish,
        request: Request,
        world: World,
        operation: Operation,
        adoption: Adoption | None,
    ) -> None:
        self.adoption = adoption
        self.stack, self.wish, self.request, self.world = stack, wish, request, world
        self.operation, self.tools = operation, operation.tools
        self.plan, self.result = operation.plan, operation.result
        tools, plan = self.tools, self.plan
        target = plan.target or world.idle
        self.new = Candidate(target, plan.release or wish.release)
        if not any(step.name == "create" for step in plan.steps):
            self.new.slot = world.slot(target)
            self.new.images = dict(self.new.slot.images) if self.new.slot else {}
        self.keep: Slot | None = way_back(world)  # what comes back when this release does not become live
        self.cutover = Cutover(tools, world, target, tuple(it for it in wish.shares if it < BUCKETS))
        self.began = tools.clock()

    def moment(self, outcome: str) -> Moment:
        """What hooks get."""
        return Moment(self.request.verb, self.new.color, self.new.release, outcome, self.request.note.owner)

    def mine(self) -> list[Replica]:
        """The new release's containers, as the Engine has them now."""
        return [
            r for r in self.tools.containers.replicas() if r.color == self.new.color and r.release == self.new.release
        ]

    def proxy(self) -> ProxyContainer | None:
        """The proxy as it is now; asked for again only when a step of the plan may have changed it."""
        steady = self.world.proxy and not any(step.name in ("proxy", "adopt") for step in self.plan.steps)
        return self.world.proxy if steady else self.tools.proxy.container()

    def slots(self) -> Mapping[Color, Slot]:
        """What was in both colors before."""
        return self.world.intended.slots if self.world.intended else {}

    def render(self, routing: Routing) -> str:
        """The nginx file for a routing, with the settings and snippets of today."""
        return render_today(self.tools, self.stack, routing)
