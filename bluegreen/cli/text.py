"""How an operation ended, in words: values in, text out. Cheap to import; flip-back prints with it."""

from __future__ import annotations

from bluegreen.cli.output import clean

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from bluegreen.errors import BluegreenError

FIELDS = ("failed", "expected", "traffic", "retry", "next")
MOMENT = 0.1  # seconds; below, thousandths are shown
VERBS = {"switched": "Switched", "flipped-back": "Flipped back", "prepared": "Prepared"}


def error_text(error: BluegreenError) -> str:
    """An error as a person sees it: one sentence, then its fields, then the lines that belong to it."""
    fields: dict[str, Any] = error.fields()
    found = [f"Error: {clean(error.summary)}"]
    found += [f"  {name:<10}{clean(fields[name])}" for name in FIELDS if fields[name]]
    found += [f"  help      bluegreen help {error.code}"] if error.code else []
    if error.lines:
        found += ["", *(f"  | {clean(line)}" for line in fields["lines"])]
    return "\n".join(found)


def result_text(found: Mapping[str, Any], command: str, preview: str | None, addresses: Sequence[str] = ()) -> str:
    """One or two lines for the fields of `--json`: where traffic is now and what to type next."""
    warnings = [f"Warning: {clean(warning)}" for warning in found["warnings"]]
    return "\n".join([*_result_lines(found, command, preview, addresses), *warnings])


def _result_lines(
    found: Mapping[str, Any], command: str, preview: str | None, addresses: Sequence[str]
) -> Iterator[str]:
    outcome, message, previous = found["outcome"], clean(found["message"]), found["previous"]
    live = f"{found['live']['color']}, release {found['live']['release']}" if found["live"] else "none"
    if outcome in ("switched", "flipped-back"):
        first = outcome == "switched" and not previous and addresses
        yield (
            f"Running: {'  '.join(addresses)} ({live})."
            if first
            else f"{VERBS[outcome]}: live is {live}{_moved(found)}."
        )
        if message:
            yield message
        if previous:
            yield f"To go back to release {previous['release']}: {command} flip-back"
        elif outcome == "switched":
            yield f"Next release: {command} switch"
    elif outcome == "prepared":
        where = f" Look at it: http://{preview}/" if preview else ""
        yield f"Prepared. Traffic stays on {live}.{where}"
        yield f"To move traffic to it: {command} switch"
        if message:
            yield message
            yield f"To remove the prepared release: {command} prepare --give-up"
    elif outcome == "canary":
        yield message
    elif outcome == "unchanged":
        yield f"Nothing to do: {message}."
    else:
        yield message
    if found["next"]:
        of = f" release {found['live']['release']}" if found["live"] else " it"
        yield f"To serve{of} with plain Compose: {clean(found['next'])}"


def _moved(found: Mapping[str, Any]) -> str:
    """How long it took until traffic was there and that was confirmed; what follows is tidying up."""
    steps = [done["seconds"] for done in found["steps"] if done["phase"] != "settle"]
    seconds = sum(steps)
    shown = f"{seconds:.2f} s" if seconds >= MOMENT else f"{seconds * 1000:.0f} ms"
    return f" (traffic moved after {shown})" if steps else ""


def urls(listen: Sequence[str]) -> list[str]:
    """Where a browser finds what is published there."""
    return [f"http://{at if ':' in at else f'localhost:{at}'}/".replace(":80/", "/") for at in listen]
