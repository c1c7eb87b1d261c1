"""The plan as a value: phases of steps, each with its cause. The phase of a step is its failure rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bluegreen.domain.answers import Expectation
from bluegreen.domain.color import Color

Phase = Literal["prepare", "cutover", "watch", "settle", "end"]
PHASES: tuple[Phase, ...] = get_args(Phase)
StepName = Literal[
    "shared", "network", "tls", "proxy", "undrift", "handover", "image", "migrate", "aside", "clear", "create",
    "recreate", "connect", "bring_back", "start", "health", "files", "warm", "preview", "check", "expect",
    "before_switch", "render", "route", "confirm", "seal", "adopt", "adopted", "jobs", "drain", "discard",
    "after_switch", "after_flip_back", "record", "prune", "stop", "remove", "beside", "publish", "leave",
    "edge", "leave_edge", "watch", "compare", "share", "verdict",
]  # fmt: skip
STEP_NAMES: tuple[StepName, ...] = get_args(StepName)
WAITS: tuple[StepName, ...] = ("drain", "watch")  # steps that only wait: left out when the person wants to leave
FAILURE: Mapping[Phase, str] = {
    "prepare": "traffic does not move; exit 1; safe to retry",
    "cutover": "traffic is moved back and that is confirmed: exit 4; if it cannot be confirmed: exit 5",
    "watch": "traffic is moved back by one rename; exit 4",
    "settle": "a warning; traffic stays where it is; the next command repairs it",
    "end": "what is left keeps running; exit 1; the same command continues",
}


@dataclass(frozen=True)
class Step:
    """One thing to be done. `name` picks the action, `cause` says why the plan has it."""

    phase: Phase
    name: StepName
    cause: str
    color: Color | None = None


@dataclass(frozen=True)
class Plan:
    """What a verb is going to do. No steps: `nothing` says why."""

    verb: str
    target: Color | None
    release: int | None
    steps: tuple[Step, ...]
    nothing: str = ""

    def lines(self) -> list[str]:
        """The plan as `--dry-run` prints it and tests compare it."""
        if not self.steps:
            return [f"{self.verb}: nothing to do: {self.nothing}"]
        to = f" to {self.target}" if self.target else ""
        release = f", release {self.release}" if self.release else ""
        found = [f"{self.verb}{to}{release}"]
        for phase in PHASES:
            steps = [step for step in self.steps if step.phase == phase]
            if steps:
                found += ["", f"{phase} (when a step fails: {FAILURE[phase]})"]
                width = max(10, *(len(step.name) + 2 for step in steps))
                found += [f"  {step.name:<{width}}{step.cause}" for step in steps]
        return found

    def as_dict(self) -> dict[str, Any]:
        return {
            "verb": self.verb,
            "target": self.target,
            "release": self.release,
            "nothing": self.nothing,
            "phases": [
                {
                    "phase": phase,
                    "on_failure": FAILURE[phase],
                    "steps": [
                        {"step": step.name, "color": step.color, "cause": step.cause}
                        for step in self.steps
                        if step.phase == phase
                    ],
                }
                for phase in PHASES
                if any(step.phase == phase for step in self.steps)
            ],
        }


@dataclass(frozen=True)
class Wish:
    """What a person asked for, and what the Compose file says now."""

    definition: str
    replicas: Mapping[str, int]  # service -> wanted
    jobs: tuple[str, ...]
    shared: tuple[str, ...]
    proxy_definition: str
    release: int  # the number that a new release would get
    force: bool = False
    build: bool = True  # whether any service is built from source
    adopts: tuple[str, ...] = ()  # containers of plain Compose that the first release replaces
    migrate: str = ""  # the service whose migration each release runs
    hooks: tuple[str, ...] = ()  # the moments that have hooks
    expected: tuple[Expectation, ...] = ()  # recorded answers that each release must give
    changed: tuple[str, ...] = ()  # shared services whose containers are not what the file says
    asleep: tuple[str, ...] = ()  # shared services that the release depends on and that are not running
    proxy_ports: str = ""  # a fingerprint of what only another container with the ports can change
    proxy_image: str = ""  # the name of the proxy's image, if it points to another one by now; only up asks
    compare: int = 0  # recent requests that are asked of both releases; 0: none
    files: tuple[str, ...] = ()  # prefixes of a release's files that nginx serves itself
    files_gone: bool = False  # whether those of the live release are not there any more; only up asks
    certificates: tuple[str, ...] = ()  # names whose certificate nginx does not have yet
    edge: str = ""  # why the edge does not serve the app as it should
    watch: float = 0.0  # seconds of real traffic that are looked at before the release is settled; only switch
    edge_left: str = ""  # the edge that the app leaves; only up asks
    shares: tuple[int, ...] = ()  # percent of visitors, step by step; empty: all of them immediately
    every: float = 0.0  # seconds between two steps
    control: int = 0  # percent of visitors who stay on the release before until the verdict; then all get the new one
    images: Mapping[str, str] | None = None  # service -> id, of a release that is brought back; None: not known yet
