"""The plan as a value: (observed world, wish) in, phases of steps out. Each step says why it is there.

The phase that a step stands in is its failure rule. Pure: no clock, no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from bluegreen.domain.answers import Expectation
from bluegreen.domain.color import Color, counted, other
from bluegreen.domain.routing import Routing, Slot, Standing
from bluegreen.domain.world import Replica, World
from bluegreen.errors import BluegreenError

Phase = Literal["prepare", "cutover", "settle", "end"]
PHASES: tuple[Phase, ...] = get_args(Phase)
StepName = Literal[
    "shared", "network", "proxy", "undrift", "handover", "image", "migrate", "clear", "create", "recreate", "connect",
    "start", "health", "warm", "preview", "check", "expect", "before_switch", "render", "upstream", "reload",
    "confirm", "adopt", "adopted", "jobs", "drain", "after_switch", "after_flip_back", "record", "prune", "stop",
    "remove",
]  # fmt: skip
STEP_NAMES: tuple[StepName, ...] = get_args(StepName)
WAITS: tuple[StepName, ...] = ("drain",)  # steps that only wait: left out when the person wants to leave
FAILURE: Mapping[Phase, str] = {
    "prepare": "traffic does not move; exit 1; safe to retry",
    "cutover": "traffic is moved back and that is confirmed: exit 4; if it cannot be confirmed: exit 5",
    "settle": "a warning; traffic stays where it is; the next command mends it",
    "end": "what is left runs on; exit 1; the same command goes on with it",
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
    adopts: tuple[str, ...] = ()  # containers of plain Compose that the first release takes over from
    migrate: str = ""  # the service whose migration each release runs
    hooks: tuple[str, ...] = ()  # the moments that have hooks
    expected: tuple[Expectation, ...] = ()  # recorded answers that each release must give


def plan_release(verb: Literal["up", "switch", "prepare"], world: World, wish: Wish) -> Plan:
    """A new release onto the idle color; with `prepare` up to the preview, otherwise traffic as well."""
    target = world.idle
    prepared = _prepared(world, wish)
    if verb == "prepare" and prepared and not wish.force:
        return Plan(verb, target, prepared.release, (), f"release {prepared.release} stands prepared on {target}")
    steps = list(_base(verb, world, wish))
    if prepared and not wish.force:
        release = prepared.release
        steps += [
            Step(
                "prepare",
                "health",
                f"release {release} was prepared earlier; is every replica still healthy?",
                target,
            ),
            Step("prepare", "check", "does it answer through the preview listener?", target),
        ]
    else:
        release = wish.release
        steps += _prepare(world, wish, target)
    if wish.expected:
        asked = counted(len(wish.expected), "recorded answer")
        steps.append(Step("prepare", "expect", f"{asked}, asked through the preview listener", target))
    if verb != "prepare":
        if "before_switch" in wish.hooks:
            steps.append(Step("prepare", "before_switch", "your hook may veto", target))
        steps += _cutover(world, target)
        if wish.adopts:
            names = ", ".join(wish.adopts)
            steps.append(Step("cutover", "adopt", f"{names} is stopped, nginx is published in its place", target))
            steps.append(Step("settle", "adopted", f"{names} is not needed any more; volumes stay", target))
        steps += _settle(world, wish.jobs, target, wait=world.live is not None)
        if "after_switch" in wish.hooks:
            steps.append(Step("settle", "after_switch", "your hook", target))
    steps.append(Step("settle", "record", "history, and the number of the next release"))
    if verb == "switch":
        steps.append(Step("settle", "prune", "images that no kept release needs"))
    return Plan(verb, target, release, tuple(steps))


def plan_mend(world: World, wish: Wish, rendered_differs: bool) -> Plan:
    """`up` when there is a live color: only what is missing. No release moves."""
    steps = list(_base("up", world, wish))
    live = world.live
    slot = world.slot(live) if live else None
    if left := strays(world):
        names = ", ".join(replica.name for replica in left)
        steps.append(Step("prepare", "clear", f"left by a release that never ended: {names}", world.idle))
    if slot:
        steps += _whole(slot, world.in_color(slot.color))
        rendered_differs = rendered_differs or any(step.name == "recreate" for step in steps)
    if world.intended and world.intended.standing == "previous" and not _way_back_gone(world):
        idle = [r.name for r in world.in_color(world.idle) if r.role == "routed" and not r.running]
        if idle:
            steps.append(Step("prepare", "warm", f"the way back is not running: {', '.join(idle)}", world.idle))
    if drift(world) or rendered_differs:
        steps += [
            Step("prepare", "render", _why_render(world), live),
            Step("cutover", "upstream", "the rendered file, after nginx -t has accepted it", live),
            Step("cutover", "reload", "nginx reads its file on SIGHUP only", live),
            Step("cutover", "confirm", "only nginx's own answer proves what is loaded", live),
        ]
    release = slot.release if slot else None
    # Compose is asked about the shared services every time; that alone is no news.
    if all(step.name == "shared" for step in steps):
        return Plan("up", live, release, tuple(steps), f"{live}, release {release} is live and whole")
    return Plan("up", live, release, tuple(steps))


def _whole(slot: Slot, here: Sequence[Replica]) -> Iterable[Step]:
    """What the live color lacks."""
    missing = _missing(slot, here)
    if missing:
        yield Step("prepare", "recreate", f"gone: {', '.join(missing)}", slot.color)
    off = [replica.name for replica in here if replica.off_network]
    if off:
        yield Step("prepare", "connect", f"not on the app's network any more: {', '.join(off)}", slot.color)
    down = [replica.name for replica in here if not replica.running]
    if down:
        yield Step("prepare", "start", f"not running: {', '.join(down)}", slot.color)
    if missing or down or off:
        yield Step("prepare", "health", "traffic goes there", slot.color)


def plan_flip_back(world: World, force: bool) -> Plan:
    """Traffic to the idle color. Raises BluegreenError when there is nothing to go back to."""
    target = world.idle
    if plan := _take_back(world):
        return plan
    if world.live is None or world.intended is None:
        raise BluegreenError(
            "There is nothing to flip back from: no color is live.",
            failed="no release has had traffic yet", expected="a live and a previous release",
            traffic=world.traffic(), retry="not useful", next="bluegreen up",
        )  # fmt: skip
    if world.intended.standing == "prepared":
        raise BluegreenError(
            f"There is no previous release: {target} holds a prepared one.",
            failed=f"release {_release(world, target)} on {target} never had traffic; it made the previous one leave",
            expected="a color that has served before; flip-back never moves traffic forward",
            traffic=world.traffic(), retry="not useful", next="bluegreen switch (to go forward to it)",
        )  # fmt: skip
    slot = world.slot(target)
    if slot is None or world.intended.standing is None:
        raise BluegreenError(
            f"There is no previous release on {target}.",
            failed="nothing that has served traffic is kept there", expected="a switch before a flip-back",
            traffic=world.traffic(), retry="not useful", next="bluegreen switch",
        )  # fmt: skip
    leaving = world.slot(world.live)
    if leaving and leaving.release > slot.release and leaving.migrated and not leaving.reversible and not force:
        raise BluegreenError(
            f"Release {slot.release} does not work with the data that release {leaving.release} has migrated.",
            failed=f"the migration of release {leaving.release} is declared irreversible (migrate.reversible: false)",
            expected="a migration that the release before it can live with", traffic=world.traffic(),
            retry="only with --force",
            next="bluegreen flip-back --force (if you know that it works), or a switch forward to a mended release",
        )  # fmt: skip
    ask = "it is forced: looked at, not required" if force else "traffic goes only to what is well"
    steps = [
        Step("prepare", "health", f"is release {slot.release} on {target} healthy? {ask}", target),
        *_cutover(world, target),
        *_settle(world, tuple(dict.fromkeys((*slot.jobs, *_jobs(world)))), target, wait=False),
    ]
    if "after_flip_back" in world.intended.hooks:
        steps.append(Step("settle", "after_flip_back", "your hook", target))
    steps.append(Step("settle", "record", "history"))
    return Plan("flip-back", target, slot.release, tuple(steps))


def drift(world: World) -> str:
    """How what nginx answers differs from the rendered file, in words; empty: it does not."""
    answer, intended = world.answer, world.intended
    if answer is None and intended is None:
        return ""
    if answer is None:
        return "nginx does not answer"
    if world.live and world.proxy and not world.proxy.published:
        return "nginx is not published on its ports: a take-over has not ended"
    if intended is None:
        return "the rendered file is absent or not ours"
    if world.proxy and world.proxy.stale:
        return "nginx sees a folder that is gone, not the one with the rendered file"
    if (answer.generation, answer.live) != (intended.generation, intended.live):
        return (
            f"nginx answers {answer.live or 'no color'} (generation {answer.generation}), "
            f"the file says {intended.live or 'no color'} (generation {intended.generation})"
        )
    homeless = [slot.color for slot in intended.slots.values() if _at_home(slot, world.in_color(slot.color)) != slot]
    if homeless:
        return f"nginx knows {' and '.join(homeless)} at addresses that its replicas do not have"
    if world.edited:
        return "somebody else has written into the rendered file; nginx would load that at its next start"
    return ""


def actual(world: World) -> Routing | None:
    """The routing as it is in truth: the file's, turned to what nginx answers, at the addresses that replicas have,
    without a way back that is gone."""
    found = world.intended
    if found is None:
        return None
    if found.live != world.live:  # killed between the writing of the file and the reload
        standing: Standing = "previous" if world.unfinished_verb == "flip-back" else "prepared"
        found = replace(found, live=world.live, standing=standing if found.slots.get(world.idle) else None)
    if _way_back_gone(world):
        slots = {color: slot for color, slot in found.slots.items() if color == world.live}
        found = replace(found, slots=slots, standing=None)
    return replace(found, slots={color: _at_home(slot, world.in_color(color)) for color, slot in found.slots.items()})


def _at_home(slot: Slot, here: Iterable[Replica]) -> Slot:
    """The slot with the addresses that its replicas have: an `up` may have made one anew and been killed."""
    found = {(it.service, it.number): it.address for it in here if it.release == slot.release and it.address}
    addresses = {
        service: tuple(found.get((service, number)) or address for number, address in enumerate(known, 1))
        for service, known in slot.addresses.items()
    }
    return replace(slot, addresses=addresses)


def strays(world: World) -> list[Replica]:
    """Containers on the idle color of a release that never got as far as the rendered file.

    Those of a release that failed stay for their logs: they are stopped.
    """
    slot = world.slot(world.idle)
    return [
        replica
        for replica in world.in_color(world.idle)
        if (slot is None or replica.release != slot.release)
        and (world.unfinished or replica.state in ("created", "running", "restarting", "paused"))
    ]


def misplaced(world: World) -> list[str]:
    """Jobs that run where they must not, or do not run where they must, because an operation never ended."""
    live = world.slot(world.live) if world.live else None
    if live is None:
        return []
    found = [
        replica.name
        for replica in world.in_color(world.idle)
        if replica.role == "job" and replica.state in ("running", "restarting", "paused")
    ]
    if world.unfinished:
        here = world.in_color(live.color)
        found += [it.name for it in here if it.role == "job" and it.release == live.release and not it.running]
    return found


def plan_down(world: World, shared: Sequence[str] | None, volumes: bool) -> Plan:
    """The end of the app. `shared` None: the Compose file cannot be read, so they are left alone."""
    steps = []
    if running := [replica.name for replica in world.replicas if replica.running]:
        steps.append(Step("end", "stop", f"{', '.join(running)}, each with its stop signal"))
    kept = "named volumes stay" if not volumes else "and their volumes: the data is gone"
    steps.append(Step("end", "remove", "nginx, the colors and their networks"))
    if shared is not None:
        names = ", ".join(shared)
        steps.append(Step("end", "shared", f"Compose ends {names}; {kept}" if names else f"Compose ends; {kept}"))
    return Plan("down", None, None, tuple(steps))


def unwell(slot: Slot, replicas: Iterable[Replica]) -> list[str]:
    """What keeps a slot from taking traffic, as far as the Engine knows: one phrase for each replica."""
    here = [replica for replica in replicas if replica.release == slot.release]
    found = [f"{name} is gone" for name in _missing(slot, here, routed_only=True)]
    routed = [replica for replica in here if replica.role == "routed"]
    found += [f"{it.name} is {it.health if it.running else it.state}" for it in routed if not it.well]
    found += [f"{it.name} is not on the app's network" for it in routed if it.well and it.off_network]
    return found + [
        f"{it.name} is not at the address that nginx knows" for it in routed if it.well and _moved(slot, it)
    ]


def _moved(slot: Slot, replica: Replica) -> bool:
    return bool(replica.address) and replica.address not in slot.addresses.get(replica.service, ())


def ended_jobs(slot: Slot, replicas: Iterable[Replica]) -> list[str]:
    """Jobs of the live color that do not run; one that has ended by itself, without an error, is done."""
    here = [it for it in replicas if it.release == slot.release and it.role == "job"]
    return [f"{it.name} does not run" for it in here if not it.running and it.exit_code != 0]


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


# -- sentences


def _base(verb: str, world: World, wish: Wish) -> Iterable[Step]:
    if verb == "up" and wish.shared:
        yield Step("prepare", "shared", f"Compose runs {', '.join(wish.shared)} for both colors")
    proxy = world.proxy
    if proxy is None:
        yield Step("prepare", "network", "the app has a network of its own, with fixed addresses")
        why = "; it is published when the color is proven" if wish.adopts else ""
        yield Step("prepare", "proxy", f"there is no proxy yet{why}")
    elif not proxy.running:
        yield Step("prepare", "proxy", f"the proxy is {proxy.state}")
    elif proxy.stale:
        yield Step("prepare", "proxy", "its folders in the state folder are gone; it restarts with new ones")
    elif not proxy.published and not wish.adopts:
        yield Step("prepare", "proxy", "its ports are not published yet")
    elif verb == "up" and proxy.definition != wish.proxy_definition:
        yield Step("prepare", "proxy", "its settings have changed (image, listen or preview); it restarts")
    if verb != "up" and proxy and proxy.running and (words := drift(world)) and world.intended and world.answer:
        yield Step("prepare", "undrift", f"nginx is to load what it answers: {words}")
    if world.live and (wrong := misplaced(world)):
        yield Step("prepare", "handover", f"jobs belong on {world.live}: {', '.join(wrong)}", world.live)
    if world.live and wish.adopts:
        yield Step("prepare", "adopt", f"a take-over has not ended: {', '.join(wish.adopts)} of plain Compose")


def _prepare(world: World, wish: Wish, target: Color) -> Iterable[Step]:
    made = "built or pulled" if wish.build else "pulled where it is missing"
    yield Step("prepare", "image", f"every image is {made}, then pinned by its id", target)
    if wish.migrate:
        yield Step("prepare", "migrate", f"{wish.migrate} of release {wish.release}, once, before its traffic", target)
    if held := world.in_color(target):
        releases = ", ".join(str(number) for number in sorted({replica.release for replica in held}))
        yield Step("prepare", "clear", f"release {releases} on {target} makes room", target)
    count = sum(wish.replicas.values())
    yield Step(
        "prepare", "create", f"{counted(count, 'container')} of release {wish.release}, with new addresses", target
    )
    yield Step("prepare", "start", "in the order of depends_on", target)
    yield Step("prepare", "health", "each replica must prove itself through the probe socket", target)
    yield Step("prepare", "preview", f"nginx learns the addresses of {target}; live traffic stays", target)
    yield Step("prepare", "check", "does it answer through the preview listener?", target)


def _cutover(world: World, target: Color) -> Iterable[Step]:
    left = world.live or "no color"
    yield Step("cutover", "upstream", f"the rendered file sends traffic to {target} instead of {left}", target)
    yield Step("cutover", "reload", "nginx reads its file on SIGHUP only", target)
    yield Step("cutover", "confirm", "only nginx's own answer proves what is loaded", target)


def _settle(world: World, jobs: tuple[str, ...], target: Color, wait: bool) -> Iterable[Step]:
    if jobs:
        yield Step("settle", "jobs", f"{', '.join(jobs)} must run in one color only", target)
    if wait:
        yield Step("settle", "drain", f"requests in flight on {world.live} finish", other(target))


def _take_back(world: World) -> Plan | None:
    """The plan after a switch that was killed before nginx heard of it; None: there was none.

    Its file names the idle color already, so a flip-back has to turn the file, not traffic.
    """
    slot = world.slot(world.live) if world.live else None
    moving = world.answer and world.intended and world.intended.live != world.live
    if not moving or slot is None or world.unfinished_verb == "flip-back":
        return None
    why = f"the file names {world.idle}, which a command that never ended was about to make live"
    confirm = Step("cutover", "confirm", "only nginx's own answer proves what is loaded", slot.color)
    steps = (
        Step("cutover", "upstream", why, slot.color),
        Step("cutover", "reload", "nginx reads its file on SIGHUP only", slot.color), confirm,
        Step("settle", "record", "history"),
    )  # fmt: skip
    return Plan("flip-back", slot.color, slot.release, steps)


def _way_back_gone(world: World) -> bool:
    """Whether the idle slot of the file has lost a container, so that it is no way back any more."""
    slot = world.slot(world.idle)
    return bool(world.live and slot and _missing(slot, world.in_color(world.idle), routed_only=True))


def _why_render(world: World) -> str:
    return drift(world) or "what nginx routes or how has changed"


def _prepared(world: World, wish: Wish) -> Slot | None:
    """The prepared release on the idle color, if it is the one that is wished for and still whole."""
    slot = world.slot(world.idle)
    known = actual(world)  # one whose cutover was killed before nginx heard of it is proven, too
    if known is None or known.standing != "prepared" or slot is None:
        return None
    return slot if slot.definition == wish.definition and not _missing(slot, world.in_color(world.idle)) else None


def _missing(slot: Slot, here: Iterable[Replica], routed_only: bool = False) -> list[str]:
    there = {(replica.service, replica.number) for replica in here if replica.release == slot.release}
    return [
        f"{slot.color}-{service}-{number}"
        for service, wanted in slot.replicas.items()
        for number in range(1, wanted + 1)
        if (service, number) not in there and not (routed_only and service in slot.jobs)
    ]


def _jobs(world: World) -> tuple[str, ...]:
    live = world.slot(world.live) if world.live else None
    return live.jobs if live else ()


def _release(world: World, color: Color) -> str:
    slot = world.slot(color)
    return str(slot.release) if slot else "?"
