"""A rehearsal: the real switch and the real flip-back of the next release, beside production.

Production's containers, volumes, networks and ports are not touched: the rehearsal is a separate app, from the same
Compose file with an overlay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bluegreen.domain.answers import Expectation
from bluegreen.domain.app import Stack
from bluegreen.domain.paths import public_health
from bluegreen.domain.routing import Slot
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.features.rehearsal import overlay as rehearsal
from bluegreen.features.rehearsal.overlay import Mount, Overlay
from bluegreen.flow.answers import compare, load
from bluegreen.flow.observe import observe
from bluegreen.flow.values import Tools

SPARE = 200 * 1000 * 1000  # bytes that must stay free beside copies of volumes
SETTLED = 1.0  # seconds of load before and after each shift


class LoadPort(Protocol):
    """A small load that runs until it is stopped."""

    answered: int

    @property
    def lost(self) -> Mapping[str, int]: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class StagePort(Protocol):
    """Where a rehearsal happens: its own folder, its own ports, and the bluegreen command."""

    name: str
    listen: str
    preview: str
    own: Mapping[str, str]  # service with a listener of its own -> where it has it here
    folder: Path

    def run(self, overlay: str, *arguments: str) -> dict[str, Any]: ...
    def tools(self) -> Tools: ...
    def load(self, paths: Sequence[str], host: str) -> LoadPort: ...
    def copy(self, folder: str) -> str: ...
    def size(self, folder: str) -> int | None: ...
    def copy_volume(self, key: str, name: str) -> None: ...
    def volume_size(self, name: str) -> int: ...


@dataclass(frozen=True)
class RehearsalOptions:
    """What the person typed after `rehearse`."""

    copy_volumes: bool = False
    outside: bool = False


def refuse(tools: Tools, stack: Stack, wanted: RehearsalOptions) -> None:
    """Raises BluegreenError when the rehearsal could touch production."""
    version = tools.compose.version()
    if tuple(map(int, version.split("."))) < rehearsal.OLDEST_COMPOSE:
        raise BluegreenError(
            "This Compose is too old for a rehearsal.", code="compose-too-old", failed=f"Compose {version}",
            expected="Compose 2.24.4 or newer (its tags !reset and !override)", retry="safe, with a newer Compose",
            exit_code=ExitCode.USAGE,
        )  # fmt: skip
    if found := rehearsal.refusals(stack, wanted.outside):
        leads = any("points outside" in words for words in found)
        raise BluegreenError(
            "The rehearsal could touch production.", code="rehearsal-not-isolated",
            failed=f"{len(found)} reasons" if len(found) > 1
            else found[0], expected="databases and queues that are services of the Compose file, so that the "
            "rehearsal has its own", retry="safe, after the cause is fixed",
            next=f"{tools.command} rehearse --outside (if it may use them), or set other values for the rehearsal"
            if leads else "remove it from the Compose file", exit_code=ExitCode.USAGE, lines=found,
        )  # fmt: skip


def rehearse(tools: Tools, stack: Stack, stage: StagePort, wanted: RehearsalOptions) -> dict[str, Any]:
    """Runs the rehearsal and reports. Raises BluegreenError when it could not be set up."""
    world = observe(tools)
    live = world.slot(world.live) if world.live else None
    expectations = load(tools, stack.settings, stack.project_directory)
    folders = _folders(tools, stack, stage, wanted)
    if wanted.copy_volumes:
        _copy_volumes(tools, stack, stage)
    nothing = stage.folder / "nothing-expected.yaml"
    tools.expected.write(nothing, ())
    coming = Overlay(stage.name, stage.listen, stage.preview, folders, {}, str(nothing), stage.own)
    today = replace(coming, images=_images(stack, live)) if live else coming
    report = Report(tools, stack, live, wanted)
    overlay = rehearsal.text(stack, coming)
    if not report.add("up", stage.run(rehearsal.text(stack, today), "up")):
        return report.as_dict()
    before = _answers(stage, expectations, stack)
    clients = stage.load(
        _paths(stack, expectations), next((r.host for r in stack.settings.routes if r.host), "localhost")
    )
    clients.start()
    try:
        tools.sleep(SETTLED)
        switched = report.add("switch", stage.run(overlay, "switch", "--force"))
        tools.sleep(SETTLED)
        after = _answers(stage, expectations, stack) if switched else {}
        if switched:
            report.add("flip-back", stage.run(overlay, "flip-back"))
            tools.sleep(SETTLED)
    finally:
        clients.stop()
    report.requests(clients)
    report.answers(before, after)
    return report.as_dict()


class Report:
    """The result of a rehearsal, beside the figures of production's last release."""

    def __init__(self, tools: Tools, stack: Stack, live: Slot | None, wanted: RehearsalOptions) -> None:
        self._wanted, self._command = wanted, tools.command
        records = [record for record in tools.journal.releases.all() if live and record["number"] == live.release]
        production = records[0]["figures"] if records else {}
        last_seconds = tools.journal.operations.last_seconds
        self._found: dict[str, Any] = {
            "outcome": "failed", "from": live.release if live else None,
            "switch_seconds": None, "flip_back_seconds": None, "migration_seconds": None,
            "requests": {"answered": 0, "lost": 0, "why": {}}, "way_back": "not proven",
            "expected": {"asked": 0, "differ": [], "cannot_be_compared": []}, "error": None, "failed_verb": None,
            "production": {
                "release": live.release if live else None,
                "switch_seconds": last_seconds("switch"), "flip_back_seconds": last_seconds("flip-back"),
                "migration_seconds": production.get("migrate"),
            },
            "left_out": ["hooks"] if stack.settings.hooks else [],
        }  # fmt: skip

    def add(self, verb: str, result: Mapping[str, Any]) -> bool:
        """Takes the result of a verb; whether it succeeded."""
        if result.get("error"):
            again = f"{self._command} rehearse (after the cause is fixed; this rehearsal is removed)"
            self._found |= {"error": {**result["error"], "next": again}, "failed_verb": verb}
            return False
        steps = result["steps"]
        moved = sum(it["seconds"] for it in steps if it["phase"] in ("prepare", "cutover"))
        if verb == "switch":
            self._found["switch_seconds"] = round(moved, 3)
            self._found["migration_seconds"] = next((it["seconds"] for it in steps if it["step"] == "migrate"), None)
        if verb == "flip-back":
            self._found["flip_back_seconds"] = round(moved, 3)
            self._found["way_back"] = "proven" if result["outcome"] == "flipped-back" else "not proven"
        return True

    def requests(self, clients: LoadPort) -> None:
        lost = dict(clients.lost)
        self._found["requests"] = {"answered": clients.answered, "lost": sum(lost.values()), "why": lost}

    def answers(self, before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> None:
        wrong, beside = rehearsal.verdict(before, after, self._wanted.copy_volumes)
        differ = [{"request": request, "differences": list(after[request])} for request in wrong]
        self._found["expected"] = {"asked": len(after), "differ": differ, "cannot_be_compared": beside}

    def as_dict(self) -> dict[str, Any]:
        found = self._found
        well = not found["error"] and found["way_back"] == "proven" and not found["requests"]["lost"]
        found["outcome"] = "passed" if well and not found["expected"]["differ"] else "failed"
        return found


def _images(stack: Stack, live: Slot) -> dict[str, Any]:
    """The images of the live release, for services that the next release has too."""
    return {name: live.images[name] for name in stack.settings.own_services() if name in live.images}


def _answers(stage: StagePort, expectations: Sequence[Expectation], stack: Stack) -> dict[str, tuple[str, ...]]:
    compared = compare(stage.tools(), expectations, "public", stack.project_directory)
    return {it.request: it.differences for it in compared}


def _paths(stack: Stack, expectations: Sequence[Expectation]) -> list[str]:
    recorded = [it.path for it in expectations if it.method == "GET" and not it.variables() and not it.headers]
    routed = [path for route in stack.settings.routes if (path := public_health(route))]
    return list(dict.fromkeys([*routed, *recorded])) or ["/"]


def _folders(tools: Tools, stack: Stack, stage: StagePort, wanted: RehearsalOptions) -> dict[Mount, str | None]:
    """Which folders are copied, and which are empty in the rehearsal."""
    found: dict[Mount, str | None] = {}
    for mount in rehearsal.folders(stack):
        size = stage.size(mount.source)
        small = size is not None and size <= rehearsal.COPY_LIMIT and not mount.shared
        if size is not None and (small or wanted.copy_volumes):
            _room(tools, stage, size, mount.source)
            found[mount] = stage.copy(mount.source)
        else:
            found[mount] = None
            tools.show.notice(f"{mount.source} is empty in the rehearsal; --copy-volumes copies it.")
    return found


def _copy_volumes(tools: Tools, stack: Stack, stage: StagePort) -> None:
    there = [(key, name) for key, name in rehearsal.volumes(stack) if tools.engine.volume_path(name)]
    sizes = {name: stage.volume_size(name) for _, name in there}
    _room(tools, stage, sum(sizes.values()), ", ".join(sizes))
    for key, name in there:
        tools.show.progress(f"copying {name}, {sizes[name] / 1e6:.1f} MB")
        stage.copy_volume(key, name)


def _room(tools: Tools, stage: StagePort, size: int, what: str) -> None:
    for place in (Path(tools.engine.facts().root), stage.folder):
        free = tools.machine.free_bytes(place)
        if free is not None and free < size + SPARE:
            raise BluegreenError(
                "There is not enough disk space for the copy.", code="no-disk-space",
                failed=f"{free / 1e6:.0f} MB free at {place}",
                expected=f"{size / 1e6:.0f} MB for {what}, and {SPARE / 1e6:.0f} MB to spare", retry="safe",
                next=f"{tools.command} rehearse (with empty volumes)",
            )  # fmt: skip
