"""A canary: shares of visitors, a verdict on each, and what is said at its end."""

from __future__ import annotations

from bluegreen.domain.app import Stack
from bluegreen.domain.world import World
from bluegreen.errors import COMMAND, BluegreenError, ExitCode
from bluegreen.flow.making import Making
from bluegreen.flow.observe import look_again
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.steps.settle import keep_figures
from bluegreen.flow.values import Result
from bluegreen.flow.watch import Watch, watched
from bluegreen.plans.canary import share_words, watched_for
from bluegreen.plans.plan import Wish

PHASE = "canary"  # what the lock says while a canary waits: flip-back --now may end it
TRIES = 3  # probes in a row that must fail


class Stays(Exception):
    """A signal came between two shares: the share stays, and the next step is not taken."""


def reversible(stack: Stack) -> bool:
    """Whether the release before works with the data of the new one."""
    return stack.settings.migrate is None or stack.settings.migrate.reversible


def refuse_irreversible(stack: Stack, wish: Wish) -> None:
    """Raises BluegreenError for a canary whose migration the other release does not work with: both get visitors."""
    if not wish.shares or reversible(stack):
        return
    raise BluegreenError(
        "Both releases get visitors during a canary, and the earlier one cannot run on the migrated data.",
        code="migration-not-reversible",
        failed="the migration is declared irreversible (migrate.reversible: false)",
        expected="a migration after which the previous release still works", retry="not useful",
        next=f"{COMMAND} switch (all visitors together)",
    )  # fmt: skip


def verdict(it: Making, watching: Watch | None) -> str:
    """Watches the visitors of a canary until its next share is due, the last share as a switch; says what was seen.

    Raises Worse or BluegreenError for a release that must not have visitors, and Stays when a signal came.
    """
    tools, share = it.tools, it.cutover.percent
    seconds, said = watched_for(it.wish, share), "healthy"
    refuse_unhealthy(it, share)
    if seconds and watching:
        tools.phase(PHASE)
        said = watched(it, watching, seconds)
        tools.phase("cutover")
    if tools.signals.asked and share != it.wish.shares[-1] and not it.wish.control:
        raise Stays(f"{tools.signals.asked} came; {share} % of visitors stay on {it.new.color}")
    return said


def refuse_unhealthy(it: Making, share: int) -> None:
    """Raises BluegreenError when the release that has a share is not healthy any more; then nobody may get it."""
    slot = it.new.slot
    wrong: dict[str, str] = {}
    for _ in range(TRIES):
        wrong = dict(it.tools.prober.once(replica_checks(slot))) if slot else {}
        if not wrong:
            return
    name, reason = next(iter(wrong.items()))
    it.cutover.canary = 0
    raise BluegreenError(
        f"{it.new.color} is not healthy with {share} % of visitors.", code="canary-not-healthy",
        failed=f"{name}: {reason} ({TRIES} tries)", expected="every replica of the release healthy",
    )  # fmt: skip


def stays(it: Making, why: Stays) -> Result:
    """The command ends before its last share; the visitors of the canary keep it."""
    after = look_again(it.tools, it.world)
    it.tools.journal.releases.end(it.new.release, "canary", it.new.kept_images(), {})
    return it.operation.failed(
        BluegreenError(
            f"Stopped between two shares: {share_words(after)}.", code="canary-stopped", failed=str(why),
            expected="every share to have its time", traffic=after.traffic("as the canary has it"),
            retry="not the same command: promote goes on",
            next=f"{COMMAND} promote (or promote --steps …), or {COMMAND} flip-back (nobody gets it)",
            exit_code=ExitCode.INTERRUPTED,
        ),
        after,
    )  # fmt: skip


def record(it: Making) -> str:
    """The end of a command after which a part of the visitors has the release."""
    keep_figures(it, "canary")
    it.tools.door.tidy()
    return f"release {it.new.release}, {it.cutover.percent} %"


def said(world: World, command: str) -> str:
    """Where a canary is, and what to type next."""
    return f"{share_words(world)}; next: {command} promote | {command} flip-back"
