"""Results, errors and states in words: values in, text out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bluegreen.cli.output import clean
from bluegreen.domain.findings import Finding
from bluegreen.domain.words import counted, lasting
from bluegreen.plans.plan import FAILURE, Plan

QUESTIONS = {"up": "up?", "slow": "slow?", "jobs": "jobs fail?", "changed": "changed?"}
OUTPUT_SHOWN = 30  # last lines of a migration or hook that `show` prints; --json has more


def status_text(state: Mapping[str, Any], command: str, now: datetime) -> str:
    """`status` for people."""
    lines = [f"{state['app']}  {'  '.join(state['urls'])}", "", *question_lines(state.get("questions"))]
    lines.append(_slot_line("live", state["live"], now) if state["live"] else f"live   none: {command} up")
    if state["idle"]:
        lines.append(_slot_line("idle", state["idle"], now))
        if state["preview"]:
            lines.append(f"       preview  http://{state['preview']}/")
    else:
        lines.append("idle   nothing")
    if state.get("set_aside"):
        lines.append(f"aside  release {state['set_aside']}, kept until the idle one is live or given up")
    rows = [(name, words) for name, words in _status_rows(state, command) if words]
    return "\n".join([*lines, "", *(f"{name:<12}{words}" for name, words in rows)])


def question_lines(found: Mapping[str, Any] | None) -> list[str]:
    """The four answers, each in a line, and what they do not know."""
    if not found:
        return []
    lines = [f"{QUESTIONS[name]:<12}{_answer(it)}" for name, it in found.items() if name in QUESTIONS]
    return [*lines, *(f"{'':12}{clean(words)}" for words in found["incomplete"]), ""]


def _answer(it: Mapping[str, Any]) -> str:
    return f"{it['answer']}: {clean(it['words'])}" if it["words"] else str(it["answer"])


def _status_rows(state: Mapping[str, Any], command: str) -> Iterator[tuple[str, str]]:
    """What else is worth knowing, by name; empty: nothing of it."""
    yield "canary", _canary(state, command)
    silent = clean("; ".join(state.get("unreached") or ()))
    yield "unreached", f"{silent}: visitors do not reach nginx" if silent else ""
    if shut := state.get("closed"):
        yield "closed", f"since {clean(shut['since'])}: visitors get 503 (open it: {command} maintenance off)"
    yield "drift", f"{clean(state['drift'])} (repair it: {command} up)" if state["drift"] else ""
    beside = ", ".join(state.get("beside") or ())
    yield (
        "beside",
        f"plain Compose also runs {beside}, on the same data (take over: {command} up --adopt)" if beside else "",
    )
    shared = ", ".join(state.get("shared_differs") or ())
    words = f"{shared}: changed in the Compose file (recreate: {command} up)"
    yield "shared", words if shared else ""
    image = state["proxy_image"]
    yield "nginx", _newer_nginx(image, command) if image and image["newer"] else ""
    yield "https", _certificates(state.get("certificates") or (), command)
    yield "migration", f"in doubt: {clean(state['migration'])}" if state["migration"] else ""
    yield "unfinished", clean(state["unfinished"] or "")
    yield "jobs", "" if state.get("questions") else "; ".join(_job(name, it) for name, it in state["jobs"].items())
    yield "failover", _failover(state["failover"])
    back = state["flip_back"] or f"none: {clean(state['no_way_back'])}"
    forward = (
        f" (forward to release {state['idle']['release']}; somebody went back from it)" if state.get("forward") else ""
    )
    yield "back", f"{back}{forward}"


def _canary(state: Mapping[str, Any], command: str) -> str:
    idle, shares = state["idle"], state.get("shares") or {}
    if not idle or not shares.get(idle["color"]):
        return ""
    share = f"{shares[idle['color']]} % of visitors on {idle['color']}, release {idle['release']}"
    return f"{share} (all of them: {command} promote; nobody: {command} flip-back)"


def _certificates(found: Sequence[Mapping[str, Any]], command: str) -> str:
    """Certificates that are not good; all are good: when the first one ends."""
    if not found:
        return ""
    from bluegreen.look.served import is_good  # who has no TLS does not wait for it

    wrong = [_state(it) for it in found if not is_good(it)]
    if wrong:
        return f"{'; '.join(wrong)} (see {command} tls)"
    return f"certificates valid for {min(it['days'] for it in found)} days"


def _state(it: Mapping[str, Any]) -> str:
    words = {"placeholder": "has no certificate yet", "expired": f"expired on {it['expires']}"}
    how = words.get(it["state"]) or f"ends in {it['days']} days"
    return f"{clean(it['name'])} {how}" + (f": {clean(it['error'])}" if it["error"] else "")


def _newer_nginx(image: dict[str, Any], command: str) -> str:
    versions = [clean(it) for it in (image.get("nginx"), image.get("newer_nginx")) if it]
    words = f": {' -> '.join(versions)}" if len(versions) == 2 else ""
    return f"there is a newer {clean(image['ref'])}{words} (to take it over: {command} up)"


def _failover(found: Mapping[str, Any] | None) -> str:
    if not found or not found["color"]:
        return ""
    words = "answers now, because live cannot be reached" if found["serving"] else "answers when live cannot be reached"
    return f"{found['color']} {words}"


def expected_text(found: Mapping[str, Any]) -> str:
    """`expect` for people: a line for each request, and where its answer differs."""
    lines = []
    for it in found["answers"]:
        lines.append(f"{'differs' if it['differences'] else 'as recorded':<12} {clean(it['request'])}")
        lines += [f"{'':13}{clean(words)}" for words in it["differences"]]
    wrong = sum(bool(it["differences"]) for it in found["answers"])
    verdict = f"{wrong} of {len(found['answers'])} differ" if wrong else f"all {len(found['answers'])} as recorded"
    return "\n".join([*lines, f"{found['color']}, release {found['release']}: {verdict}"])


def recorded_text(shown: Mapping[str, Any], command: str) -> str:
    """`expect --record` for people."""
    requests = ", ".join(map(clean, shown["recorded"]))
    return (
        f"Recorded {requests} in {clean(shown['file'])} ({shown['all']} in all).\n"
        "Read the file: every release must answer like this before it gets traffic.\n"
        f"To compare live with it: {command} expect"
    )


def _job(name: str, it: Mapping[str, Any]) -> str:
    parts = [f"{name} {it['running']}/{it['wanted']} running"]
    parts += [f"{it['restarts']} restarts"] if it["restarts"] else []
    parts += [f"FAILING: {', '.join(map(clean, it['failing']))}"] if it["failing"] else []
    return ", ".join(parts)


FOUND = {"ok": "ok", "warning": "warning", "failed": "FAILED", "unknown": "unknown"}


def findings_text(found: Sequence[Finding], plan: Plan | None, ready: bool) -> str:
    """`check` for people: a line for each finding, with what to do about those that are not ok."""
    lines = []
    for it in found:
        lines.append(f"{FOUND[it.outcome]:<8} {it.name:<12} {clean(it.found)}")
        if it.outcome not in ("ok",):
            fields = (("expected", it.expected), ("why", it.why), ("fix", it.fix))
            lines += [f"{'':22}{name:<9} {clean(words)}" for name, words in fields if words]
    if plan:
        lines += ["", "When a step of the next switch fails:"]
        for phase, words in FAILURE.items():
            if steps := [step.name for step in plan.steps if step.phase == phase]:
                lines += [f"  {phase:<8} {words}", f"{'':11}({', '.join(steps)})"]
    counts = Counter(it.outcome for it in found)
    warnings = counted(counts["warning"], "warning")
    lines += ["", f"{counts['failed']} failed, {warnings}, {counts['unknown']} could not be checked."]
    return "\n".join([*lines, "Ready to release." if ready else "Not ready: fix the failed checks first."])


def plan_text(plan: Plan, notices: Sequence[str]) -> str:
    """`--dry-run` for people: the phases, each with what its failure means, and what else is worth knowing."""
    return "\n".join([*map(clean, plan.lines()), *(f"\nNote: {clean(notice)}" for notice in notices)])


def rehearsal_text(found: Mapping[str, Any], command: str) -> str:
    """`rehearse` for people: what was shown, beside production's last release."""
    there = found["production"]
    rows = [("", "rehearsal", f"release {there['release']}" if there["release"] else "no release yet")]
    for name, key in (
        ("switch", "switch_seconds"),
        ("flip-back", "flip_back_seconds"),
        ("migration", "migration_seconds"),
    ):
        if found[key] is not None or there[key] is not None:
            rows.append((name, _seconds(found[key]), _seconds(there[key])))
    requests, expected = found["requests"], found["expected"]
    lines = [f"{name:<12}{mine:<12}{other}".rstrip() for name, mine, other in rows]
    lines.append(f"{'requests':<12}{requests['answered']} answered, {requests['lost']} lost")
    lines += [f"{'':12}{count} x {clean(why)}" for why, count in requests["why"].items()]
    lines.append(f"{'way back':<12}{found['way_back']}")
    if expected["asked"]:
        lines.append(f"{'expected':<12}{expected['asked']} asked, {len(expected['differ'])} differ")
        lines += [
            f"{'':12}{clean(it['request'])}: {clean(words)}" for it in expected["differ"] for words in it["differences"]
        ]
    if expected["cannot_be_compared"]:
        names = ", ".join(map(clean, expected["cannot_be_compared"]))
        lines.append(f"{'':12}not compared; without the data today's images differ too (--copy-volumes): {names}")
    lines += [f"{'left out':<12}{', '.join(found['left_out'])}"] if found["left_out"] else []
    if found["error"]:
        error = found["error"]
        lines += ["", f"{found['failed_verb']} failed: {clean(error['summary'])}"]
        lines += [f"  {name:<10}{clean(str(error[name]))}" for name in ("failed", "expected") if error[name]]
        lines += [f"  | {clean(line)}" for line in error["lines"]]
    verdict = "The rehearsal passed" if found["outcome"] == "passed" else "The rehearsal failed"
    lines += ["", f"{verdict}. Production was not touched, and nothing of the rehearsal is left."]
    return "\n".join([*lines, *([f"To release it: {command} switch"] if found["outcome"] == "passed" else [])])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def history_text(releases: Sequence[Mapping[str, Any]], now: datetime) -> str:
    """`history` for people: a line for each release, and what it changed."""
    if not releases:
        return "No release yet."
    lines = []
    for it in releases:
        standing = it["standing"] or ("kept" if it["kept"] else "gone" if it["outcome"] == "live" else it["outcome"])
        back = f"as release {it['restores']}" if it["restores"] else ""
        left = "somebody went back from it" if it.get("gone_back_from") else ""
        said = "  ".join(filter(None, (clean(it["owner"]), _revision(it), clean(it["subject"]), back, left)))
        lines.append(f"{it['release']:>4}  {standing:<9} {_ago(it['created'], now):<11} {said}".rstrip())
        lines += [f"      changed: {words}" for words in (_changed(it["changed"]),) if words]
    return "\n".join(lines)


