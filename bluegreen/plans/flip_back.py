"""Traffic back to the idle color."""

from __future__ import annotations

from bluegreen.domain.color import Color
from bluegreen.domain.world import World
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.plans.plan import Plan, Step
from bluegreen.plans.steps import cutover_steps, settle_steps


def plan_flip_back(world: World, force: bool) -> Plan:
    """Traffic to the idle color. Raises BluegreenError when there is nothing to go back to."""
    target = world.idle
    if world.live is None:
        raise BluegreenError(
            "There is nothing to flip back from: no color is live.", code="nothing-live",
            failed="no release has had traffic yet", expected="a live and a previous release",
            traffic=world.traffic(), retry="not useful", next=f"{COMMAND} up",
        )  # fmt: skip
    if world.intended is None:
        raise _no_file(world)
    if world.canary:
        from bluegreen.plans.canary import plan_take_back  # a usual flip-back does not wait for it

        return plan_take_back(world)
    if world.intended.standing == "prepared":
        raise _prepared(world, target)
    slot = world.slot(target)
    if slot is None or world.intended.standing is None:
        raise BluegreenError(
            f"There is no previous release on {target}.", code="no-previous-release",
            failed="no release that has had traffic is kept there", expected="a switch before a flip-back",
            traffic=world.traffic(), retry="not useful",
            next=f"{COMMAND} history (shows what can come back), or {COMMAND} switch (to a fixed release)",
        )  # fmt: skip
    leaving = world.slot(world.live)
    if leaving and leaving.release > slot.release and leaving.migrated and not leaving.reversible and not force:
        raise BluegreenError(
            f"Release {slot.release} cannot run on the data that release {leaving.release} has migrated.",
            code="migration-not-reversible",
            failed=f"the migration of release {leaving.release} is declared irreversible (migrate.reversible: false)",
            expected="a migration after which the previous release still works", traffic=world.traffic(),
            retry="only with --force",
            next=f"{COMMAND} switch (to a fixed release), or {COMMAND} flip-back --force (if you know that it works)",
        )  # fmt: skip
    ask = "asked, but not required (--force)" if force else "traffic goes only to healthy replicas"
    steps = [
        Step("prepare", "health", f"is release {slot.release} on {target} healthy? {ask}", target),
        *cutover_steps(world, target),
        *settle_steps(world, slot.jobs, target, wait=False),
    ]
    if "after_flip_back" in world.intended.hooks:
        steps.append(Step("settle", "after_flip_back", "run your hook", target))
    steps.append(Step("settle", "record", "history"))
    return Plan("flip-back", target, slot.release, tuple(steps))


def _no_file(world: World) -> BluegreenError:
    return BluegreenError(
        "nginx's file is missing, so the way back is unknown.", code="config-missing",
        failed="nginx.conf in the state folder is missing, or bluegreen did not write it",
        expected="the file that the last switch wrote", traffic=world.traffic(), retry="safe",
        next=f"{COMMAND} up (writes it again)",
    )  # fmt: skip


def _prepared(world: World, target: Color) -> BluegreenError:
    aside = world.intended.aside if world.intended else None
    forward = f"{COMMAND} switch (to release it)"
    back = f"{COMMAND} prepare --give-up (brings release {aside.release} back)" if aside else ""
    made = f"release {aside.release} was set aside for it" if aside else "no release was there before it"
    return BluegreenError(
        f"There is no previous release: {target} has only a prepared one.", code="only-prepared",
        failed=f"release {_release(world, target)} on {target} has had no traffic yet; {made}",
        expected="a release that has had traffic; flip-back never moves traffic forward",
        traffic=world.traffic(), retry="not useful", next=f"{back}, then {COMMAND} flip-back; or {forward}"
        if back else forward,
    )  # fmt: skip


def _release(world: World, color: Color) -> str:
    slot = world.slot(color)
    return str(slot.release) if slot else "?"
