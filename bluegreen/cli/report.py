"""Results, errors and states in words: values in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bluegreen.cli.output import clean
from bluegreen.operations.ports import Result
from bluegreen.release.errors import BluegreenError

FIELDS = ("failed", "expected", "traffic", "retry", "next")
VERBS = {"switched": "Switched", "flipped-back": "Flipped back", "prepared": "Prepared"}


def error_text(error: BluegreenError) -> str:
    """An error as a person meets it: one sentence, then its fields, then the lines that belong to it."""
    found = [f"Error: {clean(error.summary)}"]
    found += [f"  {name:<10}{clean(getattr(error, name))}" for name in FIELDS if getattr(error, name)]
    if error.lines:
        found += ["", *(f"  | {clean(line)}" for line in error.lines)]
    return "\n".join(found)


def result_text(result: Result, command: str, preview: str | None) -> str:
    """One or two lines: where traffic is now and what to type next."""
    return "\n".join([*_result_lines(result, command, preview), *(f"Warning: {clean(w)}" for w in result.warnings)])


def _result_lines(result: Result, command: str, preview: str | None) -> Iterator[str]:
    live = f"{result.live['color']}, release {result.live['release']}" if result.live else "none"
    if result.outcome in ("switched", "flipped-back"):
        yield f"{VERBS[result.outcome]}: live is {live}{_moved(result)}."
        if result.message:
            yield clean(result.message)
        if result.previous:
            yield f"To go back to release {result.previous['release']}: {command} flip-back"
    elif result.outcome == "prepared":
        where = f" Look at it: http://{preview}/" if preview else ""
        yield f"Prepared; traffic stays on {live}.{where}"
        yield f"To move traffic to it: {command} switch"
    elif result.outcome == "unchanged":
        yield f"Nothing to do: {clean(result.message)}."
    else:
        yield clean(result.message)
    if result.next:
        yield f"To serve release {result.release} with plain Compose: {clean(result.next)}"


def _moved(result: Result) -> str:
    """How long it took until traffic was there and that was confirmed; what follows is tidying up."""
    steps = [done for done in result.steps if done.step.phase != "settle"]
    return f" (traffic moved after {sum(done.seconds for done in steps):.2f} s)" if steps else ""


def status_text(state: Mapping[str, Any], command: str, now: datetime) -> str:
    """`status` for people."""
    lines = [f"{state['app']}  {'  '.join(state['urls'])}", ""]
    lines.append(_slot_line("live", state["live"], now) if state["live"] else f"live   none: {command} up")
    if state["idle"]:
        lines.append(_slot_line("idle", state["idle"], now))
        if state["preview"]:
            lines.append(f"       preview  http://{state['preview']}/")
    else:
        lines.append("idle   nothing")
    lines.append("")
    if state["drift"]:
        lines.append(f"drift       {clean(state['drift'])} (mend it: {command} up)")
    if state["unfinished"]:
        lines.append(f"unfinished  {clean(state['unfinished'])}")
    if state["failover"] and state["failover"]["color"]:
        color = state["failover"]["color"]
        now_ = (
            f"{color} answers now, because live cannot be reached"
            if state["failover"]["serving"]
            else (f"{color} answers when live cannot be reached")
        )
        lines.append(f"failover    {now_}")
    lines.append(f"back        {state['flip_back'] or 'not now: ' + clean(state['no_way_back'])}")
    return "\n".join(lines)


def _slot_line(word: str, slot: Mapping[str, Any], now: datetime) -> str:
    services = ", ".join(f"{name} {_replicas(count)}" for name, count in slot["replicas"].items())
    since = f"  since {_ago(slot['since'], now)}" if slot["since"] else ""
    standing = f"  {slot['standing']}" if slot["standing"] not in ("live", None) else ""
    line = f"{word:<7}{slot['color']:<7}release {slot['release']}{standing}{since}  {services}"
    images = dict.fromkeys(
        f"{clean(i['ref'])} ({clean(i['id']).removeprefix('sha256:')[:12]})" for i in slot["images"].values()
    )
    return f"{line}\n       images   {', '.join(images)}"


def _replicas(count: Mapping[str, int]) -> str:
    if not count["wanted"]:
        return "stands by" if not count["running"] else f"{count['running']} running, 0 wanted"
    word = "healthy" if count["healthy"] >= count["wanted"] else f"healthy, {count['running']} running"
    return f"{count['healthy']}/{count['wanted']} {word}"


def _ago(moment: str, now: datetime) -> str:
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return clean(moment)
    seconds = max(0, int((now - then).total_seconds()))
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {word} ago"
    return f"{seconds} s ago"


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