def release_text(it: Mapping[str, Any], command: str) -> str:
    """`show` for people."""
    seconds = f", {it['seconds']:g} s" if it["seconds"] is not None else ""
    fields = [
        ("release", f"{it['release']} on {it['color']}, {it['standing'] or it['outcome']}"),
        ("made", f"{it['created']}{seconds}"), ("owner", it["owner"]),
        ("went back", "somebody went back from this release" if it.get("gone_back_from") else ""),
        ("restores", f"release {it['restores']}" if it["restores"] else ""),
        ("revision", " ".join(filter(None, (_revision(it), it["subject"])))),
        ("changed", _changed(it["changed"])), ("expect", it["expect"]), ("note", it["note"]),
        *(("image", f"{name} {image['ref']} ({image['id'].removeprefix('sha256:')[:12]})")
          for name, image in it["images"].items()),
        *(("ran", f"{run['kind']} {run['name']}: {run['outcome']}{_code(run)}") for run in it["runs"]),
    ]  # fmt: skip
    lines = [f"{name:<10}{clean(value)}" for name, value in fields if value]
    lines += [f"{'receipt':<10}{clean(found['verb'])}: {clean(found['words'])}" for found in it.get("receipts", ())]
    for run in it["runs"]:
        lines += [f"{run['kind']:<15}| {clean(line)}" for line in run["output"].splitlines()[-OUTPUT_SHOWN:]]
    if it["standing"] == "live" and it["previous"]:
        lines.append(f"{'back':<10}{command} flip-back (to release {it['previous']}, while it is on standby)")
    elif it["kept"] and not it["standing"]:
        lines.append(f"{'again':<10}{command} switch --to {it['release']}")
    return "\n".join(lines)


