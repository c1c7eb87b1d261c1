"""What else on this machine is in a release's way: containers of plain Compose, container names that are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bluegreen.domain.app import Stack
from bluegreen.domain.findings import Finding
from bluegreen.domain.owner import Owner
from bluegreen.domain.world import World
from bluegreen.flow.checks import taken_names
from bluegreen.flow.values import Tools
from bluegreen.plans.plan import Wish


def beside(tools: Tools, stack: Stack, world: World, owners: Mapping[str, Owner]) -> Iterator[Finding]:
    """Release services that plain Compose runs beside the live color: somebody typed `docker compose up`."""
    for it in owners.values() if world.live else ():
        if it.project == stack.app and it.running and it.service in stack.settings.own_services():
            job = it.service in stack.settings.jobs
            yield Finding(
                "beside", "failed" if job else "warning", f"plain Compose runs {it.container} beside the colors",
                f"{it.service} in the colors only", "a second worker does the same work on the same data" if job
                else "it uses the same data, and gets no traffic", f"{tools.command} up --adopt (stops and removes it; "
                f"with profiles: [release], docker compose up does not start {it.service} again)",
            )  # fmt: skip


def names(owners: Mapping[str, Owner], stack: Stack, wish: Wish) -> Iterator[Finding]:
    for error in taken_names(owners, stack, wish.replicas):
        yield Finding(
            "names", "failed", error.failed, error.expected, "the release cannot create its container", error.next
        )
