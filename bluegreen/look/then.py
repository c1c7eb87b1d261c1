"""What was live at a moment, and what visitors got then. Looks only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bluegreen.domain.figures import HOUR, MINUTE, Figures
from bluegreen.domain.questions import summary
from bluegreen.domain.timeline import at, timeline
from bluegreen.flow.figures import figures
from bluegreen.flow.receipts import looked
from bluegreen.flow.values import Tools


def then(tools: Tools, moment: float) -> dict[str, Any]:
    """The fields of `status --at --json`. `moment`: seconds since the epoch."""
    when = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    lived, after = at(timeline(tools.journal.operations.moved()), when)
    unkept, _ = looked(tools)
    colors = {it["number"]: it["color"] for it in tools.journal.releases.all()}
    release = lived.release if lived else None
    known = figures(tools, unkept, moment - HOUR)
    minute = [key for key in known.minutes if key.seconds == MINUTE and key.start <= moment < key.start + MINUTE]
    hour = [key for key in known.minutes if key.seconds == HOUR and key.start <= moment < key.start + HOUR]
    found = Figures({key: known.minutes[key] for key in minute or hour})
    sums = found.total()
    return {
        "at": when,
        "live": {"color": colors.get(release), "release": release} if release else None,
        "since": lived.since if lived else None, "until": after.since if after else None,
        "verb": lived.verb if lived else None,
        "minutes": (1 if minute else 60) if sums.requests else None,
        "figures": summary(sums) if sums.requests else None,
        "by_release": {str(it): found.total(it).requests for it in found.releases()},
    }  # fmt: skip


def in_words(it: Mapping[str, Any]) -> str:
    """For people."""
    live = f"{it['live']['color'] or 'a color'}, release {it['live']['release']}" if it["live"] else "nothing"
    if it["since"] is None:
        return f"{it['at']}  nothing was live, or the journal does not go back so far"
    until = f", until {it['until']}" if it["until"] else ", and is live"
    lines = [f"{it['at']}  {live} was live: since {it['since']} ({it['verb']}){until if it['live'] else ''}"]
    if it["figures"]:
        lines.append(f"{'':25}  {_figures(it)}")
    return "\n".join(lines)


def _figures(it: Mapping[str, Any]) -> str:
    found = it["figures"]
    in_time = "in that minute" if it["minutes"] == 1 else "in that hour"
    said = f"{found['requests']:,} requests {in_time}, {found['failed']:,} failed"
    said += f", p50 {1000 * found['p50']:.0f} ms, p95 {1000 * found['p95']:.0f} ms" if found["p50"] is not None else ""
    if len(it["by_release"]) > 1:
        said += f" ({', '.join(f'release {number}: {count:,}' for number, count in it['by_release'].items())})"
    return said