def _code(run: Mapping[str, Any]) -> str:
    return f" (exit code {run['code']})" if run["code"] else ""


def _revision(it: Mapping[str, Any]) -> str:
    before = it["previous_revision"]
    moved = before and before != it["revision"] and it["revision"]
    return clean(f"{before}..{it['revision']}" if moved else it["revision"])


def _changed(changed: Mapping[str, Sequence[str]] | None) -> str:
    if changed is None:
        return ""
    parts = [f"{name} {', '.join(map(clean, found))}" for name, found in changed.items() if found]
    return "; ".join(parts) or "nothing"


def _slot_line(word: str, slot: Mapping[str, Any], now: datetime) -> str:
    services = ", ".join(f"{name} {_replicas(count)}" for name, count in slot["replicas"].items())
    since = f"  {_ago(slot['since'], now, 'for {}')}" if slot["since"] else ""
    standing = f"  {slot['standing']}" if slot["standing"] not in ("live", None) else ""
    line = f"{word:<7}{slot['color']:<7}release {slot['release']}{standing}{since}  {services}"
    images = dict.fromkeys(
        f"{clean(i['ref'])} ({clean(i['id']).removeprefix('sha256:')[:12]})" for i in slot["images"].values()
    )
    return f"{line}\n       images   {', '.join(images)}"


def _replicas(count: Mapping[str, int]) -> str:
    if not count["wanted"]:
        return "is on standby" if not count["running"] else f"{count['running']} running, 0 wanted"
    word = "healthy" if count["healthy"] >= count["wanted"] else f"healthy, {count['running']} running"
    return f"{count['healthy']}/{count['wanted']} {word}"


def _ago(moment: str, now: datetime, words: str = "{} ago") -> str:
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return clean(moment)
    if then.tzinfo is None:  # none that we wrote
        return clean(moment)
    return words.format(lasting((now - then).total_seconds()))
