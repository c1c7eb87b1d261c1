"""What is looked at before traffic moves, and the errors for a color or a name that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bluegreen.domain import findings
from bluegreen.domain.app import Stack
from bluegreen.domain.color import COLORS
from bluegreen.domain.findings import Finding
from bluegreen.domain.owner import Owner
from bluegreen.domain.routing import Slot
from bluegreen.domain.verdict import Unreached
from bluegreen.domain.world import Replica, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.values import Tools
from bluegreen.plans.differences import missing_replicas, moved, unhealthy_replicas

LEAST_FREE = 50 * 1000 * 1000  # bytes; below, a switch warns


def not_healthy(tools: Tools, slot: Slot, here: Sequence[Replica], silent: Sequence[str]) -> BluegreenError:
    """Why a color gets no traffic: what the Engine says of its containers, or else the probes."""
    reasons = unhealthy_replicas(slot, here) or silent
    logs = f"{tools.command} logs {slot.color}"
    if any(it.role == "routed" and it.healthy and moved(slot, it) for it in here):
        way = f"{tools.command} up (tells nginx where its replicas are)"
    elif any(replica.running for replica in here):
        way = f"{logs}, or {tools.command} flip-back --force"
    elif missing_replicas(slot, here, routed_only=True):
        way = f"{tools.command} switch (makes a new release)"
    else:
        way = f"{logs}, or {tools.command} up (starts it)"
    return BluegreenError(
        f"{slot.color} is not healthy, so traffic stays.", code="target-not-healthy", failed="; ".join(reasons),
        expected=f"every replica of release {slot.release} healthy", retry="safe", next=way,
    )  # fmt: skip


def serves_instead(tools: Tools, world: World) -> bool:
    """Whether failover is at work: no replica of some routed service of the live color can be reached."""
    slot = world.slot(world.live) if world.live else None
    intended = world.intended
    if slot is None or intended is None or not intended.failover or intended.standing != "previous":
        return False
    if world.answer is None:
        return False
    answers = tools.prober.once(replica_checks(slot))
    silent = {name for name, reason in answers.items() if isinstance(reason, Unreached)}
    return any(
        all(f"{service}-{number}" in silent for number in range(1, len(addresses) + 1))
        for service, addresses in slot.addresses.items()
    )


def retries(tools: Tools, stack: Stack) -> Finding:
    """Whether nginx, by our file or by the person's snippets, would send a POST twice."""
    texts = {"the rendered file": tools.door.loaded_text() or ""}
    if include := stack.settings.proxy.include:
        texts |= tools.machine.texts(Path(stack.project_directory, include))
    return findings.of_retries(texts)


def taken_names(owners: Mapping[str, Owner], stack: Stack, replicas: Mapping[str, int]) -> list[BluegreenError]:
    """Names that our containers need, or that the file gives to shared services, and that somebody else has."""
    wanted = {
        f"{stack.app}-{color}-{name}-{number}": name
        for color in COLORS
        for name, count in replicas.items()
        for number in range(1, count + 1)
    }
    wanted[f"{stack.app}-proxy"] = "the proxy"
    for name in stack.shared:
        if given := stack.services[name].get("container_name"):
            wanted[given] = name
    found = []
    for name, what in wanted.items():
        owner = owners.get(name)
        if owner and (owner.app or owner.project != stack.app):
            found.append(name_taken(owner, what))
    return found


def name_taken(owner: Owner, what: str) -> BluegreenError:
    return BluegreenError(
        f"A container of somebody else has the name that {what} needs.", code="name-taken",
        failed=f"the name is held by {owner.words}",
        expected=f"{owner.container} free for {what}", retry="safe, once the name is free",
        next=owner.way_out("another name for this app: name in the Compose file, or -p", "rm"),
    )  # fmt: skip


def look_before_release(tools: Tools, stack: Stack) -> None:
    """The half of `check` that costs nothing: notices for what is odd. Raises BluegreenError for what is wrong."""
    folder = Path(stack.project_directory)
    found = [retries(tools, stack), *findings.of_stack(stack)]
    free = tools.machine.free_bytes(folder)
    if free is not None and free < LEAST_FREE:
        found.append(findings.of_space(str(folder), free, LEAST_FREE, "what a release writes there"))
    for it in found:
        if it.name == "retry-safe" and it.outcome == "failed":
            raise BluegreenError(
                "nginx could send a POST twice.", code="release-not-safe",
                failed=it.found, expected=it.expected, retry="safe",
                next=it.fix, lines=[it.why],
            )  # fmt: skip
        if it.name in ("disk", "retry-safe") and it.outcome != "ok":
            tools.show.notice(f"{it.found}: {it.fix}.")


def tell_failover(tools: Tools, world: World) -> None:
    """Says that failover is at work, where a command would otherwise not mention it."""
    if serves_instead(tools, world):
        tools.show.notice(f"Failover: {world.live} cannot be reached, {world.idle} answers for it.")
