"""`down`: everything of this app that runs, and what Compose runs for it. Volumes stay unless asked for."""

from __future__ import annotations

import contextlib

from bluegreen.operations.execute import describe
from bluegreen.operations.observe import observe
from bluegreen.operations.ports import Result, StepDone, Tools
from bluegreen.release.errors import BluegreenError
from bluegreen.release.model import Stack
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
    _done(tools, result, "colors", began, f"{len(gone)} containers and networks removed")
    if stack:
        began = tools.clock()
        tools.compose.down(volumes, tools.show.progress)
        for definition in stack.networks.values():
            if not definition.get("external"):
                tools.engine.remove_compose_network(definition["name"])
        if volumes:
            for key, definition in stack.volumes.items():
                if not definition.get("external"):
                    tools.engine.remove_volume(definition.get("name", key))
        _done(tools, result, "shared", began, "with volumes" if volumes else "volumes stay")
    tools.journal.end_operation(operation, "down")
    result.message = "Everything of this app is down." + ("" if volumes else " Its named volumes stay.")
    return result


def _done(tools: Tools, result: Result, name: str, began: float, detail: str) -> None:
    done = StepDone(Step("settle", name, "down was asked for"), tools.clock() - began, "done", detail)
    result.steps.append(done)
    tools.show.ended(done)
