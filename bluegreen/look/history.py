"""What was released: who, when, what changed, how it went, and what can come back. Looks only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bluegreen.domain.record import difference, gone_back_from
from bluegreen.errors import BluegreenError
from bluegreen.flow.retention import can_come_back
from bluegreen.flow.values import Tools

SHOWN = 20  # releases that `history` lists by default


def history(tools: Tools, limit: int | None = SHOWN) -> list[dict[str, Any]]:
    """The releases, the newest first."""
    records = tools.journal.releases.all()
    by_number = {record["number"]: record for record in records}
    marked = gone_back_from(tools.journal.operations.moves())
    return [{**_line(tools, it, by_number), "gone_back_from": it["number"] in marked} for it in records[:limit]]


def show(tools: Tools, number: int | None) -> dict[str, Any]:
    """Everything that is known of one release; None: the live one. Raises BluegreenError when there is none."""
    routing = tools.door.intended()
    slot = routing.live_slot if routing else None
    wanted = number if number is not None else slot.release if slot else None
    records = {record["number"]: record for record in tools.journal.releases.all()}
    if wanted is None or wanted not in records:
        known = ", ".join(map(str, sorted(records)[-10:]))
        raise BluegreenError(
            f"There is no release {wanted}." if wanted else "Nothing is live yet.", code="no-such-release",
            failed="the journal has no record of it" if wanted else "without a number, the live release is shown",
            expected=f"one of: {known}" if known else f"a release; {tools.command} up makes the first",
            retry="not useful", next=f"{tools.command} history",
        )  # fmt: skip
    record = records[wanted]
    runs = [
        {"kind": run.kind, "name": run.name, "started": run.started, "ended": run.ended,
         "outcome": run.outcome or "never ended", "code": run.code, "output": run.output}
        for run in tools.journal.runs.of(wanted)
    ]  # fmt: skip
    marked = gone_back_from(tools.journal.operations.moves())
    line = {**_line(tools, record, records), "gone_back_from": wanted in marked}
    from bluegreen.flow.receipts import written  # who only lists releases does not wait for it

    receipts = written(tools, wanted)
    return {**line, "images": record["images"], "figures": record["figures"], "runs": runs, "receipts": receipts}


def _line(tools: Tools, record: Mapping[str, Any], records: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    routing = tools.door.intended()
    slots = {slot.release: slot.color for slot in routing.slots.values()} if routing else {}
    aside = routing.aside if routing else None
    standing = "aside" if aside and aside.release == record["number"] else None
    if routing and record["number"] in slots:
        idle = "canary" if routing.canary else routing.standing
        standing = "live" if slots[record["number"]] == routing.live else idle
    before = records.get(record["previous"] or 0)
    changed = difference(before, record) if before else None
    return {
        "release": record["number"], "created": record["created"], "color": record["color"],
        "outcome": record["outcome"], "standing": standing, "kept": can_come_back(tools, record),
        "owner": record["owner"], "revision": record["revision"],
        "subject": record["subject"], "expect": record["expect"], "note": record["note"],
        "restores": record["restores"], "previous": record["previous"],
        "previous_revision": before["revision"] if before else None,
        "changed": {"images": changed.images, "keys": changed.keys, "environment": changed.variables}
        if changed else None,
        "seconds": record["figures"].get("seconds"),
    }  # fmt: skip
