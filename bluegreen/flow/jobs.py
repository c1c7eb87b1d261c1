"""Jobs run in one color: those of the left color stop first, then the others start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bluegreen.domain.color import Color, other
from bluegreen.domain.routing import Slot
from bluegreen.domain.world import Replica
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Tools

SLOW_STOP = 5.0  # seconds; a job that takes longer is looked at
KILLED = 137  # 128 + SIGKILL: the grace period was over


def hand_over_jobs(
    tools: Tools,
    target: Color,
    order: Sequence[str] = (),
    ready: Callable[[str], None] | None = None,
    slot: Slot | None = None,
    after_kill: bool = False,
) -> str:
    """Stops the jobs of the color across and starts those of `target`. Safe to run again.

    They start in this order of services, each after `ready` has found what it depends on.

    `after_kill`: a command that was killed may have asked those of `target` to stop a moment ago. The Engine shows
    such a container as running until it ends, so it is stopped by us, which waits for that, and started.

    A stopped job gets the restart policy `no`, so that no restart of the Engine brings it back. Raises
    BluegreenError when a job of `slot` has no container any more: docker container prune removes stopped ones.
    """
    replicas = [it for it in tools.containers.replicas() if it.role == "job" and it.place == "slot"]
    leaving = [replica for replica in replicas if replica.color == other(target)]
    coming = [replica for replica in replicas if replica.color == target]
    for replica in leaving:
        tools.containers.never_restart(replica.id)
        if replica.state in ("running", "restarting", "paused"):
            began = tools.clock()
            tools.containers.stop(replica.id)
            _tell_of_kill(tools, replica, tools.clock() - began)
    places = {service: place for place, service in enumerate(order)}
    for replica in sorted(coming, key=lambda replica: places.get(replica.service, 0)):
        if replica.running and after_kill:
            tools.containers.stop(replica.id)
        tools.containers.restart_as_defined(replica)
        if not replica.running or after_kill:
            if ready:
                ready(replica.service)
            tools.containers.start(replica.id)
    there = {(replica.service, replica.number) for replica in coming}
    wanted = [(name, number) for name in slot.jobs for number in range(1, slot.replicas[name] + 1)] if slot else []
    if gone := [f"{name}-{number}" for name, number in wanted if (name, number) not in there]:
        raise _gone(tools, gone, target)
    return f"{len(leaving)} stopped, {len(coming)} running on {target}"


def _gone(tools: Tools, names: list[str], target: Color) -> BluegreenError:
    return BluegreenError(
        f"The job {', '.join(names)} of {target} does not run.", code="job-gone",
        failed="its container was removed by somebody",
        expected="the stopped container of the last switch", retry="not useful",
        next=f"{tools.command} up (makes it again, if the Compose file has not changed), or {tools.command} switch",
    )  # fmt: skip


def _tell_of_kill(tools: Tools, job: Replica, seconds: float) -> None:
    """A job that ignores its stop signal slows down every switch and flip-back, and loses the work in hand."""
    if seconds < SLOW_STOP:
        return
    if tools.containers.end_of(job.id) == KILLED:
        tools.show.notice(
            f"{job.service} did not stop at its stop signal and was killed after {seconds:.0f} s. Each switch waits "
            "that long. Let it handle SIGTERM, set stop_signal to a signal that it handles, or set init: true if a "
            "shell starts it."
        )
