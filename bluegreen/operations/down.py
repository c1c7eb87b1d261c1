"""`down`: everything of this app that runs, and what Compose runs for it. Volumes stay unless asked for."""

from __future__ import annotations

import contextlib
from typing import Any

from bluegreen.operations.execute import describe
from bluegreen.operations.observe import observe
from bluegreen.operations.ports import Result, StepDone, Tools
from bluegreen.release.errors import BluegreenError
from bluegreen.release.model import Route, Slot, Stack
from bluegreen.release.plan import Step


def down(tools: Tools, stack: Stack | None, volumes: bool) -> Result:
    """Ends the app. Without a readable Compose file (stack None) the shared services are left alone."""
    world = observe(tools)
    result = Result("down", "down")
    describe(result, world)
    operation = tools.journal.start_operation("down", None, None)
    began = tools.clock()
    for replica in world.replicas:
        if replica.running:
            with contextlib.suppress(BluegreenError):
                tools.engine.stop(replica.id, 0 if replica.role == "routed" else None)
    gone = tools.engine.remove_leftovers()
    left = world.slot(world.live) if world.live else None
    _done(tools, result, "colors", began, f"{len(gone)} containers and networks removed")
    if stack:
        began = tools.clock()
        _end_shared(tools, stack, volumes)
        _done(tools, result, "shared", began, "with volumes" if volumes else "volumes stay")
    tools.journal.end_operation(operation, "down")
    result.message = "Everything of this app is down." + ("" if volumes else " Its named volumes stay.")
    if stack and left:
        result.next = tools.compose.plain_command(plain_override(stack, left), [*stack.shared, *left.images])
        result.release = left.release
        others = [route.service for route in left.routes if route.service != front(left).service]
        if others:
            result.warnings.append(
                f"Plain Compose publishes {front(left).service} alone; nginx routed {', '.join(others)}."
            )
    return result


def _end_shared(tools: Tools, stack: Stack, volumes: bool) -> None:
    tools.compose.down(volumes, tools.show.progress)
    for definition in stack.networks.values():
        if not definition.get("external"):
            tools.engine.remove_compose_network(definition["name"])
    for key, definition in stack.volumes.items() if volumes else ():
        if not definition.get("external"):
            tools.engine.remove_volume(definition.get("name", key))


def front(slot: Slot) -> Route:
    """The routed service that stands for the whole when nothing routes any more: that of every path, of any host."""
    return min(slot.routes, key=lambda route: (route.path != "/", route.host is not None))


def plain_override(stack: Stack, slot: Slot) -> dict[str, Any]:
    """A document to lay over the Compose file so that it serves this release: images by id, the port published."""
    services: dict[str, Any] = {
        name: {"image": image.id, "pull_policy": "never"} for name, image in slot.images.items()
    }
    route = front(slot)
    there = {str(port.get("published")) for port in stack.services[route.service].get("ports") or []}
    wanted = [f"{listen}:{route.port}" for listen in stack.settings.listen if str(listen.port) not in there]
    if wanted:
        services[route.service]["ports"] = wanted
    return {"services": services}


def _done(tools: Tools, result: Result, name: str, began: float, detail: str) -> None:
    done = StepDone(Step("settle", name, "down was asked for"), tools.clock() - began, "done", detail)
    result.steps.append(done)
    tools.show.ended(done)
