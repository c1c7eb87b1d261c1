"""What the stories need from the outside world, as protocols; `cli/wiring.py` hands in the real things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bluegreen.release.errors import BluegreenError
from bluegreen.release.model import (
    Color,
    ControlAnswer,
    Image,
    Listen,
    PlainContainer,
    ProxyContainer,
    Replica,
    Role,
    Routing,
    Stack,
)
from bluegreen.release.plan import Phase, Plan, Step

Tell = Callable[[str], None]


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


class EnginePort(Protocol):
    def replicas(self) -> tuple[Replica, ...]: ...
    def proxy(self) -> ProxyContainer | None: ...
    def log_tail(self, container: str, lines: int) -> list[str]: ...
    def follow_log(self, container: str, tail: int | None, follow: bool) -> Iterator[bytes]: ...
    def exit_of(self, container: str) -> tuple[int, int, str]: ...
    def start(self, container: str) -> None: ...
    def stop(self, container: str, grace: int | None = None) -> None: ...
    def restart(self, container: str, grace: int) -> None: ...
    def connect(self, container: str, address: str) -> None: ...
    def remove(self, container: str) -> None: ...
    def remove_keeping_volumes(self, container: str) -> None: ...
    def plain_containers(self) -> tuple[PlainContainer, ...]: ...
    def port_holder(self, listen: Listen) -> str | None: ...
    def set_restart(self, container: str, policy: Mapping[str, Any]) -> None: ...
    def remove_leftovers(self) -> list[str]: ...
    def remove_once(self) -> None: ...
    def remove_compose_network(self, name: str) -> bool: ...
    def remove_volume(self, name: str) -> bool: ...


class ColorsPort(Protocol):
    def ensure_network(self) -> None: ...
    def ensure_ground(self, stack: Stack, color: Color, tell: Tell) -> None: ...
    def free_addresses(self, release: int, count: int, avoid: frozenset[str]) -> list[str]: ...
    def create(self, stack: Stack, order: Order) -> str: ...
    def restart_as_defined(self, replica: Replica) -> None: ...
    def dependency(self, service: str) -> tuple[str, str | None, int] | None: ...
    def image(self, stack: Stack, service: str, how: ImageWish, tell: Tell) -> Image: ...
    def nginx_version(self, stack: Stack, tell: Tell) -> str: ...
    def ensure_proxy(self, stack: Stack, tell: Tell, published: bool = True) -> str: ...
    def publish_proxy(self, container: str, stack: Stack) -> None: ...
    def proxy_definition(self, stack: Stack) -> str: ...


class ComposePort(Protocol):
    def up(self, services: Sequence[str], tell: Tell) -> None: ...
    def down(self, volumes: bool, tell: Tell) -> None: ...
    def plain_command(self, override: Mapping[str, Any], services: Sequence[str]) -> str: ...


class NginxPort(Protocol):
    def answer(self) -> ControlAnswer | None: ...
    def intended(self) -> Routing | None: ...
    def loaded_name(self, app: str) -> ControlAnswer | None: ...
    def sees_our_folders(self) -> bool: ...
    def in_flight(self, addresses: frozenset[str]) -> int: ...
    def test(self, text: str) -> None: ...
    def write(self, text: str) -> None: ...
    def store(self, directions: dict[Color, str]) -> None: ...
    def stored(self, color: Color) -> str | None: ...
    def loaded_text(self) -> str | None: ...
    def edited(self) -> bool: ...
    def tidy(self) -> None: ...
    def take_snippets(self, folder: Path | None) -> str | None: ...
    def loaded_snippets(self) -> str | None: ...
    def forget_snippets(self) -> None: ...
    def hold(self) -> Any: ...
    def reload(self) -> None: ...
    def confirm(self, generation: int, live: Color | None, held: Any) -> None: ...
    def hand_over(self, left: int) -> None: ...
    def activate(self, text: str, generation: int, since: str) -> str: ...
    def too_old(self, version: str) -> bool: ...


class RenderPort(Protocol):
    def __call__(self, routing: Routing, stack: Stack, snippets: str | None) -> str: ...


class ProberPort(Protocol):
    """Both return what is wrong with each replica or route, by name; healthy ones are absent."""

    def once(self, checks: Sequence[Check]) -> dict[str, str]: ...
    def wait(self, checks: Sequence[Check], between: Callable[[str], None]) -> dict[str, tuple[int, str]]: ...


class JournalPort(Protocol):
    def newest_release(self) -> int: ...
    def start_release(self, number: int, color: str, definition: str, services: Mapping[str, Any]) -> None: ...
    def end_release(self, number: int, outcome: str, images: Mapping[str, Any]) -> None: ...
    def start_operation(self, verb: str, release: int | None, target: str | None) -> int: ...
    def end_operation(self, operation: int, outcome: str, error: Mapping[str, object] | None = None) -> None: ...
    def step(
        self,
        operation: int,
        phase: str,
        step: str,
        color: str | None,
        seconds: float,
        outcome: str,
        detail: str,
    ) -> None: ...
    def unfinished(self) -> Any: ...


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
            "seconds": round(self.seconds, 3),
            "outcome": self.outcome,
            "detail": self.detail,
        }


class Show(Protocol):
    """Where progress goes while it happens."""

    def plan(self, plan: Plan) -> None: ...
    def started(self, step: Step) -> None: ...
    def progress(self, text: str) -> None: ...
    def ended(self, done: StepDone) -> None: ...
    def notice(self, text: str) -> None: ...


class SignalsPort(Protocol):
    """Ctrl-C and its like: raise Interrupted at once while that is safe, and are only noted after."""

    @property
    def asked(self) -> str | None: ...
    def hold(self) -> None: ...
    def deferred(self) -> AbstractContextManager[None]: ...


@dataclass
class Tools:
    """Everything that a story works with."""

    app: str
    engine: EnginePort
    colors: ColorsPort
    compose: ComposePort
    nginx: NginxPort
    render: RenderPort
    prober: ProberPort
    journal: JournalPort
    show: Show
    signals: SignalsPort
    phase: Callable[[str], None]  # tells others how far this operation is
    now: Callable[[], str]  # ISO 8601, UTC
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    command: str = "bluegreen"  # with the global options that this app needs


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
    release: int | None = None  # what `next` is about

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
        }


__all__ = ["Check", "ImageWish", "Order", "Phase", "Result", "StepDone", "Tell", "Tools"]
