"""The four questions of `status`, answered from nginx's log, the containers and the public listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bluegreen.domain.figures import HOUR, MINUTE, Figures, Sums
from bluegreen.domain.questions import BEFORE, NOW, Answer, Containers, Side, changed, is_slow, jobs_fail
from bluegreen.domain.words import counted, lasting
from bluegreen.domain.world import Replica, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.figures import figures, moment
from bluegreen.flow.public import visited
from bluegreen.flow.receipts import looked
from bluegreen.flow.values import Tools

REPLICAS = 4  # of a release that are asked for restarts and memory
WRONG = 500  # from this status on a visitor has no answer of use


def questions(tools: Tools, world: World, state: Mapping[str, Any]) -> dict[str, Any]:
    """What `status --json` has of them. `state`: its other fields. Never raises: what is unknown is said."""
    proxy = world.proxy.speaker if world.proxy and world.proxy.running else None
    unkept, unread = looked(tools, proxy)
    now = tools.wall()
    found = figures(tools, unkept, now - (NOW + BEFORE + 1) * MINUTE)
    before = _previous(tools, world)
    last = _last_hour(tools, unkept, before)
    is_up = up(visited(tools, world), state)
    if is_up.answer == "no" and not state["closed"] and not _asked_from_here(tools, is_up):
        is_up = Answer("cannot tell", "the Engine publishes ports on another machine", is_up.what)
    return {
        "up": is_up.as_dict(),
        "slow": _slow(found, now, last, before).as_dict(),
        "jobs": jobs_fail(state["jobs"], [_job(name, it) for name, it in state["jobs"].items()]).as_dict(),
        "changed": _changed(tools, world, unkept, (before, last)).as_dict(),
        "incomplete": [*([f"nginx's log cannot be read: {unread}"] if unread else []), *_incomplete(found, now)],
    }


def up(visits: Sequence[Mapping[str, Any]], state: Mapping[str, Any]) -> Answer:
    """Whether visitors get answers, asked as they ask."""
    what = {"listeners": [*visits]}
    if state["closed"]:
        return Answer("no", f"closed since {state['closed']['since']} (maintenance)", what)
    if state["live"] is None:
        return Answer("no", "no release is live", what)
    if not visits:
        return Answer("no", "nginx is not there, or not published", what)
    for it in visits:
        if it["status"] is None:
            return Answer("no", f"{it['at']} {it['why']}", what)
        if it["status"] >= WRONG:
            return Answer("no", f"{it['at']} answered {it['status']} to GET {it['path']}", what)
    jobs, serving = state["jobs"], (state["failover"] or {}).get("serving")
    routed = {name: it for name, it in state["live"]["replicas"].items() if name not in jobs}
    sick = [name for name, it in routed.items() if it["wanted"] and not it["healthy"]]
    if sick and not serving:
        return Answer("no", f"no replica of {', '.join(sick)} is healthy", what)
    said = ", ".join(f"{it['at']} answered {it['status']} in {1000 * it['seconds']:.0f} ms" for it in visits)
    said += f"; {state['failover']['color']} answers for the live color" if serving else ""
    return Answer("yes", said, what)


def with_certificates(state: Mapping[str, Any]) -> None:
    """Adds certificates to the answer whether the app is up: browsers refuse a page whose certificate has expired."""
    it = state["questions"]["up"] if state.get("questions") else None
    if it is None or not state["certificates"] or it["answer"] != "yes":
        return
    found = state["certificates"]
    expired = [one["name"] for one in found if one["state"] == "expired"]
    waiting = [one["name"] for one in found if one["state"] == "placeholder"]
    if expired:
        it["answer"], it["words"] = "no", f"the certificate of {', '.join(expired)} has expired"
    elif waiting:
        it["words"] += f"; no certificate yet: {', '.join(waiting)}"
    else:
        it["words"] += f"; certificates valid for {min(one['days'] for one in found)} days"


def _asked_from_here(tools: Tools, found: Answer) -> bool:
    if all(it["status"] is not None for it in found.what["listeners"]):
        return True
    try:
        return tools.engine.publishes_here()
    except BluegreenError:
        return True


def _job(name: str, it: Mapping[str, Any]) -> str:
    said = f"{name} {it['running']}/{it['wanted']} running"
    said += f", {counted(it['restarts'], 'restart')}" if it["restarts"] else ""
    return said + (f", FAILING: {', '.join(it['failing'])}" if it["failing"] else "")


def _previous(tools: Tools, world: World) -> int | None:
    """The release that was live before the live one."""
    live = world.slot(world.live) if world.live else None
    if live is None:
        return None
    if world.idle_slot and world.intended and world.intended.standing == "previous":
        return world.idle_slot.release
    records = {it["number"]: it["previous"] for it in tools.journal.releases.all()}
    found = records.get(live.release)
    return found if isinstance(found, int) else None


def _last_hour(tools: Tools, unkept: Figures, release: int | None) -> tuple[Sums, dict[str, Sums]]:
    """What visitors got from a release in the last hour that it had any."""
    if release is None:
        return Sums(), {}
    found = figures(tools, unkept, 0.0, release)
    ends = [key.start + key.seconds for key in found.minutes if key.release == release]
    since = max(ends, default=0) - HOUR
    return found.total(release, since), found.of_routes(release, since - since % HOUR)


def _slow(found: Figures, now: float, last: tuple[Sums, Any], before: int | None) -> Answer:
    since = now - now % MINUTE - (NOW - 1) * MINUTE
    return is_slow(found.total(since=since), found.total(since=since - BEFORE * MINUTE, until=since), last[0], before)


def _changed(
    tools: Tools, world: World, unkept: Figures, previous: tuple[int | None, tuple[Sums, dict[str, Sums]]]
) -> Answer:
    slot = world.slot(world.live) if world.live else None
    since = world.intended.since if world.intended else None
    try:
        began = moment(since or "")
    except ValueError:  # not known, of a state that was lost
        slot, began = None, 0.0
    if slot is None:
        return changed(None, None, "")
    mine = figures(tools, unkept, began, slot.release)
    minute = began - began % MINUTE
    of_mine = mine.total(slot.release, minute), mine.of_routes(slot.release, began - began % HOUR)
    release, (sums, routes) = previous
    before = Side(release, sums, routes, Containers(None, _memory(tools, world, release))) if release else None
    used = _memory(tools, world, slot.release) if before else None
    after = Side(slot.release, *of_mine, Containers(_restarts(tools, world, slot.release), used))
    return changed(before, after, f"live for {lasting(tools.wall() - began)}")


def _routed(world: World, release: int) -> list[Replica]:
    return [it for it in world.replicas if it.release == release and it.role == "routed" and it.running][:REPLICAS]


def _restarts(tools: Tools, world: World, release: int) -> int | None:
    try:
        return sum(tools.containers.exit_of(it.id)[1] for it in _routed(world, release))
    except BluegreenError:
        return None


def _memory(tools: Tools, world: World, release: int) -> int | None:
    """Of the container that has most in use."""
    try:
        return max((used for it in _routed(world, release) if (used := tools.containers.memory(it.id))), default=None)
    except BluegreenError:
        return None


def _incomplete(found: Figures, now: float) -> list[str]:
    since = datetime.fromtimestamp(now - (NOW + BEFORE) * MINUTE, UTC).isoformat()
    said = [f"not counted: {gap.since[11:19]} to {gap.until[11:19]} UTC ({gap.why})"
            for gap in found.incomplete(since, datetime.fromtimestamp(now, UTC).isoformat())]  # fmt: skip
    said += ["the log is longer than one command reads; the next one goes on"] if found.behind else []
    return said + (["the Engine cannot read nginx's log"] if found.unread else [])
