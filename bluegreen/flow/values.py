"""What the stories hand around: values without behaviour. Cheap to import; flip-back needs them first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bluegreen.plans.plan import Step

if TYPE_CHECKING:
    from bluegreen.domain.color import Color, Role
    from bluegreen.domain.release import Image
    from bluegreen.errors import BluegreenError
    from bluegreen.flow.ports import (
        CertificatesPort,
        ColorsPort,
        ComposePort,
        ContainersPort,
        DoorPort,
        EdgePort,
        EnginePort,
        ExpectedPort,
        HostPort,
        ImagesPort,
        JournalPort,
        MachinePort,
        ProberPort,
        ProxyPort,
        Show,
        SignalsPort,
        StaticPort,
    )


@dataclass(frozen=True)
class Order:
    """One container that a color is to have."""

    color: Color
    service: str
    number: int
    release: int
    role: Role
    image: Image
    address: str
    definition: str


@dataclass(frozen=True)
class Check:
    """A replica to be probed by its address, or (address None) a route asked through preview."""

    name: str
    address: str | None
    port: int
    host: str | None
    policy: Any
    path: str | None = None


@dataclass(frozen=True)
class ImageWish:
    """How the image of a service is found."""

    build: bool = True
    pull: bool = False
    override: str | None = None
    pinned: Image | None = None  # the very image, by its id: nothing is built or pulled
    known: Image | None = None  # what the live release has: its name may have been pruned away, its image was not


@dataclass(frozen=True)
class StepDone:
    """A step that has ended: what `--json` reports and the journal keeps."""

    step: Step
    seconds: float
    outcome: str  # done, failed, warning, left out
    detail: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "phase": self.step.phase,
            "step": self.step.name,
            "color": self.step.color,
            "seconds": round(self.seconds, 4),
            "outcome": self.outcome,
            "detail": self.detail,
        }


@dataclass
class Result:
    """How an operation ended; the fields of `--json`."""

    verb: str
    outcome: str
    live: Mapping[str, Any] | None = None
    previous: Mapping[str, Any] | None = None
    steps: list[StepDone] = field(default_factory=list)
    error: BluegreenError | None = None
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    next: str = ""  # a command that goes on from here
    shares: Mapping[Color, int] | None = None  # percent of visitors of each color

    def as_dict(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "live": self.live,
            "previous": self.previous,
            "steps": [done.as_dict() for done in self.steps],
            "error": self.error.fields() if self.error else None,
            "message": self.message,
            "warnings": self.warnings,
            "next": self.next or None,
            "shares": self.shares,
        }


@dataclass
class Tools:
    """Everything that a story works with."""

    app: str
    colors: ColorsPort
    containers: ContainersPort
    images: ImagesPort
    proxy: ProxyPort
    engine: EnginePort
    compose: ComposePort
    door: DoorPort
    certificates: CertificatesPort
    edge: EdgePort
    static: StaticPort
    prober: ProberPort
    journal: JournalPort
    host: HostPort
    machine: MachinePort
    expected: ExpectedPort
    mask: Callable[[str], str]  # takes known secrets out of a text that is kept or shown
    fingerprint: Callable[[str], str]  # a keyed hash: tells that two texts are the same, and nothing else of them
    show: Show
    signals: SignalsPort
    phase: Callable[[str], None]  # tells others how far this operation is
    now: Callable[[], str]  # ISO 8601, UTC
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    wall: Callable[[], float] = time.time  # seconds since the epoch, as nginx and the Engine count them
    command: str = "bluegreen"  # with the global options that this app needs
